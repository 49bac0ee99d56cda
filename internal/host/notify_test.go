package host

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// told keeps what a service manager has been told.
type told struct {
	mu      sync.Mutex
	all     []string
	changed chan struct{}
}

func newTold() *told { return &told{changed: make(chan struct{})} }

func (m *told) notify(state string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all = append(m.all, state)
	close(m.changed)
	m.changed = make(chan struct{})
	return nil
}

// await returns the first message from the given one on that holds all the texts, and how many came up to it.
func (m *told) await(t *testing.T, from int, texts ...string) (message string, count int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		m.mu.Lock()
		changed := m.changed
		for i := from; i < len(m.all); i++ {
			if holds(m.all[i], texts) {
				defer m.mu.Unlock()
				return m.all[i], i + 1
			}
		}
		m.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("the manager was never told %q, but %q", texts, m.all)
		}
	}
}

func holds(message string, texts []string) bool {
	for _, text := range texts {
		if !strings.Contains(message, text) {
			return false
		}
	}
	return true
}

func TestServiceManagerIsTold(t *testing.T) {
	t.Parallel()
	m := newTold()
	s := newSite(t, siteOptions{before: func(server *Server) {
		server.manager = Manager{Notify: m.notify, Watchdog: 300 * time.Millisecond}
	}})
	_, n := m.await(t, 0, "READY=1\nSTATUS=serving on "+s.server.Addr())
	if n != 1 {
		t.Errorf("READY=1 was message %d: %q", n, m.all)
	}
	m.await(t, 0, "STATUS=", "1 of 1 providers ready")
	_, n = m.await(t, 0, "WATCHDOG=1")
	_, n = m.await(t, n, "WATCHDOG=1")

	s.server.tellReloading()
	message, n := m.await(t, n, "RELOADING=1")
	var usec int64
	if _, at, ok := strings.Cut(message, "MONOTONIC_USEC="); !ok {
		t.Errorf("no time in %q", message)
	} else if _, err := fmt.Sscan(at, &usec); err != nil || usec <= 0 {
		t.Errorf("the time in %q: %v", message, err)
	}
	s.server.tellReady()
	_, n = m.await(t, n, "READY=1", "STATUS=serving")

	if err := s.server.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, last := m.await(t, n, "STOPPING=1"); last != len(m.all) {
		t.Errorf("after STOPPING=1 the manager was told %q", m.all[last:])
	}
}

// muteListener accepts connections and, once it is mute, lets nobody know of them.
type muteListener struct {
	net.Listener
	mute atomic.Bool
	kept []net.Conn // used by Accept alone
}

func (l *muteListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil || !l.mute.Load() {
			return conn, err
		}
		l.kept = append(l.kept, conn)
	}
}

// The watchdog is fed only while authd answers.
func TestWatchdogStarves(t *testing.T) {
	t.Parallel()
	m := newTold()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener := &muteListener{Listener: l}
	s := newSite(t, siteOptions{before: func(server *Server) {
		server.manager = Manager{Notify: m.notify, Watchdog: 300 * time.Millisecond, Listener: listener}
	}})
	m.await(t, 0, "WATCHDOG=1")
	listener.mute.Store(true)
	const complaint = "authd does not answer itself"
	s.logs.await(t, complaint, 0)
	m.mu.Lock()
	fed := len(m.all)
	m.mu.Unlock()
	s.logs.await(t, complaint, strings.LastIndex(s.logs.String(), complaint)+len(complaint))
	m.mu.Lock()
	defer m.mu.Unlock()
	if got := strings.Join(m.all[fed:], "\n"); strings.Contains(got, "WATCHDOG=1") {
		t.Errorf("the watchdog was fed by a server that is deaf: %q", got)
	}
}

func TestSelfCheck(t *testing.T) {
	t.Parallel()
	deaf, err := net.Listen("tcp", "127.0.0.1:0") // connections are made and nobody answers
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	if err := selfCheck(t.Context(), deaf.Addr(), 100*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a server that does not answer passes the self check: %v", err)
	}
	s := newSite(t, siteOptions{noWait: true})
	if err := selfCheck(t.Context(), s.server.listener.Addr(), 30*time.Second); err != nil {
		t.Errorf("a server that answers: %v", err)
	}
}

// A manager that can't be told does not keep authd from serving.
func TestServiceManagerIsDeaf(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{noWait: true, before: func(server *Server) {
		server.manager.Notify = func(string) error { return errors.New("nobody listens") }
	}})
	s.logs.await(t, "nobody listens", 0)
	wantStatus(t, s.get(&http.Client{}, "/healthz"), http.StatusOK)
}

