package devidp

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const afterLogout = "http://127.0.0.1:9/bye"

func logoutURL(s *Server, params url.Values) string {
	return s.EndpointURL(EndpointEndSession) + "?" + params.Encode()
}

// signedIn gives a browser in which ada is signed in, and her tokens.
func signedIn(t *testing.T, s *Server, change with) (*Browser, map[string]any) {
	t.Helper()
	b := s.NewBrowser()
	code := authorizeAs(t, b, "ada", authURL(s, change)).Get("code")
	return b, exchange(t, s, code, nil).want(t, http.StatusOK, "")
}

func stillIn(t *testing.T, s *Server, b *Browser) bool {
	t.Helper()
	return authorizeAs(t, b, "", authURL(s, with{"prompt": "none"})).Has("code")
}

// With a hint about the one who is signed in the session ends at once.
func TestEndSessionWithHint(t *testing.T) {
	s := start(t, Options{RefreshAlways: true})
	b, body := signedIn(t, s, nil)
	s.RotateKeys() // the hint may be older than the key
	back, err := b.Logout(t.Context(), logoutURL(s, url.Values{
		"id_token_hint": {text(t, body, "id_token")}, "post_logout_redirect_uri": {afterLogout}, "state": {"a&b"}, "client_id": {"demo"},
	}))
	if err != nil {
		t.Fatal(err)
	}
	if back != afterLogout+"?state=a%26b" {
		t.Errorf("sent back to %q", back)
	}
	if s.RequestCount(EndpointLogin) != 1 { // the sign-in alone
		t.Error("the person was asked in spite of the hint")
	}
	if stillIn(t, s, b) {
		t.Error("the session survived")
	}
	if got := userinfo(t, s, text(t, body, "access_token")).status; got != http.StatusUnauthorized {
		t.Errorf("the access token survived: %d", got)
	}
	refresh(t, s, text(t, body, "refresh_token"), nil).want(t, http.StatusBadRequest, "invalid_grant")
}

// Tokens for offline access outlive the session: that is what they are for.
func TestEndSessionKeepsOfflineAccess(t *testing.T) {
	s := start(t, Options{})
	b, body := signedIn(t, s, with{"scope": "openid offline_access"})
	if _, err := b.Logout(t.Context(), logoutURL(s, url.Values{"id_token_hint": {text(t, body, "id_token")}})); err != nil {
		t.Fatal(err)
	}
	refresh(t, s, text(t, body, "refresh_token"), nil).want(t, http.StatusOK, "")
}

// Without a hint, or with somebody else's, the person decides.
func TestEndSessionAsks(t *testing.T) {
	s := start(t, Options{})
	b, _ := signedIn(t, s, nil)
	graces := text(t, exchange(t, s, authorizeAs(t, s.NewBrowser(), "grace", authURL(s, nil)).Get("code"), nil).want(t, 200, ""), "id_token")
	for name, params := range map[string]url.Values{"no hint": {}, "another's hint": {"id_token_hint": {graces}}} {
		p, err := b.get(t.Context(), logoutURL(s, params))
		if err != nil {
			t.Fatal(err)
		}
		if p.interaction() == "" || !contains(p.body, "Ada Quillfeather") {
			t.Errorf("%s: nobody asked:\n%s", name, p.body)
		}
		no, err := b.post(t.Context(), url.Values{"interaction": {p.interaction()}, "action": {"cancel"}})
		if err != nil || no.status != http.StatusOK || !stillIn(t, s, b) {
			t.Errorf("%s: after Stay: %v, status %d", name, err, no.status)
		}
	}
	back, err := b.Logout(t.Context(), logoutURL(s, url.Values{"client_id": {"demo"}, "post_logout_redirect_uri": {afterLogout}}))
	if err != nil || back != afterLogout {
		t.Errorf("after a yes: %q, %v", back, err)
	}
	if stillIn(t, s, b) {
		t.Error("the session survived a yes")
	}
	// Nobody is signed in: there is nothing to ask.
	back, err = b.Logout(t.Context(), logoutURL(s, url.Values{"client_id": {"demo"}, "post_logout_redirect_uri": {afterLogout}}))
	if err != nil || back != afterLogout {
		t.Errorf("logging out twice: %q, %v", back, err)
	}
}

