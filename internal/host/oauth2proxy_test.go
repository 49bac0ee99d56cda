package host

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/sdk/devidp"
)

// oauth2-proxy's check: its codes, its headers, and no way to the login page.
func TestOAuth2Auth(t *testing.T) {
	t.Parallel()
	s := appSite(t, siteOptions{})
	guest, linus := s.browser(), s.browser()
	s.login(linus, "linus", "/auth/oauth/idp")
	at := viaNginx("/oauth2/auth")
	for _, method := range []string{"GET", "HEAD", "POST", "DELETE"} {
		for who, c := range map[string]struct {
			client *http.Client
			path   string
			want   int
			user   string
			gap    string
		}{
			"guest":              {guest, "/", 401, "", ""},
			"guest, public":      {guest, "/public/", 202, "", ""},
			"linus":              {linus, "/", 202, "linus", "linus"}, // no verified address: his name
			"linus, public":      {linus, "/public/", 202, "linus", "linus"},
			"linus, not for him": {linus, "/admin/", 403, "", ""},
		} {
			got := s.ask(c.client, at, request{method, "wiki.example.com", c.path, []string{"GAP-Auth", "root@example.org"}})
			if got.StatusCode != c.want || got.body != "" || got.Header.Get("Location") != "" || got.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s: %d %q with %v, want %d", who, got.StatusCode, got.body, got.Header, c.want)
			}
			if values := got.Header.Values("GAP-Auth"); len(values) != 1 || values[0] != c.gap {
				t.Errorf("%s: GAP-Auth %q, want %q", who, values, c.gap)
			}
			wantIdentity(t, who, got, c.user)
		}
	}
	ada := s.browser()
	s.login(ada, "ada", "/auth/oauth/idp")
	if got := s.ask(ada, at, request{"GET", "wiki.example.com", "/", nil}); got.Header.Get("GAP-Auth") != "ada@example.org" {
		t.Errorf("GAP-Auth of ada is %q", got.Header.Get("GAP-Auth"))
	}
}

// Threat 85: what the query demands holds for this request, and a demand for nobody lets nobody pass.
func TestOAuth2AuthConstraints(t *testing.T) {
	t.Parallel()
	s := appSite(t, siteOptions{})
	ada, linus, guest := s.browser(), s.browser(), s.browser()
	s.login(ada, "ada", "/auth/oauth/idp")
	s.login(linus, "linus", "/auth/oauth/idp")
	for query, want := range map[string][2]int{ // of ada, of linus
		"":                           {202, 202},
		"unknown=1":                  {202, 202},
		"allowed_groups=admins":      {202, 403},
		"allowed_groups=none,admins": {202, 403},
		"allowed_groups=none&allowed_groups=guests":               {403, 202},
		"allowed_groups=none":                                     {403, 403},
		"allowed_groups=":                                         {403, 403},
		"allowed_groups=,,":                                       {403, 403},
		"allowed_groups":                                          {403, 403},
		"allowed_groups=%2A":                                      {403, 403},
		"allowed_emails=ADA@example.org":                          {202, 403},
		"allowed_emails=linus@example.net":                        {403, 403}, // nobody vouches for it
		"allowed_email_domains=example.org":                       {202, 403},
		"allowed_email_domains=.example.org":                      {202, 403},
		"allowed_email_domains=example.net":                       {403, 403},
		"allowed_email_domains=":                                  {403, 403},
		"allowed_groups=admins&allowed_email_domains=example.net": {403, 403},
		"allowed_groups=admins&allowed_emails=":                   {403, 403},
		"allowed_groups=%zz":                                      {403, 403},
		"a;allowed_groups=admins":                                 {403, 403}, // parsers differ on what it says
	} {
		at := "/oauth2/auth?" + query
		for i, c := range []*http.Client{ada, linus} {
			user := ""
			got := s.ask(c, viaNginx(at), request{"GET", "wiki.example.com", "/", nil})
			if wantStatus(t, got, want[i]); got.StatusCode == 202 {
				user = []string{"ada", "linus"}[i]
			}
			wantIdentity(t, at, got, user)
		}
		wantStatus(t, s.ask(guest, viaNginx(at), request{"GET", "wiki.example.com", "/", nil}), 401)
		// A path for everybody is for everybody but who signed in and does not fit.
		wantStatus(t, s.ask(guest, viaNginx(at), request{"GET", "wiki.example.com", "/public/", nil}), 202)
	}
}

