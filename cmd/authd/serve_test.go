package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/authd/authd/internal/config"
	"github.com/authd/authd/internal/store/open"
)

// server is authd serve in a process of its own.
type server struct {
	cmd *exec.Cmd
	log *bufio.Scanner
}

// startServer runs authd serve in dir with nothing but the given environment, and logs as JSON.
func startServer(t *testing.T, dir string, environ ...string) *server {
	t.Helper()
	path, err := exec.LookPath("authd") // testscript has put it there
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, "serve")
	cmd.Dir = dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir(), "AUTHD_LOG_FORMAT=json", "AUTHD_STORE_URL=memory:", "AUTHD_SERVER_ADMIN_LISTEN="}, environ...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &server{cmd: cmd, log: bufio.NewScanner(stderr)}
}

// logged waits for a line of the log that begins with message.
func (s *server) logged(t *testing.T, message string) map[string]any {
	t.Helper()
	for s.log.Scan() {
		var line map[string]any
		if err := json.Unmarshal(s.log.Bytes(), &line); err != nil {
			t.Fatalf("not a line of JSON: %s", s.log.Text())
		}
		if text, _ := line["@message"].(string); strings.HasPrefix(text, message) {
			return line
		}
	}
	t.Fatalf("the log ended without %q", message)
	return nil
}

func (s *server) signal(t *testing.T, sig os.Signal) {
	t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// end waits for the process and returns its exit code.
func (s *server) end(t *testing.T) int {
	t.Helper()
	for s.log.Scan() {
	}
	_ = s.cmd.Wait() // the exit code says it all
	return s.cmd.ProcessState.ExitCode()
}

func TestServeUntilToldToStop(t *testing.T) {
	for _, sig := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		t.Run(sig.String(), func(t *testing.T) {
			dir := t.TempDir()
			if err := linkPlugin(filepath.Join(dir, "plugins"), "acme"); err != nil {
				t.Fatal(err)
			}
			s := startServer(t, dir, "AUTHD_SERVER_LISTEN=127.0.0.1:0", "AUTHD_SERVER_PUBLIC_URL=https://auth.example.com",
				"OAUTH_ACME_CLIENT_ID=a", "OAUTH_ACME_CLIENT_SECRET=hush-hush")
			listening := s.logged(t, "authd is listening")
			if listening["providers"] != float64(1) {
				t.Errorf("providers = %v, want the one of the environment", listening["providers"])
			}
			address, _ := listening["address"].(string)
			res, err := http.Get("http://" + address + "/healthz")
			if err != nil || res.StatusCode != http.StatusOK {
				t.Fatalf("GET /healthz: %v, %v", res, err)
			}
			_ = res.Body.Close()

			s.signal(t, syscall.SIGHUP)
			s.logged(t, "reloaded")
			s.signal(t, sig)
			s.logged(t, "authd is stopping")
			if code := s.end(t); code != exitOK {
				t.Errorf("exit code %d after %v, want 0", code, sig)
			}
			if conn, err := net.Dial("tcp", address); err == nil {
				_ = conn.Close()
				t.Errorf("%s still answers", address)
			}
		})
	}
}

// What "config check" warns of, the log of a server says too: nobody could sign in, or nobody would get back.
func TestServeWarns(t *testing.T) {
	dir := t.TempDir()
	document := "[[apps]]\nhost = \"app.example.com\"\n"
	if err := os.WriteFile(filepath.Join(dir, "authd.toml"), []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	environ := []string{"AUTHD_SERVER_LISTEN=127.0.0.1:0", "AUTHD_SERVER_PUBLIC_URL=https://auth.example.com", "AUTHD_SERVER_PLUGINS_DIR=" + dir}
	s := startServer(t, dir, environ...)
	var warned []string
	for { // all that is said before it listens
		line := s.logged(t, "")
		message, _ := line["@message"].(string)
		if strings.HasPrefix(message, "authd is listening") {
			break
		}
		if line["@level"] == "warn" {
			what, _, _ := strings.Cut(message, "; ")
			warned = append(warned, what)
		}
	}
	want := []string{"the login does not reach app.example.com: session.cookie_domain is not set", "no provider is on, so nobody can sign in"}
	for _, what := range want {
		if n := len(slices.DeleteFunc(slices.Clone(warned), func(w string) bool { return w != what })); n != 1 {
			t.Errorf("%d warnings %q among %q, want 1", n, what, warned)
		}
	}
	s.signal(t, syscall.SIGTERM)
	if code := s.end(t); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

// Threat 154: a crash leaves no core dump with the keys in it.
func TestServeForbidsCoreDumps(t *testing.T) {
	s := startServer(t, t.TempDir(), "AUTHD_SERVER_LISTEN=127.0.0.1:0", "AUTHD_SERVER_PUBLIC_URL=https://auth.example.com")
	s.logged(t, "authd is listening")
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", s.cmd.Process.Pid))
	if err == nil { // there is a /proc
		found := false
		for line := range strings.Lines(string(limits)) {
			fields := strings.Fields(line)
			found = found || strings.HasPrefix(line, "Max core file size") && slices.Equal(fields[4:6], []string{"0", "0"})
		}
		if !found {
			t.Errorf("core dumps are possible:\n%s", limits)
		}
	}
	s.signal(t, syscall.SIGTERM)
	if code := s.end(t); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

// What goes wrong after the start of the process is a failure, not a usage error, and one line.
func TestServeFails(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	code, _, stderr := runAuthd(t, []string{
		"AUTHD_SERVER_LISTEN=" + taken.Addr().String(), "AUTHD_STORE_URL=memory:", "AUTHD_LOG_LEVEL=error", "AUTHD_SERVER_ADMIN_LISTEN=", "AUTHD_SERVER_PLUGINS_DIR=" + t.TempDir(),
	}, "serve")
	if code != exitFailed || strings.Count(stderr, "\n") != 1 || !strings.HasPrefix(stderr, "authd: server.listen "+taken.Addr().String()) {
		t.Errorf("address taken: exit code %d, stderr %q", code, stderr)
	}
	code, _, stderr = runAuthd(t, []string{
		"AUTHD_STORE_URL=file:/dev/null/authd.db", "AUTHD_LOG_LEVEL=error", "AUTHD_SERVER_ADMIN_LISTEN=", "AUTHD_SERVER_PLUGINS_DIR=" + t.TempDir(),
	}, "serve")
	if code != exitFailed || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "/dev/null/authd.db") {
		t.Errorf("no store: exit code %d, stderr %q", code, stderr)
	}
}

// The configuration accepts the stores that can be opened, no more and no less.
func TestStores(t *testing.T) {
	if got, want := config.Stores(), open.Schemes(); !slices.Equal(got, want) {
		t.Errorf("config.Stores() = %v, open.Schemes() = %v", got, want)
	}
}

// runAuthd runs a command line inside this process.
func runAuthd(t *testing.T, environ []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	t.Chdir(t.TempDir())
	var out, errOut strings.Builder
	a := &app{out: &out, errOut: &errOut, environ: environ}
	code = a.run(t.Context(), args)
	return code, out.String(), errOut.String()
}
