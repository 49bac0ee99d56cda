package devidp

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// vendorTokens goes through the flow of a vendor's own endpoints, as ada.
func vendorTokens(t *testing.T, s *Server, auth, token string) map[string]any {
	t.Helper()
	code := authorizeAs(t, s.NewBrowser(), "ada", s.URL()+auth+"?"+authParams(nil).Encode()).Get("code")
	return post(t, s.URL()+token, tokenForm(code, nil)).want(t, http.StatusOK, "")
}

func TestKeycloak(t *testing.T) {
	s := start(t, Options{})
	realm := s.URL() + "/realms/acme"
	base := "/realms/acme/protocol/openid-connect"
	doc := get(t, realm+"/.well-known/openid-configuration").want(t, http.StatusOK, "")
	for member, want := range map[string]string{
		"issuer": realm, "authorization_endpoint": s.URL() + base + "/auth", "token_endpoint": s.URL() + base + "/token",
		"userinfo_endpoint": s.URL() + base + "/userinfo", "jwks_uri": s.URL() + base + "/certs", "end_session_endpoint": s.URL() + base + "/logout",
	} {
		if doc[member] != want {
			t.Errorf("%s = %v, want %s", member, doc[member], want)
		}
	}
	body := vendorTokens(t, s, base+"/auth", base+"/token")
	if body["refresh_token"] == nil {
		t.Error("Keycloak always gives a refresh token")
	}
	info := get(t, s.URL()+base+"/userinfo", bearing("Bearer", text(t, body, "access_token"))).want(t, http.StatusOK, "")
	id, access := claimsOf(t, text(t, body, "id_token")), claimsOf(t, text(t, body, "access_token"))
	for place, claims := range map[string]map[string]any{"ID token": id, "access token": access, "userinfo": info} {
		got := map[string]any{"realm_access": claims["realm_access"], "resource_access": claims["resource_access"], "groups": claims["groups"]}
		if diff := cmp.Diff(map[string]any{
			"realm_access":    map[string]any{"roles": []any{"admin", "user"}},
			"resource_access": map[string]any{"demo": map[string]any{"roles": []any{"editor"}}},
			"groups":          []any{"admins", "staff"},
		}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", place, diff)
		}
	}
	if id["iss"] != realm || id["azp"] != "demo" || id["typ"] != "ID" || access["typ"] != "Bearer" || access["aud"] != "account" || access["azp"] != "demo" {
		t.Errorf("ID token %v\naccess token %v", id, access)
	}
	if _, err := s.keys.verify(text(t, body, "access_token")); err != nil {
		t.Errorf("the access token's signature: %v", err)
	}
	c := newStrictClient(t, s)
	c.issuer = realm
	if _, err := c.login("ada"); err != nil {
		t.Errorf("a strict client at Keycloak: %v", err)
	}
}

// Codes and tokens of one realm are worth nothing in another.
func TestRealmsAreApart(t *testing.T) {
	s := start(t, Options{})
	one, two := "/realms/one/protocol/openid-connect", "/realms/two/protocol/openid-connect"
	code := authorizeAs(t, s.NewBrowser(), "ada", s.URL()+one+"/auth?"+authParams(nil).Encode()).Get("code")
	for _, path := range []string{two + "/token", "/token", "/oauth2/v1/token"} {
		post(t, s.URL()+path, tokenForm(code, nil)).want(t, http.StatusBadRequest, "invalid_grant")
	}
	body := post(t, s.URL()+one+"/token", tokenForm(code, nil)).want(t, http.StatusOK, "")
	for _, path := range []string{two + "/userinfo", "/userinfo", "/oauth2/v1/userinfo"} {
		if r := get(t, s.URL()+path, bearing("Bearer", text(t, body, "access_token"))); r.status != http.StatusUnauthorized {
			t.Errorf("%s took another realm's token: %d", path, r.status)
		}
	}
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {text(t, body, "refresh_token")}, "client_id": {"demo"}, "client_secret": {"demo-secret"}}
	post(t, s.URL()+two+"/token", form).want(t, http.StatusBadRequest, "invalid_grant")
	post(t, s.URL()+one+"/token", form).want(t, http.StatusOK, "")
	got := post(t, s.URL()+two+"/token/introspect", url.Values{"token": {text(t, body, "access_token")}}, basic("demo", "demo-secret"))
	if got.want(t, http.StatusOK, "")["active"] != false {
		t.Errorf("introspection in another realm: %s", got.raw)
	}
}

