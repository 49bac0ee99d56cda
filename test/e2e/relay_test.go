//go:build linux

package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// tokenRequest is what a client said to a token endpoint, and what came of it.
type tokenRequest struct {
	Grant     string // grant_type
	AuthStyle string // how the client showed itself: basic, post or none
	Verifier  bool   // a code_verifier came along
	Status    int
}

// tokenRelay stands before the token endpoint of an identity provider and remembers what is said.
type tokenRelay struct {
	url  string
	mu   sync.Mutex
	seen []tokenRequest
}

func newTokenRelay(t testing.TB, endpoint string) *tokenRelay {
	t.Helper()
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	r := &tokenRelay{}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) { p.Out.URL, p.Out.Host = target, target.Host },
	}
	relay := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
		answer := httptest.NewRecorder()
		proxy.ServeHTTP(answer, req)
		r.note(req, body, answer.Code)
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes()) // a client that left needs no answer
	}))
	t.Cleanup(relay.Close)
	r.url = relay.URL + "/token"
	return r
}

func (r *tokenRelay) note(req *http.Request, body []byte, status int) {
	form, _ := url.ParseQuery(string(body)) // what does not parse has no fields
	seen := tokenRequest{Grant: form.Get("grant_type"), AuthStyle: "none", Verifier: form.Has("code_verifier"), Status: status}
	if _, _, ok := req.BasicAuth(); ok {
		seen.AuthStyle = "basic"
	}
	if form.Has("client_secret") {
		seen.AuthStyle = strings.TrimPrefix(seen.AuthStyle+"+post", "none+")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, seen)
}

func (r *tokenRelay) requests() []tokenRequest {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.seen)
}

// tcpRelay passes connections on and counts them.
type tcpRelay struct {
	port int

	target string
	listen net.Listener
	work   sync.WaitGroup
	mu     sync.Mutex
	count  int
	open   map[net.Conn]bool
}

func newTCPRelay(t testing.TB, target string) *tcpRelay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &tcpRelay{port: l.Addr().(*net.TCPAddr).Port, target: target, listen: l, open: map[net.Conn]bool{}}
	r.work.Go(r.accept)
	t.Cleanup(func() {
		_ = l.Close()
		r.mu.Lock()
		for conn := range r.open {
			_ = conn.Close()
		}
		r.mu.Unlock()
		r.work.Wait()
	})
	return r
}

func (r *tcpRelay) accept() {
	for {
		in, err := r.listen.Accept()
		if err != nil {
			return
		}
		r.mu.Lock()
		r.count++
		r.mu.Unlock()
		r.work.Go(func() { r.pass(in) })
	}
}

// pass connects both ways until one side ends. When the target is not there the connection is dropped.
func (r *tcpRelay) pass(in net.Conn) {
	out, err := net.Dial("tcp", r.target)
	if err != nil {
		_ = in.Close()
		return
	}
	r.mu.Lock()
	r.open[in], r.open[out] = true, true
	r.mu.Unlock()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{in, out}, {out, in}} {
		both.Go(func() {
			_, _ = io.Copy(way[0], way[1]) // ends with either side
			_ = way[0].Close()
			_ = way[1].Close()
		})
	}
	both.Wait()
	r.mu.Lock()
	delete(r.open, in)
	delete(r.open, out)
	r.mu.Unlock()
}

// connections is how many were made so far.
func (r *tcpRelay) connections() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count
}

// mirror is an application that shows the requests that reach it; on a WebSocket it repeats what it hears.
type mirror struct {
	*httptest.Server
	mu   sync.Mutex
	seen int
}

// reflection is what the mirror shows.
type reflection struct {
	Mark   string // so that no other page passes for this one
	Method string
	URI    string
	Header http.Header
	Body   int // bytes
}

const mirrorMark = "this is the protected page"

func newMirror(t testing.TB) *mirror {
	t.Helper()
	m := &mirror{}
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.mu.Lock()
		m.seen++
		m.mu.Unlock()
		if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
			echo(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		body, _ := io.Copy(io.Discard, r.Body)                                                             // a client that left needs no answer
		_ = json.NewEncoder(w).Encode(reflection{mirrorMark, r.Method, r.RequestURI, r.Header, int(body)}) // nor here
	}))
	t.Cleanup(m.Close)
	return m
}

// requests is how many have come so far.
func (m *mirror) requests() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.seen
}
