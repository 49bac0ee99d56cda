package host

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/authd/authd/internal/config"
	"github.com/authd/authd/internal/login"
	"github.com/authd/authd/sdk/devidp"
)

func newReturnTo(s *Server, cfg *config.Config) (*login.ReturnTo, error) {
	return login.NewReturnTo(s.publicURL.String(), returnTargets(cfg))
}

func TestLoginFromButtonToHeaders(t *testing.T) {
	s := newSite(t, siteOptions{})
	c := s.browser()
	if got := s.get(c, "/"); !strings.Contains(got.body, "Continue with Test Identity") || !strings.HasSuffix(got.Request.URL.Path, "/auth/login") {
		t.Errorf("the home page of a stranger is %s:\n%s", got.Request.URL, got.body)
	}
	wantStatus(t, s.get(c, "/auth/check"), http.StatusUnauthorized)

	home := s.login(c, "ada", "/auth/oauth/idp?return_to=/auth/session")
	wantStatus(t, home, http.StatusOK)
	var answer struct {
		User      userJSON `json:"user"`
		Provider  string   `json:"provider"`
		ExpiresAt string   `json:"expires_at"`
	}
	if err := json.Unmarshal([]byte(home.body), &answer); err != nil {
		t.Fatalf("%v: %s", err, home.body)
	}
	ada := devidp.DefaultUsers()[0]
	want := userJSON{
		Sub: answer.User.Sub, Identifier: "ada", PreferredUsername: "ada", Name: ada.Name, Email: ada.Email, EmailVerified: true,
		Picture: answer.User.Picture, Groups: ada.Groups, Provider: "idp",
	}
	if diff := cmp.Diff(want, answer.User); diff != "" || len(answer.User.Sub) != 26 || answer.Provider != "idp" || answer.ExpiresAt == "" {
		t.Errorf("session %s (-want +got):\n%s", home.body, diff)
	}

	check := s.get(c, "/auth/check")
	wantStatus(t, check, http.StatusOK)
	for name, value := range map[string]string{
		"X-Auth-Request-User": "ada", "X-Auth-Request-Subject": answer.User.Sub, "X-Auth-Request-Email": ada.Email,
		"X-Auth-Request-Groups": strings.Join(ada.Groups, ","), "X-Auth-Request-Provider": "idp", "X-Auth-Request-Name": ada.Name,
		"X-Auth-Request-Preferred-Username": "ada",
	} {
		if got := check.Header.Get(name); got != value {
			t.Errorf("%s = %q, want %q", name, got, value)
		}
	}
	if check.body != "" {
		t.Errorf("the check has the body %q", check.body)
	}
	account := s.get(c, "/")
	for _, text := range []string{ada.Name, ada.Email, "Sign out", "Test Identity"} {
		if !strings.Contains(account.body, text) {
			t.Errorf("the account page lacks %q", text)
		}
	}
}

// Threat 7, 12, 33: what went to the identity provider is what the RFCs ask for, and the code went once.
func TestWhatTheIdentityProviderSees(t *testing.T) {
	s := newSite(t, siteOptions{})
	s.login(s.browser(), "ada", "/auth/oauth/idp")
	exchanges := s.idp.Requests(devidp.EndpointToken)
	if len(exchanges) != 1 {
		t.Fatalf("the token endpoint was called %d times, want once", len(exchanges))
	}
	form := exchanges[0].Form
	if form.Get("redirect_uri") != s.url+"/auth/oauth/idp/callback" || len(form.Get("code_verifier")) < 43 {
		t.Errorf("the exchange sent %v", form)
	}
}