func TestDescope(t *testing.T) {
	s := start(t, Options{})
	doc := get(t, s.URL()+"/demo/.well-known/openid-configuration").want(t, http.StatusOK, "")
	for member, want := range map[string]string{
		"issuer": s.URL() + "/demo", "authorization_endpoint": s.URL() + "/oauth2/v1/authorize",
		"token_endpoint": s.URL() + "/oauth2/v1/token", "jwks_uri": s.URL() + "/demo/.well-known/jwks.json",
	} {
		if doc[member] != want {
			t.Errorf("%s = %v, want %s", member, doc[member], want)
		}
	}
	if r := get(t, s.URL()+"/unknown/.well-known/openid-configuration"); r.status != http.StatusNotFound {
		t.Errorf("an unknown project: %d", r.status)
	}
	body := vendorTokens(t, s, "/oauth2/v1/authorize", "/oauth2/v1/token")
	if got := claimsOf(t, text(t, body, "id_token"))["iss"]; got != s.URL()+"/demo" {
		t.Errorf("iss = %v", got)
	}
	get(t, s.URL()+"/oauth2/v1/userinfo", bearing("Bearer", text(t, body, "access_token"))).want(t, http.StatusOK, "")
	c := newStrictClient(t, s)
	c.issuer = s.URL() + "/demo"
	if _, err := c.login("ada"); err != nil {
		t.Errorf("a strict client at Descope: %v", err)
	}
}

// A further vendor is data.
func TestOwnMount(t *testing.T) {
	s := start(t, Options{Mounts: []Mount{
		{
			Name: "entra", Prefix: "/{tenant}", Issuer: "/{tenant}/v2.0", Azp: true,
			Paths: map[string]string{
				EndpointDiscovery: "/v2.0/.well-known/openid-configuration",
				EndpointAuthorize: "/oauth2/v2.0/authorize",
				EndpointToken:     "/oauth2/v2.0/token",
				EndpointUserInfo:  "/v1.0/me",
				EndpointJWKS:      "/discovery/v2.0/keys",
			},
			Claims: func(in ClaimsInput) map[string]any {
				if in.Place == PlaceUserInfo {
					return map[string]any{"id": in.User.Sub, "userPrincipalName": in.User.Email, "email": nil}
				}
				return map[string]any{"oid": in.User.Sub, "tid": "t-1", "client": in.Client.ID, "asked": in.Scopes}
			},
		},
	}})
	c := newStrictClient(t, s)
	doc := get(t, s.URL()+"/t-1/v2.0/.well-known/openid-configuration").want(t, http.StatusOK, "")
	if doc["revocation_endpoint"] != nil || doc["end_session_endpoint"] != nil {
		t.Errorf("discovery names endpoints that are not there: %v", doc)
	}
	c.issuer = s.URL() + "/t-1/v2.0"
	id, err := c.login("grace")
	if err != nil {
		t.Fatal(err)
	}
	if id.claims["oid"] != id.sub || id.claims["client"] != "demo" || id.claims["azp"] != "demo" || len(id.claims["asked"].([]any)) != 5 {
		t.Errorf("ID token %v", id.claims)
	}
	if id.info["userPrincipalName"] != "grace@example.org" || id.info["email"] != nil {
		t.Errorf("userinfo %v", id.info)
	}
	if id.token["refresh_token"] == nil {
		t.Error("offline_access brought no refresh token")
	}
}

// A mount without JWKS users: opaque tokens, JWT access tokens with aud of the client.
func TestMountWithJWTAccessToken(t *testing.T) {
	s := start(t, Options{Mounts: []Mount{{
		Name: "jwt", Prefix: "/jwt", JWTAccessToken: true,
		Paths: map[string]string{EndpointAuthorize: "/a", EndpointToken: "/t", EndpointUserInfo: "/u"},
	}}})
	body := vendorTokens(t, s, "/jwt/a", "/jwt/t")
	access := claimsOf(t, text(t, body, "access_token"))
	if access["aud"] != "demo" || access["iss"] != s.URL()+"/jwt" || access["scope"] != "openid profile email" || body["refresh_token"] != nil {
		t.Errorf("access token %v in %v", access, body)
	}
	get(t, s.URL()+"/jwt/u", bearing("Bearer", text(t, body, "access_token"))).want(t, http.StatusOK, "")
	if r := get(t, s.URL()+"/jwt/.well-known/openid-configuration"); r.status != http.StatusNotFound {
		t.Errorf("discovery that is not mounted: %d", r.status)
	}
}
