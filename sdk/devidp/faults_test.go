package devidp

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// A fault lasts until Clear, for its Times, or until another takes its place.
func TestFaultLife(t *testing.T) {
	s := start(t, Options{})
	at := s.EndpointURL(EndpointDiscovery)
	statuses := func(n int) []int {
		t.Helper()
		var out []int
		for range n {
			out = append(out, get(t, at).status)
		}
		return out
	}
	same := func(name string, got []int, want ...int) {
		t.Helper()
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s: %v, want %v", name, got, want)
				return
			}
		}
	}
	s.Fault(EndpointDiscovery, Fault{Status: 500})
	same("until Clear", statuses(3), 500, 500, 500)
	s.Fault(EndpointDiscovery, Fault{Status: 503})
	same("replaced", statuses(2), 503, 503)
	s.Clear()
	same("cleared", statuses(2), 200, 200)
	s.Fault(EndpointDiscovery, Fault{Status: 500, Times: 2})
	same("for two", statuses(3), 500, 500, 200)
	s.Fault(EndpointDiscovery, Fault{Status: 500, Times: 1}, Fault{}, Fault{Status: 502})
	same("in a row, the second for ever", statuses(3), 500, 200, 200)
	s.Fault(EndpointDiscovery, Fault{Status: 500, Times: 1}, Fault{Times: 1}, Fault{Status: 502})
	same("in a row", statuses(4), 500, 200, 502, 502)
	s.Fault(EndpointDiscovery)
	same("switched off", statuses(1), 200)
}

// A path means one place alone, and goes before the name.
func TestFaultByPath(t *testing.T) {
	s := start(t, Options{})
	one := "/realms/one/.well-known/openid-configuration"
	s.Fault(one, Fault{Status: 500})
	s.Fault(EndpointDiscovery, Fault{Status: 503})
	for path, want := range map[string]int{one: 500, "/realms/two/.well-known/openid-configuration": 503, "/.well-known/openid-configuration": 503} {
		if got := get(t, s.URL()+path).status; got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
}

func TestFaultByGrant(t *testing.T) {
	s := start(t, Options{RefreshAlways: true})
	s.Fault(EndpointToken, Fault{Status: 503, Grant: "refresh_token"})
	body := tokens(t, s, nil)
	refresh(t, s, text(t, body, "refresh_token"), nil).want(t, 503, "temporarily_unavailable")
	s.Clear()
	refresh(t, s, text(t, body, "refresh_token"), nil).want(t, 200, "")
}

// A fault that would do nothing is a mistake in the test that set it.
func TestFaultPanics(t *testing.T) {
	s := start(t, Options{})
	for name, set := range map[string]func(){
		"unknown endpoint":   func() { s.Fault("tokens", Fault{}) },
		"misplaced":          func() { s.Fault(EndpointUserInfo, Fault{Flaws: []Flaw{FlawAlgNone}}) },
		"misplaced, by path": func() { s.Fault("/jwks", Fault{Flaws: []Flaw{FlawAlgNone}}) },
		"unknown flaw":       func() { s.Fault(EndpointToken, Fault{Flaws: []Flaw{"no-such-flaw"}}) },
		"logout flaw":        func() { s.Fault(EndpointToken, Fault{Flaws: []Flaw{FlawNoEvents}}) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("Fault took it")
				}
			}()
			set()
		})
	}
	s.Fault("/realms/one/protocol/openid-connect/token", Fault{Flaws: []Flaw{FlawAlgNone}}) // {realm} is filled: fine
}