// Threat 80: where a login leads, of all the places that oauth2-proxy looks at: the first one that is ours.
func TestOAuth2RedirectTarget(t *testing.T) {
	t.Parallel()
	s := appSite(t, siteOptions{})
	const wiki = "http://wiki.example.com"
	for name, test := range map[string]struct {
		rd      string
		headers []string
		want    string
	}{
		"nothing":                {"", nil, ""},
		"rd":                     {wiki + "/a?b=c", nil, wiki + "/a?b=c"},
		"a path":                 {"/a?b=c", nil, "/a?b=c"},
		"rd before all":          {wiki + "/a", []string{"X-Auth-Request-Redirect", wiki + "/b", "X-Forwarded-Uri", "/c"}, wiki + "/a"},
		"the header":             {"", []string{"X-Auth-Request-Redirect", wiki + "/b", "X-Forwarded-Host", "wiki.example.com", "X-Forwarded-Uri", "/c"}, wiki + "/b"},
		"rd is not ours":         {"https://evil.com/", []string{"X-Auth-Request-Redirect", wiki + "/b"}, wiki + "/b"},
		"both are not ours":      {"//evil.com/", []string{"X-Auth-Request-Redirect", "javascript:alert(1)", "X-Forwarded-Host", "wiki.example.com", "X-Forwarded-Uri", "/c?d=e", "X-Forwarded-Proto", "http"}, wiki + "/c?d=e"},
		"the path that is asked": {"", []string{"X-Forwarded-Host", "evil.com", "X-Forwarded-Uri", "/c"}, "/c"},
		"nothing is ours":        {"https://evil.com/", []string{"X-Auth-Request-Redirect", "https://evil.com/", "X-Forwarded-Host", "evil.com", "X-Forwarded-Uri", "//evil.com"}, ""},
		"our own routes":         {"/oauth2/sign_in?rd=/x", []string{"X-Auth-Request-Redirect", wiki + "/oauth2/start", "X-Forwarded-Host", "wiki.example.com", "X-Forwarded-Uri", "/oauth2/auth"}, ""},
		"our own, escaped":       {"/%6fauth2/sign_out", nil, ""},
		"two targets":            {"", []string{"X-Forwarded-Host", "wiki.example.com/x", "X-Forwarded-Uri", "/c"}, "/c"},
	} {
		path := "/oauth2/start"
		if test.rd != "" {
			path += "?" + url.Values{"rd": {test.rd}}.Encode()
		}
		got := s.askAs(&http.Client{}, "GET", path, "", test.headers...)
		wantStatus(t, got, http.StatusFound)
		back, err := s.idp.Authorize(t.Context(), got.Header.Get("Location"), "ada")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		to, err := url.Parse(back)
		if err != nil {
			t.Fatal(err)
		}
		flow := got.Cookies()[0]
		done := s.get(still(&http.Client{}), to.RequestURI(), "Cookie", flow.Name+"="+flow.Value)
		want := test.want
		if want == "" {
			want = "/"
		}
		if done.Header.Get("Location") != want {
			t.Errorf("%s: the login leads to %q, want %q", name, done.Header.Get("Location"), want)
		}
	}
}

// Threat 88: the places that a proxy fills in count only from one that is trusted.
func TestOAuth2RedirectTargetOfAStranger(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{head: "[login]\nreturn_to_allow = [\"http://*.localhost\"]\n", toml: secondProvider})
	got := s.askAs(s.browser(), "GET", "/oauth2/start", "", "X-Forwarded-Host", "wiki.localhost", "X-Forwarded-Uri", "/c")
	if to := got.Header.Get("Location"); to != "/auth/login" {
		t.Errorf("a stranger's headers lead to %s", to)
	}
}

