package config

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEnvironmentWins(t *testing.T) {
	c := load(t, everything,
		"AUTHD_SERVER_LISTEN=127.0.0.1:9000",
		"AUTHD_SERVER_TRUSTED_PROXIES=192.0.2.1, 192.0.2.2,",
		"AUTHD_SERVER_ADMIN_LISTEN=",
		"AUTHD_SESSION_LIFETIME=100h",
		"AUTHD_SESSION_SECRET=AnotherSecretThatIsLongEnough-123,AnotherSecretThatIsLongEnough-456",
		"AUTHD_LOGIN_AUTO=no",
		"AUTHD_LOGIN_PROMPT=select_account",
		"OAUTH_PROMPT=consent",
		"AUTHD_PROVIDERS_0_CLIENT_ID=from-the-environment",
		"AUTHD_PROVIDERS_0_LABEL=Git",
		"AUTHD_PROVIDERS_0_AUTHORIZE_PARAMS=a=1,b=2=3",
		"AUTHD_PROVIDERS_0_REQUIRED=off",
		"AUTHD_APPS_0_RULES_1_ALLOW=true",
		"AUTHD_CLIENTS_0_SECRET=another-secret-of-streamlit",
	)
	want := load(t, everything)
	want.Server.Listen, want.Server.TrustedProxies, want.Server.AdminListen = "127.0.0.1:9000", []string{"192.0.2.1", "192.0.2.2"}, ""
	want.Session.Lifetime, want.Login.Auto, want.Login.Prompt = 100*60*60*1e9, false, "select_account"
	want.Session.Secret = OneOrMore{"AnotherSecretThatIsLongEnough-123", "AnotherSecretThatIsLongEnough-456"}
	p := &want.Providers[0]
	p.Label, p.Required, p.AuthorizeParams, p.Settings["client_id"] = "Git", false, map[string]string{"a": "1", "b": "2=3"}, "from-the-environment"
	want.Apps[0].Rules[1].Allow = "true"
	want.Clients[0].Secret = "another-secret-of-streamlit"
	if diff := cmp.Diff(want, c, values()); diff != "" {
		t.Errorf("file and environment (-want +got):\n%s", diff)
	}
	if origin, _ := c.Origin("providers[0].client_id"); origin != (Origin{Env: "AUTHD_PROVIDERS_0_CLIENT_ID"}) {
		t.Errorf("Origin = %v", origin)
	}
}

func TestEnvironmentAlone(t *testing.T) {
	c := load(t, "",
		"AUTHD_SERVER_PUBLIC_URL=https://auth.example.com",
		"AUTHD_PROVIDERS_1_ID=corp", "AUTHD_PROVIDERS_1_TYPE=oidc", "AUTHD_PROVIDERS_1_ISSUER=https://idp.example.com",
		"AUTHD_PROVIDERS_0_ID=github", "AUTHD_PROVIDERS_0_SCOPES=read:user,user:email",
		"AUTHD_APPS_0_HOST=app.example.com", "AUTHD_APPS_0_RULES_0_PATH=/public/*", "AUTHD_APPS_0_RULES_0_PUBLIC=1",
		"OAUTH_PROMPT=login",
		"PATH=/bin", "authd_server_listen=lower case is not ours", "NOTHING",
	)
	want := Default()
	want.Server.PublicURL = "https://auth.example.com"
	want.Login.Prompt = "login"
	want.Providers = []ProviderTable{
		{ID: "github", Scopes: []string{"read:user", "user:email"}},
		{ID: "corp", Type: "oidc", Settings: map[string]string{"issuer": "https://idp.example.com"}},
	}
	want.Apps = []App{{Host: "app.example.com", Rules: []Rule{{Path: "/public/*", Public: true}}}}
	if diff := cmp.Diff(want, c, values()); diff != "" {
		t.Errorf("environment alone (-want +got):\n%s", diff)
	}
}

// More than ten tables come in the order of their numbers, not of their names.
func TestEnvironmentCountsTables(t *testing.T) {
	environ := []string{"AUTHD_SERVER_PUBLIC_URL=https://auth.example.com"}
	for i := range 12 {
		environ = append(environ, fmt.Sprintf("AUTHD_PROVIDERS_%d_ID=p%d", i, i))
	}
	c := load(t, "", environ...)
	for i, p := range c.Providers {
		if want := fmt.Sprintf("p%d", i); p.ID != want {
			t.Errorf("provider %d is %q, want %q", i, p.ID, want)
		}
	}
	if len(c.Providers) != 12 {
		t.Errorf("%d providers, want 12", len(c.Providers))
	}
}

