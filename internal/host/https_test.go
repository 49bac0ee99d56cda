package host

import (
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/authd/authd/sdk/devidp"
)

// behindTLS is a site whose public URL is https, as behind a proxy that ends TLS; the test plays that proxy.
func behindTLS(t *testing.T, session string) *site {
	t.Helper()
	return newSite(t, siteOptions{
		public: "https://auth.example.com", session: session,
		idp: devidp.Options{Clients: []devidp.Client{{
			ID: "demo", Secret: "demo-secret", RedirectURIs: []string{"https://auth.example.com/auth/oauth/idp/callback"},
		}}},
	})
}

// signInOverTLS carries the cookies by hand, since a jar holds Secure ones back from plain http.
func (s *site) signInOverTLS(t *testing.T) (flow, session *http.Cookie, done reply) {
	t.Helper()
	bare := still(&http.Client{})
	start := s.get(bare, "/auth/oauth/idp")
	flow = start.Cookies()[0]
	back, err := s.idp.Authorize(t.Context(), start.Header.Get("Location"), "ada")
	if err != nil {
		t.Fatal(err)
	}
	to, err := url.Parse(back)
	if err != nil || to.Host != "auth.example.com" {
		t.Fatalf("the identity provider leads back to %s (%v)", back, err)
	}
	done = s.get(bare, to.RequestURI(), "Cookie", flow.Name+"="+flow.Value)
	wantStatus(t, done, http.StatusSeeOther)
	for _, cookie := range done.Cookies() {
		if strings.HasSuffix(cookie.Name, "authd") {
			session = cookie
		}
	}
	if session == nil {
		t.Fatalf("no session cookie among %v", done.Cookies())
	}
	return flow, session, done
}

// Threat 56, 57, 67: on https both cookies are Secure and bound to the host, and browsers are told to stay on https.
func TestCookiesOnHTTPS(t *testing.T) {
	t.Parallel()
	s := behindTLS(t, "")
	flow, session, done := s.signInOverTLS(t)
	for _, c := range []*http.Cookie{flow, session} {
		if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
			t.Errorf("cookie %+v", c)
		}
	}
	if done.Header.Get("Strict-Transport-Security") == "" {
		t.Error("no Strict-Transport-Security")
	}
	wantStatus(t, s.get(&http.Client{}, "/auth/check", "Cookie", session.Name+"="+session.Value), http.StatusOK)
	// A sibling domain can set the plain name, but not the prefixed one.
	wantStatus(t, s.get(&http.Client{}, "/auth/check", "Cookie", "authd="+session.Value), http.StatusUnauthorized)
}

func TestCookieDomain(t *testing.T) {
	t.Parallel()
	s := behindTLS(t, "cookie_domain = \".example.com\"\n")
	_, session, _ := s.signInOverTLS(t)
	if session.Name != "authd" || session.Domain != "example.com" || !session.Secure {
		t.Errorf("the shared session cookie is %+v", session)
	}
	wantStatus(t, s.get(&http.Client{}, "/auth/check", "Cookie", "authd="+session.Value), http.StatusOK)
}

// Threat 109: over a unix socket the peer is the proxy, and the hop before it the client.
func TestClientBehindUnixSocket(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "authd.sock")
	s := newSite(t, siteOptions{listen: "unix:" + socket, public: "https://auth.example.com"})
	from := s.logs.String()
	c := overSocket(socket)
	t.Cleanup(c.CloseIdleConnections)
	wantStatus(t, s.get(c, "http://authd/auth/oauth/idp/callback", "X-Forwarded-For", "198.51.100.7, 203.0.113.9"), http.StatusBadRequest)
	s.logs.await(t, `"address":"203.0.113.9"`, len(from))
}
