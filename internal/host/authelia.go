package host

import (
	"cmp"
	"errors"

	"github.com/gofiber/fiber/v2"

	"github.com/authd/authd/internal/identity"
	"github.com/authd/authd/internal/policy"
)

// The three routes of Authelia's authorization servers, for proxies that were set up for it. They answer with its codes
// and its Remote-* headers besides authd's own.

const (
	authzForwardAuth = "/api/authz/forward-auth" // Traefik, Caddy
	authzAuthRequest = "/api/authz/auth-request" // nginx
	authzExtAuthz    = "/api/authz/ext-authz"    // Envoy
)

// remoteFields are Authelia's identity headers.
var remoteFields = []struct {
	name  string
	value func(*identity.User) string
}{
	{"Remote-User", func(u *identity.User) string { return headerValue(u.Identifier, "") }},
	{"Remote-Groups", func(u *identity.User) string { groups, _ := groupsHeader(u); return groups }},
	{"Remote-Name", func(u *identity.User) string { return headerValue(u.Name, "") }},
	{"Remote-Email", func(u *identity.User) string { return headerValue(u.VerifiedEmail(), "") }},
}

var errNoTarget = errors.New("the proxy does not say what was asked for, or is not in server.trusted_proxies")

// authzForward is ANY /api/authz/forward-auth.
func (s *Server) authzForward(c *fiber.Ctx) error { return s.authz(c, s.forwardedTarget(c), false) }

// authzEnvoy is ANY /api/authz/ext-authz/*.
func (s *Server) authzEnvoy(c *fiber.Ctx) error {
	return s.authz(c, s.suffixTarget(c, authzExtAuthz), false)
}

// authzNginx is ANY /api/authz/auth-request.
func (s *Server) authzNginx(c *fiber.Ctx) error { return s.authz(c, s.originalTarget(c), true) }

func (s *Server) authz(c *fiber.Ctx, t target, bare bool) error {
	if t.url() == "" {
		s.log.Warn("authd can't tell what was asked for", "route", c.Path(), "cause", cmp.Or(t.doubt, errNoTarget).Error())
		writeRemote(c, nil)
		return s.answer(c, fiber.StatusBadRequest, target{}, verdict{})
	}
	v := s.judge(c, t)
	writeRemote(c, nil)
	if v.Verdict == policy.Allow && !v.failed && v.grant != nil {
		writeRemote(c, v.grant.user)
	}
	if bare {
		return s.checked(c, t, v, fiber.StatusOK)
	}
	toLogin := fiber.StatusFound
	if m := t.method; m != fiber.MethodGet && m != fiber.MethodHead && m != fiber.MethodOptions {
		toLogin = fiber.StatusSeeOther
	}
	return s.forwardedAnswer(c, t, v, toLogin)
}

func writeRemote(c *fiber.Ctx, u *identity.User) {
	for _, field := range remoteFields {
		value := ""
		if u != nil {
			value = field.value(u)
		}
		c.Response().Header.Set(field.name, value)
	}
}
