//go:build unix

package realtest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"
)

func TestKeycloakSignsPeopleIn(t *testing.T) {
	k := keycloak.Get(t)
	provider := discover(t, k.Issuer)
	// Any port of the loopback address is allowed: the server under test listens where it can.
	for _, redirect := range []string{"http://127.0.0.1:4180/auth/oauth/keycloak/callback", "http://localhost:31999/callback"} {
		conf := &oauth2.Config{
			ClientID: "authd", ClientSecret: "authd-secret", RedirectURL: redirect,
			Endpoint: provider.Endpoint(), Scopes: []string{oidc.ScopeOpenID, "profile", "email"},
		}
		verifier := oauth2.GenerateVerifier()
		answer := signIn(t, conf.AuthCodeURL("the-state", oauth2.S256ChallengeOption(verifier)), redirect, Alice)
		if got := answer.Get("state"); got != "the-state" {
			t.Errorf("state = %q, want the one that was sent", got)
		}
		idToken, userinfo := exchange(t, conf, provider, answer, verifier)
		for name, claims := range map[string]map[string]any{"ID token": idToken, "userinfo": userinfo} {
			checkAlice(t, name, claims)
			if diff := cmp.Diff([]any{"member", "admin"}, roles(claims), sorted); diff != "" {
				t.Errorf("%s: realm roles (-want +got):\n%s", name, diff)
			}
		}
	}
}

func roles(claims map[string]any) []any {
	access, _ := claims["realm_access"].(map[string]any)
	all, _ := access["roles"].([]any)
	var ours []any
	for _, role := range all {
		if role == "admin" || role == "member" {
			ours = append(ours, role)
		}
	}
	return ours
}

func TestKeycloakKnowsOurRealm(t *testing.T) {
	k := keycloak.Get(t)
	status, body := get(t, k.Issuer+"/.well-known/openid-configuration")
	var doc struct {
		Issuer     string `json:"issuer"`
		EndSession string `json:"end_session_endpoint"`
	}
	if err := json.Unmarshal([]byte(body), &doc); err != nil || status != http.StatusOK {
		t.Fatalf("discovery: %d, %v", status, err)
	}
	if doc.Issuer != k.Issuer {
		t.Errorf("issuer = %q, want %q", doc.Issuer, k.Issuer)
	}
	if !strings.HasPrefix(doc.EndSession, k.Issuer) {
		t.Errorf("end_session_endpoint = %q, want one under %s", doc.EndSession, k.Issuer)
	}
	if again := keycloak.Get(t); again != k {
		t.Error("a second Get started a second Keycloak")
	}
}

// The client has no direct access grant: a password must never go through authd.
func TestKeycloakRefusesPasswordGrant(t *testing.T) {
	k := keycloak.Get(t)
	resp, err := http.PostForm(k.Issuer+"/protocol/openid-connect/token", url.Values{
		"grant_type": {"password"}, "client_id": {"authd"}, "client_secret": {"authd-secret"},
		"username": {Alice.Username}, "password": {Alice.Password},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("password grant = %s, want 400", resp.Status)
	}
}

func TestKeycloakRealmErrors(t *testing.T) {
	for name, text := range map[string]string{"no JSON": "realm: authd", "no name": "{}"} {
		if k, err := startKeycloak([]byte(text)); err == nil {
			k.stop()
			t.Errorf("%s: a Keycloak started", name)
		}
	}
}
