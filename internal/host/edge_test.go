package host

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
)

// wire is a connection on which a test writes what no client library would.
type wire struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
}

func (s *site) dial(t testing.TB) *wire {
	t.Helper()
	conn, err := net.Dial("tcp", s.server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	// Nothing is measured by it: it only ends a test that would hang.
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &wire{t, conn, bufio.NewReader(conn)}
}

// send ignores errors: the server may have closed the connection, which the test reads next.
func (w *wire) send(text string) { _, _ = io.WriteString(w.conn, text) }

// read returns the next answer, its body read; nil when the connection was closed instead.
func (w *wire) read(method string) (*http.Response, string) {
	w.t.Helper()
	res, err := http.ReadResponse(w.in, &http.Request{Method: method})
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			w.t.Error("the connection was neither answered nor closed")
		}
		return nil, ""
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Errorf("read the body: %v", err)
	}
	return res, string(body)
}

// closed reports whether nothing more comes.
func (w *wire) closed() bool {
	rest, err := io.ReadAll(w.in)
	return !errors.Is(err, os.ErrDeadlineExceeded) && len(rest) == 0
}

const smuggled = "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"

// Threat 100, 101: what a proxy and authd might read differently is refused, and the connection is closed before
// the rest could run as a second request.
func TestSmuggling(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	for name, request := range map[string]string{
		"CL and TE":             "POST /auth/logout HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled,
		"TE and CL":             "POST /auth/logout HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + smuggled,
		"two TE":                "POST /auth/logout HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled,
		"bad TE":                "POST /auth/logout HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + smuggled,
		"TE identity":           "POST /auth/logout HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n" + smuggled,
		"two CL":                "POST /auth/logout HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n" + smuggled,
		"signed CL":             "POST /auth/logout HTTP/1.1\r\nHost: h\r\nContent-Length: +0\r\n\r\n" + smuggled,
		"negative CL":           "POST /auth/logout HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n" + smuggled,
		"CL list":               "POST /auth/logout HTTP/1.1\r\nHost: h\r\nContent-Length: 0, 0\r\n\r\n" + smuggled,
		"TE in 1.0":             "POST /auth/logout HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled,
		"space before colon":    "GET /healthz HTTP/1.1\r\nHost: h\r\nX-A : b\r\n\r\n" + smuggled,
		"space before colon TE": "POST /auth/logout HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + smuggled,
		"bare LF":               "GET /healthz HTTP/1.1\nHost: h\n\n" + smuggled,
		"bare LF in one field":  "GET /healthz HTTP/1.1\r\nHost: h\r\nX-A: b\nX-B: c\r\n\r\n" + smuggled,
		"bare CR":               "GET /healthz HTTP/1.1\r\nHost: h\r\nX-A: b\rX-B: c\r\n\r\n" + smuggled,
		"folded":                "GET /healthz HTTP/1.1\r\nHost: h\r\nX-A: b\r\n folded\r\n\r\n" + smuggled,
		"folded with tab":       "GET /healthz HTTP/1.1\r\nHost: h\r\nX-A: b\r\n\tfolded\r\n\r\n" + smuggled,
		"folded first":          "GET /healthz HTTP/1.1\r\n Host: h\r\nHost: h\r\n\r\n" + smuggled,
		"NUL":                   "GET /healthz HTTP/1.1\r\nHost: h\r\nX-A: b\x00c\r\n\r\n" + smuggled,
		"no Host":               "GET /healthz HTTP/1.1\r\n\r\n" + smuggled,
		"two Hosts":             "GET /healthz HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n" + smuggled,
		"absolute form":         "GET http://evil.example/healthz HTTP/1.1\r\nHost: h\r\n\r\n" + smuggled,
		"no version":            "GET /healthz\r\n\r\n" + smuggled,
	} {
		w := s.dial(t)
		w.send(request)
		res, body := w.read(http.MethodGet)
		if res == nil {
			continue // closed without an answer
		}
		if res.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: status %d, want 400: %s", name, res.StatusCode, body)
			_ = w.conn.Close()
			continue
		}
		if !w.closed() {
			t.Errorf("%s: the connection went on after the refusal", name)
		}
	}
	w := s.dial(t)
	w.send("GET http://h/healthz HTTP/1.1\r\nHost: h\r\n\r\n")
	if res, _ := w.read(http.MethodGet); res == nil || res.StatusCode != http.StatusOK {
		t.Errorf("the absolute form with the right Host is answered %+v", res)
	}
}

