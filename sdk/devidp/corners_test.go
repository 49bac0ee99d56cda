package devidp

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// Every endpoint that reads refuses other methods, in JSON and with Allow.
func TestMethods(t *testing.T) {
	s := start(t, Options{})
	for endpoint, allow := range map[string]string{
		EndpointDiscovery: "GET, HEAD", EndpointJWKS: "GET, HEAD", EndpointAuthorize: "GET, POST", EndpointToken: "POST",
		EndpointUserInfo: "GET, POST", EndpointRevoke: "POST", EndpointIntrospect: "POST", EndpointEndSession: "GET, POST",
		EndpointGitHubToken: "POST", EndpointGitHubUser: "GET, HEAD", EndpointGitHubEmails: "GET, HEAD",
		EndpointGitHubOrgs: "GET, HEAD", EndpointGitHubTeams: "GET, HEAD", EndpointGitHubAuthorize: "GET, POST",
	} {
		r := do(t, request(t, http.MethodPatch, s.EndpointURL(endpoint), nil))
		r.want(t, http.StatusMethodNotAllowed, "invalid_request")
		if got := r.header.Get("Allow"); got != allow {
			t.Errorf("%s: Allow %q, want %q", endpoint, got, allow)
		}
	}
}

// What is asked and answered with secrets in it is never cached; what is public may be.
func TestCaching(t *testing.T) {
	s := start(t, Options{})
	for endpoint, want := range map[string]string{
		EndpointDiscovery: "public, max-age=60", EndpointJWKS: "public, max-age=60", EndpointToken: "no-store",
		EndpointUserInfo: "no-store", EndpointIntrospect: "no-store", EndpointGitHubUser: "no-store",
	} {
		r := get(t, s.EndpointURL(endpoint))
		if got := r.header.Get("Cache-Control"); got != want {
			t.Errorf("%s: Cache-Control %q, want %q", endpoint, got, want)
		}
		if got := r.header.Get("X-Content-Type-Options"); got != "nosniff" {
			t.Errorf("%s: X-Content-Type-Options %q", endpoint, got)
		}
	}
	r := get(t, authURL(s, with{"prompt": "none"}))
	if r.header.Get("Cache-Control") != "no-store" || r.header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("the redirect back: %v", r.header)
	}
}

// An id_token_hint preselects whom it names, before any login_hint.
func TestHintPreselects(t *testing.T) {
	s := start(t, Options{})
	b := s.NewBrowser()
	code := authorizeAs(t, b, "linus", authURL(s, nil)).Get("code")
	hint := text(t, exchange(t, s, code, nil).want(t, 200, ""), "id_token")
	page := string(get(t, authURL(s, with{"id_token_hint": hint, "login_hint": "grace"})).raw)
	if at := strings.Index(page, "autofocus"); at < strings.Index(page, "linus") || strings.Count(page, "autofocus") != 1 ||
		strings.Index(page, "Linus") > strings.Index(page, "Grace") {
		t.Errorf("linus is not first:\n%s", page)
	}
}