// Threat 5: two tabs begin before either ends; both work.
func TestTwoTabs(t *testing.T) {
	s := newSite(t, siteOptions{})
	c := s.browser()
	one := s.get(still(c), "/auth/oauth/idp?return_to=/?tab=1")
	two := s.get(still(c), "/auth/oauth/idp?return_to=/?tab=2")
	for tab, start := range map[string]reply{"2": two, "1": one} {
		back, err := s.idp.Authorize(t.Context(), start.Header.Get("Location"), "ada")
		if err != nil {
			t.Fatal(err)
		}
		done := s.get(still(c), back)
		wantStatus(t, done, http.StatusSeeOther)
		if got := done.Header.Get("Location"); got != "/?tab="+tab {
			t.Errorf("tab %s leads to %q", tab, got)
		}
	}
}

// Threat 1, 2, 3, 10, 14: a bad callback is a page with a way on, never a session, and harms no session that is there.
func TestBadCallbacks(t *testing.T) {
	s := newSite(t, siteOptions{})
	c := s.browser()
	s.login(c, "ada", "/auth/oauth/idp")
	for query, want := range map[string]string{
		"":                        "invalid_state",
		"?code=x":                 "invalid_state",
		"?state=&code=x":          "invalid_state",
		"?state=x&code=x":         "invalid_state",
		"?state=x&state=x&code=x": "invalid_request",
		"?error=access_denied":    "invalid_state",
		"?state=%zz":              "invalid_request",
		"?state=x&error=%3Cscript%3Ealert(1)%3C/script%3E": "invalid_state",
	} {
		got := s.get(c, "/auth/oauth/idp/callback"+query, "Accept", "application/json")
		wantStatus(t, got, http.StatusBadRequest)
		if !strings.Contains(got.body, `"error":"`+want+`"`) || !strings.Contains(got.body, `"incident":"`) {
			t.Errorf("callback %q answered %s, want %s", query, got.body, want)
		}
		page := s.get(c, "/auth/oauth/idp/callback"+query, "Accept", "text/html")
		if !strings.Contains(page.body, "Try again") || strings.Contains(page.body, "<script") {
			t.Errorf("callback %q: the page is\n%s", query, page.body)
		}
	}
	wantStatus(t, s.get(c, "/auth/check"), http.StatusOK)
}

func TestCancelledLogin(t *testing.T) {
	s := newSite(t, siteOptions{})
	c := s.browser()
	got := s.login(c, "", "/auth/oauth/idp?return_to=/deep")
	wantStatus(t, got, http.StatusForbidden)
	if !strings.Contains(got.body, "/auth/login?return_to=%2Fdeep") || !strings.Contains(got.body, "Access denied") {
		t.Errorf("the page of a cancelled login is\n%s", got.body)
	}
	wantStatus(t, s.get(c, "/auth/check"), http.StatusUnauthorized)
	if !strings.Contains(s.logs.String(), `"@message":"denied"`) {
		t.Error("the audit log knows nothing of it")
	}
}

// Threat 83: who is denied by a rule sees a page, has no session and is sent nowhere.
func TestRules(t *testing.T) {
	for name, c := range map[string]struct {
		global, own string
		user        string
		want        int
	}{
		"the seed's domain rule lets in":  {own: `claims.hd == "example.org"`, user: "hd", want: 200},
		"the seed's domain rule denies":   {own: `claims.hd == "example.org"`, user: "nohd", want: 403},
		"the global rule denies":          {global: `"admins" in user.groups`, user: "nohd", want: 403},
		"an unverified address is no one": {global: `user.email.endsWith("@example.org")`, user: "unverified", want: 403},
		"a verified address is":           {global: `user.email.endsWith("@example.org")`, user: "hd", want: 200},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, siteOptions{
				head: "[access]\nallow = '" + c.global + "'\n", toml: "allow = '" + c.own + "'\n",
				idp: devidp.Options{Users: []devidp.User{
					{Sub: "1", Username: "hd", Email: "hd@example.org", EmailVerified: true, Groups: []string{"admins"}, Claims: map[string]any{"hd": "example.org"}},
					{Sub: "2", Username: "nohd", Email: "x@gmail.example", EmailVerified: true},
					{Sub: "3", Username: "unverified", Email: "boss@example.org"},
				}},
			})
			b := s.browser()
			got := s.login(b, c.user, "/auth/oauth/idp?return_to=/auth/session")
			wantStatus(t, got, c.want)
			if c.want == 403 {
				wantStatus(t, s.get(b, "/auth/check"), http.StatusUnauthorized)
			}
		})
	}
}

