package host

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/authd/authd/internal/login"
	"github.com/authd/authd/sdk/devidp"
)

// Threat 63: whatever the identity provider says about a person, and however long its tokens are, the browser holds a
// short id and nothing else.
func TestSessionCookieStaysSmall(t *testing.T) {
	t.Parallel()
	groups := make([]string, 150)
	for i := range groups {
		groups[i] = fmt.Sprintf("group-%03d-%s", i, strings.Repeat("g", 30))
	}
	large := map[string]any{"about": strings.Repeat("long ", 4_000)}
	s := newSite(t, siteOptions{idp: devidp.Options{Users: []devidp.User{
		{Sub: strings.Repeat("s", 200), Username: "large", Name: strings.Repeat("Name ", 40), Email: "large@example.org", EmailVerified: true, Groups: groups, Claims: large},
	}}})
	c := s.browser()
	wantStatus(t, s.login(c, "large", "/auth/oauth/idp?return_to=/auth/session"), http.StatusOK)
	u, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	// The identity provider is on the same host and has a cookie of its own there.
	all := slices.DeleteFunc(c.Jar.Cookies(u), func(one *http.Cookie) bool { return strings.HasPrefix(one.Name, "devidp_") })
	if len(all) != 1 || len(all[0].Name)+len(all[0].Value) >= 100 {
		t.Errorf("the browser holds %v", all)
	}
	if got := s.get(c, "/auth/session"); !strings.Contains(got.body, groups[0]) || !strings.Contains(got.body, groups[149]) {
		t.Errorf("the session lacks the groups: %s", got.body)
	}
}

// Threat 6: a browser that begins many logins and ends none is told to forget the oldest, so that its cookies stay
// below what servers bear.
func TestFlowCookiesOfOneBrowser(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	c := s.browser()
	u, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	var last reply
	for i := range 12 {
		last = s.get(still(c), fmt.Sprintf("/auth/oauth/idp?return_to=/%d%s", i, strings.Repeat("x", 400)))
		wantStatus(t, last, http.StatusSeeOther)
		size := 0
		for _, cookie := range c.Jar.Cookies(u) {
			if !strings.HasPrefix(cookie.Name, login.CookiePrefix) {
				t.Errorf("a cookie %s was set", cookie.Name)
			}
			size += len(cookie.Name) + len(cookie.Value)
		}
		if n := len(c.Jar.Cookies(u)); n > 5 || size > 4<<10 || n == 0 {
			t.Fatalf("after %d logins the browser holds %d cookies, %d bytes", i+1, n, size)
		}
	}
	back, err := s.idp.Authorize(t.Context(), last.Header.Get("Location"), "ada")
	if err != nil {
		t.Fatal(err)
	}
	wantStatus(t, s.get(still(c), back), http.StatusSeeOther)
	wantStatus(t, s.get(c, "/auth/check"), http.StatusOK)
}

// Threat 4: who comes back from the identity provider too late is told so and can start again; nothing is exchanged.
func TestLoginThatTookTooLong(t *testing.T) {
	t.Parallel()
	var late time.Duration
	s := newSite(t, siteOptions{before: func(s *Server) { s.flow.Now = func() time.Time { return time.Now().Add(late) } }})
	c := s.browser()
	back := s.authorize(c, "ada")
	late = 10 * time.Minute
	failsWith(t, s.get(c, back, "Accept", "application/json"), http.StatusBadRequest, "login_expired")
	if page := s.get(c, back, "Accept", "text/html"); page.StatusCode != http.StatusBadRequest || !strings.Contains(page.body, `href="/auth/login`) {
		t.Errorf("the page is %d\n%s", page.StatusCode, page.body)
	}
	if n := len(s.idp.Requests(devidp.EndpointToken)); n != 0 {
		t.Errorf("the code was exchanged %d times", n)
	}
	late = 0
	wantStatus(t, s.login(c, "ada", "/auth/oauth/idp?return_to=/auth/session"), http.StatusOK)
}

// Threat 13: of what a link says only return_to and login_hint count; nothing else reaches the identity provider, and
// nothing twice.
func TestLinksSetNoParameters(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	plain, err := s.get(still(s.browser()), "/auth/oauth/idp").Location()
	if err != nil {
		t.Fatal(err)
	}
	forged := url.Values{}
	for name := range plain.Query() {
		forged[name] = []string{"forged", "twice"}
	}
	for _, name := range []string{"prompt", "acr_values", "max_age", "audience", "resource", "response_mode", "request", "request_uri", "claims", "id_token_hint", "hd", "x"} {
		forged[name] = []string{"forged", "twice"}
	}
	for _, hint := range []string{"", "ada"} {
		link := "/auth/oauth/idp?" + forged.Encode()
		if hint != "" {
			link += "&login_hint=" + hint + "&login_hint=mallory"
		}
		to, err := s.get(still(s.browser()), link).Location()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(to.RawQuery, "forged") || strings.Contains(to.RawQuery, "twice") {
			t.Errorf("the browser is sent to %s", to)
		}
		for name, values := range to.Query() {
			if known := plain.Query().Has(name) || (name == "login_hint" && hint != ""); !known || len(values) != 1 {
				t.Errorf("%s = %q is sent", name, values)
			}
		}
	}
}

// Threat 80: where a login leads is checked again when it ends: what is no longer allowed by then leads home.
func TestReturnToIsCheckedAtItsUse(t *testing.T) {
	t.Parallel()
	const head = "[login]\nreturn_to_allow = [\"https://app.example.com\"]\n"
	s := newSite(t, siteOptions{head: head})
	c := s.browser()
	ends := func() string {
		start := s.get(still(c), "/auth/oauth/idp?return_to=https://app.example.com/page")
		wantStatus(t, start, http.StatusSeeOther)
		back, err := s.idp.Authorize(t.Context(), start.Header.Get("Location"), "ada")
		if err != nil {
			t.Fatal(err)
		}
		return back
	}
	if done := s.get(still(c), ends()); done.Header.Get("Location") != "https://app.example.com/page" {
		t.Fatalf("the login leads to %q", done.Header.Get("Location"))
	}
	back := ends()
	now := *s.server.live().cfg
	now.Login.ReturnToAllow = nil
	narrow, err := newReturnTo(s.server, &now)
	if err != nil {
		t.Fatal(err)
	}
	s.server.live().returnTo = narrow
	done := s.get(still(c), back)
	wantStatus(t, done, http.StatusSeeOther)
	if to := done.Header.Get("Location"); to != "/" {
		t.Errorf("the login leads to %q, which is not allowed any more", to)
	}
}