// A hint with two audiences belongs to its azp.
func TestHintClient(t *testing.T) {
	for aud, want := range map[string]string{`"one"`: "one", `["one","two"]`: "two", `7`: "two"} {
		if got := (&hintClaims{Audience: json.RawMessage(aud), Azp: "two"}).clientID(); got != want {
			t.Errorf("aud %s: client %q, want %q", aud, got, want)
		}
	}
	s := start(t, Options{})
	notAnObject, err := s.keys.signer().sign([]byte(`"text"`), nil, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.readHint(notAnObject); err == nil {
		t.Error("a hint that is no object was read")
	}
}

// Flaws of GitHub's form answer keep their type as far as a form has any.
func TestGitHubFormFlaws(t *testing.T) {
	s := start(t, Options{})
	for flaw, want := range map[Flaw][2]string{
		FlawExpiresNegative: {"expires_in", "-3600"}, FlawExpiresString: {"expires_in", "3600"},
		FlawTokenTypeMAC: {"token_type", "mac"}, FlawErrorIn200: {"error", "access_denied"}, FlawEmptyAccessToken: {"access_token", ""},
	} {
		s.Fault(EndpointGitHubToken, Fault{Flaws: []Flaw{flaw}})
		r := post(t, s.EndpointURL(EndpointGitHubToken), githubForm(githubCode(t, s, "ada", nil), nil))
		form, err := url.ParseQuery(string(r.raw))
		if err != nil || !form.Has(want[0]) || form.Get(want[0]) != want[1] {
			t.Errorf("%s: %v, %v", flaw, form, err)
		}
	}
	if got := formText(func() {}); got != "" {
		t.Errorf("what is no JSON became %q", got)
	}
}

func TestTrapURLOfLocalhost(t *testing.T) {
	for issuer, want := range map[string]string{
		"http://localhost:8080":   "http://127.0.0.1:8080/-/trap",
		"http://127.0.0.1:8080/x": "http://localhost:8080/-/trap",
		"https://localhost":       "https://127.0.0.1/-/trap",
	} {
		s, err := New(Options{Issuer: issuer, SigningAlg: "ES256"})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.TrapURL(); got != want {
			t.Errorf("issuer %s: trap %s, want %s", issuer, got, want)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestSwapCase(t *testing.T) {
	if got := swapCase("aBc-123_É"); got != "AbC-123_é" {
		t.Errorf("swapCase = %q", got)
	}
}

// On https the session cookie is Secure.
func TestSecureCookie(t *testing.T) {
	s, err := New(Options{Issuer: "https://localhost", AutoLogin: "ada", SigningAlg: "ES256"})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/authorize?"+authParams(nil).Encode(), nil))
	if cookie := w.Header().Get("Set-Cookie"); !contains(cookie, "; Secure") {
		t.Errorf("cookie %q is not Secure", cookie)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// A broken request body is an answer, not a crash.
func TestUnreadableBody(t *testing.T) {
	s := start(t, Options{})
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/token", io.MultiReader(strings.NewReader("a=b"), brokenReader{}))
	s.Handler().ServeHTTP(w, r)
	if w.Code != http.StatusBadRequest || !contains(w.Body.String(), "gone") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("the client is gone") }

// A mount's claim that is no JSON is said aloud.
func TestBadMountClaims(t *testing.T) {
	s := start(t, Options{Mounts: []Mount{{
		Name: "bad", Prefix: "/bad", Paths: map[string]string{EndpointAuthorize: "/a", EndpointToken: "/t", EndpointUserInfo: "/u"},
		Claims: func(in ClaimsInput) map[string]any {
			if in.Place == PlaceUserInfo {
				return map[string]any{"f": func() {}}
			}
			return nil
		},
	}}})
	body := vendorTokens(t, s, "/bad/a", "/bad/t")
	if r := get(t, s.URL()+"/bad/u", bearing("Bearer", text(t, body, "access_token"))); r.status != http.StatusInternalServerError || !contains(string(r.raw), "no JSON") {
		t.Errorf("%d %s", r.status, r.raw)
	}
}

// Delay holds for the time of the answer as well as for the request's.
func TestDelayEndsAtClose(t *testing.T) {
	s, err := Start(Options{SigningAlg: "ES256"})
	if err != nil {
		t.Fatal(err)
	}
	for endpoint, f := range map[string]Fault{EndpointToken: {Delay: time.Hour}, EndpointDiscovery: {Drip: time.Hour}} {
		s.Fault(endpoint, f)
	}
	ended := make(chan error, 2)
	for _, endpoint := range []string{EndpointToken, EndpointDiscovery} {
		go func() {
			_, err := try(request(t, http.MethodGet, s.EndpointURL(endpoint), nil))
			ended <- err
		}()
		if err := s.WaitRequests(t.Context(), endpoint, 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-ended; err == nil {
			t.Error("an answer an hour early")
		}
	}
}
