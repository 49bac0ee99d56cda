package host

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/authd/authd/sdk/devidp"
)

// failsWith asserts that an answer is a JSON error of a status and code.
func failsWith(t testing.TB, got reply, status int, code string) {
	t.Helper()
	wantStatus(t, got, status)
	var said struct{ Error, Message, Incident string }
	if err := json.Unmarshal([]byte(got.body), &said); err != nil || said.Error != code || said.Message == "" || said.Incident == "" {
		t.Errorf("%s answered %s (%v), want the code %s", got.Request.URL.Path, got.body, err, code)
	}
	if got.Header.Get("Cache-Control") != "no-store" || got.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%s: headers %v", got.Request.URL.Path, got.Header)
	}
}

// Threat 44, 45, 46, 107: each way in which an identity provider fails has its code, and none of its words is shown.
func TestIdentityProviderFails(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	for name, c := range map[string]struct {
		endpoint string
		fault    devidp.Fault
		status   int
		code     string
	}{
		"500":           {devidp.EndpointToken, devidp.Fault{Status: 500, Error: "secret-upstream-text"}, 502, "provider_error"},
		"garbage":       {devidp.EndpointToken, devidp.Fault{Body: "secret-upstream-text"}, 502, "provider_error"},
		"HTML":          {devidp.EndpointToken, devidp.Fault{NotJSON: true}, 502, "provider_error"},
		"redirect":      {devidp.EndpointToken, devidp.Fault{RedirectTo: s.idp.TrapURL()}, 502, "provider_error"},
		"invalid grant": {devidp.EndpointToken, devidp.Fault{Error: "invalid_grant"}, 400, "login_expired"},
		"busy":          {devidp.EndpointToken, devidp.Fault{Status: 503, RetryAfter: "7"}, 503, "provider_unavailable"},
		"bad signature": {devidp.EndpointToken, devidp.Fault{Flaws: []devidp.Flaw{devidp.FlawBrokenSignature}}, 502, "provider_error"},
		"other user":    {devidp.EndpointUserInfo, devidp.Fault{Flaws: []devidp.Flaw{devidp.FlawOtherUser}}, 502, "provider_error"},
		"cancelled":     {devidp.EndpointAuthorize, devidp.Fault{Error: "access_denied", Description: "secret-upstream-text"}, 403, "access_denied"},
		"server error":  {devidp.EndpointAuthorize, devidp.Fault{Error: "server_error", Description: "secret-upstream-text"}, 502, "provider_error"},
	} {
		// Logins that work in between keep the breaker closed, which is tested elsewhere.
		s.idp.Clear()
		s.login(s.browser(), "ada", "/auth/oauth/idp")
		s.idp.Fault(c.endpoint, c.fault)
		b := s.browser()
		back := s.authorize(b, "ada")
		got := s.get(still(b), back, "Accept", "application/json")
		failsWith(t, got, c.status, c.code)
		if strings.Contains(got.body, "secret-upstream-text") || strings.Contains(got.body, s.idp.URL()) {
			t.Errorf("%s: the answer holds the provider's words: %s", name, got.body)
		}
		wantStatus(t, s.get(b, "/auth/check"), http.StatusUnauthorized)
		// Threat 3: the callback was the login's only one.
		failsWith(t, s.get(still(b), back, "Accept", "application/json"), 400, "invalid_state")
	}
	s.idp.Clear()
	if got := s.idp.RequestCount(devidp.EndpointTrap); got != 0 {
		t.Errorf("a redirect of the token request was followed %d times", got)
	}
	none := still(s.browser())
	failsWith(t, s.get(none, "/auth/oauth/none", "Accept", "application/json"), 404, "provider_not_found")
	failsWith(t, s.get(none, "/auth/oauth/idp?login_hint="+strings.Repeat("a", 300), "Accept", "application/json"), 400, "invalid_request")
}

// authorize begins a login and returns where the identity provider sends the browser back to.
func (s *site) authorize(c *http.Client, user string) string {
	s.t.Helper()
	start := s.get(still(c), "/auth/oauth/idp")
	wantStatus(s.t, start, http.StatusSeeOther)
	back, err := s.idp.Authorize(s.t.Context(), start.Header.Get("Location"), user)
	if err != nil {
		s.t.Fatal(err)
	}
	return back
}

