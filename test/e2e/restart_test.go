//go:build linux

package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/authd/authd/internal/realtest"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/providertest"
)

// Restarts under socket activation: this test does what systemd does with authd.socket enabled. The socket stays open,
// one authd after another is started on it while checks never cease, and not one of them fails.
//
// What counts: a check is sent once. Go's client sends it again only when a connection that it had kept open turns out
// to have been closed before one byte of an answer came; every proxy does the same, since HTTP leaves no other way
// (RFC 9112 section 9.3.1). On a fresh connection nothing is ever repeated, and half of the clients use nothing else.
func TestRestartsFailNoCheck(t *testing.T) {
	const restarts, clients = 4, 8
	idp := providertest.StartIDP(t, devidp.Options{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	opt := options{
		port: l.Addr().(*net.TCPAddr).Port, store: "file:" + filepath.Join(t.TempDir(), "authd.db"), tables: devTable(idp, "dev", "oidc"),
	}.withDefaults(t)
	s := &server{direct: opt.publicURL, url: opt.publicURL, config: writeConfig(t, opt)}
	s.process = activate(t, l, s.config)
	s.awaitReady("dev")

	b := newBrowser(t)
	res, err := idp.Login(t.Context(), b.client, s.url+"/auth/oauth/dev", "grace")
	if err != nil {
		t.Fatal(err)
	}
	wantStatus(t, readPage(t, res), http.StatusOK)
	wantStatus(t, s.check(b), http.StatusOK)

	load := startChecks(t, b, s.url+"/auth/check", clients)
	for range restarts {
		load.awaitMore(t, 200)
		before := load.done.Load()
		if code := s.stop(syscall.SIGTERM); code != 0 {
			t.Errorf("exit code %d", code)
		}
		if load.done.Load() == before {
			t.Error("no check was answered while authd was stopping")
		}
		s.process = activate(t, l, s.config)
		s.awaitReady("dev")
	}
	load.awaitMore(t, 200)
	load.stop(t)
	t.Logf("%d checks through %d restarts", load.done.Load(), restarts)
}

// activate starts authd on a socket that is open already.
func activate(t *testing.T, l net.Listener, config string) *process {
	t.Helper()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// LISTEN_PID is the id that the shell hands on to authd.
	cmd := exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, programs.Path(t, "authd"), "serve", "--config", config)
	cmd.ExtraFiles = []*os.File{f}
	return startCommand(t, []string{"LISTEN_FDS=1", "LISTEN_FDNAMES=authd"}, cmd)
}

// checks are clients that ask without a pause.
type checks struct {
	done    atomic.Int64
	quit    chan struct{}
	clients sync.WaitGroup
	mu      sync.Mutex
	failed  []error
}

// startChecks starts clients that are signed in as b is. Every other one uses each connection once.
func startChecks(t *testing.T, b *browser, url string, clients int) *checks {
	c := &checks{quit: make(chan struct{})}
	for i := range clients {
		client := &http.Client{Jar: b.client.Jar, Timeout: patience, Transport: &http.Transport{DisableKeepAlives: i%2 == 0}}
		t.Cleanup(client.CloseIdleConnections)
		c.clients.Go(func() { c.ask(client, url) })
	}
	t.Cleanup(func() { c.stop(t) })
	return c
}

func (c *checks) ask(client *http.Client, url string) {
	for {
		select {
		case <-c.quit:
			return
		default:
		}
		if err := checkOnce(client, url); err != nil {
			c.mu.Lock()
			c.failed = append(c.failed, fmt.Errorf("check %d: %w", c.done.Load(), err))
			c.mu.Unlock()
		}
		c.done.Add(1)
	}
}

func checkOnce(client *http.Client, url string) error {
	res, err := client.Get(url)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, res.Body)
	if res.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %s", res.Status)
	}
	return errors.Join(err, res.Body.Close())
}

// awaitMore waits until that many more checks are done.
func (c *checks) awaitMore(t *testing.T, count int64) {
	t.Helper()
	goal := c.done.Load() + count
	await(t, patience, "checks are answered", func() error {
		if c.done.Load() < goal {
			return realtest.ErrNotYet
		}
		return nil
	})
}

// stop ends the clients; none may have met a failure.
func (c *checks) stop(t *testing.T) {
	t.Helper()
	select {
	case <-c.quit:
		return
	default:
	}
	close(c.quit)
	c.clients.Wait()
	for _, err := range c.failed {
		t.Error(err)
	}
}