// Threat 103, 104: what is too large is refused early; the large cookies of other apps are not.
func TestLimits(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	for _, c := range []struct {
		name, request string
		want          int
	}{
		{"header", "GET /healthz HTTP/1.1\r\nHost: h\r\nX-A: " + strings.Repeat("a", 17<<10) + "\r\n\r\n", http.StatusRequestHeaderFieldsTooLarge},
		{"URL", "GET /healthz?" + strings.Repeat("a", 9<<10) + " HTTP/1.1\r\nHost: h\r\n\r\n", http.StatusRequestURITooLong},
		// The body never comes: the answer does not wait for it.
		{"body", fmt.Sprintf("POST /auth/logout HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", 65<<10), http.StatusRequestEntityTooLarge},
		{"foreign cookies", "GET /healthz HTTP/1.1\r\nHost: h\r\nCookie: app=" + strings.Repeat("a", 12<<10) + "\r\n\r\n", http.StatusOK},
	} {
		w := s.dial(t)
		w.send(c.request)
		res, body := w.read(http.MethodGet)
		if res == nil || res.StatusCode != c.want {
			t.Errorf("%s: answered %+v, want status %d: %s", c.name, res, c.want, body)
		}
	}
}

// Threat 105: methods that an address does not have are refused with what it has.
func TestMethods(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	for _, c := range []struct{ method, path string }{
		{"TRACE", "/healthz"},
		{"TRACE", "/auth/check"},
		{"TRACE", "/"},
		{"POST", "/healthz"},
		{"PUT", "/auth/logout"},
		{"DELETE", "/auth/login"},
		{"PATCH", "/auth/session"},
		{"BREW", "/auth/login"},
	} {
		got := s.do(&http.Client{}, c.method, c.path, nil)
		wantStatus(t, got, http.StatusMethodNotAllowed)
		if got.Header.Get("Allow") == "" || got.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s %s: Allow %q in %v", c.method, c.path, got.Header.Get("Allow"), got.Header)
		}
	}
}

// Threat 102: who sends a header or a body slowly is cut off.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{noWait: true, before: func(s *Server) {
		if got := s.app.Server(); got.ReadTimeout != readTimeout || got.WriteTimeout != writeTimeout || got.IdleTimeout != idleTimeout {
			t.Errorf("the server runs with the limits %v, %v, %v", got.ReadTimeout, got.WriteTimeout, got.IdleTimeout)
		}
		s.app.Server().ReadTimeout, s.app.Server().IdleTimeout = 100*time.Millisecond, 100*time.Millisecond
	}})
	for name, text := range map[string]string{
		"nothing": "", "half a header": "GET /healthz HTTP/1.1\r\nHost: h\r\nX-A:", "half a body": "POST /auth/logout HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nx",
	} {
		w := s.dial(t)
		w.send(text)
		if res, body := w.read(http.MethodPost); res != nil && res.StatusCode < 400 {
			t.Errorf("%s: answered %d: %s", name, res.StatusCode, body)
		}
		if !w.closed() {
			t.Errorf("%s: the connection stays open", name)
		}
	}
	w := s.dial(t)
	w.send("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
	if res, _ := w.read(http.MethodGet); res == nil || res.StatusCode != http.StatusOK || !w.closed() {
		t.Error("an idle connection stays open")
	}
}

// Threat 102: there are only so many connections. One too many is refused at once, and the others go on; when one of them
// ends there is a place again.
func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	const most = 4
	s := newSite(t, siteOptions{noWait: true, before: func(s *Server) {
		if got := s.app.Server().Concurrency; got != maxConns {
			t.Errorf("the server takes %d connections, want %d", got, maxConns)
		}
		s.app.Server().Concurrency = most
	}})
	ask := func(w *wire) *http.Response {
		w.send("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
		res, _ := w.read(http.MethodGet)
		return res
	}
	good := func(w *wire) bool {
		res := ask(w)
		return res != nil && res.StatusCode == http.StatusOK
	}
	var held []*wire
	for range most {
		w := s.dial(t)
		if !good(w) {
			t.Fatal("a connection within the limit is not served")
		}
		held = append(held, w)
	}
	if res := ask(s.dial(t)); res != nil && (res.StatusCode != http.StatusServiceUnavailable || !res.Close) {
		t.Errorf("one connection too many is answered %+v", res)
	}
	for _, w := range held {
		if !good(w) {
			t.Error("a connection that was there suffers from another")
		}
	}
	if err := held[0].conn.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for next := s.dial(t); !good(next); next = s.dial(t) {
		_ = next.conn.Close()
		if ctx.Err() != nil {
			t.Fatal("the place of a connection that ended is not given again")
		}
	}
}