// Threat 55: the id changes at each login, and the old one is dead.
func TestNewIDAtEachLogin(t *testing.T) {
	s := newSite(t, siteOptions{})
	c := s.browser()
	s.login(c, "ada", "/auth/oauth/idp")
	first := s.sessionCookie(c)
	s.login(c, "grace", "/auth/oauth/idp")
	second := s.sessionCookie(c)
	if first.Value == second.Value || len(second.Value) >= 100 {
		t.Errorf("ids %q and %q", first.Value, second.Value)
	}
	got := s.get(&http.Client{}, "/auth/check", "Cookie", first.Name+"="+first.Value)
	wantStatus(t, got, http.StatusUnauthorized)
}

func (s *site) sessionCookie(c *http.Client) *http.Cookie {
	s.t.Helper()
	u, err := url.Parse(s.url)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, cookie := range c.Jar.Cookies(u) {
		if cookie.Name == "authd" {
			return cookie
		}
	}
	s.t.Fatal("there is no session cookie")
	return nil
}

// Threat 56, 57, 58, 62: the cookie's attributes; a doubled or tampered one is nobody.
func TestSessionCookie(t *testing.T) {
	s := newSite(t, siteOptions{})
	c := s.browser()
	start := s.get(still(c), "/auth/oauth/idp")
	back, err := s.idp.Authorize(t.Context(), start.Header.Get("Location"), "ada")
	if err != nil {
		t.Fatal(err)
	}
	done := s.get(still(c), back)
	var session *http.Cookie
	for _, one := range done.Cookies() {
		if one.Name == "authd" {
			session = one
		}
	}
	if session == nil || !session.HttpOnly || session.SameSite != http.SameSiteLaxMode || session.Path != "/" || session.Domain != "" || session.MaxAge <= 0 {
		t.Fatalf("the session cookie is %+v", session)
	}
	for _, cookie := range []string{
		"authd=" + session.Value + "; authd=" + session.Value,
		"authd=" + strings.Repeat("A", 43) + "; authd=" + session.Value,
		"authd=" + session.Value[:42], "authd=" + session.Value + "A", "authd=%00", "authd=", "authd", "authd=" + strings.Repeat("x", 8000),
		"__Host-authd=" + session.Value, "Authd=" + session.Value,
	} {
		wantStatus(t, s.get(&http.Client{}, "/auth/check", "Cookie", cookie), http.StatusUnauthorized)
	}
	wantStatus(t, s.get(&http.Client{}, "/auth/check", "Cookie", "authd="+session.Value), http.StatusOK)
	for i := range len(session.Value) {
		flipped := []byte(session.Value)
		flipped[i] ^= 1
		wantStatus(t, s.get(&http.Client{}, "/auth/check", "Cookie", "authd="+string(flipped)), http.StatusUnauthorized)
	}
	if strings.Contains(s.logs.String(), session.Value) {
		t.Error("the session id is in the log")
	}
}

