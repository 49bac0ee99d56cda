package host

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/authd/authd/internal/store"
	"github.com/authd/authd/sdk/devidp"
)

// sameSite are the headers of a request from authd's own pages.
func sameSite() []string { return []string{"Sec-Fetch-Site", "same-origin"} }

// Threat 72, 73, 74: a link only asks; a form of another site does nothing; authd's own ends the session here first
// and then at the identity provider, and the way back leads only where it may.
func TestLogout(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	c, elsewhere := s.browser(), s.browser()
	s.login(c, "ada", "/auth/oauth/idp")
	s.login(elsewhere, "ada", "/auth/oauth/idp")
	asked := s.get(c, "/auth/logout")
	wantStatus(t, asked, http.StatusOK)
	if !strings.Contains(asked.body, `method="post"`) || !strings.Contains(asked.Header.Get("Content-Security-Policy"), "form-action 'self' "+s.idp.URL()) {
		t.Errorf("the page that asks has the policy %q:\n%s", asked.Header.Get("Content-Security-Policy"), asked.body)
	}
	for _, foreign := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}} {
		wantStatus(t, s.do(still(c), http.MethodPost, "/auth/logout", url.Values{}, foreign...), http.StatusForbidden)
	}
	wantStatus(t, s.get(c, "/auth/check"), http.StatusOK)

	gone := s.do(still(c), http.MethodPost, "/auth/logout", url.Values{"return_to": {"/auth/session"}}, sameSite()...)
	wantStatus(t, gone, http.StatusSeeOther)
	wantStatus(t, s.get(c, "/auth/check"), http.StatusUnauthorized)
	wantStatus(t, s.get(elsewhere, "/auth/check"), http.StatusOK)
	to, err := gone.Location()
	if err != nil {
		t.Fatal(err)
	}
	query := to.Query()
	if !strings.HasPrefix(to.String(), s.idp.EndpointURL(devidp.EndpointEndSession)+"?") || query.Get("id_token_hint") == "" ||
		query.Get("post_logout_redirect_uri") != s.url+"/auth/logout" || query.Get("state") == "" || query.Get("client_id") != "demo" {
		t.Errorf("the browser is sent to %s", to)
	}
	back, err := s.idp.NewBrowser().Logout(t.Context(), to.String())
	if err != nil {
		t.Fatal(err)
	}
	end := s.get(still(c), back)
	if end.StatusCode != http.StatusSeeOther || end.Header.Get("Location") != "/auth/session" {
		t.Errorf("after the logout: status %d to %q", end.StatusCode, end.Header.Get("Location"))
	}
	for _, evil := range []string{"?state=forged", "?return_to=https://evil.example/", "?state=" + url.QueryEscape(query.Get("state")+"x")} {
		got := s.get(still(c), "/auth/logout"+evil)
		if wantStatus(t, got, http.StatusOK); got.Header.Get("Location") != "" {
			t.Errorf("%s leads to %q", evil, got.Header.Get("Location"))
		}
	}
}

// Threat 73, 83: with the identity provider down the session here still ends, and nobody is signed in again by itself.
func TestLogoutWithoutTheIdentityProvider(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{head: "[login]\nauto = true\n"})
	c := s.browser()
	s.login(c, "ada", "/auth/login")
	wantStatus(t, s.get(c, "/auth/check"), http.StatusOK)
	if err := s.idp.Close(); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, s.do(still(c), http.MethodPost, "/auth/logout", url.Values{}, sameSite()...), http.StatusSeeOther)
	wantStatus(t, s.get(c, "/auth/check"), http.StatusUnauthorized)
	if page := s.get(still(c), "/auth/logout"); page.StatusCode != http.StatusOK || strings.Contains(page.body, "http-equiv") {
		t.Errorf("the page after the logout: %d\n%s", page.StatusCode, page.body)
	}
}

// Threat 65, 70: people see and end their own sessions, from authd's own pages, and nobody else's.
func TestSessionsAPI(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	one, two, other := s.browser(), s.browser(), s.browser()
	s.login(one, "ada", "/auth/oauth/idp")
	s.login(two, "ada", "/auth/oauth/idp")
	s.login(other, "grace", "/auth/oauth/idp")
	list := func(c *http.Client) (mine, rest []string) {
		var found []struct {
			Handle  string
			Current bool
		}
		got := s.get(c, "/auth/sessions")
		if err := json.Unmarshal([]byte(got.body), &found); err != nil || got.Header.Get("Cache-Control") != "no-store" {
			t.Fatalf("%v: %s", err, got.body)
		}
		for _, f := range found {
			if f.Current {
				mine = append(mine, f.Handle)
			} else {
				rest = append(rest, f.Handle)
			}
		}
		return mine, rest
	}
	mine, rest := list(one)
	if len(mine) != 1 || len(rest) != 1 {
		t.Fatalf("ada's sessions: %v and %v", mine, rest)
	}
	path := "/auth/sessions/" + rest[0]
	wantStatus(t, s.do(other, http.MethodDelete, path, nil, sameSite()...), http.StatusNotFound)
	wantStatus(t, s.do(one, http.MethodDelete, path, nil, "Sec-Fetch-Site", "cross-site"), http.StatusForbidden)
	wantStatus(t, s.do(&http.Client{}, http.MethodDelete, path, nil, append(sameSite(), "Accept", "application/json")...), http.StatusUnauthorized)
	wantStatus(t, s.get(two, "/auth/check"), http.StatusOK)
	wantStatus(t, s.do(one, http.MethodDelete, path, nil, sameSite()...), http.StatusNoContent)
	wantStatus(t, s.get(two, "/auth/check"), http.StatusUnauthorized)
	wantStatus(t, s.do(one, http.MethodDelete, path, nil, sameSite()...), http.StatusNotFound)
	done := s.do(still(one), http.MethodPost, "/auth/sessions/"+mine[0], url.Values{}, sameSite()...)
	wantStatus(t, done, http.StatusSeeOther)
	failsWith(t, s.get(one, "/auth/session"), http.StatusUnauthorized, "unauthenticated")
	wantStatus(t, s.get(other, "/auth/check"), http.StatusOK)
}

