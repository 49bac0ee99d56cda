package host

import (
	"net/http"
	"net/url"
	"testing"
)

// Threat 80, 88: the 401 of the check names the login page, and the way back to the page that was asked for when a
// trusted proxy names one to which a login may lead.
func TestCheckNamesTheLoginPage(t *testing.T) {
	tests := map[string]struct {
		trusted, original, want string
	}{
		"nobody is trusted":      {"", "https://app.example.com/a", ""},
		"another one is trusted": {"192.0.2.0/24", "https://app.example.com/a", ""},
		"an allowed application": {"127.0.0.1", "https://app.example.com/a/b%2Fc?x=1&y=%26&return_to=/z", "https://app.example.com/a/b%2Fc?x=1&y=%26&return_to=/z"},
		"an application unknown": {"127.0.0.1", "https://evil.example.org/a", ""},
		"a broken address":       {"127.0.0.1", "https://app.example.com\\@evil.example.org/", ""},
		"the proxy says nothing": {"127.0.0.1", "", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, siteOptions{
				head:    "[login]\nreturn_to_allow = [\"https://*.example.com\"]\n",
				environ: []string{"AUTHD_SERVER_TRUSTED_PROXIES=" + test.trusted},
			})
			for _, cookie := range []string{"", s.server.cookieName + "=made-up"} {
				got := s.get(http.DefaultClient, "/auth/check", "X-Original-URL", test.original, "Cookie", cookie)
				wantStatus(t, got, http.StatusUnauthorized)
				location, err := url.Parse(got.Header.Get("Location"))
				if err != nil {
					t.Fatal(err)
				}
				query := location.Query()
				location.RawQuery = ""
				if location.String() != s.url+"/auth/login" || query.Get("return_to") != test.want || len(query) > 1 {
					t.Errorf("cookie %q: Location %q, want the login page with return_to %q alone", cookie, got.Header.Get("Location"), test.want)
				}
				if got.body != "" {
					t.Errorf("the answer has the body %q", got.body)
				}
			}
		})
	}
}

// Whoever is signed in is sent nowhere.
func TestCheckOfASessionNamesNoLoginPage(t *testing.T) {
	s := newSite(t, siteOptions{environ: []string{"AUTHD_SERVER_TRUSTED_PROXIES=127.0.0.1"}})
	b := s.browser()
	s.login(b, "ada", "/auth/oauth/idp")
	got := s.get(b, "/auth/check", "X-Original-URL", s.url+"/a")
	wantStatus(t, got, http.StatusOK)
	if to := got.Header.Get("Location"); to != "" {
		t.Errorf("Location is %q, want none", to)
	}
}
