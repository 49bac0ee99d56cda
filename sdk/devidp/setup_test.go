package devidp

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// callbackURI is where the tests' client would listen; nothing does.
const callbackURI = "http://127.0.0.1:9/callback"

// verifier is a PKCE code_verifier.
const verifier = "abcdefghijklmnopqrstuvwxyz-0123456789._~ABCDEF"

func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// start runs a provider for a test. Keys of ES256 are made fast; RS256 has its own tests.
func start(t *testing.T, opt Options) *Server {
	t.Helper()
	if opt.SigningAlg == "" {
		opt.SigningAlg = "ES256"
	}
	s, err := Start(opt)
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// clock is a clock that tests turn by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Now()} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Turn(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(by)
}

// with are parameters laid over the usual ones; "-" takes one away.
type with map[string]string

func (w with) over(usual with) url.Values {
	out := url.Values{}
	for name, value := range usual {
		out.Set(name, value)
	}
	for name, value := range w {
		if value == "-" {
			out.Del(name)
		} else {
			out.Set(name, value)
		}
	}
	return out
}

// authParams is a good authorization request, changed as asked.
func authParams(change with) url.Values {
	return change.over(with{
		"client_id": "demo", "redirect_uri": callbackURI, "response_type": "code", "scope": "openid profile email",
		"state": "the-state", "nonce": "the-nonce", "code_challenge": challengeOf(verifier), "code_challenge_method": "S256",
	})
}

func authURL(s *Server, change with) string {
	return s.EndpointURL(EndpointAuthorize) + "?" + authParams(change).Encode()
}

// authorize signs ada in and returns the parameters of the redirect.
func authorize(t *testing.T, s *Server, change with) url.Values {
	t.Helper()
	return authorizeAs(t, s.NewBrowser(), "ada", authURL(s, change))
}

func authorizeAs(t *testing.T, b *Browser, who, target string) url.Values {
	t.Helper()
	back, err := b.Authorize(t.Context(), target, who)
	if err != nil {
		t.Fatalf("Authorize: %v", err)
	}
	return queryOf(t, back)
}

func queryOf(t *testing.T, target string) url.Values {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatalf("URL %q: %v", target, err)
	}
	params, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		t.Fatalf("query of %q: %v", target, err)
	}
	return params
}

// codeOf signs ada in and returns the code.
func codeOf(t *testing.T, s *Server, change with) string {
	t.Helper()
	params := authorize(t, s, change)
	if params.Get("code") == "" {
		t.Fatalf("no code in the redirect: %v", params)
	}
	return params.Get("code")
}

// reply is an answer, read to its end.
type reply struct {
	status int
	header http.Header
	raw    []byte
}

// object is the JSON object in an answer.
func (r reply) object(t *testing.T) map[string]any {
	t.Helper()
	out := map[string]any{}
	if err := json.Unmarshal(r.raw, &out); err != nil {
		t.Fatalf("answer is no JSON object: %v\n%s", err, r.raw)
	}
	return out
}

// want fails the test unless the answer has a status and an OAuth error code ("" = none).
func (r reply) want(t *testing.T, status int, code string) map[string]any {
	t.Helper()
	body := r.object(t)
	got, _ := body["error"].(string)
	if r.status != status || got != code {
		t.Fatalf("got status %d, error %q (%v), want %d, %q", r.status, got, body["error_description"], status, code)
	}
	return body
}

// client does not follow redirects and keeps no connection, so that a fault of one
// request cannot spoil the next.
func client() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func do(t *testing.T, req *http.Request) reply {
	t.Helper()
	r, err := try(req)
	if err != nil {
		t.Fatalf("%s %s: %v", req.Method, req.URL, err)
	}
	return r
}

func try(req *http.Request) (reply, error) {
	res, err := client().Do(req)
	if err != nil {
		return reply{}, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	return reply{res.StatusCode, res.Header, raw}, err
}

func request(t *testing.T, method, target string, form url.Values, edit ...func(*http.Request)) *http.Request {
	t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(t.Context(), method, target, body)
	if err != nil {
		t.Fatalf("request: %v", err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, one := range edit {
		one(req)
	}
	return req
}

func get(t *testing.T, target string, edit ...func(*http.Request)) reply {
	t.Helper()
	return do(t, request(t, http.MethodGet, target, nil, edit...))
}

func post(t *testing.T, target string, form url.Values, edit ...func(*http.Request)) reply {
	t.Helper()
	return do(t, request(t, http.MethodPost, target, form, edit...))
}

func basic(id, secret string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret)) }
}

func bearing(scheme, token string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", scheme+" "+token) }
}

// tokenForm is a good token request for a code, changed as asked.
func tokenForm(code string, change with) url.Values {
	return change.over(with{
		"grant_type": "authorization_code", "code": code, "redirect_uri": callbackURI, "code_verifier": verifier,
		"client_id": "demo", "client_secret": "demo-secret",
	})
}

func exchange(t *testing.T, s *Server, code string, change with) reply {
	t.Helper()
	return post(t, s.EndpointURL(EndpointToken), tokenForm(code, change))
}

// tokens goes through the whole flow as ada and returns the token answer.
func tokens(t *testing.T, s *Server, change with) map[string]any {
	t.Helper()
	return exchange(t, s, codeOf(t, s, change), nil).want(t, http.StatusOK, "")
}

func refresh(t *testing.T, s *Server, token string, change with) reply {
	t.Helper()
	return post(t, s.EndpointURL(EndpointToken), change.over(with{
		"grant_type": "refresh_token", "refresh_token": token, "client_id": "demo", "client_secret": "demo-secret",
	}))
}

func userinfo(t *testing.T, s *Server, token string) reply {
	t.Helper()
	return get(t, s.EndpointURL(EndpointUserInfo), bearing("Bearer", token))
}

func text(t *testing.T, body map[string]any, name string) string {
	t.Helper()
	value, ok := body[name].(string)
	if !ok || value == "" {
		t.Fatalf("no text member %q in %v", name, body)
	}
	return value
}

// parts takes a JWT apart without believing it.
func parts(t *testing.T, token string) (header, claims map[string]any, payload []byte) {
	t.Helper()
	pieces := strings.Split(token, ".")
	if len(pieces) != 3 {
		t.Fatalf("token has %d parts, want 3: %s", len(pieces), token)
	}
	for i, into := range []*map[string]any{&header, &claims} {
		raw, err := base64.RawURLEncoding.DecodeString(pieces[i])
		if err != nil {
			t.Fatalf("part %d: %v", i, err)
		}
		if err := json.Unmarshal(raw, into); err != nil {
			t.Fatalf("part %d: %v\n%s", i, err, raw)
		}
		payload = raw
	}
	return header, claims, payload
}

func claimsOf(t *testing.T, token string) map[string]any {
	t.Helper()
	_, claims, _ := parts(t, token)
	return claims
}

func names(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

func contains(text, part string) bool { return strings.Contains(text, part) }
