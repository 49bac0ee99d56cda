package host

import (
	"net/http"
	"strings"
	"testing"
)

var remoteNames = []string{"Remote-User", "Remote-Groups", "Remote-Name", "Remote-Email"}

// Threat 86: Authelia's headers are in every answer, of whoever is let in and empty otherwise.
func TestRemoteHeaders(t *testing.T) {
	t.Parallel()
	s := appSite(t, siteOptions{})
	guest, ada := s.browser(), s.browser()
	s.login(ada, "ada", "/auth/oauth/idp")
	of := map[string][]string{"": {"", "", "", ""}, "ada": {"ada", "admins,staff", "Ada Quillfeather", "ada@example.org"}}
	for where, at := range everyRoute {
		if !strings.HasPrefix(where, "/api/authz/") {
			continue
		}
		for _, c := range []struct {
			client    *http.Client
			host, uri string
			status    int
			user      string
		}{
			{ada, "wiki.example.com", "/", 200, "ada"},
			{ada, "wiki.example.com", "/public/", 200, "ada"},
			{ada, "other.example.com", "/", 403, ""},
			{guest, "wiki.example.com", "/public/", 200, ""},
			{guest, "wiki.example.com", "/", 401, ""},
			{guest, "other.example.com", "/", 403, ""},
		} {
			got := s.ask(c.client, at.via, request{"GET", c.host, c.uri, append([]string{"Remote-User", "root", "Remote-Groups", "root"}, fetch...)})
			if wantStatus(t, got, c.status); c.user != "" || got.StatusCode == 200 {
				wantIdentity(t, where, got, c.user)
			}
			wantRemote(t, where+c.uri, got, of[c.user])
		}
	}
}

func wantRemote(t *testing.T, what string, got reply, want []string) {
	t.Helper()
	for i, name := range remoteNames {
		if values := got.Header.Values(name); len(values) != 1 || values[0] != want[i] {
			t.Errorf("%s: status %d with %s %q, want %q", what, got.StatusCode, name, values, want[i])
		}
	}
}

// Threat 88: a question that says nothing, or two things, is a bad one; so is any of a proxy that is not trusted.
func TestAuthzWithoutTarget(t *testing.T) {
	t.Parallel()
	trusting, wary := appSite(t, siteOptions{}), newSite(t, siteOptions{toml: appsTOML})
	whole := []string{"X-Original-URL", "http://wiki.example.com/public/", "X-Original-Method", "GET"}
	forwarded := []string{"X-Forwarded-Proto", "http", "X-Forwarded-Host", "wiki.example.com", "X-Forwarded-Uri", "/public/", "X-Forwarded-Method", "GET"}
	for _, c := range []struct {
		s       *site
		path    string
		headers []string
		want    int
	}{
		{trusting, authzAuthRequest, whole, 200},
		{trusting, authzForwardAuth, forwarded, 200},
		{trusting, authzExtAuthz + "/public/", nil, 403}, // the Host is that of authd, which is no app
		{trusting, authzAuthRequest, nil, 400},
		{trusting, authzAuthRequest, []string{"X-Original-URL", "wiki.example.com/public/"}, 400},
		{trusting, authzAuthRequest, []string{"X-Original-URL", "ftp://wiki.example.com/public/"}, 400},
		{trusting, authzAuthRequest, append([]string{"X-Forwarded-Host", "api.example.com"}, whole...), 400},
		{trusting, authzForwardAuth, nil, 400},
		{trusting, authzForwardAuth, forwarded[:4], 400},
		{trusting, authzForwardAuth, []string{"X-Forwarded-Host", "wiki.example.com, api.example.com", "X-Forwarded-Uri", "/public/"}, 400},
		{wary, authzAuthRequest, whole, 400},
		{wary, authzForwardAuth, forwarded, 400},
		{wary, authzExtAuthz + "/public/", nil, 400},
		{trusting, authzExtAuthz, nil, 400},
	} {
		for _, accept := range [][]string{pageLoad, fetch} {
			got := c.s.askAs(c.s.browser(), "GET", c.path, "", append(append([]string{}, c.headers...), accept...)...)
			if got.StatusCode != c.want {
				t.Errorf("%s with %v: status %d, want %d", c.path, c.headers, got.StatusCode, c.want)
			}
			wantIdentity(t, c.path, got, "")
			wantRemote(t, c.path, got, []string{"", "", "", ""})
			if c.want == 400 && (got.body != "" || got.Header.Get("Location") != "") {
				t.Errorf("%s: 400 with %q and %v", c.path, got.body, got.Header)
			}
		}
	}
	wary.logs.await(t, "is not in server.trusted_proxies", 0)
}

// nginx's kind gets no redirect: the login page is in the Location of a 401 without a body, for pages and programs.
func TestAuthzOfNginxNamesTheLogin(t *testing.T) {
	t.Parallel()
	s := appSite(t, siteOptions{})
	for _, accept := range [][]string{pageLoad, fetch} {
		for _, method := range []string{"GET", "POST"} {
			got := s.ask(s.browser(), viaNginx(authzAuthRequest), request{method, "wiki.example.com", "/a?b=c", accept})
			wantStatus(t, got, http.StatusUnauthorized)
			wantLogin(t, s, method, got, "http://wiki.example.com/a?b=c")
		}
	}
}
