package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/authd/authd/sdk/devidp"
)

// command runs one command line in this process.
func command(environ []string, args ...string) (code int, stdout, stderr string) {
	var out, errOut bytes.Buffer
	a := &app{out: &out, errOut: &errOut, environ: environ}
	code = a.run(context.Background(), args)
	return code, out.String(), errOut.String()
}

// Threat 61: an operator sees who is signed in and ends it, with a running server.
func TestSessionListAndRevoke(t *testing.T) {
	idp, err := devidp.Start(devidp.Options{SigningAlg: "ES256"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = idp.Close() })
	dir := t.TempDir()
	if err := linkPlugin(filepath.Join(dir, "plugins"), "oidc"); err != nil {
		t.Fatal(err)
	}
	public := "unix:" + filepath.Join(dir, "authd.sock")
	environ := []string{
		"AUTHD_SERVER_LISTEN=" + public, "AUTHD_SERVER_ADMIN_LISTEN=unix:" + filepath.Join(dir, "admin.sock"),
		"AUTHD_SERVER_PUBLIC_URL=http://127.0.0.1:4180", "AUTHD_SERVER_PLUGINS_DIR=" + filepath.Join(dir, "plugins"),
		"OAUTH_OIDC_ISSUER=" + idp.Issuer(), "OAUTH_OIDC_CLIENT_ID=demo", "OAUTH_OIDC_CLIENT_SECRET=demo-secret",
	}
	s := startServer(t, dir, environ...)
	s.logged(t, "provider ready")
	signIn(t, idp, strings.TrimPrefix(public, "unix:"))

	code, out, stderr := command(environ, "session", "list")
	if code != exitOK || !strings.Contains(out, "ada") || !strings.Contains(out, "oidc") {
		t.Errorf("session list: %d\n%s%s", code, out, stderr)
	}
	for _, args := range [][]string{{}, {"h", "--all"}, {"--user", "ada", "--all"}} {
		if code, _, stderr := command(environ, append([]string{"session", "revoke"}, args...)...); code != exitUsage || !strings.Contains(stderr, "say which") {
			t.Errorf("session revoke %v: %d %s", args, code, stderr)
		}
	}
	if code, _, stderr := command(environ, "session", "revoke", "no-such-handle"); code != exitFailed {
		t.Errorf("revoking what is not there: %d %s", code, stderr)
	}
	if code, out, stderr := command(environ, "session", "revoke", "--user", "ada"); code != exitOK || out != "1 session ended\n" {
		t.Errorf("session revoke --user ada: %d %s%s", code, out, stderr)
	}
	if code, out, _ := command(environ, "session", "list", "-o", "json"); code != exitOK || strings.TrimSpace(out) != "[]" {
		t.Errorf("after it: %d %s", code, out)
	}
	s.signal(t, os.Interrupt)
	if code := s.end(t); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	if code, _, stderr := command(environ, "session", "list"); code != exitFailed || !strings.Contains(stderr, "is it running with this configuration?") {
		t.Errorf("without a server: %d %s", code, stderr)
	}
	if code, _, stderr := command(append(environ, "AUTHD_SERVER_ADMIN_LISTEN="), "session", "list"); code != exitFailed || !strings.Contains(stderr, "server.admin_listen is empty") {
		t.Errorf("without an admin listener: %d %s", code, stderr)
	}
}

// signIn signs ada in through the server behind the socket, which browsers know as http://127.0.0.1:4180.
func signIn(t *testing.T, idp *devidp.Server, socket string) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	local := dialer("unix:" + socket)
	direct := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(direct.CloseIdleConnections)
	c := &http.Client{Jar: jar, Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.URL.Host == "127.0.0.1:4180" {
			return local.RoundTrip(r)
		}
		return direct.RoundTrip(r)
	})}
	t.Cleanup(local.CloseIdleConnections)
	res, err := idp.Login(t.Context(), c, "http://127.0.0.1:4180/auth/oauth/oidc?return_to=/auth/session", "ada")
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("signing in: %v, %v", res, err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
