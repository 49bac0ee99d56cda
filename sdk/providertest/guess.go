package providertest

import (
	"slices"
	"strings"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
)

// guess makes a harness for a type that nobody has described, from the names of its settings, or says why it can't.
func guess(typ sdk.Type) (Harness, string) {
	h := Harness{Type: typ}
	point := pointers(typ)
	if point == nil {
		return h, "its settings name neither an issuer nor endpoints that could be pointed at the developer identity provider; use providertest.Run in the provider's own tests"
	}
	for _, s := range typ.Settings {
		_, known := point[s.Name]
		if s.Required && s.Default == "" && !known {
			return h, "nobody can guess the setting " + s.Name + "; use providertest.Run in the provider's own tests"
		}
	}
	h.Settings = func(idp *devidp.Server) map[string]string {
		settings := map[string]string{}
		for name, value := range point {
			if slices.ContainsFunc(typ.Settings, func(s sdk.Setting) bool { return s.Name == name }) {
				settings[name] = value(idp)
			}
		}
		return settings
	}
	return h, ""
}

// pointers are the settings that can be guessed; nil = none of them says where the identity provider is.
func pointers(typ sdk.Type) map[string]func(*devidp.Server) string {
	has := func(names ...string) bool {
		return !slices.ContainsFunc(names, func(name string) bool {
			return !slices.ContainsFunc(typ.Settings, func(s sdk.Setting) bool { return s.Name == name })
		})
	}
	at := func(endpoint string) func(*devidp.Server) string {
		return func(idp *devidp.Server) string { return idp.EndpointURL(endpoint) }
	}
	is := func(value string) func(*devidp.Server) string { return func(*devidp.Server) string { return value } }
	known := map[string]func(*devidp.Server) string{
		"client_id": is("demo"), "client_secret": is("demo-secret"),
		"issuer":    func(idp *devidp.Server) string { return strings.TrimSuffix(idp.Issuer(), "/") },
		"auth_url":  at(devidp.EndpointAuthorize),
		"token_url": at(devidp.EndpointToken), "user_info_url": at(devidp.EndpointUserInfo),
	}
	switch {
	case has("issuer"), has("auth_url", "token_url"):
	case has("base_url", "realm"):
		known["base_url"], known["realm"] = (*devidp.Server).URL, is("kit")
	case has("base_url"):
		known["base_url"] = (*devidp.Server).URL
	default:
		return nil
	}
	return known
}
