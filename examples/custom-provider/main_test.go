package main

import (
	"bufio"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/oauth2"
	"github.com/authd/authd/sdk/providertest"
)

const binary = "authd-provider-acme"

// TestMain lets the test binary be three things: the plugin when it is run under the plugin's name, Acme itself for a
// trial by hand (see README.md), and otherwise the tests.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == binary {
		main()
		return
	}
	serve := flag.String("acme", "", "be Acme on this loopback address, until interrupted")
	flag.Parse()
	if *serve == "" {
		os.Exit(m.Run())
	}
	if err := serveAcme(*serve); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serveAcme(addr string) error {
	idp, err := devidp.Start(devidp.Options{Addr: addr, Mounts: []devidp.Mount{acmeItself()}})
	if err != nil {
		return err
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	fmt.Printf("Acme is at %s/acme; end it with Ctrl-C\n", idp.URL())
	<-interrupted
	return idp.Close()
}

// acmeItself is the company's server: its paths, and what it says about people.
func acmeItself() devidp.Mount {
	return devidp.Mount{
		Name: "acme", Prefix: "/acme",
		Paths: map[string]string{
			devidp.EndpointAuthorize: "/oauth/authorize",
			devidp.EndpointToken:     "/oauth/token",
			devidp.EndpointUserInfo:  "/api/me",
		},
		Claims: func(in devidp.ClaimsInput) map[string]any {
			u := in.User
			me := map[string]any{
				"id": u.GitHubID, "login": u.Username, "display_name": u.Name, "mail": u.Email, "mail_confirmed": u.EmailVerified, "teams": u.Groups,
				// Acme has never heard of OpenID Connect.
				"sub": nil, "preferred_username": nil, "name": nil, "given_name": nil, "family_name": nil,
				"email": nil, "email_verified": nil, "groups": nil, "picture": nil,
			}
			if said, ok := u.Claims["email_verified"]; ok && said == nil {
				me["mail_confirmed"] = nil
			}
			maps.Copy(me, u.Claims)
			return me
		},
	}
}

// harness points the provider at that server.
func harness() providertest.Harness {
	return providertest.Harness{
		Type: acme(),
		IDP:  devidp.Options{Mounts: []devidp.Mount{acmeItself()}},
		Settings: func(idp *devidp.Server) map[string]string {
			return map[string]string{"base_url": idp.URL() + "/acme", "client_id": "demo", "client_secret": "demo-secret"}
		},
	}
}

// TestProvider runs the acceptance kit on the type.
func TestProvider(t *testing.T) { providertest.Run(t, harness()) }

// TestBinary runs it on the executable, started as authd starts it.
func TestBinary(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), binary)
	if err := os.Symlink(self, path); err != nil {
		t.Fatal(err)
	}
	providertest.RunBinary(t, path, harness())
}

// TestUser is about what is Acme's own: the mapping.
func TestUser(t *testing.T) {
	yes := true
	for _, test := range []struct {
		name, me string
		want     *sdk.User
		err      string
	}{
		{
			"all there is",
			`{"id":9007199254740993,"login":"ada","display_name":"Ada Q.","mail":"ada@acme.example","mail_confirmed":true,"teams":["core","ops"]}`,
			&sdk.User{
				Sub: "9007199254740993", PreferredUsername: "ada", Name: "Ada Q.", Email: "ada@acme.example",
				EmailVerified: &yes, Groups: []string{"core", "ops"},
			}, "",
		},
		{"as little as there may be", `{"id":7}`, &sdk.User{Sub: "7"}, ""},
		{"nobody", `{"login":"ada"}`, nil, "upstream: acme: /api/me names nobody"},
		{"an id that is no number", `{"id":"7"}`, nil, "upstream: acme: /api/me names nobody"},
		{"somebody who left", `{"id":7,"status":"left"}`, nil, "user: access_denied: acme: user 7 has left the company"},
		{"no JSON", `hello`, nil, "upstream: acme: /api/me: not acceptable JSON: it does not parse"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := user(t.Context(), &oauth2.Client{}, []byte(test.me), &sdk.Token{})
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("user (-want +got):\n%s", diff)
			}
			if text := fmt.Sprint(err); err != nil && text != test.err || err == nil && test.err != "" {
				t.Errorf("error %v, want %q", err, test.err)
			}
		})
	}
}

// TestServeAcme: the test binary is Acme itself when the README's command asks for that.
func TestServeAcme(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-acme=127.0.0.1:0")
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var url string
	if _, err := fmt.Sscanf(line, "Acme is at %s", &url); err != nil {
		t.Fatalf("got %q: %v", line, err)
	}
	resp, err := http.Get(strings.TrimSuffix(url, ";") + "/api/me")
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("/api/me without a token: %s (%v), want 401", resp.Status, err)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after an interrupt: %v, want exit 0", err)
	}
}

// TestReadme keeps the README and the code together.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range acme().Settings {
		for _, want := range []string{"`" + s.Name + "`", s.Env} {
			if !strings.Contains(string(readme), want) {
				t.Errorf("README.md does not mention %s", want)
			}
		}
	}
	source, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(source), "\n"); n > 80 {
		t.Errorf("main.go has %d lines; as an example 80 are enough", n)
	}
}

// TestReadmeBuilds runs the README's own command for building the plugin, but for where the result goes.
func TestReadmeBuilds(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	const command = "go build -o bin/plugins/" + binary + " ./examples/custom-provider"
	if !strings.Contains(string(readme), "\n"+command+"\n") {
		t.Fatalf("README.md does not say how to build the plugin: %s", command)
	}
	built := filepath.Join(t.TempDir(), binary)
	args := strings.Fields(strings.Replace(command, "bin/plugins/"+binary, built, 1))
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	out, err := exec.CommandContext(t.Context(), built, "-describe").Output()
	if err != nil {
		t.Fatalf("-describe: %v", err)
	}
	manifest, err := sdk.ParseManifest(out)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := manifest.Type("acme"); !ok || got.Label != acme().Label {
		t.Errorf("the built plugin describes %+v", manifest)
	}
}
