package host

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/authd/authd/internal/login"
	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
)

const hybridTable = `
[[providers]]
id = "hybrid"
type = "hybrid"
issuer = "ISSUER"
client_id = "demo"
client_secret = "demo-secret"
`

// hybridAnswer begins a login in the hybrid flow and signs ada in at the identity provider: the address and the form
// that her browser then posts to authd, and the flow cookie that it sends along. Go's cookie jar holds Secure cookies
// back from http, browsers don't on the loopback.
func (s *site) hybridAnswer(c *http.Client) (action string, form url.Values, cookie []string) {
	s.t.Helper()
	start := s.get(still(c), "/auth/oauth/hybrid?return_to=/auth/session")
	wantStatus(s.t, start, http.StatusSeeOther)
	for _, flow := range start.Cookies() {
		if strings.HasPrefix(flow.Name, login.CookiePrefix) {
			cookie = []string{"Cookie", flow.Name + "=" + flow.Value}
		}
	}
	action, form, err := s.idp.AuthorizeForm(s.t.Context(), start.Header.Get("Location"), "ada")
	if err != nil || cookie == nil {
		s.t.Fatalf("cookie %q, error %v", cookie, err)
	}
	return action, form, cookie
}

// The hybrid flow, from the request to the session: an ID token beside the code, in a form that the browser posts.
func TestHybridLogin(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{toml: hybridTable, level: hclog.Trace})
	c := s.browser()
	action, form, cookie := s.hybridAnswer(c)
	asked := s.idp.Requests(devidp.EndpointAuthorize)[0].Query
	if asked.Get("response_type") != sdk.ResponseTypeHybrid || asked.Get("response_mode") != "form_post" || asked.Get("nonce") == "" || asked.Get("code_challenge_method") != "S256" {
		t.Errorf("the identity provider was asked %v", asked)
	}
	if form.Get("id_token") == "" || form.Get("code") == "" || strings.Contains(action, form.Get("code")) {
		t.Fatalf("the browser posts %v to %s", form, action)
	}
	done := s.do(still(c), http.MethodPost, action, form, cookie...)
	wantStatus(t, done, http.StatusSeeOther)
	if got := s.get(c, done.Header.Get("Location")); !strings.Contains(got.body, `"provider":"hybrid"`) || !strings.Contains(got.body, "Ada") {
		t.Errorf("signed in as %s", got.body)
	}
	// Threat 3: the same answer is good for one login.
	wantStatus(t, s.do(still(s.browser()), http.MethodPost, action, form, cookie...), http.StatusBadRequest)
	s.logsHold(t, form, asked)
}

// Threat 24: an ID token in front that is not of this login ends it, before the code is redeemed, and nothing of it is
// shown or logged.
func TestHybridLies(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{toml: hybridTable, level: hclog.Trace})
	// The form is the browser's, who may have changed it: that is no fault of the identity provider's.
	for flaw, code := range map[devidp.Flaw]string{
		devidp.FlawWrongNonce: "login_expired", devidp.FlawNoNonce: "login_expired", devidp.FlawWrongCHash: "login_expired",
		devidp.FlawNoCHash: "login_expired", devidp.FlawBrokenSignature: "login_expired", devidp.FlawAlgNone: "login_expired",
		devidp.FlawWrongAudience: "login_expired", devidp.FlawExpired: "login_expired", devidp.FlawCallbackNoToken: "invalid_request",
	} {
		s.idp.Clear()
		s.login(s.browser(), "ada", "/auth/oauth/idp") // logins that work in between keep the breaker closed
		c := s.browser()
		s.idp.Fault(devidp.EndpointAuthorize, devidp.Fault{Times: 1, Flaws: []devidp.Flaw{flaw}})
		action, form, cookie := s.hybridAnswer(c)
		before := s.idp.RequestCount(devidp.EndpointToken)
		got := s.do(still(c), http.MethodPost, action, form, append(cookie, "Accept", "application/json")...)
		failsWith(t, got, http.StatusBadRequest, code)
		if s.idp.RequestCount(devidp.EndpointToken) != before {
			t.Errorf("%s: the code was redeemed", flaw)
		}
		for _, set := range got.Cookies() {
			if set.Name == "authd" {
				t.Errorf("%s: there is a session", flaw)
			}
		}
		wantStatus(t, s.get(c, "/auth/check"), http.StatusUnauthorized)
		s.logsHold(t, form, nil)
	}
}

// Threat 11: tokens are taken from the body alone. An address ends up in histories and logs.
func TestHybridAnswerInTheAddress(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{toml: hybridTable})
	c := s.browser()
	action, form, cookie := s.hybridAnswer(c)
	failsWith(t, s.get(still(c), action+"?"+form.Encode(), append(cookie, "Accept", "application/json")...), http.StatusBadRequest, "invalid_request")
	wantStatus(t, s.get(c, "/auth/check"), http.StatusUnauthorized)
}

// logsHold asserts that none of what passed through the browser is in the log.
func (s *site) logsHold(t *testing.T, passed ...url.Values) {
	t.Helper()
	log, checked := s.logs.String(), 0
	for _, values := range passed {
		for _, name := range []string{"id_token", "code", "state", "nonce"} {
			value := values.Get(name)
			if len(value) < 8 {
				continue
			}
			checked++
			if strings.Contains(log, value) {
				t.Errorf("the log holds the %s", name)
			}
		}
	}
	if checked < 2 {
		t.Errorf("only %d values were looked for in the log", checked)
	}
}
