package providertest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
)

// elsewhere is what is said of a type whose identity provider nobody can stand in for.
const elsewhere = "; use providertest.Run in the provider's own tests"

// guess makes a harness for a type of a binary that nobody has described, from the names of its settings, or says why
// it can't.
func guess(ctx context.Context, b *binary, typ sdk.Type) (Harness, string) {
	bare := Harness{Type: typ}
	point, sure := pointers(typ)
	if point == nil {
		return bare, "its settings name neither an issuer nor endpoints that could be pointed at the developer identity provider" + elsewhere
	}
	for _, s := range typ.Settings {
		if _, known := point[s.Name]; s.Required && s.Default == "" && !known {
			return bare, "nobody can guess the setting " + s.Name + elsewhere
		}
	}
	h := Harness{Type: typ, Settings: func(idp *devidp.Server) map[string]string {
		settings := map[string]string{}
		for name, value := range point {
			if _, declared := setting(typ, name); declared {
				settings[name] = value(idp)
			}
		}
		return settings
	}}
	if sure {
		return h, ""
	}
	if err := try(ctx, b, h); err != nil {
		return bare, "the developer identity provider does not look like the one that this type is for: " + err.Error() + elsewhere
	}
	return h, ""
}

func setting(typ sdk.Type, name string) (sdk.Setting, bool) {
	i := slices.IndexFunc(typ.Settings, func(s sdk.Setting) bool { return s.Name == name })
	if i < 0 {
		return sdk.Setting{}, false
	}
	return typ.Settings[i], true
}

// pointers are the settings that can be guessed; nil = none of them says where the identity provider is. With a base
// URL alone one can't be sure what is there.
func pointers(typ sdk.Type) (point map[string]func(*devidp.Server) string, sure bool) {
	has := func(names ...string) bool {
		return !slices.ContainsFunc(names, func(name string) bool { _, ok := setting(typ, name); return !ok })
	}
	is := func(value string) func(*devidp.Server) string { return func(*devidp.Server) string { return value } }
	known := map[string]func(*devidp.Server) string{
		"client_id": is("demo"), "client_secret": is("demo-secret"), "issuer": (*devidp.Server).Issuer,
		"auth_url":      likeDefault(typ, "auth_url", devidp.EndpointAuthorize, devidp.EndpointGitHubAuthorize),
		"token_url":     likeDefault(typ, "token_url", devidp.EndpointToken, devidp.EndpointGitHubToken),
		"user_info_url": likeDefault(typ, "user_info_url", devidp.EndpointUserInfo, devidp.EndpointGitHubUser),
	}
	switch {
	case has("issuer"):
		for _, name := range []string{"auth_url", "token_url", "user_info_url"} {
			delete(known, name) // discovery knows them
		}
		return known, true
	case has("auth_url", "token_url"):
		return known, true
	case has("base_url", "realm"):
		known["base_url"], known["realm"] = (*devidp.Server).URL, is("kit")
		return known, true
	case has("base_url"):
		known["base_url"] = (*devidp.Server).URL
		return known, false
	}
	return nil, false
}

// likeDefault picks the endpoint whose path is that of the setting's default, so that a provider for GitHub finds its
// API; otherwise the first.
func likeDefault(typ sdk.Type, name string, endpoints ...string) func(*devidp.Server) string {
	return func(idp *devidp.Server) string {
		s, _ := setting(typ, name)
		if standard, err := url.Parse(s.Default); err == nil && standard.Path != "" {
			for _, endpoint := range endpoints {
				if strings.HasSuffix(idp.EndpointURL(endpoint), standard.Path) {
					return idp.EndpointURL(endpoint)
				}
			}
		}
		return idp.EndpointURL(endpoints[0])
	}
}

// try looks whether a provider can be made at all, and whether what it sends people to is there.
func try(ctx context.Context, b *binary, h Harness) error {
	s := &suite{h: h, target: b, seen: newWitness()}
	defer s.close()
	if err := s.begin(ctx); err != nil {
		var e *sdk.Error
		if errors.As(err, &e) {
			return e
		}
		return err
	}
	if !byCode(s) {
		return nil
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.shared.AuthorizationEndpoint, nil)
	if err != nil {
		return err
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusNotFound {
		return fmt.Errorf("it has nothing at %s", r.URL.Path)
	}
	return nil
}
