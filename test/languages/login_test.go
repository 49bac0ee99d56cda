//go:build linux

package languages

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/internal/realtest"
	"github.com/authd/authd/sdk/devidp"
)

// TestLogin signs a person in at a real authd, through a provider in Python and one in JavaScript.
func TestLogin(t *testing.T) {
	plugins := filepath.Join(t.TempDir(), "plugins")
	if err := os.Mkdir(plugins, 0o755); err != nil {
		t.Fatal(err)
	}
	pythonPlugin(t, plugins)
	nodePlugin(t, plugins)
	idp, err := devidp.Start(devidp.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := idp.Close(); err != nil {
			t.Error(err)
		}
	})
	at := serve(t, plugins, providerTable(idp, "azure-ad-b2c")+providerTable(idp, "twitch"))
	for _, id := range []string{"azure-ad-b2c", "twitch"} {
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		client := &http.Client{Jar: jar, Timeout: time.Minute}
		resp, err := idp.Login(t.Context(), client, at+"/auth/oauth/"+id+"?return_to=/auth/session", "ada")
		if err != nil {
			t.Fatalf("%s: %v", id, err)
		}
		var session struct {
			Provider string
			User     struct{ Name, Email string }
		}
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close() // all of it was read
		if err == nil {
			err = json.Unmarshal(text, &session)
		}
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s %v\n%s", id, resp.Status, err, text)
		}
		ada, ok := idp.User("ada")
		if !ok || ada.Email == "" {
			t.Fatal("the developer identity provider knows no ada")
		}
		if diff := cmp.Diff([]string{id, ada.Email}, []string{session.Provider, session.User.Email}); diff != "" {
			t.Errorf("%s: session (-want +got):\n%s\n%s", id, diff, text)
		}
	}
}

func providerTable(idp *devidp.Server, id string) string {
	return fmt.Sprintf("[[providers]]\nid = %q\ntype = %q\nrequired = true\nscopes = [\"openid\", \"profile\", \"email\"]\n"+
		"client_id = \"demo\"\nclient_secret = \"demo-secret\"\nauth_url = %q\ntoken_url = %q\nuser_info_url = %q\n",
		id, id, idp.EndpointURL(devidp.EndpointAuthorize), idp.EndpointURL(devidp.EndpointToken), idp.EndpointURL(devidp.EndpointUserInfo))
}

// serve builds authd and runs it until the end of the test. It returns when all required providers are ready.
func serve(t *testing.T, plugins, tables string) string {
	t.Helper()
	dir := t.TempDir()
	program, config := filepath.Join(dir, "authd"), filepath.Join(dir, "authd.toml")
	run(t, checkout(t), []string{"CGO_ENABLED=0"}, "go", "build", "-buildvcs=false", "-o", program, "./cmd/authd")
	at := fmt.Sprintf("http://127.0.0.1:%d", realtest.FreePort(t))
	text := fmt.Sprintf("[server]\nlisten = %q\npublic_url = %q\nadmin_listen = \"\"\nplugins_dir = %q\n[store]\nurl = \"memory:\"\n"+
		"[session]\nsecret = \"languages-session-secret-0123456789\"\n%s", strings.TrimPrefix(at, "http://"), at, plugins, tables)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "serve", "--config", config)
	cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // an error means that it has ended already
		if err := <-exited; err != nil {
			t.Errorf("authd ended with %v", err)
		}
		if text, err := os.ReadFile(log.Name()); t.Failed() {
			t.Logf("log of authd (%v):\n%s", err, text)
		}
		_ = log.Close()
	})
	awaitReady(t, at, exited)
	return at
}

func awaitReady(t *testing.T, at string, exited chan error) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		resp, err := http.Get(at + "/readyz")
		if err == nil {
			_ = resp.Body.Close() // only the status is of interest
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case err := <-exited:
			exited <- err
			t.Fatalf("authd has ended: %v", err)
		case <-deadline:
			t.Fatalf("authd is not ready: %v", err)
		case <-tick.C:
		}
	}
}