// Threat 134: while a plugin's process is gone nothing is let in, and it comes back by itself.
func TestPluginIsKilled(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	c := s.browser()
	s.login(c, "ada", "/auth/oauth/idp")
	process, err := os.FindProcess(s.server.live().byID["idp"].runtime.Status().PID)
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Kill(); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, s.get(c, "/auth/check"), http.StatusOK)
	s.logs.await(t, `"@message":"plugin_crashed"`, 0)
	if err := s.server.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, s.login(s.browser(), "grace", "/auth/oauth/idp?return_to=/auth/session"), http.StatusOK)
}

// Threat 62, 154, 155: even at debug level no line of the log holds a secret or a whole address, and each is JSON.
func TestLogHoldsNoSecrets(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{level: hclog.Trace})
	c := s.browser()
	var secrets []string
	jar := func() {
		u, err := url.Parse(s.url)
		if err != nil {
			t.Fatal(err)
		}
		for _, cookie := range c.Jar.Cookies(u) {
			secrets = append(secrets, cookie.Value)
		}
	}
	for _, fault := range []devidp.Fault{{Times: 1, Status: 500}, {Times: 1, Flaws: []devidp.Flaw{devidp.FlawWrongNonce}}, {Times: 1, Error: "invalid_grant"}} {
		s.idp.Fault(devidp.EndpointToken, fault)
		back := s.authorize(c, "ada")
		jar()
		wantStatus(t, s.get(c, "/auth/oauth/idp/callback?state=forged-state%0a%7b%22x%22:1%7d&code=forged-code-value"), http.StatusBadRequest)
		s.get(c, back)
	}
	s.login(c, "ada", "/auth/oauth/idp?return_to=https://evil.example/%3Fq=secret-query&login_hint=ada@example.org")
	jar()
	wantStatus(t, s.get(c, "/auth/check"), http.StatusOK)
	s.get(c, "/auth/oauth/no%0a%22such", "User-Agent", "x\"}{\"y\":\"z")
	s.do(still(c), http.MethodPost, "/auth/logout", url.Values{}, "Sec-Fetch-Site", "same-origin")
	for _, r := range s.idp.Requests(devidp.EndpointAuthorize) {
		secrets = append(secrets, r.Query.Get("state"), r.Query.Get("nonce"))
	}
	for _, r := range s.idp.Requests(devidp.EndpointToken) {
		secrets = append(secrets, r.Form.Get("code"), r.Form.Get("code_verifier"))
	}
	for _, r := range s.idp.Requests(devidp.EndpointUserInfo) {
		secrets = append(secrets, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	}
	secrets = append(secrets, "demo-secret", "ada@example.org", "secret-query", "forged-state", "forged-code-value", "0123456789abcdef0123456789abcdef")
	log := s.logs.String()
	checked := 0
	for _, secret := range secrets {
		if len(secret) < 8 {
			continue
		}
		checked++
		if at := strings.Index(log, secret); at >= 0 {
			t.Errorf("the log holds %q: …%s", secret, log[max(0, at-200):at])
		}
	}
	if checked < 20 {
		t.Errorf("only %d secrets were looked for", checked)
	}
	for line := range strings.Lines(log) {
		var one map[string]any
		if err := json.Unmarshal([]byte(line), &one); err != nil || one["@timestamp"] == nil {
			t.Errorf("not one JSON object (%v): %s", err, line)
		}
	}
}

// Threat 39: whom the identity provider has shut out loses the session at the next renewal; while it is only down,
// nobody does.
func TestRenewal(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	s := newSite(t, siteOptions{before: func(s *Server) {
		s.sessions.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	}})
	out, in := s.browser(), s.browser()
	s.login(out, "ada", "/auth/oauth/idp")
	s.login(in, "grace", "/auth/oauth/idp")
	s.idp.RevokeUser(devidp.DefaultUsers()[0].Sub)
	ahead.Store(int64(2 * time.Hour))
	ended := len(s.logs.String())
	s.get(out, "/auth/check") // begins the renewal, and waits for it for a while
	s.logs.await(t, `"@message":"refresh_refused"`, ended)
	wantStatus(t, s.get(out, "/auth/check"), http.StatusUnauthorized)

	s.idp.ForgetRequests()
	s.idp.Fault(devidp.EndpointToken, devidp.Fault{Status: 500, Grant: "refresh_token"})
	wantStatus(t, s.get(in, "/auth/check"), http.StatusOK)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := s.idp.WaitRequests(ctx, devidp.EndpointToken, 1); err != nil {
		t.Fatal("the token was not renewed")
	}
	wantStatus(t, s.get(in, "/auth/check"), http.StatusOK)
}
