package main

import (
	"bufio"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/authd/authd/internal/catalog"
	"github.com/authd/authd/sdk/devidp"
)

// debugPlugin runs a plugin by hand with -debug, and returns what is to be put into authd's environment.
func debugPlugin(t *testing.T, name string) (cmd *exec.Cmd, environ string) {
	t.Helper()
	dir := t.TempDir()
	if err := linkPlugin(dir, name); err != nil {
		t.Fatal(err)
	}
	cmd = exec.CommandContext(t.Context(), filepath.Join(dir, "authd-provider-"+name), "-debug")
	short, err := os.MkdirTemp("", "authd") // a unix socket must fit into it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(short) })
	cmd.Env = append(os.Environ(), "TMPDIR="+short)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // as Ctrl-C does
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return cmd, strings.ReplaceAll(strings.TrimSpace(line), "'", "") // as a shell reads it
}

// The road that docs/plugins/debug.md describes: the plugin runs by hand, authd is told where, and people sign in by it.
// authd goes, the plugin stays; the plugin goes, authd says so.
func TestServeAttached(t *testing.T) {
	plugin, attach := debugPlugin(t, "oidc")
	idp, err := devidp.Start(devidp.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer idp.Close()
	addr, err := free("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dir, client := t.TempDir(), devidp.DefaultClients()[0]
	environ := []string{
		attach, "AUTHD_SERVER_LISTEN=" + addr, "AUTHD_SERVER_PUBLIC_URL=http://" + addr,
		"OAUTH_OIDC_ISSUER=" + idp.Issuer(), "OAUTH_OIDC_CLIENT_ID=" + client.ID, "OAUTH_OIDC_CLIENT_SECRET=" + client.Secret,
	}
	if err := os.Mkdir(filepath.Join(dir, "plugins"), 0o755); err != nil {
		t.Fatal(err)
	}
	s := startServer(t, dir, environ...)
	if line := s.logged(t, "a debugged plugin is in use"); line["@level"] != "warn" || line["pid"] != float64(plugin.Process.Pid) {
		t.Errorf("the log says %v, want a warning about process %d", line, plugin.Process.Pid)
	}
	s.logged(t, "provider ready")
	v := newVisitor(t)
	v.open("http://" + addr + "/auth/oauth/oidc")
	v.signIn(devidp.DefaultUsers()[0])
	if res := v.open("http://" + addr + "/auth/session"); res.StatusCode != http.StatusOK || !strings.Contains(v.body, devidp.DefaultUsers()[0].Email) {
		t.Errorf("after the login %s: %s", res.Status, v.body)
	}

	s.signal(t, syscall.SIGKILL)
	s.end(t)
	s = startServer(t, dir, environ...) // only what lives can be attached to
	if line := s.logged(t, "provider failed"); !strings.Contains(line["problem"].(string), "takes settings once") {
		t.Errorf("a second authd says %v", line)
	}
	s.signal(t, syscall.SIGTERM)
	if code := s.end(t); code != exitOK {
		t.Errorf("exit code %d", code)
	}

	plugin, environ[0] = debugPlugin(t, "oidc")
	s = startServer(t, dir, environ...)
	s.logged(t, "provider ready")
	if err := plugin.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if line := s.logged(t, "provider failed"); line["state"] != "backoff" || !strings.Contains(line["problem"].(string), "the debugged plugin has ended") {
		t.Errorf("after the end of the plugin the log says %v", line)
	}
	s.signal(t, syscall.SIGTERM)
	if code := s.end(t); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

// Threat 131: what nobody checked is never attached to where people sign in for real, and never ignored in silence.
func TestServeRefusesToAttach(t *testing.T) {
	for _, test := range []struct{ name, publicURL, attach, want string }{
		{"not on loopback", "https://auth.example.com", `{"oidc":{"protocol":1,"pid":1,"network":"unix","address":"/nobody/there"}}`, "server.public_url https://auth.example.com is not on loopback"},
		{"gone", "http://127.0.0.1:4180", `{"oidc":{"protocol":1,"pid":1,"network":"unix","address":"/nobody/there"}}`, "the debugged plugin has ended; run it with -debug again"},
		{"quoted", "http://localhost:4180", `'{}'`, "is not the JSON object that it must be"},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, _, stderr := runAuthd(t, []string{
				catalog.ReattachEnv + "=" + test.attach, "AUTHD_SERVER_PUBLIC_URL=" + test.publicURL, "AUTHD_SERVER_LISTEN=127.0.0.1:0",
				"AUTHD_STORE_URL=memory:", "AUTHD_LOG_LEVEL=error", "AUTHD_SERVER_ADMIN_LISTEN=", "AUTHD_SERVER_PLUGINS_DIR=" + t.TempDir(),
			}, "serve")
			if code != exitFailed || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, catalog.ReattachEnv) || !strings.Contains(stderr, test.want) {
				t.Errorf("exit code %d, stderr %q, want %s", code, stderr, test.want)
			}
		})
	}
}
