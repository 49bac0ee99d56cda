package main

import (
	"context"
	"net/url"
	"strings"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/oauth2"
)

// withLogout adds the end of the session at the identity provider, if the operator knows where that is.
type withLogout struct {
	*oauth2.Provider
	clientID string
	endpoint *url.URL
}

// newProvider makes the provider; authorize is the setting that has the authorization endpoint.
func newProvider(cfg sdk.Config, config oauth2.Config, authorize string) (sdk.Provider, error) {
	p, err := oauth2.New(cfg, config)
	plain, ok := p.(*oauth2.Provider)
	raw := cfg.Settings["logout_url"]
	if err != nil || !ok || raw == "" {
		return p, err
	}
	if err := oauth2.ValidateEndpoint(raw, cfg.InsecureHTTP); err != nil {
		return nil, sdk.ConfigErrorf("logout_url", "logout endpoint: %v", err)
	}
	to, err := url.Parse(raw)
	if err != nil {
		return nil, sdk.ConfigErrorf("logout_url", "does not parse as a URL")
	}
	// authd sends people nowhere but to where they sign in; better to say so now than at the first logout.
	if from, err := url.Parse(config.Endpoint.Authorize); err != nil || origin(from) != origin(to) {
		return nil, sdk.ConfigErrorf("logout_url", "is on %s and not on the server of %s; name a logout address there, or leave logout_url out", to.Host, authorize)
	}
	return withLogout{plain, cfg.Settings["client_id"], to}, nil
}

// EndSession adds what OpenID Connect RP-Initiated Logout 1.0 section 2 has; others ignore it.
func (w withLogout) EndSession(_ context.Context, in sdk.EndSessionRequest) (string, error) {
	to := *w.endpoint
	to.RawQuery = oauth2.AuthorizeValues(to.Query(), map[string]string{
		"client_id": w.clientID, "id_token_hint": in.IDTokenHint,
		"post_logout_redirect_uri": in.PostLogoutRedirectURI, "state": in.State,
	}).Encode()
	return to.String(), nil
}

// origin is scheme, host and port as RFC 6454 section 4 has them.
func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}
