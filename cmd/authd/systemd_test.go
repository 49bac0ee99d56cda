package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// notifySocket is the end of NOTIFY_SOCKET that a service manager reads.
type notifySocket struct {
	*net.UnixConn
	path string
}

func newNotifySocket(t *testing.T) notifySocket {
	t.Helper()
	dir, err := os.MkdirTemp("", "authd") // a unix socket must fit into it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return notifySocket{conn, path}
}

// await reads until a message holds text and returns that.
func (n notifySocket) await(t *testing.T, text string) string {
	t.Helper()
	if err := n.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 4096)
	for {
		count, err := n.Read(buffer)
		if err != nil {
			t.Fatalf("the service manager was not told %q: %v", text, err)
		}
		if message := string(buffer[:count]); strings.Contains(message, text) {
			return message
		}
	}
}

// passed is a socket as a service manager holds it.
type passed struct {
	name string
	net.Listener
}

func newPassed(t *testing.T, name, network, address string) passed {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return passed{name, l}
}

// activate is startServer as systemd does it: with sockets that are open already.
func activate(t *testing.T, dir string, sockets []passed, environ ...string) *server {
	t.Helper()
	path, err := exec.LookPath("authd")
	if err != nil {
		t.Fatal(err)
	}
	// LISTEN_PID is the id that the shell hands on to authd.
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" serve`, path)
	names := make([]string, len(sockets))
	for i, s := range sockets {
		names[i] = s.name
		f, err := s.Listener.(interface{ File() (*os.File, error) }).File()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	cmd.Dir = dir
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir(), "AUTHD_LOG_FORMAT=json", "AUTHD_STORE_URL=memory:",
		"AUTHD_SERVER_PUBLIC_URL=https://auth.example.com", "LISTEN_FDS=" + strconv.Itoa(len(sockets)), "LISTEN_FDNAMES=" + strings.Join(names, ":"),
	}, environ...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &server{cmd: cmd, log: bufio.NewScanner(stderr)}
}

// Threat 154, 160: authd serves on the sockets that the service manager holds and tells it how it does; its plugins
// learn of neither.
func TestServeUnderServiceManager(t *testing.T) {
	dir := t.TempDir()
	if err := linkPlugin(filepath.Join(dir, "plugins"), "acme"); err != nil {
		t.Fatal(err)
	}
	manager := newNotifySocket(t)
	admin := filepath.Join(filepath.Dir(manager.path), "admin")
	sockets := []passed{newPassed(t, "authd-admin", "unix", admin), newPassed(t, "authd", "tcp", "127.0.0.1:0")}
	s := activate(t, dir, sockets, "NOTIFY_SOCKET="+manager.path, "WATCHDOG_USEC=900000",
		"OAUTH_ACME_CLIENT_ID=a", "OAUTH_ACME_CLIENT_SECRET=hush-hush")

	address := sockets[1].Addr().String()
	if message := manager.await(t, "READY=1"); !strings.Contains(message, "STATUS=serving on "+address) {
		t.Errorf("at the start the service manager is told %q", message)
	}
	manager.await(t, "1 of 1 providers ready")
	manager.await(t, "WATCHDOG=1")
	wantOK(t, http.DefaultClient, "http://"+address+"/healthz")
	overAdmin := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", admin)
	}}}
	wantOK(t, overAdmin, "http://admin/admin/providers")
	s.wantPluginsKnowNothing(t)

	s.signal(t, syscall.SIGTERM)
	manager.await(t, "STOPPING=1")
	if code := s.end(t); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	if _, err := os.Stat(admin); err != nil {
		t.Errorf("the service manager's socket was removed: %v", err)
	}
}

func wantOK(t *testing.T, c *http.Client, url string) {
	t.Helper()
	res, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	if _ = res.Body.Close(); res.StatusCode != http.StatusOK {
		t.Errorf("GET %s: %s", url, res.Status)
	}
}

// wantPluginsKnowNothing looks at the environment and the open files of the server's plugins.
func (s *server) wantPluginsKnowNothing(t *testing.T) {
	t.Helper()
	plugins := childrenOf(s.cmd.Process.Pid)
	if len(plugins) == 0 {
		t.Fatal("no plugin runs")
	}
	held := listening(t, s.cmd.Process.Pid)
	if len(held) < 2 {
		t.Fatalf("authd has the sockets %v open", held)
	}
	for _, pid := range plugins {
		environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if err != nil || len(environ) == 0 {
			t.Fatalf("the plugin's environment: %q, %v", environ, err)
		}
		for entry := range strings.SplitSeq(string(environ), "\x00") {
			for _, prefix := range []string{"LISTEN_", "NOTIFY_", "WATCHDOG_", "AUTHD_S"} {
				if strings.HasPrefix(entry, prefix) {
					t.Errorf("a plugin is told %s", entry)
				}
			}
		}
		for _, socket := range listening(t, pid) {
			if slices.Contains(held, socket) {
				t.Errorf("a plugin has inherited %s", socket)
			}
		}
	}
}

// listening are the sockets among the open files of a process.
func listening(t *testing.T, pid int) (sockets []string) {
	t.Helper()
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil || len(fds) == 0 {
		t.Fatalf("the open files of %d: %v, %v", pid, fds, err)
	}
	for _, fd := range fds {
		if target, _ := os.Readlink(fd); strings.HasPrefix(target, "socket:") {
			sockets = append(sockets, target)
		}
	}
	return sockets
}

// childrenOf are the processes whose parent is pid and that have not ended.
func childrenOf(pid int) (children []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is well-formed
	for _, name := range stats {
		text, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		_, after, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(after)
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err == nil && len(fields) > 1 && fields[0] != "Z" && fields[1] == strconv.Itoa(pid) {
			children = append(children, child)
		}
	}
	return children
}

// A socket that authd has no use for would let its clients wait for ever.
func TestServeRefusesSockets(t *testing.T) {
	for name, c := range map[string]struct {
		sockets []string
		environ string
		says    string
	}{
		"unknown": {sockets: []string{"http"}, says: `a socket called "http"; set FileDescriptorName= to authd or authd-admin`},
		"twice":   {sockets: []string{"authd", "authd"}, says: `two sockets called "authd"`},
		"clock":   {environ: "WATCHDOG_USEC=soon", says: "WATCHDOG_USEC"},
	} {
		t.Run(name, func(t *testing.T) {
			var sockets []passed
			for _, socket := range c.sockets {
				sockets = append(sockets, newPassed(t, socket, "tcp", "127.0.0.1:0"))
			}
			s := activate(t, t.TempDir(), sockets, c.environ)
			last := ""
			for s.log.Scan() {
				last = s.log.Text()
			}
			if code := s.end(t); code != exitFailed || !strings.Contains(last, c.says) {
				t.Errorf("exit code %d, says %q; want %q", code, last, c.says)
			}
		})
	}
}
