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
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/internal/realtest"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/providertest"
)

// TestLogin signs a person in at a real authd, through a provider in Python and one in JavaScript.
func TestLogin(t *testing.T) {
	plugins := filepath.Join(t.TempDir(), "plugins")
	if err := os.Mkdir(plugins, 0o755); err != nil {
		t.Fatal(err)
	}
	pythonPlugin(t, plugins)
	nodePlugin(t, plugins)
	idp := providertest.StartIDP(t, devidp.Options{})
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

// serve runs authd until the end of the test. It returns when all required providers are ready.
func serve(t *testing.T, plugins, tables string) string {
	t.Helper()
	dir, addr := t.TempDir(), realtest.FreeAddr(t)
	config, at := filepath.Join(dir, "authd.toml"), "http://"+addr
	text := fmt.Sprintf("[server]\nlisten = %q\npublic_url = %q\nadmin_listen = \"\"\nplugins_dir = %q\n[store]\nurl = \"memory:\"\n"+
		"[session]\nsecret = \"languages-session-secret-0123456789\"\n%s", addr, at, plugins, tables)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(programs.Path(t, "authd"), "serve", "--config", config)
	cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	p := realtest.Start(t, cmd)
	t.Cleanup(func() {
		if code, err := p.Stop(syscall.SIGTERM, time.Minute); code != 0 || err != nil {
			t.Errorf("authd ended with %v, %v", p.Cmd.ProcessState, err)
		}
	})
	if _, err := p.Ready(50*time.Millisecond, time.Minute, realtest.Answers(at+"/readyz")); err != nil {
		t.Fatal(err)
	}
	return at
}
