package host

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/authd/authd/sdk/devidp"
)

// Threat 44: an identity provider that never answers costs one login some seconds and a clean page.
func TestIdentityProviderHangs(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	c := s.browser()
	s.idp.Fault(devidp.EndpointToken, devidp.Fault{Hang: true})
	start := s.get(still(c), "/auth/oauth/idp")
	back, err := s.idp.Authorize(t.Context(), start.Header.Get("Location"), "ada")
	if err != nil {
		t.Fatal(err)
	}
	failsWith(t, s.get(c, back, "Accept", "application/json"), http.StatusGatewayTimeout, "provider_timeout")
	wantStatus(t, s.get(c, "/auth/check"), http.StatusUnauthorized)
	s.idp.Clear()
	wantStatus(t, s.login(c, "ada", "/auth/oauth/idp?return_to=/auth/session"), http.StatusOK)
}

// Threat 49: an identity provider that is down when authd starts comes by itself later.
func TestIdentityProviderIsDownAtStart(t *testing.T) {
	t.Parallel()
	idp := newIdP(t, devidp.Options{})
	address := strings.TrimPrefix(idp.URL(), "http://")
	if err := idp.Close(); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, siteOptions{with: idp, noWait: true})
	s.logs.await(t, "connection refused", 0)
	failsWith(t, s.get(&http.Client{}, "/auth/oauth/idp", "Accept", "application/json"), http.StatusServiceUnavailable, "provider_unavailable")
	wantStatus(t, s.get(&http.Client{}, "/healthz"), http.StatusOK)

	s.idp = newIdP(t, devidp.Options{Addr: address})
	if err := s.server.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, s.login(s.browser(), "ada", "/auth/oauth/idp?return_to=/auth/session"), http.StatusOK)
}

// Threat 83: the page is skipped once; whoever comes back at once sees it, so that nothing goes round and round.
func TestAutomaticLoginDoesNotLoop(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{head: "[login]\nauto = true\n"})
	c := s.browser()
	first := s.get(still(c), "/auth/login?return_to=/deep")
	wantStatus(t, first, http.StatusSeeOther)
	if to := first.Header.Get("Location"); to != "/auth/oauth/idp?return_to=%2Fdeep" {
		t.Errorf("the page leads to %s", to)
	}
	again := s.get(still(c), "/auth/login?return_to=/deep")
	if wantStatus(t, again, http.StatusOK); !strings.Contains(again.body, "Continue with Test Identity") {
		t.Errorf("the second time the page is\n%s", again.body)
	}
}

// Threat 160: a server on its way out says so before it closes.
func TestDraining(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	wantStatus(t, s.get(&http.Client{}, "/readyz"), http.StatusOK)
	s.server.draining.Store(true)
	got := s.get(&http.Client{}, "/readyz")
	if wantStatus(t, got, http.StatusServiceUnavailable); !strings.Contains(got.body, "stopping") {
		t.Errorf("readyz says %s", got.body)
	}
	wantStatus(t, s.get(&http.Client{}, "/healthz"), http.StatusOK)
}

// Threat 64, 67, 94: what every answer to a browser or program carries, on every route.
func TestEveryAnswerIsGuarded(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	c := s.browser()
	s.login(c, "ada", "/auth/oauth/idp")
	everybodys := []string{"/auth/providers", "/.well-known/jwks.json", "/auth/assets/favicon.svg"}
	checks := []string{"/auth/check", "/auth/forward", "/oauth2/auth", "/api/authz/"}
	for _, path := range append(s.everyPath(), "/auth/oauth/none", "/nowhere") {
		got := s.get(still(c), path)
		cacheControl := got.Header.Get("Cache-Control")
		if slices.Contains(everybodys, path) {
			if !strings.HasPrefix(cacheControl, "public") || len(got.Cookies()) != 0 {
				t.Errorf("%s is the same for everybody; Cache-Control %q, cookies %v", path, cacheControl, got.Cookies())
			}
		} else if !strings.Contains(cacheControl, "no-store") {
			t.Errorf("%s may be cached: %q", path, cacheControl)
		}
		if slices.Contains(everybodys, path) || slices.ContainsFunc(checks, func(at string) bool { return strings.HasPrefix(path, at) }) {
			continue
		}
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
		} {
			if got.Header.Get(name) != want {
				t.Errorf("%s: %s = %q, want %q", path, name, got.Header.Get(name), want)
			}
		}
		policy := got.Header.Get("Content-Security-Policy")
		html := strings.HasPrefix(got.Header.Get("Content-Type"), "text/html")
		if html && (!strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe")) {
			t.Errorf("%s: the policy is %q", path, policy)
		}
		for _, name := range []string{"Server", "X-Powered-By", "Access-Control-Allow-Origin"} {
			if got.Header.Get(name) != "" {
				t.Errorf("%s: %s = %q", path, name, got.Header.Get(name))
			}
		}
	}
}