// Threat 11: a provider that asked for a posted form is answered with one, and with nothing else.
func TestFormPostCallback(t *testing.T) {
	s := newSite(t, siteOptions{toml: `
[[providers]]
id = "form"
type = "form"
issuer = "ISSUER"
client_id = "demo"
client_secret = "demo-secret"
`})
	c := s.browser()
	start := s.get(still(c), "/auth/oauth/form?return_to=/auth/session")
	var flow *http.Cookie
	for _, cookie := range start.Cookies() {
		if strings.HasPrefix(cookie.Name, login.CookiePrefix) {
			flow = cookie
		}
	}
	if flow == nil || flow.SameSite != http.SameSiteNoneMode || !flow.Secure || !flow.HttpOnly {
		t.Fatalf("the flow cookie is %+v", flow)
	}
	action, form, err := s.idp.AuthorizeForm(t.Context(), start.Header.Get("Location"), "ada")
	if err != nil {
		t.Fatal(err)
	}
	// Go's cookie jar holds Secure cookies back from http, browsers don't on the loopback.
	cookie := []string{"Cookie", flow.Name + "=" + flow.Value}
	wantStatus(t, s.do(still(c), http.MethodPost, action+"?x=1", form, cookie...), http.StatusBadRequest)
	done := s.do(still(c), http.MethodPost, action, form, cookie...)
	wantStatus(t, done, http.StatusSeeOther)
	if got := s.get(c, done.Header.Get("Location")); !strings.Contains(got.body, `"provider":"form"`) {
		t.Errorf("signed in as %s", got.body)
	}

	again := s.get(still(c), "/auth/oauth/form")
	_, form, err = s.idp.AuthorizeForm(t.Context(), again.Header.Get("Location"), "ada")
	if err != nil {
		t.Fatal(err)
	}
	flow = again.Cookies()[0]
	got := s.get(still(c), "/auth/oauth/form/callback?"+form.Encode(), "Cookie", flow.Name+"="+flow.Value)
	wantStatus(t, got, http.StatusBadRequest)
}

func TestPasswordLogin(t *testing.T) {
	s := newSite(t, siteOptions{level: hclog.Trace, toml: "[[providers]]\nid = \"staff\"\ntype = \"pw\"\n"})
	c := s.browser()
	page := s.get(c, "/auth/login?return_to=/auth/session")
	if !strings.Contains(page.body, `action="/auth/password/staff"`) {
		t.Fatalf("the login page has no form:\n%s", page.body)
	}
	form := url.Values{"username": {"ada"}, "password": {"wrong"}, "return_to": {"/auth/session"}}
	own := []string{"Sec-Fetch-Site", "same-origin"}
	wrong := s.do(c, http.MethodPost, "/auth/password/staff", form, own...)
	wantStatus(t, wrong, http.StatusForbidden)
	for _, want := range []string{
		"The user name or the password is wrong.", `action="/auth/password/staff"`, `name="username" type="text" value="ada"`,
		`name="return_to" value="/auth/session"`,
	} {
		if !strings.Contains(wrong.body, want) {
			t.Errorf("after a wrong password the page does not hold %s:\n%s", want, wrong.body)
		}
	}
	if strings.Contains(wrong.body, "wrong\"") {
		t.Error("the page repeats the password")
	}
	asked := s.do(c, http.MethodPost, "/auth/password/staff", form, append(own, "Accept", "application/json")...)
	if wantStatus(t, asked, http.StatusForbidden); !strings.Contains(asked.body, `"error":"access_denied"`) {
		t.Errorf("a program is told %s", asked.body)
	}
	form.Set("password", "correct horse")
	// Threat 65: another site's form signs nobody in.
	wantStatus(t, s.do(c, http.MethodPost, "/auth/password/staff", form, "Sec-Fetch-Site", "cross-site"), http.StatusForbidden)
	wantStatus(t, s.do(c, http.MethodPost, "/auth/password/staff", form, "Origin", "https://evil.example"), http.StatusForbidden)
	wantStatus(t, s.get(c, "/auth/check"), http.StatusUnauthorized)
	done := s.do(c, http.MethodPost, "/auth/password/staff", form, own...)
	wantStatus(t, done, http.StatusOK)
	if !strings.Contains(done.body, `"provider":"staff"`) {
		t.Errorf("signed in as %s", done.body)
	}
	wantStatus(t, s.do(c, http.MethodPost, "/auth/password/idp", form, own...), http.StatusBadRequest)
	wantStatus(t, s.do(c, http.MethodPost, "/auth/password/none", form, own...), http.StatusNotFound)
	if strings.Contains(s.logs.String(), "correct horse") {
		t.Error("the password is in the log")
	}
}
