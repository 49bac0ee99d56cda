//go:build linux

package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/internal/realtest"
)

// Threat 7, 33: npm's oidc-provider lets nobody in without PKCE, takes each refresh token once and the secret only in
// the way that it registered.
func TestNodeProvider(t *testing.T) {
	for name, test := range map[string]struct {
		public bool
		style  string
	}{
		"confidential client": {false, "basic"},
		"public client":       {true, "none"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port := realtest.FreePort(t)
			node := realtest.StartOIDCProvider(t, realtest.OIDCConfig{
				RedirectURIs: []string{fmt.Sprintf("http://127.0.0.1:%d/auth/oauth/node/callback", port)},
				Public:       test.public, AccessTokenTTL: 30 * time.Second, RotateRefreshTokens: true,
			})
			relay := newTokenRelay(t, node.Issuer+"/token")
			settings := []string{"issuer", node.Issuer, "client_id", node.ClientID, "token_endpoint", relay.url, "prompt", "consent"}
			if !test.public {
				settings = append(settings, "client_secret", node.ClientSecret)
			}
			s := serve(t, options{
				port: port, offers: []string{"node"},
				tables: table("node", "oidc", settings...) + `scopes = ["openid", "profile", "email", "groups", "offline_access"]` + "\n",
			})

			b := newBrowser(t)
			home := b.password(b.get(s.url+"/auth/oauth/node"), realtest.Alice)
			wantWhere(t, home, s.url+"/")
			wantHeaders(t, s.check(b), map[string]string{"X-Auth-Request-User": "alice", "X-Auth-Request-Email": "alice@example.com", "X-Auth-Request-Name": "Alice Anders"})
			if diff := cmp.Diff(s.groups(b), realtest.Alice.Groups); diff != "" {
				t.Errorf("groups (got -, want +):\n%s", diff)
			}

			// Two renewals: the second shows that the rotated token was kept.
			want := []tokenRequest{
				{"authorization_code", test.style, true, http.StatusOK},
				{"refresh_token", test.style, false, http.StatusOK},
				{"refresh_token", test.style, false, http.StatusOK},
			}
			await(t, 3*time.Minute, "the token is renewed twice", func() error {
				wantStatus(t, s.check(b), http.StatusOK)
				if seen := relay.requests(); len(seen) < len(want) {
					return fmt.Errorf("the token endpoint has seen %v", seen)
				}
				return nil
			})
			if diff := cmp.Diff(relay.requests(), want); diff != "" {
				t.Errorf("requests to the token endpoint (got -, want +):\n%s", diff)
			}
			wantStatus(t, s.check(b), http.StatusOK)
		})
	}
}

// The person presses Cancel at the provider: a page says so, with a way back.
func TestNodeProviderCancelled(t *testing.T) {
	t.Parallel()
	port := realtest.FreePort(t)
	node := realtest.StartOIDCProvider(t, realtest.OIDCConfig{RedirectURIs: []string{fmt.Sprintf("http://127.0.0.1:%d/auth/oauth/node/callback", port)}})
	s := serve(t, options{
		port: port, offers: []string{"node"},
		tables: table("node", "oidc", "issuer", node.Issuer, "client_id", node.ClientID, "client_secret", node.ClientSecret),
	})
	b := newBrowser(t)
	form := b.get(s.url + "/auth/oauth/node?return_to=/auth/session")
	denied := b.submit(form, map[string][]string{"cancel": {"1"}})
	wantStatus(t, denied, http.StatusForbidden)
	wantText(t, denied, `href="/auth/login?return_to=%2Fauth%2Fsession"`)
	wantStatus(t, s.check(b), http.StatusUnauthorized)
}