const secondProvider = `
[[providers]]
id = "other"
type = "test"
issuer = "ISSUER"
client_id = "demo"
client_secret = "demo-secret"
`

// The routes of a browser: oauth2-proxy's redirects are 302.
func TestOAuth2Pages(t *testing.T) {
	t.Parallel()
	one, two := newSite(t, siteOptions{toml: "callback_path = \"/oauth2/callback\"\n"}), newSite(t, siteOptions{toml: secondProvider})
	page := one.get(one.browser(), "/oauth2/sign_in?rd=/a?b=c")
	wantStatus(t, page, http.StatusOK)
	if !strings.Contains(page.body, `href="/auth/oauth/idp?return_to=%2Fa%3Fb%3Dc"`) {
		t.Errorf("the page is\n%s", page.body)
	}
	c := still(two.browser())
	choose := two.get(c, "/oauth2/start?rd=/a")
	if wantStatus(t, choose, http.StatusFound); choose.Header.Get("Location") != "/auth/login?return_to=%2Fa" {
		t.Errorf("with two providers start leads to %s", choose.Header.Get("Location"))
	}

	// The callback of oauth2-proxy is one of authd's.
	c = still(one.browser())
	start := one.get(c, "/oauth2/start?rd=/a")
	if wantStatus(t, start, http.StatusFound); !strings.HasPrefix(start.Header.Get("Location"), one.idp.URL()) {
		t.Errorf("with one provider start leads to %s", start.Header.Get("Location"))
	}
	back, err := one.idp.Authorize(t.Context(), start.Header.Get("Location"), "ada")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(back, "/oauth2/callback?") {
		t.Errorf("the identity provider leads to %s", back)
	}
	done := one.get(c, back)
	if wantStatus(t, done, http.StatusFound); done.Header.Get("Location") != "/a" {
		t.Errorf("the callback leads to %s", done.Header.Get("Location"))
	}
	wantStatus(t, one.get(c, "/oauth2/auth"), http.StatusAccepted)
	failsWith(t, one.get(c, "/oauth2/callback?state=x&code=y", "Accept", "application/json"), http.StatusBadRequest, "invalid_state")
}

func TestOAuth2Userinfo(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{idp: devidp.Options{Users: []devidp.User{
		{Sub: "1", Username: "ada", Email: "ada@example.org", EmailVerified: true, Groups: []string{"a", "b"}},
		{Sub: "2", Username: "bob", Email: "ada@example.org"},
	}}})
	failsWith(t, s.get(s.browser(), "/oauth2/userinfo"), http.StatusUnauthorized, "unauthenticated")
	for user, want := range map[string]map[string]any{
		"1": {"user": "ada", "email": "ada@example.org", "preferredUsername": "ada", "groups": []any{"a", "b"}},
		"2": {"user": "bob", "email": "", "preferredUsername": "bob"},
	} {
		c := s.browser()
		s.login(c, user, "/auth/oauth/idp")
		got := s.get(c, "/oauth2/userinfo")
		wantStatus(t, got, http.StatusOK)
		var said map[string]any
		if err := json.Unmarshal([]byte(got.body), &said); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, said); diff != "" || got.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("userinfo (-want +got):\n%s", diff)
		}
	}
}

