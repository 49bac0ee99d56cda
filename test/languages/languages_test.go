//go:build linux

package languages

import (
	"bytes"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/authd/authd/internal/realtest"
	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/providertest"
)

// endpoints point a provider at the developer identity provider, but for those that are left out.
func endpoints(without ...string) func(*devidp.Server) map[string]string {
	return func(idp *devidp.Server) map[string]string {
		all := map[string]string{
			"client_id": "demo", "client_secret": "demo-secret", "auth_url": idp.EndpointURL(devidp.EndpointAuthorize),
			"token_url": idp.EndpointURL(devidp.EndpointToken), "user_info_url": idp.EndpointURL(devidp.EndpointUserInfo),
		}
		for _, name := range without {
			delete(all, name)
		}
		return all
	}
}

// TestPython holds the example in Python, installed as its README says, against the kit: with a UserInfo endpoint, and
// with the ID token alone.
func TestPython(t *testing.T) {
	path := pythonPlugin(t, t.TempDir())
	t.Run("userinfo", func(t *testing.T) {
		providertest.RunBinary(t, path, providertest.Harness{Settings: endpoints()})
	})
	t.Run("id-token", func(t *testing.T) {
		providertest.RunBinary(t, path, providertest.Harness{Settings: endpoints("user_info_url")})
	})
}

// TestNode holds the example in JavaScript against the kit.
func TestNode(t *testing.T) {
	providertest.RunBinary(t, nodePlugin(t, t.TempDir()), providertest.Harness{Settings: endpoints()})
}

// TestChainlit holds a class as Chainlit has it against the kit: the imports are all that was changed.
func TestChainlit(t *testing.T) {
	dir := t.TempDir()
	text, err := os.ReadFile(filepath.Join("testdata", "chainlit_provider.py"))
	if err != nil {
		t.Fatal(err)
	}
	providertest.RunBinary(t, chainlit(t, dir, string(text)), providertest.Harness{Settings: func(idp *devidp.Server) map[string]string {
		return map[string]string{"client_id": "demo", "client_secret": "demo-secret", "base_url": idp.URL()}
	}})
}

// chainlit makes an executable of a class that reads its settings where it is made, as some of Chainlit's do.
func chainlit(t *testing.T, dir, source string) string {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "chainlit_provider.py"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	return executable(t, dir, "authd-provider-company", "#!"+realtest.Python(t)+"\nimport sys\n"+
		"sys.dont_write_bytecode = True\nsys.path[:0] = ['"+dir+"', '"+realtest.Checkout(t, "sdk", "python")+"']\n"+
		"from authd_provider import serve\nserve('chainlit_provider:CompanyOAuthProvider')\n")
}

// TestPluginCheck does what "authd plugin check" does: nothing is known but the executable, and logins are tried.
func TestPluginCheck(t *testing.T) {
	for name, path := range map[string]string{
		"azure-ad-b2c": pythonPlugin(t, t.TempDir()), "twitch": nodePlugin(t, t.TempDir()),
	} {
		var out bytes.Buffer
		if err := providertest.CheckBinary(t.Context(), &out, path); err != nil {
			t.Errorf("%v\n%s", err, out.String())
		}
		for _, want := range []string{"ok   process-host-gone", "ok   " + name + "/login", "ok   " + name + "/userinfo-429", "ok   " + name + "/cancel"} {
			if !strings.Contains(out.String(), want+"\n") {
				t.Errorf("%s: the line %q is missing in\n%s", name, want, out.String())
			}
		}
	}
}

// TestBroken: the kit finds a fault in a provider that is not written in Go, too. This one says who somebody is from
// another field at each login.
func TestBroken(t *testing.T) {
	dir := t.TempDir()
	text, err := os.ReadFile(filepath.Join("testdata", "chainlit_provider.py"))
	if err != nil {
		t.Fatal(err)
	}
	broken := strings.Replace(string(text), `identifier=company_user["preferred_username"],`, `identifier="", sub=company_user["email"].split("@")[0],`, 1)
	path := chainlit(t, dir, broken)
	var out bytes.Buffer
	err = providertest.CheckBinary(t.Context(), &out, path)
	if broken == string(text) || err == nil || !strings.Contains(out.String(), "FAIL company/login-sub: ") {
		t.Errorf("%v, want a failure of login-sub in\n%s", err, out.String())
	}
}

