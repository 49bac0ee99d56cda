package devidp

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
)

// RFC 6750: the token comes by header or form, and refusals say why.
func TestUserInfo(t *testing.T) {
	clk := newClock()
	s := start(t, Options{Now: clk.Now})
	token := text(t, tokens(t, s, nil), "access_token")
	at := s.EndpointURL(EndpointUserInfo)
	want := map[string]any{
		"sub": "dev-7f3a91c0-ada", "name": "Ada Quillfeather", "given_name": "Ada", "family_name": "Quillfeather",
		"preferred_username": "ada", "picture": s.URL() + "/-/avatar/ada", "email": "ada@example.org", "email_verified": true,
	}
	for name, r := range map[string]reply{
		"header":       get(t, at, bearing("Bearer", token)),
		"header, case": get(t, at, bearing("bearer", token)),
		"POST, header": post(t, at, url.Values{}, bearing("Bearer", token)),
		"POST, form":   post(t, at, url.Values{"access_token": {token}}),
	} {
		if diff := cmp.Diff(want, r.want(t, http.StatusOK, "")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for name, tt := range map[string]struct {
		r         reply
		status    int
		challenge bool // names the error
	}{
		"nothing":        {get(t, at), 401, false},
		"unknown":        {get(t, at, bearing("Bearer", "made-up")), 401, true},
		"other scheme":   {get(t, at, bearing("token", token)), 401, false},
		"in the query":   {get(t, at+"?access_token="+token), 401, false},
		"in two places":  {post(t, at, url.Values{"access_token": {token}}, bearing("Bearer", token)), 400, false},
		"refresh token":  {get(t, at, bearing("Bearer", text(t, tokens(t, s, with{"scope": "openid offline_access"}), "refresh_token"))), 401, true},
		"another method": {do(t, request(t, http.MethodPut, at, nil)), 405, false},
	} {
		if tt.r.status != tt.status {
			t.Errorf("%s: %d, want %d", name, tt.r.status, tt.status)
		}
		challenge := tt.r.header.Get("WWW-Authenticate")
		if (challenge != "") != (tt.status == 401) || contains(challenge, "invalid_token") != tt.challenge {
			t.Errorf("%s: WWW-Authenticate %q", name, challenge)
		}
	}
	clk.Turn(61 * time.Minute)
	if r := userinfo(t, s, token); r.status != http.StatusUnauthorized {
		t.Errorf("an expired token: %d", r.status)
	}
}

func TestRevocation(t *testing.T) {
	s := start(t, Options{Clients: []Client{{ID: "demo", Secret: "demo-secret"}, {ID: "other", Secret: "x"}}})
	revoke := func(token string, edit func(*http.Request)) int {
		t.Helper()
		return post(t, s.EndpointURL(EndpointRevoke), url.Values{"token": {token}}, edit).status
	}
	demo := basic("demo", "demo-secret")
	body := tokens(t, s, with{"scope": "openid offline_access"})
	access, refreshToken := text(t, body, "access_token"), text(t, body, "refresh_token")
	if got := revoke(access, basic("other", "x")); got != http.StatusOK {
		t.Errorf("another client's try: %d", got)
	}
	if got := userinfo(t, s, access).status; got != http.StatusOK {
		t.Errorf("another client could revoke: userinfo %d", got)
	}
	if got := revoke(access, demo); got != http.StatusOK {
		t.Errorf("revoke: %d", got)
	}
	if got := userinfo(t, s, access).status; got != http.StatusUnauthorized {
		t.Errorf("userinfo after revocation: %d", got)
	}
	// The refresh token still works, and takes everything along when it goes.
	body = refresh(t, s, refreshToken, nil).want(t, http.StatusOK, "")
	if got := revoke(text(t, body, "refresh_token"), demo); got != http.StatusOK {
		t.Errorf("revoke refresh token: %d", got)
	}
	refresh(t, s, text(t, body, "refresh_token"), nil).want(t, http.StatusBadRequest, "invalid_grant")
	if got := userinfo(t, s, text(t, body, "access_token")).status; got != http.StatusUnauthorized {
		t.Errorf("userinfo after the family was revoked: %d", got)
	}
	if got := revoke("never-heard-of", demo); got != http.StatusOK {
		t.Errorf("an unknown token: %d, want 200 (RFC 7009 section 2.2)", got)
	}
	if got := revoke(access, basic("demo", "wrong")); got != http.StatusUnauthorized {
		t.Errorf("a wrong secret: %d", got)
	}
	if got := revoke("", demo); got != http.StatusBadRequest {
		t.Errorf("no token: %d", got)
	}
	if r := get(t, s.EndpointURL(EndpointRevoke)); r.status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", r.status)
	}
	twice := url.Values{"token": {"a", "b"}}
	post(t, s.EndpointURL(EndpointRevoke), twice, demo).want(t, http.StatusBadRequest, "invalid_request")
}

func TestIntrospection(t *testing.T) {
	clk := newClock()
	s := start(t, Options{Now: clk.Now, Clients: []Client{{ID: "demo", Secret: "demo-secret"}, {ID: "other", Secret: "x"}, {ID: "public"}}})
	at := s.EndpointURL(EndpointIntrospect)
	body := tokens(t, s, with{"scope": "openid offline_access"})
	for member, kind := range map[string]string{"access_token": "Bearer", "refresh_token": "refresh_token"} {
		got := post(t, at, url.Values{"token": {text(t, body, member)}}, basic("demo", "demo-secret")).want(t, http.StatusOK, "")
		exp := clk.Now().Add(time.Hour)
		if member == "refresh_token" {
			exp = clk.Now().Add(30 * 24 * time.Hour)
		}
		if diff := cmp.Diff(map[string]any{
			"active": true, "iss": s.Issuer(), "sub": "dev-7f3a91c0-ada", "username": "ada", "client_id": "demo", "scope": "openid offline_access",
			"iat": float64(clk.Now().Unix()), "exp": float64(exp.Unix()), "token_type": kind,
		}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", member, diff)
		}
	}
	token := url.Values{"token": {text(t, body, "access_token")}}
	inactive := map[string]any{"active": false}
	if diff := cmp.Diff(inactive, post(t, at, token, basic("other", "x")).want(t, http.StatusOK, "")); diff != "" {
		t.Errorf("another client (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(inactive, post(t, at, url.Values{"token": {"x"}}, basic("demo", "demo-secret")).want(t, http.StatusOK, "")); diff != "" {
		t.Errorf("unknown token (-want +got):\n%s", diff)
	}
	token.Set("client_id", "public")
	post(t, at, token).want(t, http.StatusUnauthorized, "invalid_client")
}

func TestKeyRotation(t *testing.T) {
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		s := start(t, Options{SigningAlg: alg})
		kids := func() []string {
			t.Helper()
			var set jose.JSONWebKeySet
			if err := json.Unmarshal(get(t, s.EndpointURL(EndpointJWKS)).raw, &set); err != nil {
				t.Fatal(err)
			}
			var out []string
			for _, key := range set.Keys {
				if !key.IsPublic() || !key.Valid() || key.Use != "sig" || key.Algorithm != alg {
					t.Errorf("%s: key %+v in the JWKS", alg, key)
				}
				out = append(out, key.KeyID)
			}
			return out
		}
		before := kids()
		s.RotateKeys()
		after := kids()
		if len(before) != 1 || len(after) != 1 || before[0] == after[0] || after[0] != s.KeyID() {
			t.Errorf("%s: keys %v before, %v after", alg, before, after)
		}
		if _, err := newStrictClient(t, s).login("ada"); err != nil {
			t.Errorf("%s: after the rotation: %v", alg, err)
		}
	}
}

func TestDiscovery(t *testing.T) {
	s := start(t, Options{})
	doc := get(t, s.EndpointURL(EndpointDiscovery)).want(t, http.StatusOK, "")
	for member, want := range map[string]any{
		"issuer": s.URL(), "authorization_endpoint": s.URL() + "/authorize", "token_endpoint": s.URL() + "/token",
		"userinfo_endpoint": s.URL() + "/userinfo", "jwks_uri": s.URL() + "/jwks", "revocation_endpoint": s.URL() + "/revoke",
		"introspection_endpoint": s.URL() + "/introspect", "end_session_endpoint": s.URL() + "/end_session",
		"code_challenge_methods_supported": []any{"S256"}, "id_token_signing_alg_values_supported": []any{"ES256"},
		"response_types_supported": []any{"code", "code id_token"}, "subject_types_supported": []any{"public"},
		"authorization_response_iss_parameter_supported": true, "backchannel_logout_supported": true,
		"token_endpoint_auth_methods_supported": []any{"client_secret_basic", "client_secret_post", "none"},
	} {
		if diff := cmp.Diff(want, doc[member]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", member, diff)
		}
	}
	if r := post(t, s.EndpointURL(EndpointDiscovery), url.Values{}); r.status != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", r.status)
	}
}