func TestEndSessionErrors(t *testing.T) {
	s := start(t, Options{Clients: []Client{
		{ID: "demo", Secret: "demo-secret", PostLogoutRedirectURIs: []string{afterLogout}}, {ID: "other", Secret: "x"},
	}})
	b, body := signedIn(t, s, nil)
	hint := text(t, body, "id_token")
	ok := url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {afterLogout}}
	change := func(name, value string) url.Values {
		out := cloneValues(ok)
		out.Set(name, value)
		return out
	}
	twice := cloneValues(ok)
	twice.Add("state", "a")
	twice.Add("state", "b")
	for name, params := range map[string]url.Values{
		"unregistered":         change("post_logout_redirect_uri", afterLogout+"/x"),
		"elsewhere":            change("post_logout_redirect_uri", "https://attacker.example/"),
		"no client":            {"post_logout_redirect_uri": {afterLogout}},
		"unknown client":       {"client_id": {"nobody"}},
		"hint for another":     change("client_id", "other"),
		"foreign hint":         change("id_token_hint", "a.b.c"),
		"hint, bent signature": change("id_token_hint", flipLastBit(hint)),
		"repeated":             twice,
	} {
		t.Run(name, func(t *testing.T) {
			back, err := b.Logout(t.Context(), logoutURL(s, params))
			if err == nil {
				t.Errorf("sent to %q, want an error page", back)
			}
			if !stillIn(t, s, b) {
				t.Error("the session is gone")
			}
		})
	}
	realm := s.URL() + "/realms/one/protocol/openid-connect/logout?" + ok.Encode()
	if _, err := b.Logout(t.Context(), realm); err == nil {
		t.Error("a hint of one issuer counted at another")
	}
	if back, err := b.Logout(t.Context(), logoutURL(s, ok)); err != nil || back != afterLogout {
		t.Errorf("the registered address: %q, %v", back, err)
	}
}

func TestEndSessionByPost(t *testing.T) {
	s := start(t, Options{})
	b, body := signedIn(t, s, nil)
	r := post(t, s.EndpointURL(EndpointEndSession), url.Values{"id_token_hint": {text(t, body, "id_token")}, "post_logout_redirect_uri": {afterLogout}})
	if r.status != http.StatusSeeOther || r.header.Get("Location") != afterLogout {
		t.Errorf("POST: %d to %q", r.status, r.header.Get("Location"))
	}
	// The client's server has no cookie; the sid of the hint says which session.
	if stillIn(t, s, b) {
		t.Error("the session survived")
	}
}

func TestLogoutToken(t *testing.T) {
	s := start(t, Options{})
	header, claims, _ := parts(t, s.LogoutToken("the-sub", "the-sid", "demo"))
	if header["typ"] != "logout+jwt" || header["kid"] != s.KeyID() {
		t.Errorf("header %v", header)
	}
	for _, name := range []string{"iat", "exp", "jti"} {
		if claims[name] == nil {
			t.Errorf("%s is missing", name)
		}
		delete(claims, name)
	}
	if diff := cmp.Diff(map[string]any{
		"iss": s.Issuer(), "aud": "demo", "sub": "the-sub", "sid": "the-sid",
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	}, claims); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
	if _, err := s.keys.verify(s.LogoutToken("the-sub", "", "demo")); err != nil {
		t.Errorf("signature: %v", err)
	}
	if one, two := claimsOf(t, s.LogoutToken("a", "", "demo")), claimsOf(t, s.LogoutToken("a", "", "demo")); one["jti"] == two["jti"] {
		t.Error("two logout tokens share a jti")
	}
	other := s.LogoutTokenFor(s.URL()+"/realms/one", "a", "", "demo", Fault{EditClaims: func(c map[string]any) { c["extra"] = 1 }})
	if claims := claimsOf(t, other); claims["iss"] != s.URL()+"/realms/one" || claims["extra"] != 1.0 || claims["sid"] != nil {
		t.Errorf("LogoutTokenFor: %v", claims)
	}
}

func TestLogoutTokenFlaws(t *testing.T) {
	s := start(t, Options{})
	token := func(flaws ...Flaw) (header, claims map[string]any) {
		t.Helper()
		header, claims, _ = parts(t, s.LogoutToken("the-sub", "the-sid", "demo", flaws...))
		return header, claims
	}
	if _, claims := token(FlawWithNonce); claims["nonce"] == nil {
		t.Error("with-nonce: no nonce")
	}
	if _, claims := token(FlawNoEvents); claims["events"] != nil {
		t.Error("no-events: events")
	}
	if _, claims := token(FlawNoTokenID); claims["jti"] != nil {
		t.Error("no-token-id: jti")
	}
	if _, claims := token(FlawNoSubject); claims["sub"] != nil || claims["sid"] != nil {
		t.Error("no-subject-no-sid: names somebody")
	}
	if header, _ := token(FlawWrongTokenType); header["typ"] != "at+jwt" {
		t.Errorf("wrong-token-type-jwt: typ %v", header["typ"])
	}
	if header, claims := token(FlawAlgNone, FlawWrongIssuer); header["alg"] != "none" || claims["iss"] != elsewhere {
		t.Error("flaws of ID tokens do not combine in a logout token")
	}
	for _, flaw := range []Flaw{FlawWithNonce, FlawNoEvents, FlawNoTokenID, FlawNoSubject, FlawWrongTokenType} {
		if len(flaw.Endpoints()) != 0 || !flaw.MustRefuse() {
			t.Errorf("%s: shown at %v, must refuse %v", flaw, flaw.Endpoints(), flaw.MustRefuse())
		}
	}
}

