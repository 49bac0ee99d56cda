package devidp

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A strict client must be content with every algorithm, flow and issuer shape.
func TestStrictClientAccepts(t *testing.T) {
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		for _, hybrid := range []bool{false, true} {
			name := alg + " code"
			if hybrid {
				name = alg + " hybrid"
			}
			t.Run(name, func(t *testing.T) {
				s := start(t, Options{SigningAlg: alg})
				c := newStrictClient(t, s)
				c.hybrid, c.maxAge = hybrid, 600e9
				id, err := c.login("grace")
				if err != nil {
					t.Fatal(err)
				}
				want, _ := s.User("grace")
				if id.sub != want.Sub {
					t.Errorf("signed in as %q, want %q", id.sub, want.Sub)
				}
				for place, claims := range map[string]map[string]any{"ID token": id.claims, "userinfo": id.info} {
					got := map[string]any{}
					for _, name := range []string{"name", "given_name", "family_name", "preferred_username", "email", "email_verified", "groups"} {
						got[name] = claims[name]
					}
					if diff := cmp.Diff(map[string]any{
						"name": want.Name, "given_name": want.GivenName, "family_name": want.FamilyName, "preferred_username": "grace",
						"email": want.Email, "email_verified": true, "groups": []any{"staff"},
					}, got); diff != "" {
						t.Errorf("%s (-want +got):\n%s", place, diff)
					}
				}
			})
		}
	}
}

func TestIssuerShapes(t *testing.T) {
	for _, path := range []string{"/tenant/one", "/slash/"} {
		t.Run(path, func(t *testing.T) {
			plain := start(t, Options{})
			addr := plain.URL()[len("http://"):]
			if err := plain.Close(); err != nil {
				t.Fatal(err)
			}
			s := start(t, Options{Addr: addr, Issuer: "http://" + addr + path})
			if got := s.Issuer(); got != "http://"+addr+path {
				t.Errorf("Issuer() = %q", got)
			}
			doc := get(t, s.EndpointURL(EndpointDiscovery)).want(t, http.StatusOK, "")
			if doc["issuer"] != s.Issuer() {
				t.Errorf("discovery says %v, want %s", doc["issuer"], s.Issuer())
			}
			body := tokens(t, s, nil)
			if got := claimsOf(t, text(t, body, "id_token"))["iss"]; got != s.Issuer() {
				t.Errorf("iss = %v, want %s", got, s.Issuer())
			}
		})
	}
}

// The claims of an ID token depend on what was asked.
func TestIDTokenClaims(t *testing.T) {
	s := start(t, Options{})
	usual := []string{"at_hash", "aud", "auth_time", "exp", "iat", "iss", "nonce", "sid", "sub"}
	for _, tt := range []struct {
		name   string
		change with
		more   []string
		less   string
	}{
		{"openid alone", with{"scope": "openid"}, nil, ""},
		{"email", with{"scope": "openid email"}, []string{"email", "email_verified"}, ""},
		{"profile", with{"scope": "openid profile"}, []string{"family_name", "given_name", "name", "picture", "preferred_username"}, ""},
		{"groups", with{"scope": "openid groups"}, []string{"groups"}, ""},
		{"no nonce", with{"scope": "openid", "nonce": "-"}, nil, "nonce"},
		{"acr", with{"scope": "openid", "acr_values": "gold silver"}, []string{"acr"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := map[string]any{}
			for _, name := range append(usual, tt.more...) {
				want[name] = true
			}
			delete(want, tt.less)
			header, claims, _ := parts(t, text(t, tokens(t, s, tt.change), "id_token"))
			if diff := cmp.Diff(names(want), names(claims)); diff != "" {
				t.Errorf("claims (-want +got):\n%s", diff)
			}
			if header["kid"] != s.KeyID() || header["alg"] != "ES256" || header["typ"] != "JWT" {
				t.Errorf("header %v", header)
			}
			if acr, said := claims["acr"]; said && acr != "gold" {
				t.Errorf("acr = %v, want gold", acr)
			}
		})
	}
}

func TestIDTokenOptions(t *testing.T) {
	s := start(t, Options{ThinIDToken: true, Azp: true, IDTokenLife: 300e9, AccessTokenLife: 60e9})
	body := tokens(t, s, with{"scope": "openid profile email groups"})
	claims := claimsOf(t, text(t, body, "id_token"))
	if claims["email"] != nil || claims["name"] != nil || claims["groups"] != nil {
		t.Errorf("a thin ID token says %v", claims)
	}
	if claims["azp"] != "demo" {
		t.Errorf("azp = %v, want demo", claims["azp"])
	}
	if life := claims["exp"].(float64) - claims["iat"].(float64); life != 300 {
		t.Errorf("ID token lives %v s, want 300", life)
	}
	if body["expires_in"] != 60.0 {
		t.Errorf("expires_in = %v, want 60", body["expires_in"])
	}
	info := userinfo(t, s, text(t, body, "access_token")).want(t, http.StatusOK, "")
	if info["email"] != "ada@example.org" {
		t.Errorf("userinfo says %v", info)
	}
}

// Without the scope openid it is plain OAuth 2.0: no ID token, and userinfo that
// says everything when no scope of OpenID Connect chose something.
func TestPlainOAuth(t *testing.T) {
	s := start(t, Options{})
	body := tokens(t, s, with{"scope": "User.Read", "nonce": "-"})
	if body["id_token"] != nil {
		t.Errorf("an ID token came without the scope openid: %v", body)
	}
	info := userinfo(t, s, text(t, body, "access_token")).want(t, http.StatusOK, "")
	if info["email"] != "ada@example.org" || info["name"] == nil || info["groups"] == nil {
		t.Errorf("userinfo of plain OAuth: %v", info)
	}
	body = tokens(t, s, with{"scope": "email", "nonce": "-"})
	info = userinfo(t, s, text(t, body, "access_token")).want(t, http.StatusOK, "")
	if info["email"] == nil || info["name"] != nil {
		t.Errorf("userinfo for the scope email alone: %v", info)
	}
}

func TestExtraClaims(t *testing.T) {
	s := start(t, Options{})
	u, _ := s.User("ada")
	u.Claims = map[string]any{"hd": "example.org", "big": int64(1)<<53 + 1, "name": nil}
	if err := s.SetUser(u); err != nil {
		t.Fatal(err)
	}
	body := tokens(t, s, nil)
	_, claims, payload := parts(t, text(t, body, "id_token"))
	if claims["hd"] != "example.org" || claims["name"] != nil {
		t.Errorf("ID token %s", payload)
	}
	raw := string(userinfo(t, s, text(t, body, "access_token")).raw)
	for place, text := range map[string]string{"ID token": string(payload), "userinfo": raw} {
		if !contains(text, `"big":9007199254740993`) {
			t.Errorf("%s lost digits of a big number: %s", place, text)
		}
	}
}