// Threat 108: on one connection that many people share behind a proxy, nobody is taken for another.
func TestIdentitiesOnOneConnection(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	cookies := map[string]string{}
	for _, user := range []string{"ada", "grace"} {
		c := s.browser()
		s.login(c, user, "/auth/oauth/idp")
		cookies[user] = "Cookie: authd=" + s.sessionCookie(c).Value + "\r\n"
	}
	cookies[""] = ""
	w := s.dial(t)
	order := []string{"ada", "grace", "", "grace", "ada", ""}
	const rounds = 200
	// Each round is pipelined: all its requests are on the way before the first answer is read.
	for range rounds / len(order) * 2 {
		var batch strings.Builder
		for _, user := range order {
			batch.WriteString("GET /auth/check HTTP/1.1\r\nHost: h\r\n" + cookies[user] + "\r\n")
		}
		w.send(batch.String())
		for _, user := range order {
			res, _ := w.read(http.MethodGet)
			if res == nil || res.Header.Get("X-Auth-Request-User") != user || (res.StatusCode == http.StatusOK) != (user != "") {
				t.Fatalf("%q got %+v", user, res)
			}
		}
	}
}

// Threat 68: Fiber's strings are its request buffer, which the next request on the connection overwrites, unless it is
// told otherwise. What a handler keeps of one request must not become what another one sent.
func TestValuesOutliveTheirRequest(t *testing.T) {
	t.Parallel()
	var kept []map[string]string
	s := newSite(t, siteOptions{noWait: true, before: func(s *Server) {
		s.app.Post("/test/keep/:id", func(c *fiber.Ctx) error {
			kept = append(kept, map[string]string{
				"path": c.Path(), "param": c.Params("id"), "query": c.Query("q"), "header": c.Get("X-A"), "cookie": c.Cookies("a"), "form": c.FormValue("f"),
			})
			return nil
		})
	}})
	w := s.dial(t)
	const rounds = 20
	of := func(i int) string { return fmt.Sprintf("value-%02d", i) }
	for i := range rounds {
		v := of(i)
		w.send("POST /test/keep/" + v + "?q=" + v + " HTTP/1.1\r\nHost: h\r\nX-A: " + v + "\r\nCookie: a=" + v +
			"\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 10\r\n\r\nf=" + v)
		if res, body := w.read(http.MethodPost); res == nil || res.StatusCode != http.StatusOK {
			t.Fatalf("request %d is answered %+v %s", i, res, body)
		}
	}
	for i, values := range kept {
		for what, got := range values {
			if want := of(i); !strings.HasSuffix(got, want) {
				t.Errorf("the %s of request %d is now %q, want %q", what, i, got, want)
			}
		}
	}
	if len(kept) != rounds {
		t.Errorf("%d requests were kept, want %d", len(kept), rounds)
	}
}

// Threat 85, 106, 107: a panic ends one request, with one line in the log and nothing of it in the answer.
func TestPanic(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{noWait: true, before: func(s *Server) {
		s.app.Get("/test/panic", func(*fiber.Ctx) error { panic("the secret cause at /srv/authd") })
	}})
	for _, accept := range []string{"text/html", "application/json"} {
		before := len(s.logs.String())
		got := s.get(&http.Client{}, "/test/panic", "Accept", accept)
		wantStatus(t, got, http.StatusInternalServerError)
		if strings.Contains(got.body, "secret cause") || strings.Contains(got.body, "goroutine") {
			t.Errorf("the answer tells of the cause: %s", got.body)
		}
		if log := s.logs.String()[before:]; strings.Count(log, "the secret cause") != 1 {
			t.Errorf("the log says\n%s", log)
		}
	}
	wantStatus(t, s.get(&http.Client{}, "/healthz"), http.StatusOK)
}

// Envoy asks with the browser's own method, WebDAV's among them; elsewhere such a method is not allowed.
func TestMethodsOfWebDAV(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	for _, method := range []string{"PROPFIND", "REPORT", "QUERY"} {
		wantStatus(t, s.do(s.browser(), method, "/auth/forward/calendar", nil), http.StatusUnauthorized)
		wantStatus(t, s.do(s.browser(), method, "/auth/check", nil), http.StatusUnauthorized)
		wantStatus(t, s.do(s.browser(), method, "/auth/login", nil), http.StatusMethodNotAllowed)
	}
	wantStatus(t, s.do(s.browser(), "BREW", "/auth/forward/pot", nil), http.StatusMethodNotAllowed)
}

// Threat 161: the HTTP server underneath is one that refuses what TestSmuggling sends; Fiber itself asks for an older one.
func TestTheServerUnderneathIsNew(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	const module = "github.com/valyala/fasthttp"
	named := 0
	for line := range strings.Lines(string(text)) {
		_, version, found := strings.Cut(line, module+" ")
		if !found {
			continue
		}
		named++
		var major, minor, patch int
		if _, err := fmt.Sscanf(version, "v%d.%d.%d", &major, &minor, &patch); err != nil || major != 1 || minor < 72 || strings.Contains(line, "=>") {
			t.Errorf("go.mod says %q (%v), want v1.72.0 or newer, and nothing in its place", strings.TrimSpace(line), err)
		}
	}
	if named != 1 {
		t.Errorf("go.mod names %s %d times, want once", module, named)
	}
}