func TestEnvironmentFaults(t *testing.T) {
	for entry, want := range map[string]string{
		"AUTHD_SERVER_PUBLIC_ULR=x":         `AUTHD_SERVER_PUBLIC_ULR: is not a key of authd; did you mean "AUTHD_SERVER_PUBLIC_URL"?`,
		"AUTHD_NONSENSE=x":                  "AUTHD_NONSENSE: is not a key of authd; unset it",
		"AUTHD_=x":                          "AUTHD_: is not a key of authd",
		"AUTHD_SERVER=x":                    "AUTHD_SERVER: is a table and can't be set as a whole",
		"AUTHD_PROVIDERS=x":                 "AUTHD_PROVIDERS: is a table and can't be set as a whole; number its tables: AUTHD_PROVIDERS_0_…",
		"AUTHD_PROVIDERS_X_ID=a":            "AUTHD_PROVIDERS_X_ID: is not a key of authd",
		"AUTHD_PROVIDERS_01_ID=a":           "AUTHD_PROVIDERS_01_ID: is not a key of authd",
		"AUTHD_PROVIDERS_-1_ID=a":           "AUTHD_PROVIDERS_-1_ID: is not a key of authd",
		"AUTHD_PROVIDERS_1000000_ID=a":      "AUTHD_PROVIDERS_1000000_ID: has a number above 99; count from 0 without gaps",
		"AUTHD_PROVIDERS_0_9LIVES=a":        "AUTHD_PROVIDERS_0_9LIVES: is not a key of authd",
		"AUTHD_PROVIDERS_1_ID=a":            "providers[0].id: is not set",
		"AUTHD_APPS_0_RULES=a":              "AUTHD_APPS_0_RULES: is a table and can't be set as a whole",
		"AUTHD_LOGIN_AUTO=":                 "AUTHD_LOGIN_AUTO: must be true or false",
		"AUTHD_SESSION_LIFETIME=30d":        `AUTHD_SESSION_LIFETIME: must be a duration such as "90m" or "720h"`,
		"AUTHD_SESSION_LIFETIME=":           `AUTHD_SESSION_LIFETIME: must be a duration such as "90m" or "720h"`,
		"AUTHD_LOG_LEVEL=loud":              `AUTHD_LOG_LEVEL: "loud" is not possible here; use one of trace, debug, info, warn, error`,
		"AUTHD_LOG_FORMAT=":                 `AUTHD_LOG_FORMAT: "" is not possible here; use one of text, json`,
		"AUTHD_LOGIN_TITLE=\xff\xfe":        "AUTHD_LOGIN_TITLE: is not UTF-8",
		"AUTHD_SERVER_PLUGINS_DIR=,":        "AUTHD_SERVER_PLUGINS_DIR: is empty",
		"OAUTH_PROMPT=none":                 `OAUTH_PROMPT: "none" fails for everybody who is not signed in at the identity provider`,
		"AUTHD_SESSION_SECRET_FILE=nowhere": "AUTHD_SESSION_SECRET_FILE: nowhere: no such file or directory; check the path",
	} {
		environ := []string{entry}
		if entry == "AUTHD_PROVIDERS_1_ID=a" || !strings.Contains(entry, "PUBLIC_URL") {
			environ = append(environ, "AUTHD_SERVER_PUBLIC_URL=https://auth.example.com")
		}
		if got := faultsOf(t, "", environ...); !strings.HasPrefix(got[0], want) {
			t.Errorf("%s:\n got %s\nwant %s", entry, got[0], want)
		}
	}
}