func TestFaultAnswers(t *testing.T) {
	s := start(t, Options{})
	for name, tt := range map[string]struct {
		f      Fault
		status int
		body   string // is part of it
		header [2]string
	}{
		"500":           {Fault{Status: 500}, 500, `"error":"server_error"`, [2]string{"Content-Type", "application/json"}},
		"429":           {Fault{Status: 429, RetryAfter: "17"}, 429, `"error":"temporarily_unavailable"`, [2]string{"Retry-After", "17"}},
		"401":           {Fault{Status: 401}, 401, `"error":"invalid_client"`, [2]string{}},
		"404":           {Fault{Status: 404}, 404, `"error":"invalid_request"`, [2]string{}},
		"error":         {Fault{Error: "invalid_grant", Description: "<b>no</b>"}, 400, `"invalid_grant","error_description":"\u003cb\u003eno`, [2]string{}},
		"error, status": {Fault{Error: "slow_down", Status: 429}, 429, `"slow_down"`, [2]string{}},
		"body":          {Fault{Body: `{"a":`}, 200, `{"a":`, [2]string{"Content-Type", "application/json"}},
		"body, status":  {Fault{Body: "gone", Status: 503, ContentType: "text/plain"}, 503, "gone", [2]string{"Content-Type", "text/plain"}},
		"not JSON":      {Fault{NotJSON: true}, 200, "<!doctype html>", [2]string{"Content-Type", "text/html; charset=utf-8"}},
		"redirect":      {Fault{RedirectTo: "http://localhost:9/x"}, 307, "", [2]string{"Location", "http://localhost:9/x"}},
		"redirect 302":  {Fault{RedirectTo: "http://localhost:9/x", Status: 302}, 302, "", [2]string{"Location", "http://localhost:9/x"}},
		"header":        {Fault{Header: http.Header{"x-odd": {"1"}}}, 200, `"issuer"`, [2]string{"X-Odd", "1"}},
		"other status":  {Fault{Status: 203}, 203, `"issuer"`, [2]string{}},
		"content type":  {Fault{ContentType: "text/html"}, 200, `"issuer"`, [2]string{"Content-Type", "text/html"}},
	} {
		t.Run(name, func(t *testing.T) {
			s.Fault(EndpointDiscovery, tt.f)
			r := get(t, s.EndpointURL(EndpointDiscovery))
			if r.status != tt.status || !contains(string(r.raw), tt.body) {
				t.Errorf("status %d, body %s; want %d, %s", r.status, r.raw, tt.status, tt.body)
			}
			if got := r.header.Get(tt.header[0]); got != tt.header[1] {
				t.Errorf("%s: %q, want %q", tt.header[0], got, tt.header[1])
			}
		})
	}
}

// The work is not done before an error answer, unless AfterWork says so.
func TestFaultAfterWork(t *testing.T) {
	s := start(t, Options{})
	code := codeOf(t, s, nil)
	s.Fault(EndpointToken, Fault{Status: 503, Times: 1})
	exchange(t, s, code, nil).want(t, 503, "temporarily_unavailable")
	exchange(t, s, code, nil).want(t, 200, "")
	code = codeOf(t, s, nil)
	s.Fault(EndpointToken, Fault{Status: 503, Times: 1, AfterWork: true})
	exchange(t, s, code, nil).want(t, 503, "temporarily_unavailable")
	exchange(t, s, code, nil).want(t, 400, "invalid_grant")
	if got := s.Stats().CodesReused; got != 1 {
		t.Errorf("%d codes reused, want 1", got)
	}
}

func TestFaultDrop(t *testing.T) {
	s := start(t, Options{})
	s.Fault(EndpointToken, Fault{Drop: true, Times: 1})
	if r, err := try(request(t, http.MethodPost, s.EndpointURL(EndpointToken), tokenForm("x", nil))); err == nil {
		t.Errorf("a dropped connection answered %d", r.status)
	}
	if s.RequestCount(EndpointToken) != 1 {
		t.Error("the dropped request was not recorded")
	}
}

func TestFaultHang(t *testing.T) {
	s := start(t, Options{})
	s.Fault(EndpointUserInfo, Fault{Hang: true})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := try(request(t, http.MethodGet, s.EndpointURL(EndpointUserInfo), nil).WithContext(ctx))
		ended <- err
	}()
	waiting, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	if err := s.WaitRequests(waiting, EndpointUserInfo, 1); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		t.Fatalf("the request ended by itself: %v", err)
	default:
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the request ended with %v", err)
	}
	short, quit := context.WithCancel(t.Context())
	quit()
	if err := s.WaitRequests(short, EndpointUserInfo, 2); !errors.Is(err, context.Canceled) {
		t.Errorf("WaitRequests for what never comes: %v", err)
	}
}

