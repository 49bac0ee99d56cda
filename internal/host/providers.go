package host

import (
	"errors"
	"fmt"
	"html/template"

	"github.com/gofiber/fiber/v2"

	"github.com/authd/authd/internal/catalog"
	"github.com/authd/authd/internal/config"
	"github.com/authd/authd/internal/login"
	"github.com/authd/authd/internal/policy"
	"github.com/authd/authd/internal/web"
)

// errProviderGone denies sessions of a provider that is no longer configured.
var errProviderGone = errors.New("the provider of this session is not configured any more")

// provider is a configured provider with its process.
type provider struct {
	config.Provider
	plugin  string
	runtime *catalog.Provider
	icon    template.URL
	mapping *policy.Mapping // :: nil: what the provider says stays
}

// setup is a provider as login sees it.
func (s *Server) setup(id string) (login.Setup, error) {
	p, ok := s.live().byID[id]
	if !ok {
		return login.Setup{}, fmt.Errorf("%w: %q", catalog.ErrUnknownProvider, id[:min(len(id), 40)])
	}
	// What the process was configured with: a change that could not take over must not be half in force.
	running := p.runtime.Config()
	return login.Setup{
		Provider: p.runtime, ID: p.ID, Plugin: p.plugin, ClientID: running.Settings["client_id"],
		RedirectURI: s.publicURL.String() + p.CallbackPath, Scopes: running.Scopes, Prompt: p.Prompt,
		AuthorizeParams: p.AuthorizeParams, Identifier: p.Identifier, Map: p.mapping.Apply,
	}, nil
}

func (s *Server) label(id string) string {
	if p, ok := s.live().byID[id]; ok {
		return p.Label
	}
	return id
}

// listProviders is GET /auth/providers: for pages of apps that show their own buttons.
func (s *Server) listProviders(c *fiber.Ctx) error {
	type providerJSON struct {
		ID       string `json:"id"`
		Type     string `json:"type"`
		Label    string `json:"label"`
		Icon     string `json:"icon"`
		LoginURL string `json:"login_url"`
	}
	list := make([]providerJSON, 0, len(s.live().providers))
	for _, p := range s.live().providers {
		if p.runtime.Ready() {
			path := startPath(p.ID, "")
			if p.takesPassword() {
				path = "/auth/login"
			}
			list = append(list, providerJSON{p.ID, p.Type, p.Label, string(p.icon), s.publicURL.String() + path})
		}
	}
	c.Set(fiber.HeaderCacheControl, "public, max-age=60")
	c.Set(fiber.HeaderAccessControlAllowOrigin, "*")
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	return c.JSON(list)
}

// asset is GET /auth/assets/{name}: the stylesheet, under a name that changes with it, and icons.
func (s *Server) asset(c *fiber.Ctx) error {
	body, contentType, ok := web.Asset(c.Params("name"))
	if !ok {
		return fiber.ErrNotFound
	}
	life := "public, max-age=3600"
	if name, _ := web.Stylesheet(); name == c.Params("name") {
		life = "public, max-age=31536000, immutable"
	}
	c.Set(fiber.HeaderCacheControl, life)
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	c.Set(fiber.HeaderContentSecurityPolicy, "default-src 'none'")
	c.Set(fiber.HeaderContentType, contentType)
	return c.Send(body)
}

// icon is the SVG of the operator or the type, else authd's own mark for the type; only ever shown as an image.
func (s *Server) icon(p config.Provider) template.URL {
	svg := []byte(p.Icon)
	if len(svg) == 0 {
		var ok bool
		if svg, ok = web.Icon(p.Type); !ok {
			return ""
		}
	}
	uri, err := web.IconDataURI(svg)
	if err != nil {
		s.log.Warn("icon can't be used", "provider", p.ID, "cause", err.Error())
		return ""
	}
	return uri
}
