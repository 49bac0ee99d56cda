package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// values compares what a Config says, not where it was said.
func values() cmp.Option {
	return cmp.Options{cmpopts.IgnoreUnexported(Config{}), cmpopts.IgnoreFields(Config{}, "Path", "Warnings"), cmpopts.EquateEmpty()}
}

// inDir runs the rest of the test in a fresh directory with the given authd.toml, none if it is empty.
func inDir(t *testing.T, document string) {
	t.Helper()
	t.Chdir(t.TempDir())
	if document != "" {
		write(t, DefaultPath, document, 0o600)
	}
}

func write(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask is
		t.Fatal(err)
	}
}

func load(t *testing.T, document string, environ ...string) *Config {
	t.Helper()
	inDir(t, document)
	c, err := Load("", environ)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return c
}

// faultsOf returns the lines of the error of a configuration that must not load.
func faultsOf(t *testing.T, document string, environ ...string) []string {
	t.Helper()
	inDir(t, document)
	c, err := Load("", environ)
	var faults *Faults
	if !errors.As(err, &faults) || c != nil {
		t.Fatalf("Load = %v, %v, want faults", c, err)
	}
	if got := strings.Split(err.Error(), "\n"); len(got) != len(faults.List) {
		t.Errorf("%d faults in %d lines:\n%v", len(faults.List), len(got), err)
	}
	return strings.Split(err.Error(), "\n")
}

const minimal = "[server]\npublic_url = \"https://auth.example.com\"\n"

func TestLoadNothing(t *testing.T) {
	c := load(t, "")
	want := &Config{
		Server:  Server{Listen: "127.0.0.1:4180", PublicURL: "http://127.0.0.1:4180", AdminListen: "127.0.0.1:4181", PluginsDir: OneOrMore{"plugins"}},
		Store:   Store{URL: "file:authd.db"},
		Session: Session{CookieName: "authd", Lifetime: 720 * time.Hour, IdleTimeout: 168 * time.Hour},
		Login:   Login{Title: "Sign in"},
		Plugins: Plugins{Sandbox: "basic"},
		Log:     Log{Level: "info", Format: "text"},
	}
	if diff := cmp.Diff(want, c, values()); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
	if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "using http://127.0.0.1:4180") {
		t.Errorf("Warnings = %q, want the public URL that was made up", c.Warnings)
	}
	if c.Path != "" {
		t.Errorf("Path = %q without a file", c.Path)
	}
}

func TestLoadEverything(t *testing.T) {
	c := load(t, everything)
	want := &Config{
		Server: Server{
			Listen: "127.0.0.1:4180", PublicURL: "https://auth.example.com", AdminListen: "unix:/run/authd/admin.sock",
			TrustedProxies: []string{"10.0.0.0/8", "192.0.2.7", "2001:db8::/32"}, PluginsDir: OneOrMore{"plugins", "/usr/lib/authd/plugins"},
		},
		Store: Store{URL: "file:authd.db"},
		Session: Session{
			Secret:     OneOrMore{"ThisIsNotASecretButItIsLongEnough-1", "ThisIsNotASecretButItIsLongEnough-2"},
			CookieName: "login", CookieDomain: ".example.com", Lifetime: 24 * time.Hour, IdleTimeout: 90 * time.Minute,
		},
		Login: Login{
			Title: "Come in", Logo: "/logo.svg", Auto: true, Prompt: "login consent",
			ReturnToAllow: []string{"https://*.example.com", "https://app.example.net:8443", "http://localhost:3000"},
		},
		Access:  Access{Allow: `user.email.endsWith("@example.org")`},
		Admin:   Admin{Token: "sixteen-bytes-or-more", Pprof: true},
		Log:     Log{Level: "debug", Format: "json"},
		Plugins: Plugins{LockFile: "plugins.lock", Sandbox: "strict", SandboxBestEffort: true, MemoryLimit: "512MiB"},
		Providers: []ProviderTable{{
			ID: "github", Type: "github", Label: "GitHub", Icon: "icons/github.svg", Scopes: []string{"read:user", "user:email"},
			Prompt: "consent", AuthorizeParams: map[string]string{"allow_signup": "false"}, Identifier: "preferred_username",
			Claims: map[string]string{"email": "claims.mail", "groups": "claims.roles"},
			Allow:  `claims.hd == "example.org"`, Required: true, CallbackPath: "/oauth2callback", InsecureHTTP: true, CAFile: "ca.pem",
			Sandbox: "off", RunAs: "nobody", EgressPorts: Ports{8443, 9443},
			Settings: map[string]string{"client_id": "Iv1.0123", "client_secret": "github-client-secret", "port": "8080", "tls": "true"},
		}},
		Apps: []App{{Host: "app.example.com", PassAccessToken: true, Rules: []Rule{
			{Path: "/public/*", Public: true}, {Path: "/admin/*", Methods: []string{"GET", "POST"}, Allow: `"admins" in user.groups`},
		}}},
		Clients: []Client{{
			ID: "streamlit", Secret: "client-secret-of-streamlit", RedirectURIs: []string{"https://app.example.com/oauth2callback"},
			PostLogoutRedirectURIs: []string{"https://app.example.com/oauth2callback"},
		}},
	}
	if diff := cmp.Diff(want, c, values()); diff != "" {
		t.Errorf("Load (-want +got):\n%s", diff)
	}
	line := 1 + strings.Count(everything[:strings.Index(everything, "\nclient_id")+1], "\n")
	if origin, ok := c.Origin("providers[0].client_id"); !ok || origin != (Origin{File: "authd.toml", Line: line}) {
		t.Errorf("Origin = %v, %v", origin, ok)
	}
	if !strings.Contains(strings.Join(c.Warnings, "\n"), "[[clients]] has no effect") {
		t.Errorf("no warning says that [[clients]] has no effect: %q", c.Warnings)
	}
}