// deafStore is a store that has gone away.
type deafStore struct{ store.Store }

func (deafStore) Get(context.Context, string) (store.Item, error) {
	return store.Item{}, store.ErrUnavailable
}

// Threat 85, 144, 160: without its store authd lets nobody in, sends nobody to the login, and says it is not ready.
func TestStoreIsDown(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{before: func(s *Server) {
		s.store, s.sessions.Store = deafStore{s.store}, deafStore{s.sessions.Store}
	}})
	c := []string{"Cookie", "authd=" + strings.Repeat("A", 43)}
	got := s.get(still(s.browser()), "/auth/check", c...)
	wantStatus(t, got, http.StatusServiceUnavailable)
	if got.body != "" || got.Header.Get("Location") != "" || got.Header.Get("X-Auth-Request-User") != "" {
		t.Errorf("the check answered %q with %v", got.body, got.Header)
	}
	failsWith(t, s.get(still(s.browser()), "/auth/session", c...), http.StatusServiceUnavailable, "internal")
	wantStatus(t, s.get(&http.Client{}, "/readyz"), http.StatusServiceUnavailable)
	wantStatus(t, s.get(&http.Client{}, "/healthz"), http.StatusOK)
}

// Threat 86, 93, 98: every answer of the check holds every identity header, whatever the client sent, and a hostile
// name stays inside its own.
func TestIdentityHeaders(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{idp: devidp.Options{Users: []devidp.User{
		{Sub: "1", Username: " ada ", Name: "Zoë 100%", Email: "boss@example.org", Groups: []string{"a,b", "c"}},
	}}})
	c := s.browser()
	s.login(c, "1", "/auth/oauth/idp")
	forged := []string{"Authorization", "Bearer x"}
	for _, field := range identityFields {
		forged = append(forged, string(field.name), "root")
	}
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete, http.MethodOptions} {
		for browser, want := range map[*http.Client]int{c: http.StatusOK, http.DefaultClient: http.StatusUnauthorized} {
			got := s.do(browser, method, "/auth/check", nil, forged...)
			wantStatus(t, got, want)
			for _, field := range identityFields {
				if values := got.Header.Values(string(field.name)); len(values) != 1 || values[0] == "root" || (want != http.StatusOK && values[0] != "") {
					t.Errorf("%s, status %d: %s = %q", method, want, field.name, values)
				}
			}
		}
	}
	got := s.get(c, "/auth/check").Header
	for name, want := range map[string]string{
		"User": "%20ada%20", "Name": "Zo%C3%AB 100%25", "Email": "", "Groups": "a%2Cb,c",
	} {
		if value := got.Get("X-Auth-Request-" + name); value != want {
			t.Errorf("%s = %q, want %q", name, value, want)
		}
	}
}

// Threat 12, 56, 67, 109: behind https the cookies are bound to the host, and no request header changes a URL.
func TestPublicURLDecides(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{public: "https://auth.example.org", keys: `trusted_proxies = ["127.0.0.1"]`})
	got := s.get(still(s.browser()), "/auth/oauth/idp", "Host", "evil.example", "X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "http", "Forwarded", "host=evil.example")
	to, err := got.Location()
	if err != nil {
		t.Fatal(err)
	}
	if want := "https://auth.example.org/auth/oauth/idp/callback"; to.Query().Get("redirect_uri") != want {
		t.Errorf("redirect_uri is %q, want %q", to.Query().Get("redirect_uri"), want)
	}
	flow := got.Cookies()[0]
	if !strings.HasPrefix(flow.Name, "__Host-") || !flow.Secure || !flow.HttpOnly || flow.Domain != "" || flow.Path != "/" {
		t.Errorf("the flow cookie is %+v", flow)
	}
	page := s.get(&http.Client{}, "/auth/login")
	for name, want := range map[string]string{
		"Strict-Transport-Security": "max-age=31536000", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
		"Cross-Origin-Opener-Policy": "same-origin", "Vary": "Cookie", "Server": "",
	} {
		if value := page.Header.Get(name); value != want {
			t.Errorf("%s = %q, want %q", name, value, want)
		}
	}
	if policy := page.Header.Get("Content-Security-Policy"); strings.Contains(policy, "unsafe") || !strings.Contains(policy, "frame-ancestors 'none'") {
		t.Errorf("the policy is %q", policy)
	}
}

// Threat 110: who begins logins too fast is told to wait; others are not.
func TestLoginFlood(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{noWait: true, keys: `trusted_proxies = ["127.0.0.1"]`})
	c := still(&http.Client{})
	for range 100 * loginBurst {
		got := s.get(c, "/auth/oauth/none", "X-Forwarded-For", "192.0.2.7", "Accept", "application/json")
		if got.StatusCode != http.StatusTooManyRequests {
			continue
		}
		failsWith(t, got, http.StatusTooManyRequests, "rate_limited")
		if got.Header.Get("Retry-After") == "" {
			t.Error("the answer has no Retry-After")
		}
		wantStatus(t, s.get(c, "/auth/oauth/none", "X-Forwarded-For", "192.0.2.8"), http.StatusNotFound)
		return
	}
	t.Error("nothing stops a flood")
}