// TestOwnTests runs what the authors of the three have written in their own languages.
func TestOwnTests(t *testing.T) {
	python, quiet := realtest.Python(t), "PYTHONDONTWRITEBYTECODE=1"
	ran := regexp.MustCompile(`Ran [1-9][0-9]* tests`)
	for _, suite := range []struct {
		dir  string
		argv []string
	}{
		{"sdk/python", []string{python, "-m", "unittest", "discover", "-s", "tests", "-t", "."}},
		{"examples/python-provider", []string{python, "-m", "unittest"}},
	} {
		out := run(t, realtest.Checkout(t, suite.dir), []string{quiet, "PYTHONPATH=" + realtest.Checkout(t, "sdk", "python")}, suite.argv...)
		if !ran.MatchString(out) {
			t.Errorf("%s: no test ran:\n%s", suite.dir, out)
		}
	}
	out := run(t, realtest.NodeModules(t, "examples/node-provider"), nil, realtest.Find(t, "node"), "--test")
	if !regexp.MustCompile(`(?m)pass [1-9]`).MatchString(out) {
		t.Errorf("no test of examples/node-provider ran:\n%s", out)
	}
}

// TestAuthorities: the client for Python verifies certificates, and the operator's ca_file counts.
func TestAuthorities(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"id":7}`) // a client that left is not of interest
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // a handshake that fails is what is tested
	server.StartTLS()
	t.Cleanup(server.Close)
	own := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	const program = `
import asyncio, os
from authd_provider import AsyncClient, Config, UpstreamError, context
context.configure(Config(ca_pem=os.environb.get(b"CA", b"")))
try:
    print(asyncio.run(AsyncClient().get(os.environ["URL"])).json())
except UpstreamError as error:
    print("refused", error)
`
	for ca, want := range map[string]string{"": "refused", string(own): "{'id': 7}"} {
		out := run(t, "", []string{"CA=" + ca, "URL=" + server.URL, "PYTHONDONTWRITEBYTECODE=1", "PYTHONPATH=" + realtest.Checkout(t, "sdk", "python")}, realtest.Python(t), "-c", program)
		if !strings.HasPrefix(out, want) {
			t.Errorf("with %d bytes of authorities: %q, want %q", len(ca), out, want)
		}
	}
}

// TestGenerated: what was made from the proto file is what the proto file says now.
func TestGenerated(t *testing.T) {
	run(t, realtest.Checkout(t), []string{"PYTHONDONTWRITEBYTECODE=1"}, realtest.Python(t), realtest.Checkout(t, "sdk", "python", "generate"), "--check")
	original, err := os.ReadFile(realtest.Checkout(t, "sdk", "proto", "provider", "v1", "provider.proto"))
	if err != nil {
		t.Fatal(err)
	}
	if copied, err := os.ReadFile(realtest.Checkout(t, "examples", "node-provider", "provider.proto")); err != nil || !bytes.Equal(original, copied) {
		t.Errorf("examples/node-provider/provider.proto is not sdk/proto/provider/v1/provider.proto (%v); copy it there", err)
	}
}

// TestReadmes: the READMEs of the examples, and the page about Python, name what there is to set.
func TestReadmes(t *testing.T) {
	dir := t.TempDir()
	for readme, path := range map[string]string{
		realtest.Checkout(t, "examples", "python-provider", "README.md"): pythonPlugin(t, dir),
		realtest.Checkout(t, "examples", "node-provider", "README.md"):   nodePlugin(t, dir),
	} {
		text, err := os.ReadFile(readme)
		if err != nil {
			t.Fatal(err)
		}
		manifest, err := sdk.ParseManifest([]byte(run(t, "", nil, path, "-describe")))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range manifest.Types[0].Settings {
			required, standard := "no", ""
			if s.Required {
				required = "yes"
			}
			if s.Default != "" {
				standard = "`" + s.Default + "`"
			}
			row := "| `" + s.Name + "` | `" + s.Env + "` | " + required + " | " + standard + " | " + s.Help + " |"
			if !strings.Contains(string(text), row) {
				t.Errorf("%s lacks the row\n%s", readme, row)
			}
		}
	}
}

// TestTutorial: the provider on the page about Python is one, as it stands there.
func TestTutorial(t *testing.T) {
	page, err := os.ReadFile(realtest.Checkout(t, "docs", "plugins", "python.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)```python\n(.*?)```").FindSubmatch(page)
	if found == nil {
		t.Fatal("the page shows no program")
	}
	path := executable(t, t.TempDir(), "authd-provider-acme", "#!"+realtest.Python(t)+"\nimport sys\n"+
		"sys.dont_write_bytecode = True\nsys.path[:0] = ['"+realtest.Checkout(t, "sdk", "python")+"']\n"+string(found[1]))
	providertest.RunBinary(t, path, providertest.Harness{})
}