func TestFaultDelay(t *testing.T) {
	s := start(t, Options{})
	s.Fault(EndpointDiscovery, Fault{Delay: 50 * time.Millisecond, Times: 1}, Fault{Delay: time.Hour})
	begun := time.Now()
	if r := get(t, s.EndpointURL(EndpointDiscovery)); r.status != http.StatusOK {
		t.Errorf("late answer: %d", r.status)
	}
	if took := time.Since(begun); took < 50*time.Millisecond {
		t.Errorf("it took %v, want 50ms at least", took)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		_ = s.WaitRequests(t.Context(), EndpointDiscovery, 2)
	}()
	if _, err := try(request(t, http.MethodGet, s.EndpointURL(EndpointDiscovery), nil).WithContext(ctx)); err == nil {
		t.Error("an answer an hour early")
	}
}

func TestFaultTruncate(t *testing.T) {
	s := start(t, Options{})
	s.Fault(EndpointDiscovery, Fault{Truncate: true})
	r, err := try(request(t, http.MethodGet, s.EndpointURL(EndpointDiscovery), nil))
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("reading a cut body: %v, want io.ErrUnexpectedEOF", err)
	}
	s.Clear()
	if whole := get(t, s.EndpointURL(EndpointDiscovery)); len(r.raw) == 0 || len(r.raw) != len(whole.raw)/2 {
		t.Errorf("%d of %d bytes came, want half", len(r.raw), len(whole.raw))
	}
}

// Blanks before the value: a client without a limit would be content with the answer.
func TestFaultBodyBytes(t *testing.T) {
	s := start(t, Options{})
	const size = 10 << 20
	s.Fault(EndpointDiscovery, Fault{BodyBytes: size})
	r := get(t, s.EndpointURL(EndpointDiscovery))
	if len(r.raw) <= size || r.want(t, http.StatusOK, "")["issuer"] != s.Issuer() {
		t.Errorf("%d bytes", len(r.raw))
	}
	s.Fault(EndpointDiscovery, Fault{BodyBytes: -1})
	res, err := client().Do(request(t, http.MethodGet, s.EndpointURL(EndpointDiscovery), nil))
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.CopyN(io.Discard, res.Body, 16<<20)
	if err != nil || res.ContentLength != -1 {
		t.Errorf("an endless body ended after %d bytes: %v", n, err)
	}
	if err := res.Body.Close(); err != nil {
		t.Error(err)
	}
}

func TestFaultGzipBomb(t *testing.T) {
	s := start(t, Options{})
	const size = 8<<20 + 5
	s.Fault(EndpointDiscovery, Fault{GzipBomb: size})
	// Unasked, as an attacker would: without a client that unpacks by itself.
	packed := get(t, s.EndpointURL(EndpointDiscovery), func(r *http.Request) { r.Header.Set("Accept-Encoding", "identity") })
	if packed.header.Get("Content-Encoding") != "gzip" || len(packed.raw) > 1<<20 {
		t.Errorf("%d packed bytes, encoding %q", len(packed.raw), packed.header.Get("Content-Encoding"))
	}
	unpack, err := gzip.NewReader(strings.NewReader(string(packed.raw)))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, unpack); err != nil || n <= size {
		t.Errorf("%d bytes unpacked: %v", n, err)
	}
	// And a client that unpacks finds the real answer.
	if body := get(t, s.EndpointURL(EndpointDiscovery)).want(t, http.StatusOK, ""); body["issuer"] != s.Issuer() {
		t.Errorf("the real answer is not in the bomb: %v", body)
	}
}

func TestFaultHeaderBytes(t *testing.T) {
	s := start(t, Options{})
	s.Fault(EndpointDiscovery, Fault{HeaderBytes: 70_000})
	total := 0
	for _, value := range get(t, s.EndpointURL(EndpointDiscovery)).header.Values("X-Padding") {
		total += len(value)
	}
	if total != 70_000 {
		t.Errorf("%d bytes of headers", total)
	}
}

