//go:build unix

package realtest

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const nodeRedirect = "http://127.0.0.1:4180/auth/oauth/oidc/callback"

func nodeClient(n *NodeProvider, provider *oidc.Provider) *oauth2.Config {
	return &oauth2.Config{
		ClientID: n.ClientID, ClientSecret: n.ClientSecret, RedirectURL: nodeRedirect, Endpoint: provider.Endpoint(),
		Scopes: []string{oidc.ScopeOpenID, "profile", "email", "groups", oidc.ScopeOfflineAccess},
	}
}

func TestOIDCProviderSignsPeopleIn(t *testing.T) {
	n := StartOIDCProvider(t, OIDCConfig{RedirectURIs: []string{nodeRedirect}, RotateRefreshTokens: true})
	provider := discover(t, n.Issuer)
	conf := nodeClient(n, provider)

	verifier := oauth2.GenerateVerifier()
	answer := signIn(t, conf.AuthCodeURL("s", oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("prompt", "consent")), nodeRedirect, Alice)
	if got := answer.Get("iss"); got != n.Issuer {
		t.Errorf("iss = %q, want %q", got, n.Issuer)
	}
	token, err := conf.Exchange(t.Context(), answer.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	if token.RefreshToken == "" {
		t.Fatal("no refresh token for offline_access")
	}
	info, err := provider.UserInfo(t.Context(), oauth2.StaticTokenSource(token))
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := info.Claims(&claims); err != nil {
		t.Fatal(err)
	}
	checkAlice(t, "userinfo", claims)

	fresh, err := conf.TokenSource(t.Context(), &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
	if err != nil {
		t.Fatalf("refresh: %v", err)
	}
	if fresh.RefreshToken == token.RefreshToken || fresh.AccessToken == token.AccessToken {
		t.Error("the refresh gave the same tokens again, want new ones")
	}
}

func TestOIDCProviderDemandsPKCE(t *testing.T) {
	n := StartOIDCProvider(t, OIDCConfig{RedirectURIs: []string{nodeRedirect}})
	conf := nodeClient(n, discover(t, n.Issuer))
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Get(conf.AuthCodeURL("s"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	location, err := resp.Location()
	if err != nil {
		t.Fatalf("%s: %v", resp.Status, err)
	}
	if got := location.Query().Get("error"); got != "invalid_request" {
		t.Errorf("without code_challenge: %s, want invalid_request", location)
	}
}

func TestOIDCProviderRefusesAWrongPassword(t *testing.T) {
	n := StartOIDCProvider(t, OIDCConfig{RedirectURIs: []string{nodeRedirect}, People: []Person{Bob}})
	conf := nodeClient(n, discover(t, n.Issuer))
	client := &http.Client{Jar: newJar(t)}
	_, action := openForm(t, client, conf.AuthCodeURL("s", oauth2.S256ChallengeOption(oauth2.GenerateVerifier())))
	for _, form := range []url.Values{
		{"username": {"bob"}, "password": {"wrong"}},
		{"username": {"alice"}, "password": {Alice.Password}}, // not among the people of this provider
		{"username": {"<b>"}, "password": {""}},
	} {
		resp, err := client.PostForm(action, form)
		if err != nil {
			t.Fatal(err)
		}
		page, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != http.StatusUnauthorized || strings.Contains(string(page), "<b>") {
			t.Errorf("%v = %s %s, want 401 and escaped text", form, resp.Status, page)
		}
	}
}