// Chainlit's name for its own address stands in for server.public_url until somebody says that.
func TestChainlitURL(t *testing.T) {
	for _, test := range []struct {
		document string
		environ  []string
		want     string
		warns    bool
	}{
		{"", []string{"CHAINLIT_URL=https://chat.example.com"}, "https://chat.example.com", true},
		{"", []string{"CHAINLIT_URL=https://chat.example.com/"}, "https://chat.example.com", true},
		{"", []string{"CHAINLIT_URL=https://chat.example.com:8443/bot"}, "https://chat.example.com:8443", true},
		{"", []string{"CHAINLIT_URL=http://localhost:8000"}, "http://localhost:8000", true},
		{"", []string{"CHAINLIT_URL="}, "http://127.0.0.1:4180", false},
		{minimal, []string{"CHAINLIT_URL=https://chat.example.com"}, "https://auth.example.com", false},
		{"", []string{"CHAINLIT_URL=https://chat.example.com", "AUTHD_SERVER_PUBLIC_URL=https://sso.example.com"}, "https://sso.example.com", false},
		{"", []string{"CHAINLIT_URL=https://chat.example.com", "AUTHD_SERVER_PUBLIC_URL="}, "http://127.0.0.1:4180", false},
	} {
		c := load(t, test.document, test.environ...)
		warnings := strings.Join(c.Warnings, "\n")
		if c.Server.PublicURL != test.want || strings.Contains(warnings, "CHAINLIT_URL") != test.warns {
			t.Errorf("%q: public_url %q, warnings %q; want %q", test.environ, c.Server.PublicURL, warnings, test.want)
		}
		if test.warns && !strings.Contains(warnings, "set server.public_url to where browsers reach authd") {
			t.Errorf("%q: the warning does not name the mend: %q", test.environ, warnings)
		}
	}
	for value, want := range map[string]string{
		"chat.example.com":        "CHAINLIT_URL: is not an http(s) URL; unset it, and set server.public_url to where browsers reach authd",
		"http://chat.example.com": `CHAINLIT_URL: "http://chat.example.com" sends logins in clear over the network; use https; plain http is for loopback only`,
	} {
		if got := faultsOf(t, "", "CHAINLIT_URL="+value); len(got) != 1 || got[0] != want {
			t.Errorf("%q: got %q, want %q", value, got, want)
		}
	}
}

func TestPairsInEnvironment(t *testing.T) {
	got := faultsOf(t, minimal, "AUTHD_PROVIDERS_0_ID=a", "AUTHD_PROVIDERS_0_AUTHORIZE_PARAMS=novalue")
	want := []string{"AUTHD_PROVIDERS_0_AUTHORIZE_PARAMS: must be written as name=value,name=value"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Kubernetes gives every container such variables for each Service of the namespace; one that is called authd must
// not keep authd from starting.
func TestForeignNames(t *testing.T) {
	load(t, minimal,
		"AUTHD_SERVICE_HOST=10.0.0.1", "AUTHD_SERVICE_PORT=4180", "AUTHD_SERVICE_PORT_HTTP=4180", "AUTHD_PORT=tcp://10.0.0.1:4180",
		"AUTHD_PORT_4180_TCP=tcp://10.0.0.1:4180", "AUTHD_PORT_4180_TCP_PROTO=tcp", "AUTHD_PORT_4180_TCP_PORT=4180",
		"AUTHD_PORT_4180_TCP_ADDR=10.0.0.1", "AUTHD_ADMIN_SERVICE_HOST=10.0.0.2", "AUTHD_ADMIN_PORT_4181_TCP=tcp://10.0.0.2:4181",
		`AUTHD_REATTACH_PROVIDERS={"acme":{}}`,
	)
	for _, name := range envNames("AUTHD", reflect.TypeFor[Config]()) {
		if foreignEnv.MatchString(name) {
			t.Errorf("the key %s is taken for a variable of Kubernetes", name)
		}
	}
}

// Every key has a name in the environment that sets it, and that no other key has.
func TestEveryKeyInEnvironment(t *testing.T) {
	names := envNames("AUTHD", reflect.TypeFor[Config]())
	seen := map[string]bool{}
	for _, name := range names {
		if seen[name] {
			t.Errorf("two keys are called %s", name)
		}
		seen[name] = true
		l := newLoader()
		l.decodeEnviron(map[string]string{name: "true"})
		for _, fault := range l.faults.List {
			if strings.Contains(fault.Summary, "is not a key") {
				t.Errorf("%s: %v", name, fault)
			}
		}
	}
	if len(names) < 40 {
		t.Errorf("only %d names", len(names))
	}
}

func TestLastOfTwoCounts(t *testing.T) {
	if c := load(t, minimal, "AUTHD_LOGIN_TITLE=first", "AUTHD_LOGIN_TITLE=second"); c.Login.Title != "second" {
		t.Errorf("Title = %q, want the last one", c.Login.Title)
	}
}

func TestNaturally(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{{"P_2_A", "P_10_A", -1}, {"P_10_A", "P_2_A", 1}, {"A", "A", 0}, {"A", "AB", -1}, {"P_9", "P_9_X", -1}, {"P_11", "P_12", -1}, {"B", "A", 1}} {
		got := naturally(test.a, test.b)
		if got = max(-1, min(1, got)); got != test.want {
			t.Errorf("naturally(%q, %q) = %d, want %d", test.a, test.b, got, test.want)
		}
	}
}
