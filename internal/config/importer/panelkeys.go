package importer

import (
	"slices"
	"strings"
)

// panelKey is one flag of `panel serve`, with the variable of the same meaning. left says why it is not carried; empty:
// it is, unless there is no provider.
type panelKey struct {
	flag, env  string
	takesValue bool
	left, mend string
}

func panelKeys() []panelKey {
	const (
		cookie   = "is about Panel's own cookies"
		template = "is a page of Panel"
		users    = "has no counterpart: Panel's own list of users is not read"
		visitors = "lets people in who are not signed in"
	)
	return []panelKey{
		{flag: "--oauth-provider", env: "PANEL_OAUTH_PROVIDER", takesValue: true},
		{flag: "--oauth-key", env: "PANEL_OAUTH_KEY", takesValue: true},
		{flag: "--oauth-secret", env: "PANEL_OAUTH_SECRET", takesValue: true},
		{flag: "--oauth-extra-params", env: "PANEL_OAUTH_EXTRA_PARAMS", takesValue: true},
		{flag: "--oauth-redirect-uri", env: "PANEL_OAUTH_REDIRECT_URI", takesValue: true},
		{flag: "--oauth-expiry-days", env: "PANEL_OAUTH_EXPIRY", takesValue: true},
		{flag: "--oauth-jwt-user", env: "PANEL_OAUTH_JWT_USER", takesValue: true},
		{env: "PANEL_OAUTH_SCOPE"},
		{env: "PANEL_USER_KEY"},
		{env: "AAD_TENANT_ID"},
		{env: "PANEL_OAUTH_AUTHORIZE_URL"},
		{env: "PANEL_OAUTH_TOKEN_URL"},
		{env: "PANEL_OAUTH_USER_URL"},
		{env: "PANEL_OAUTH_LOGOUT_URL"},
		{"--cookie-secret", "PANEL_COOKIE_SECRET", true, cookie, "remove it when authd signs people in; authd makes a secret of its own"},
		{"", "BOKEH_COOKIE_SECRET", true, cookie, "remove it when authd signs people in; authd makes a secret of its own"},
		{"--cookie-path", "PANEL_COOKIE_PATH", true, cookie, "nothing to do; authd's cookie is for the whole host, and for subdomains with session.cookie_domain"},
		{"--oauth-encryption-key", "PANEL_OAUTH_ENCRYPTION", true, "is not carried: authd seals tokens with a key of its own", "nothing to do"},
		{"--oauth-refresh-tokens", "PANEL_OAUTH_REFRESH_TOKENS", false, "has no counterpart: whether tokens are renewed follows from the scopes", "ask for offline_access in scopes, where the identity provider wants that"},
		{"--oauth-optional", "PANEL_OAUTH_OPTIONAL", false, visitors, "make those paths public with [[apps.rules]]"},
		{"--oauth-guest-endpoints", "PANEL_OAUTH_GUEST_ENDPOINTS", true, visitors, "make those paths public with [[apps.rules]]"},
		{"--basic-auth", "PANEL_BASIC_AUTH", true, users, "use type users, with a hash for each of them"},
		{"--basic-login-template", "PANEL_BASIC_LOGIN_TEMPLATE", true, template, "see login.title and login.logo"},
		{"--auth-template", "PANEL_AUTH_TEMPLATE", true, template, "see login.title and login.logo"},
		{"--oauth-error-template", "PANEL_OAUTH_ERROR_TEMPLATE", true, template, "nothing to do; authd has a page of its own"},
		{"--logout-template", "PANEL_LOGOUT_TEMPLATE", true, template, "nothing to do; authd has a page of its own"},
		{"--login-endpoint", "PANEL_LOGIN_ENDPOINT", true, "is a path of Panel", "nothing to do; authd signs people in at /auth/login"},
		{"--logout-endpoint", "PANEL_LOGOUT_ENDPOINT", true, "is a path of Panel", "nothing to do; authd signs people out at /auth/logout"},
		{"--auth-module", "", true, "is code of your own, which authd can't run", "make a plugin of it"},
		{"--use-xheaders", "", false, "believes every proxy, which authd never does", "name the addresses of the proxy in server.trusted_proxies"},
		{"--allow-websocket-origin", "", true, "is not about signing in", "leave it with Panel"},
		{"--port", "", true, "is not about signing in", "leave it with Panel; authd listens at server.listen"},
		{"--address", "", true, "is not about signing in", "leave it with Panel; authd listens at server.listen"},
	}
}

// panelLeft says why a flag or a variable has no counterpart. carried: there is a provider.
func panelLeft(v variable, carried bool) (reason, mend string) {
	if v.value == "" {
		return "is empty, so it was not set for Panel either", "nothing to do"
	}
	i := slices.IndexFunc(panelKeys(), func(k panelKey) bool { return v.name == k.flag || v.name == k.env })
	switch {
	case i >= 0 && panelKeys()[i].left != "":
		return panelKeys()[i].left, panelKeys()[i].mend
	case i >= 0 && carried:
		return "is not read by this provider, in Panel neither", "remove it"
	case i >= 0:
		return "belongs to a provider that is not carried", "set the provider and import again, or remove this line"
	case strings.HasPrefix(v.name, "PANEL_") || strings.HasPrefix(v.name, "--"):
		return "is not about signing in", "leave it with Panel"
	}
	return "is not about signing in", "leave it where it is"
}