func TestFaultDrip(t *testing.T) {
	s := start(t, Options{})
	s.Fault(EndpointDiscovery, Fault{Body: "0123456789", Drip: 5 * time.Millisecond})
	begun := time.Now()
	r := get(t, s.EndpointURL(EndpointDiscovery))
	if string(r.raw) != "0123456789" {
		t.Errorf("body %q", r.raw)
	}
	if took := time.Since(begun); took < 45*time.Millisecond {
		t.Errorf("ten drops took %v", took)
	}
	s.Fault(EndpointDiscovery, Fault{Drip: time.Hour})
	res, err := client().Do(request(t, http.MethodGet, s.EndpointURL(EndpointDiscovery), nil))
	if err != nil {
		t.Fatal(err)
	}
	if first, err := io.ReadAll(io.LimitReader(res.Body, 1)); err != nil || string(first) != "{" {
		t.Errorf("the first drop: %q, %v", first, err)
	}
	if err := res.Body.Close(); err != nil {
		t.Error(err)
	}
}

// Faults of one answer combine.
func TestFaultsCombine(t *testing.T) {
	s := start(t, Options{})
	s.Fault(EndpointDiscovery, Fault{BodyBytes: 1000, Truncate: true, RetryAfter: "1", Flaws: []Flaw{FlawOtherIssuer}})
	r, err := try(request(t, http.MethodGet, s.EndpointURL(EndpointDiscovery), nil))
	if !errors.Is(err, io.ErrUnexpectedEOF) || len(r.raw) < 1000 || r.header.Get("Retry-After") != "1" {
		t.Errorf("%d bytes, %v, headers %v", len(r.raw), err, r.header)
	}
}

