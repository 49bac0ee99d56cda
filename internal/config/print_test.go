package config

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPrint(t *testing.T) {
	environ := append(github(), "AUTHD_SESSION_SECRET="+secretA)
	c := load(t, minimal+`[login]
title = "Say \"hi\"\tto \\ us \u0007"
[[providers]]
id = "my-git"
type = "github"
client_id = "mine"
client_secret = "hush"
authorize_params = { "a.b" = "c" }
[[clients]]
id = "c"
redirect_uris = ["https://c.example.com/"]
`, environ...)
	var got bytes.Buffer
	if err := c.Print(&got, c.Resolve(types(), environ), types()); err != nil {
		t.Fatal(err)
	}
	want := `
[server]
listen = "127.0.0.1:4180"
public_url = "https://auth.example.com"
admin_listen = "127.0.0.1:4181"
plugins_dir = ["plugins"]

[store]
url = "file:authd.db"

[session]
secret = ["***"]
cookie_name = "authd"
lifetime = "720h"
idle_timeout = "168h"

[login]
title = "Say \"hi\"\u0009to \\ us \u0007"

[access]

[admin]

[plugins]
sandbox = "basic"

[log]
level = "info"
format = "text"

[[providers]]
id = "my-git"
type = "github"
label = "GitHub"
scopes = ["read:user", "user:email"]
authorize_params = { "a.b" = "c" }
identifier = "preferred_username"
callback_path = "/auth/oauth/my-git/callback"
auth_url = "https://github.com/login/oauth/authorize"
client_id = "mine"
client_secret = "***"

[[providers]]
id = "github"
type = "github"
label = "GitHub"
scopes = ["read:user", "user:email"]
identifier = "preferred_username"
callback_path = "/auth/oauth/github/callback"
auth_url = "https://github.com/login/oauth/authorize"
client_id = "gh-id"
client_secret = "***"

[[clients]]
id = "c"
redirect_uris = ["https://c.example.com/"]
require_pkce = true
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("Print (-want +got):\n%s", diff)
	}
}

// What is written in full is read again as the same.
func TestWrittenIsReadAgain(t *testing.T) {
	for name, document := range map[string]string{"everything": everything, "minimal": minimal} {
		c := load(t, document)
		var b bytes.Buffer
		if err := c.write(&b, false); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c, load(t, b.String()), values()); diff != "" {
			t.Errorf("%s (-want +got):\n%s\n%s", name, diff, b.String())
		}
	}
}

// Durations are printed as people write them, and read again as the same.
func TestPrintedDurations(t *testing.T) {
	for d, want := range map[time.Duration]string{
		720 * time.Hour: "720h", 20 * time.Minute: "20m", 90 * time.Minute: "1h30m", 10 * time.Minute: "10m", 100 * time.Hour: "100h",
		time.Hour + time.Second: "1h0m1s", 90 * time.Second: "1m30s", 61 * time.Minute: "1h1m", time.Hour + 10*time.Second: "1h0m10s",
		30 * time.Second: "30s", 1500 * time.Millisecond: "1.5s", time.Hour + time.Millisecond: "1h0m0.001s",
	} {
		if got := shortDuration(d); got != want {
			t.Errorf("%v is printed as %q, want %q", d, got, want)
		}
		c := load(t, minimal)
		c.Session.Lifetime, c.Session.IdleTimeout = 9600*time.Hour, d
		var b bytes.Buffer
		if err := c.write(&b, false); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), "\nidle_timeout = \""+want+"\"\n") {
			t.Errorf("%v is not printed as %q:\n%s", d, want, b.String())
		}
		if got := load(t, b.String()).Session; got.IdleTimeout != d || got.Lifetime != 9600*time.Hour {
			t.Errorf("%v is read again as %v, and the lifetime as %v", d, got.IdleTimeout, got.Lifetime)
		}
	}
	if got := shortDuration(0); got != "0s" {
		t.Errorf("0 is printed as %q", got)
	}
}

func TestMaskURL(t *testing.T) {
	for url, want := range map[string]string{
		"file:authd.db": "file:authd.db", "memory:": "memory:", "redis://:hush@localhost/0": "redis:***", "postgres://me:hush@db/authd": "postgres:***",
	} {
		if got := maskURL(url); got != want {
			t.Errorf("maskURL(%q) = %q, want %q", url, got, want)
		}
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestPrintReportsTheWriter(t *testing.T) {
	if err := valid().Print(brokenPipe{}, nil, nil); err == nil {
		t.Error("Print to a broken pipe succeeded")
	}
}

// parse is Load of a file with that content.
func parse(document string, environ []string) (*Config, error) {
	l := newLoader()
	l.decodeFile(DefaultPath, []byte(document))
	return l.finish(environ)
}

// Threat 164: no file and no environment makes Load panic; what loads is written and read again as the same, and no
// text shows a secret.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{
		everything, minimal, "", "[server]\nlisten = 1", "[[providers]]\nid = \"a\"\n[providers.x]\n", "providers = [{ id = \"a\", b = [[1]] }]",
		"[[apps]]\n[[apps.rules]]\n[[apps]]\nhost = \"a.example.com\"", "a.b.c = 1\n[a.b]\n", "\"\" = 1\n\"[\" = { \".\" = 1 }", "[session]\nsecret = \"\"\"\n\"\"\"",
	} {
		f.Add(seed, "AUTHD_PROVIDERS_0_ID", "a")
	}
	f.Add(minimal, "AUTHD_PROVIDERS_3_X", "a=b,c")
	f.Add(minimal, "AUTHD_SESSION_SECRET", secretA)
	f.Add(minimal, "AUTHD_APPS_0_RULES_0_PATH", "/")
	f.Add(minimal, "OAUTH_GITHUB_CLIENT_ID", "x")
	f.Fuzz(func(t *testing.T, document, name, value string) {
		if strings.Contains(document, fileSuffix) || strings.HasSuffix(strings.ToUpper(name), envFileSuffix) || strings.ContainsAny(name, "=\x00") {
			return // no files of this machine
		}
		environ := []string{name + "=" + value}
		c, err := parse(document, environ)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\x1b\r\x00") {
				t.Errorf("the error holds control characters: %q", err)
			}
			return
		}
		var full, masked bytes.Buffer
		if err := errors.Join(c.write(&full, false), c.Print(&masked, c.Resolve(types(), environ), types())); err != nil {
			t.Fatal(err)
		}
		for _, secret := range c.Session.Secret {
			if strings.Contains(masked.String(), secret) {
				t.Errorf("Print shows the secret %q", secret)
			}
		}
		again, err := parse(full.String(), nil)
		if err != nil {
			t.Fatalf("what was written does not load: %v\n%s", err, full.String())
		}
		if diff := cmp.Diff(c, again, values()); diff != "" {
			t.Errorf("(-want +got):\n%s\n%s", diff, full.String())
		}
	})
}