// Threat 160: on the way out /readyz says so first, while everything is still answered; then running requests end.
func TestDrain(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{noWait: true, before: func(server *Server) { server.drainTime = time.Hour }})
	defer func() { s.server.drainTime = 0 }()
	slow := dialHalf(t, s.server.Addr())
	kept := &http.Client{Transport: &http.Transport{}}
	before := s.get(kept, "/healthz")
	if before.Close {
		t.Error("a connection is closed without need")
	}
	ctx, cancel := context.WithCancel(context.Background())
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		s.server.drain(ctx)
	}()
	fresh := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	var ready reply
	for ready = s.get(fresh, "/readyz"); ready.StatusCode == http.StatusOK; ready = s.get(fresh, "/readyz") {
	}
	if wantStatus(t, ready, http.StatusServiceUnavailable); !strings.Contains(ready.body, "stopping") {
		t.Errorf("readyz says %s", ready.body)
	}
	for _, c := range []*http.Client{kept, fresh} {
		got := s.get(c, "/healthz")
		if wantStatus(t, got, http.StatusOK); !got.Close {
			t.Error("a connection is kept open by a server that is about to end")
		}
	}
	cancel()
	<-drained
	slow.finish(t)
}

// half is a connection on which the first half of a request has been sent.
type half struct{ net.Conn }

func dialHalf(t *testing.T, address string) half {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: a\r\n"); err != nil {
		t.Fatal(err)
	}
	return half{conn}
}

// finish sends the rest and wants a whole answer, with which the connection ends.
func (h half) finish(t *testing.T) {
	t.Helper()
	if _, err := io.WriteString(h, "\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(h)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), nil)
	if err != nil {
		t.Fatalf("%q: %v", answer, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK || !res.Close {
		t.Errorf("the answer is %q", answer)
	}
}

// A request that has begun is answered when the listener is closed already.
func TestStopLetsRequestsEnd(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{noWait: true})
	slow := dialHalf(t, s.server.Addr())
	s.get(&http.Client{}, "/healthz") // accepted after slow, so that slow is accepted
	stopped := make(chan error, 1)
	go func() { stopped <- s.server.Stop(context.Background()) }()
	for {
		conn, err := net.Dial("tcp", s.server.Addr())
		if err != nil {
			break
		}
		_ = conn.Close()
	}
	slow.finish(t)
	if err := <-stopped; err != nil {
		t.Errorf("Stop: %v", err)
	}
}

// Whoever sends a byte a minute does not make the end a failure.
func TestStopCutsConnections(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{noWait: true})
	dialHalf(t, s.server.Addr())
	s.get(&http.Client{}, "/healthz")
	ctx, cancel := context.WithTimeout(context.Background(), closeTime+200*time.Millisecond)
	defer cancel()
	if err := s.server.Stop(ctx); err != nil {
		t.Errorf("Stop: %v", err)
	}
	s.logs.await(t, "connections are cut", 0)
}

func TestPassedSockets(t *testing.T) {
	t.Parallel()
	public, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "s")
	admin, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t, siteOptions{noWait: true, listen: "127.0.0.1:1", before: func(server *Server) {
		server.manager = Manager{Listener: public, AdminListener: admin}
	}})
	if got, want := s.server.Addr(), public.Addr().String(); got != want {
		t.Errorf("the server listens on %s, want the socket that was passed, %s", got, want)
	}
	wantStatus(t, s.get(&http.Client{}, "/healthz"), http.StatusOK)
	s.logs.await(t, "socket is used and not server.listen", 0)
	client := overSocket(socket)
	t.Cleanup(client.CloseIdleConnections)
	wantStatus(t, s.get(client, "http://admin/admin/providers"), http.StatusOK)
}

// Threat 158: what a unix socket opens is not opened by a configuration that names one, when the socket that was
// passed is of another kind.
func TestPassedSocketIsNoUnixSocket(t *testing.T) {
	t.Parallel()
	public, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	admin, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s := newSite(t, siteOptions{
		noWait: true, admin: "unix:" + filepath.Join(dir, "a"), listen: "unix:" + filepath.Join(dir, "p"), public: "https://auth.example.com",
		before: func(server *Server) { server.manager = Manager{Listener: public, AdminListener: admin} },
	})
	wantStatus(t, s.get(&http.Client{}, "http://"+admin.Addr().String()+"/admin/providers"), http.StatusUnauthorized)
	if s.server.onSocket() {
		t.Error("everybody who reaches a TCP port is believed as the proxy behind a unix socket is")
	}
}