// The end of a session reaches every client that took part (Back-Channel Logout 1.0 section 2.5).
func TestBackchannelLogout(t *testing.T) {
	type told struct{ path, token string }
	heard := make(chan told, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		heard <- told{r.URL.Path, r.PostFormValue("logout_token")}
		if r.URL.Path == "/refuses" {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	defer receiver.Close()
	s := start(t, Options{Clients: []Client{
		{ID: "demo", Secret: "demo-secret", BackchannelLogoutURI: receiver.URL + "/demo"},
		{ID: "second", Secret: "x", BackchannelLogoutURI: receiver.URL + "/second"},
		{ID: "deaf", Secret: "x"},
		{ID: "stranger", Secret: "x", BackchannelLogoutURI: receiver.URL + "/stranger"},
	}})
	b, body := signedIn(t, s, nil)
	for _, id := range []string{"second", "deaf"} {
		authorizeAs(t, b, "ada", authURL(s, with{"client_id": id, "prompt": "login"}))
	}
	sid := claimsOf(t, text(t, body, "id_token"))["sid"]
	if diff := cmp.Diff([]string{sid.(string)}, s.SessionIDs("dev-7f3a91c0-ada")); diff != "" {
		t.Errorf("SessionIDs (-want +got):\n%s", diff)
	}
	if _, err := b.Logout(t.Context(), logoutURL(s, url.Values{"id_token_hint": {text(t, body, "id_token")}})); err != nil {
		t.Fatal(err)
	}
	close(heard)
	paths := map[string]string{}
	for one := range heard {
		paths[one.path] = one.token
	}
	if diff := cmp.Diff([]string{"/demo", "/second"}, names(map[string]any{"/demo": 1, "/second": 1})); diff != "" || len(paths) != 2 {
		t.Fatalf("told: %v", paths)
	}
	for path, client := range map[string]string{"/demo": "demo", "/second": "second"} {
		if claims := claimsOf(t, paths[path]); claims["aud"] != client || claims["sid"] != sid || claims["sub"] != "dev-7f3a91c0-ada" {
			t.Errorf("%s was told %v", path, claims)
		}
	}
	if got := s.SessionIDs("dev-7f3a91c0-ada"); len(got) != 0 {
		t.Errorf("sessions after the logout: %v", got)
	}
}

// An administrator's logout says which clients did not hear it.
func TestLogoutByAdministrator(t *testing.T) {
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
	}))
	defer receiver.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	s := start(t, Options{Clients: []Client{{ID: "demo", Secret: "demo-secret", BackchannelLogoutURI: receiver.URL}}})
	b, _ := signedIn(t, s, nil)
	if err := s.Logout(t.Context(), "dev-7f3a91c0-ada"); err == nil || !contains(err.Error(), "status 400") {
		t.Errorf("a client that refuses: %v", err)
	}
	if stillIn(t, s, b) {
		t.Error("the session survived")
	}
	if err := s.Logout(t.Context(), "dev-7f3a91c0-ada"); err != nil {
		t.Errorf("nobody is signed in: %v", err)
	}
	if err := s.SetClient(Client{ID: "demo", Secret: "demo-secret", BackchannelLogoutURI: gone.URL}); err != nil {
		t.Fatal(err)
	}
	signedIn(t, s, nil)
	if err := s.Logout(t.Context(), "dev-7f3a91c0-ada"); err == nil {
		t.Error("a client that is gone: no error")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if status, err := s.SendLogoutToken(ctx, receiver.URL, "x"); err != nil || status != http.StatusBadRequest {
		t.Errorf("SendLogoutToken: %d, %v", status, err)
	}
	if _, err := s.SendLogoutToken(ctx, ":", "x"); err == nil {
		t.Error("SendLogoutToken to no URL: no error")
	}
}