func TestClientNeedsPKCEUnlessSaid(t *testing.T) {
	c := load(t, minimal+"[[clients]]\nid = \"a\"\nredirect_uris = [\"https://a.example.com/cb\"]\n")
	if !c.Clients[0].RequirePKCE {
		t.Error("a client without require_pkce may leave PKCE out")
	}
}

func TestPathOfFile(t *testing.T) {
	inDir(t, minimal)
	other := filepath.Join(t.TempDir(), "other.toml")
	write(t, other, "[server]\npublic_url = \"https://other.example.com\"\n", 0o600)
	c, err := Load(other, nil)
	if err != nil || c.Server.PublicURL != "https://other.example.com" || c.Path != other {
		t.Errorf("Load(%s) = %+v, %v", other, c, err)
	}
	_, err = Load("missing.toml", nil)
	if err == nil || !strings.Contains(err.Error(), "missing.toml: can't be read: no such file or directory; create it") {
		t.Errorf("Load of a missing file: %v", err)
	}
	_, err = Load(t.TempDir(), nil)
	if err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("Load of a directory: %v", err)
	}
}

func TestFileTooLarge(t *testing.T) {
	inDir(t, minimal)
	if err := os.Truncate(DefaultPath, maxFile+1); err != nil {
		t.Fatal(err)
	}
	if _, err := Load("", nil); err == nil || !strings.Contains(err.Error(), "is larger than 4 MiB") {
		t.Errorf("Load: %v", err)
	}
}

