//go:build unix

package realtest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// OIDCConfig says what the provider of StartOIDCProvider is to know. The zero value of
// every field is usable.
type OIDCConfig struct {
	// ClientID is the client's name. Default "authd".
	ClientID string
	// ClientSecret is the client's secret. Default "authd-secret".
	ClientSecret string
	// Public makes the client one without a secret, which PKCE alone protects.
	Public bool
	// RedirectURIs are compared exactly. At least one is needed for a login.
	RedirectURIs []string
	// PostLogoutRedirectURIs are where the end-session endpoint may send the browser.
	PostLogoutRedirectURIs []string
	// BackchannelLogoutURI is told about the end of a session; empty: nobody is told.
	BackchannelLogoutURI string
	// AccessTokenTTL is how long an access token is good. Default one hour.
	AccessTokenTTL time.Duration
	// RotateRefreshTokens makes each refresh token good for one use.
	RotateRefreshTokens bool
	// People can sign in. Default Alice and Bob.
	People []Person
}

// NodeProvider is a running OpenID Provider: npm's oidc-provider. It demands PKCE,
// gives a refresh token for the scope offline_access, supports RP-initiated and
// back-channel logout, revocation and introspection, and asks for username and
// password with a form (fields "username" and "password", buttons #login and #cancel).
// Scopes: openid, offline_access, profile, email, groups.
type NodeProvider struct {
	Issuer       string // http://127.0.0.1:PORT
	ClientID     string
	ClientSecret string
	People       []Person
}

// StartOIDCProvider runs an OpenID Provider until the end of the test. It returns when
// the discovery document is served.
func StartOIDCProvider(t testing.TB, config OIDCConfig) *NodeProvider {
	t.Helper()
	config = config.withDefaults()
	node := Find(t, "node")
	home := nodeHome(t)
	port := FreePort(t)
	n := &NodeProvider{
		Issuer:       "http://127.0.0.1:" + strconv.Itoa(port),
		ClientID:     config.ClientID,
		ClientSecret: config.ClientSecret,
		People:       config.People,
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "config.json")
	text, err := json.Marshal(config.server(n.Issuer, port))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := launch("oidc-provider", dir, nil, node, filepath.Join(home, "server.mjs"), file)
	if err != nil {
		t.Fatal(err)
	}
	p.attach(t)
	if _, err := p.Ready(pollEvery, time.Minute, Answers(n.Issuer+"/.well-known/openid-configuration")); err != nil {
		t.Fatal(err)
	}
	return n
}

// nodeHome returns the directory of server.mjs after a look at its node_modules.
func nodeHome(t testing.TB) string {
	t.Helper()
	home := Checkout(t, "test", "e2e", "node")
	if _, err := os.Stat(filepath.Join(home, "node_modules", "oidc-provider")); err != nil {
		t.Fatalf("npm's oidc-provider is not installed (%v); run \"make deps\", or: npm ci --prefix test/e2e/node", err)
	}
	return home
}

func (c OIDCConfig) withDefaults() OIDCConfig {
	if c.ClientID == "" {
		c.ClientID = "authd"
	}
	if c.ClientSecret == "" && !c.Public {
		c.ClientSecret = "authd-secret"
	}
	if c.AccessTokenTTL == 0 {
		c.AccessTokenTTL = time.Hour
	}
	if c.People == nil {
		c.People = []Person{Alice, Bob}
	}
	return c
}

// server returns the configuration in the form that server.mjs reads.
func (c OIDCConfig) server(issuer string, port int) map[string]any {
	client := map[string]any{
		"client_id":                 c.ClientID,
		"grant_types":               []string{"authorization_code", "refresh_token"},
		"redirect_uris":             append([]string{}, c.RedirectURIs...),
		"post_logout_redirect_uris": append([]string{}, c.PostLogoutRedirectURIs...),
	}
	if c.Public {
		client["token_endpoint_auth_method"] = "none"
	} else {
		client["client_secret"] = c.ClientSecret
	}
	if c.BackchannelLogoutURI != "" {
		client["backchannel_logout_uri"] = c.BackchannelLogoutURI
		client["backchannel_logout_session_required"] = true
	}
	accounts := make([]map[string]any, len(c.People))
	for i, person := range c.People {
		accounts[i] = map[string]any{
			"sub":      fmt.Sprintf("node-%s", person.Username),
			"username": person.Username,
			"password": person.Password,
			"claims":   person.claims(),
		}
	}
	return map[string]any{
		"issuer":              issuer,
		"port":                port,
		"clients":             []any{client},
		"accounts":            accounts,
		"accessTokenTTL":      int(c.AccessTokenTTL.Seconds()),
		"rotateRefreshTokens": c.RotateRefreshTokens,
	}
}