// A redirect of the token request takes code and secret along, if the client lets it.
func TestRedirectLeadsToTrap(t *testing.T) {
	s := start(t, Options{})
	s.Fault(EndpointToken, Fault{RedirectTo: s.TrapURL()})
	res, err := http.Post(s.EndpointURL(EndpointToken), "application/x-www-form-urlencoded", strings.NewReader(tokenForm("the-code", nil).Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		t.Error(err)
	}
	caught := s.Requests(EndpointTrap)
	if len(caught) != 1 || caught[0].Method != http.MethodPost || caught[0].Form.Get("client_secret") != "demo-secret" {
		t.Errorf("the trap caught %+v from a client that follows", caught)
	}
}

func TestEdits(t *testing.T) {
	s := start(t, Options{})
	s.Fault(EndpointToken, Fault{
		EditClaims: func(c map[string]any) { c["sub"] = "edited" },
		EditBody:   func(b map[string]any) { b["expires_in"] = "soon" },
	})
	body := tokens(t, s, nil)
	if body["expires_in"] != "soon" || claimsOf(t, text(t, body, "id_token"))["sub"] != "edited" {
		t.Errorf("edited answer %v", body)
	}
	s.Fault(EndpointUserInfo, Fault{EditClaims: func(c map[string]any) { c["a"] = 1 }, EditBody: func(b map[string]any) { delete(b, "sub") }})
	if info := userinfo(t, s, text(t, body, "access_token")).want(t, 200, ""); info["a"] != 1.0 || info["sub"] != nil {
		t.Errorf("edited userinfo %v", info)
	}
	s.Fault(EndpointJWKS, Fault{EditBody: func(b map[string]any) { b["keys"] = "none" }})
	if doc := get(t, s.EndpointURL(EndpointJWKS)).want(t, 200, ""); doc["keys"] != "none" {
		t.Errorf("edited JWKS %v", doc)
	}
	s.Fault(EndpointGitHubUser, Fault{EditBody: func(b map[string]any) { b["id"] = "1001" }})
	if user := get(t, s.EndpointURL(EndpointGitHubUser), bearing("token", githubAccess(t, s, "ada", nil))).want(t, 200, ""); user["id"] != "1001" {
		t.Errorf("edited GitHub user %v", user)
	}
	s.Fault(EndpointGitHubToken, Fault{EditBody: func(b map[string]any) { b["scope"] = "" }})
	form, err := url.ParseQuery(string(post(t, s.EndpointURL(EndpointGitHubToken), githubForm(githubCode(t, s, "ada", nil), nil)).raw))
	if err != nil || form.Get("scope") != "" || form.Get("access_token") == "" {
		t.Errorf("edited GitHub form %v, %v", form, err)
	}
	s.Fault(EndpointAuthorize, Fault{EditCallback: func(p url.Values) { p.Set("extra", "1") }})
	if got := authorize(t, s, nil); got.Get("extra") != "1" || got.Get("code") == "" {
		t.Errorf("edited redirect %v", got)
	}
	// What is no JSON is the test's own mistake, said aloud.
	s.Fault(EndpointJWKS, Fault{EditBody: func(b map[string]any) { b["keys"] = func() {} }})
	if r := get(t, s.EndpointURL(EndpointJWKS)); r.status != http.StatusInternalServerError || !contains(string(r.raw), "EditBody") {
		t.Errorf("an edit that is no JSON: %d %s", r.status, r.raw)
	}
	s.Fault(EndpointToken, Fault{EditClaims: func(c map[string]any) { c["x"] = func() {} }})
	exchange(t, s, codeOf(t, s, nil), nil).want(t, http.StatusInternalServerError, "server_error")
}

// At authorize a fault that changes what is said waits for the click, and
// counts then; one that only changes how it is said strikes at once.
func TestFaultsAtAuthorize(t *testing.T) {
	s := start(t, Options{})
	s.Fault(EndpointAuthorize, Fault{Error: "server_error", Description: "boom", Times: 1})
	b := s.NewBrowser()
	got := authorizeAs(t, b, "ada", authURL(s, nil))
	if got.Get("error") != "server_error" || got.Get("error_description") != "boom" || got.Has("code") || got.Get("state") != "the-state" {
		t.Errorf("redirect %v", got)
	}
	if got := authorizeAs(t, b, "ada", authURL(s, nil)); got.Get("code") == "" {
		t.Errorf("the fault counted twice: %v", got)
	}
	s.Fault(EndpointAuthorize, Fault{Status: 503, Times: 1}, Fault{Flaws: []Flaw{FlawWrongState}, Times: 1})
	if r := get(t, authURL(s, nil)); r.status != 503 {
		t.Errorf("the page came with %d", r.status)
	}
	if got := authorizeAs(t, b, "ada", authURL(s, nil)); got.Get("state") == "the-state" {
		t.Errorf("the second fault did not follow: %v", got)
	}
	s.Fault(EndpointAuthorize, Fault{Drop: true, Flaws: []Flaw{FlawWrongState}})
	if _, err := b.Authorize(t.Context(), authURL(s, nil), "ada"); err == nil {
		t.Error("a dropped redirect arrived")
	}
	s.Fault(EndpointAuthorize, Fault{Status: 500, AfterWork: true, Error: "x"})
	if r, err := b.get(t.Context(), authURL(s, nil)); err != nil || r.status != 500 {
		t.Errorf("an error page instead of the redirect: %d, %v", r.status, err)
	}
	s.Fault(EndpointAuthorize, Fault{Truncate: true, EditCallback: func(url.Values) {}})
	if _, _, err := s.NewBrowser().AuthorizeForm(t.Context(), authURL(s, with{"response_mode": "form_post"}), "ada"); err == nil {
		t.Error("a form post came through a cut connection")
	}
	s.Fault(EndpointAuthorize, Fault{EditClaims: func(c map[string]any) { c["x"] = func() {} }})
	if _, err := s.Authorize(t.Context(), authURL(s, with{"response_type": "code id_token"}), "ada"); err == nil {
		t.Error("an ID token that cannot be signed was sent")
	}
	// The pages' own address can be spoilt as well.
	s.Clear()
	s.Fault(EndpointLogin, Fault{Status: 502})
	if _, err := s.Authorize(t.Context(), authURL(s, nil), "ada"); err == nil || !contains(err.Error(), "502") {
		t.Errorf("a click that failed: %v", err)
	}
}

// Faults work without a listener of ours, too.
func TestFaultsUnderForeignListener(t *testing.T) {
	front := httptest.NewUnstartedServer(nil)
	s, err := New(Options{Issuer: "http://" + front.Listener.Addr().String(), SigningAlg: "ES256"})
	if err != nil {
		t.Fatal(err)
	}
	front.Config.Handler = s.Handler()
	front.Start()
	s.Fault(EndpointToken, Fault{Hang: true})
	ended := make(chan error, 1)
	go func() {
		_, err := try(request(t, http.MethodPost, s.EndpointURL(EndpointToken), tokenForm("x", nil)))
		ended <- err
	}()
	if err := s.WaitRequests(t.Context(), EndpointToken, 1); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil { // frees the hung handler, so that Close below returns
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Error("the hung request was answered")
	}
	front.Close()
}