// All faults come at once, in the order of the file, each with its line.
func TestFaultsAllAtOnce(t *testing.T) {
	got := faultsOf(t, `[server]
lissten = "127.0.0.1:1"
public_url = "https://auth.example.com/"
plugins_dir = 7
[sesion]
secret = "x"
[session]
secret = "short-but-secret"
lifetime = "-1h"
idle_timeout = 3
public_url = "https://auth.example.com"
[login]
auto = "yes"
return_to_allow = ["https://*.example.com", 5]
[[providers]]
id = "GitHub"
scopes = "email"
authorize_params = { state = "mine" }
[providers.extra]
a = 1
`, "AUTHD_SERVER_LISTEN=127.0.0.1", "AUTHD_SERVR_LISTEN=127.0.0.1:1", "AUTHD_LOGIN_AUTO=perhaps")
	want := []string{
		`authd.toml:2: server.lissten: is not a key; did you mean "listen"?`,
		`authd.toml:3: server.public_url: "https://auth.example.com/" ends in a slash; remove the slash at the end`,
		`authd.toml:4: server.plugins_dir: must be a list of strings in brackets, not a number`,
		`authd.toml:5: sesion: is not a key; did you mean "session"?`,
		`authd.toml:8: session.secret: has 16 bytes, fewer than 32; make one with ` + "`authd keygen`",
		`authd.toml:9: session.lifetime: is not above zero; write it like "720h"`,
		`authd.toml:10: session.idle_timeout: must be a duration in quotes such as "90m" or "720h", not a number`,
		`authd.toml:11: session.public_url: is not a key; it belongs into the table [server]`,
		`authd.toml:13: login.auto: must be true or false without quotes, not a string`,
		`authd.toml:14: login.return_to_allow: element 2 must be a string in quotes, not a number`,
		`authd.toml:16: providers[0].id: "GitHub" can't stand in a URL as it is; use a lower-case letter, then up to 31 of a-z, 0-9 and -`,
		`authd.toml:17: providers[0].scopes: must be a list of strings in brackets, not a string`,
		`authd.toml:18: providers[0].authorize_params.state: is authd's own parameter; remove it`,
		`authd.toml:19: providers[0].extra: must be a string, a number, true or false, not a table; settings of a provider are single values`,
		`AUTHD_LOGIN_AUTO: must be true or false`,
		`AUTHD_SERVR_LISTEN: is not a key of authd; did you mean "AUTHD_SERVER_LISTEN"?`,
		`AUTHD_SERVER_LISTEN: "127.0.0.1" is not host:port; write it like 127.0.0.1:4180 or unix:/run/authd/authd.sock`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
}

func TestWrongKindOfTable(t *testing.T) {
	for document, want := range map[string]string{
		"server = 1":                              "authd.toml:1: server: must be a table, not a number; write [server] on a line of its own",
		"[[server]]\nlisten = \"127.0.0.1:1\"":    "authd.toml:1: server: must be a table, not a list; write [server] on a line of its own",
		"[providers]\nid = \"a\"":                 "authd.toml:1: providers: must be a list of tables, not a table; write [[providers]] on a line of its own",
		"providers = [1]":                         "authd.toml:1: providers[0]: must be a table, not a number; write [[providers]] on a line of its own",
		"session.lifetime = 2026-01-01":           `authd.toml:1: session.lifetime: must be a duration in quotes such as "90m" or "720h", not a date or time`,
		"server.listen = [\"a\"]":                 "authd.toml:1: server.listen: must be a string in quotes, not a list",
		"server = { listen = true }":              "authd.toml:1: server.listen: must be a string in quotes, not true or false",
		"\n\nsession.secret_file = { a = \"b\" }": "authd.toml:3: session.secret_file: must be a list of strings in brackets, not a table",
	} {
		if got := faultsOf(t, document, "AUTHD_SERVER_PUBLIC_URL=https://auth.example.com"); !cmp.Equal(got[0], want) {
			t.Errorf("%q:\n got %s\nwant %s", document, got[0], want)
		}
	}
}

func TestNotTOML(t *testing.T) {
	for document, want := range map[string]string{
		"[server\n":                        "authd.toml:1: is not TOML: expected ']' to close table name",
		"[server]\nlisten = 127.0.0.1\n":   "authd.toml:2: is not TOML: ",
		"[server]\n[server]\n":             "authd.toml:2: is not TOML: ",
		"a = 1\na = 2":                     "authd.toml:2: is not TOML: ",
		"[session]\nsecret = \"open\n":     "authd.toml:2: is not TOML: basic strings cannot have new lines",
		"title = \"\xff\"":                 "authd.toml:1: is not TOML: invalid UTF-8",
		"server.listen = \"a\x1b[31mred\"": "authd.toml:1: is not TOML: ",
	} {
		got := faultsOf(t, document)
		if len(got) != 1 && !strings.HasPrefix(got[0], want) {
			t.Errorf("%q: got %q, want one that begins with %q", document, got, want)
		}
		if !strings.HasPrefix(got[0], want) {
			t.Errorf("%q:\n got %s\nwant %s…", document, got[0], want)
		}
	}
}

// A fault is one line whatever stands in the value, and can't reach the terminal's controls.
func TestFaultIsOneLine(t *testing.T) {
	got := faultsOf(t, "[login]\nprompt = \"a\\u001b[2J\"\n\"x\\ny\" = 1\n"+minimal)
	for _, line := range got {
		if strings.ContainsAny(line, "\x1b\n\r") {
			t.Errorf("%q holds a control character", line)
		}
	}
}

func TestDidYouMean(t *testing.T) {
	for _, test := range []struct{ name, want string }{
		{"client_secrt", `did you mean "client_secret"?`},
		{"lable", `did you mean "label"?`},
		{"LABEL", ""},
		{"x", ""},
		{"", ""},
		{"quite_something_else", ""},
	} {
		if got := didYouMean(test.name, []string{"id", "label", "client_id", "client_secret"}); got != test.want {
			t.Errorf("didYouMean(%q) = %q, want %q", test.name, got, test.want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"flaw", "lawn", 2}, {"same", "same", 0}} {
		if got := distance(test.a, test.b); got != test.want {
			t.Errorf("distance(%q, %q) = %d, want %d", test.a, test.b, got, test.want)
		}
	}
}