// Threat 65, 80: a link of one's own site signs out at once; any other one is asked about.
func TestOAuth2SignOut(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	for name, c := range map[string]struct {
		method, site, rd string
		status           int
		to               string
		ends             bool
	}{
		"from the site itself":    {"GET", "same-origin", "/bye", 302, "/bye", true},
		"from a page of the site": {"GET", "same-site", "/bye", 302, "/bye", true},
		"typed":                   {"GET", "none", "/bye", 302, "/bye", true},
		"from elsewhere":          {"GET", "cross-site", "/bye", 302, "/auth/logout?return_to=%2Fbye", false},
		"not said":                {"GET", "", "/bye", 302, "/auth/logout?return_to=%2Fbye", false},
		"a word nobody knows":     {"GET", "same-planet", "/bye", 302, "/auth/logout?return_to=%2Fbye", false},
		"form":                    {"POST", "same-origin", "/bye", 302, "/bye", true},
		"form of another site":    {"POST", "cross-site", "/bye", 403, "", false},
		"to another site":         {"GET", "same-origin", "https://evil.com/", 302, "/auth/logout", true},
		"round and round":         {"GET", "same-origin", "/oauth2/sign_out", 302, "/auth/logout", true},
	} {
		b := s.browser()
		s.login(b, "ada", "/auth/oauth/idp")
		var headers []string
		if c.site != "" {
			headers = []string{"Sec-Fetch-Site", c.site}
		}
		got := s.do(still(b), c.method, "/oauth2/sign_out?rd="+url.QueryEscape(c.rd), nil, headers...)
		to := got.Header.Get("Location")
		if c.ends && strings.HasPrefix(to, s.idp.URL()) {
			// The identity provider ends its own session first; the way back is in the state.
			at, err := url.Parse(to)
			if err != nil {
				t.Fatal(err)
			}
			after := s.get(still(b), "/auth/logout?state="+url.QueryEscape(at.Query().Get("state")))
			if to = after.Header.Get("Location"); to == "" && after.StatusCode == http.StatusOK {
				to = "/auth/logout"
			}
		}
		if got.StatusCode != c.status || to != c.to {
			t.Errorf("%s: status %d to %q, want %d to %q", name, got.StatusCode, to, c.status, c.to)
		}
		want := http.StatusAccepted
		if c.ends {
			want = http.StatusUnauthorized
		}
		wantStatus(t, s.get(b, "/oauth2/auth"), want)
	}
}

// The routes of oauth2-proxy are often on the address of each app: from there the browser is led home, and back.
func TestOAuth2OnTheAddressOfAnApp(t *testing.T) {
	t.Parallel()
	s := appSite(t, siteOptions{})
	c := s.browser()
	home := s.server.publicURL.String()
	for path, want := range map[string]string{
		"/oauth2/sign_in?rd=http%3A%2F%2Fwiki.example.com%2Fx%3Fy%3Dz": "http://wiki.example.com/x?y=z",
		"/oauth2/sign_in?rd=/x":             "http://wiki.example.com/x",
		"/oauth2/start":                     "http://wiki.example.com/",
		"/oauth2/start?rd=https://evil.com": "http://wiki.example.com/",
		"/oauth2/sign_out?rd=/bye":          "http://wiki.example.com/bye",
	} {
		got := s.askAs(c, "GET", path, "WIKI.example.com", "Sec-Fetch-Site", "same-origin")
		wantStatus(t, got, http.StatusFound)
		to, err := url.Parse(got.Header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		route, _, _ := strings.Cut(path, "?")
		if at := home + route; !strings.HasPrefix(to.String(), at+"?") || to.Query().Get("rd") != want || len(got.Cookies()) > 0 {
			t.Errorf("%s on the address of an app leads to %s, want %s with rd %q", path, to, at, want)
		}
		// At home nothing goes round.
		if again := s.get(still(c), to.RequestURI(), "Sec-Fetch-Site", "same-site"); strings.HasPrefix(again.Header.Get("Location"), home+"/oauth2/") {
			t.Errorf("%s goes round: %s", path, again.Header.Get("Location"))
		}
	}
	for _, host := range []string{"evil.com", "authd:4180", s.server.Addr()} {
		if got := s.askAs(c, "GET", "/oauth2/sign_in?rd=/x", host); got.StatusCode != http.StatusOK {
			t.Errorf("through %s: status %d to %s", host, got.StatusCode, got.Header.Get("Location"))
		}
	}
	s.login(c, "ada", "/auth/oauth/idp")
	if got := s.askAs(c, "GET", "/oauth2/userinfo", "wiki.example.com"); got.StatusCode != http.StatusOK {
		t.Errorf("userinfo on the address of an app: status %d", got.StatusCode)
	}
}
