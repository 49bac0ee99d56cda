package config

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// valid is a configuration without faults, for tests that spoil one thing in it.
func valid() *Config {
	c := Default()
	c.Server.PublicURL = "https://auth.example.com"
	return c
}

// spoiled returns the faults of a valid configuration after change, as "key: summary".
func spoiled(change func(*Config)) []string {
	c := valid()
	change(c)
	var faults Faults
	c.check(&faults)
	var lines []string
	for _, f := range faults.List {
		lines = append(lines, f.Key+": "+f.Summary)
		if f.Mend == "" {
			lines = append(lines, f.Key+" has no mend")
		}
	}
	return lines
}

func expect(t *testing.T, name string, got []string, want string) {
	t.Helper()
	switch {
	case want == "" && len(got) > 0:
		t.Errorf("%s: got %q, want no fault", name, got)
	case want != "" && (len(got) != 1 || !strings.Contains(got[0], want)):
		t.Errorf("%s: got %q, want one fault with %q", name, got, want)
	}
}

func TestValidateInCode(t *testing.T) {
	if err := valid().Validate(); err != nil {
		t.Errorf("Validate: %v", err)
	}
	err := Default().Validate()
	if err == nil || err.Error() != "server.public_url: is not set; set it to the URL under which browsers reach authd, such as https://auth.example.com" {
		t.Errorf("Validate without public_url: %v", err)
	}
}

// Threat 157: plain http is for loopback only. Threat 12: what redirect URIs are made of is an exact origin.
func TestPublicURL(t *testing.T) {
	for url, want := range map[string]string{
		"https://auth.example.com":       "",
		"https://auth.example.com:8443":  "",
		"https://xn--bcher-kva.example":  "",
		"https://192.0.2.7":              "",
		"https://[2001:db8::1]:8443":     "",
		"http://127.0.0.1:4180":          "",
		"http://127.9.9.9":               "",
		"http://[::1]:4180":              "",
		"http://localhost:4180":          "",
		"http://auth.localhost":          "",
		"http://auth.example.com":        "in clear over the network",
		"http://10.0.0.1":                "in clear over the network",
		"http://localhost.example.com":   "in clear over the network",
		"http://127.0.0.1.example.com":   "in clear over the network",
		"https://auth.example.com/":      "ends in a slash",
		"https://auth.example.com/authd": "has a path",
		"https://auth.example.com?":      "has a path, a query",
		"https://auth.example.com?a=b":   "has a path, a query",
		"https://auth.example.com#":      "has a path, a query",
		"https://me:pw@auth.example.com": "holds a user name or password",
		"https://me@auth.example.com":    "holds a user name or password",
		"https://Auth.example.com":       "is not a host name",
		"HTTPS://auth.example.com":       "is not a plain origin",
		"https://auth.example.com:443":   "names the default port",
		"http://localhost:80":            "names the default port",
		"https://auth.example.com:":      "a colon without a port",
		"https://auth.example.com:0443":  "is not a port",
		"https://auth.example.com:70000": "is not a port",
		"https://auth.example.com:0":     "is not a port",
		"https://127.1":                  "is not a host name",
		"https://bücher.example":         "is not a host name",
		"https://auth_1.example.com":     "is not a host name",
		"https://.example.com":           "is not a host name",
		"https://auth.example.com.":      "is not a host name",
		"auth.example.com":               "is not an http(s) URL",
		"ftp://auth.example.com":         "is not an http(s) URL",
		"https://":                       "is not an http(s) URL",
		"https:auth.example.com":         "is not an http(s) URL",
		"//auth.example.com":             "is not an http(s) URL",
		"https://auth.example.com:port":  "is not a URL",
		"https://auth example.com":       "is not a URL",
		"https://a%2eb":                  "is not a URL",
	} {
		expect(t, url, spoiled(func(c *Config) { c.Server.PublicURL = url }), want)
	}
}

func TestDerivedPublicURL(t *testing.T) {
	for listen, want := range map[string]string{
		"127.0.0.1:4180": "http://127.0.0.1:4180", "[::1]:4180": "http://[::1]:4180", "localhost:81": "http://localhost:81",
		"127.0.0.1:80": "http://127.0.0.1", "[::1]:80": "http://[::1]",
	} {
		if c := load(t, "", "AUTHD_SERVER_LISTEN="+listen); c.Server.PublicURL != want || len(c.Warnings) != 1 {
			t.Errorf("listen %s: public_url %q and warnings %q, want %q and one", listen, c.Server.PublicURL, c.Warnings, want)
		}
	}
	for _, listen := range []string{":4180", "0.0.0.0:4180", "auth.example.com:4180", "unix:/run/authd.sock", "127.0.0.1:0"} {
		got := faultsOf(t, "", "AUTHD_SERVER_LISTEN="+listen)
		if !strings.HasPrefix(got[0], "server.public_url: is not set") {
			t.Errorf("listen %s: %q", listen, got)
		}
	}
}

func TestListen(t *testing.T) {
	for listen, want := range map[string]string{
		"127.0.0.1:4180": "", ":4180": "", "[::]:0": "", "auth.example.com:4180": "", "unix:/run/authd/authd.sock": "",
		"": "is not host:port", "4180": "is not host:port", "127.0.0.1": "is not host:port", "::1:4180": "is not host:port",
		"127.0.0.1:http": "is not a port", "127.0.0.1:65536": "is not a port", "127.0.0.1:-1": "is not a port", "127.0.0.1:": "is not a port",
		"127.0.0.1:080": "is not a port", "a b:1": "is not a host name", "unix:authd.sock": "has no absolute path", "unix:": "has no absolute path",
	} {
		expect(t, listen, spoiled(func(c *Config) { c.Server.Listen = listen }), want)
	}
}

func TestAdminListen(t *testing.T) {
	for _, test := range []struct{ listen, token, want string }{
		{"", "", ""},
		{"127.0.0.1:9", "", ""},
		{"unix:/run/admin.sock", "", ""},
		{"[::1]:9", "", ""},
		{"0.0.0.0:9", "0123456789abcdef", ""},
		{":9", "", ""},
		{"127.0.0.1:9", "short", "has 5 bytes, fewer than 16"},
		{"127.0.0.1:4180", "", "is the same as server.listen"},
		{"nonsense", "", "is not host:port"},
	} {
		expect(t, test.listen+" "+test.token, spoiled(func(c *Config) {
			c.Server.AdminListen, c.Admin.Token = test.listen, test.token
		}), test.want)
	}
	expect(t, "two free ports", spoiled(func(c *Config) { c.Server.Listen, c.Server.AdminListen = "127.0.0.1:0", "127.0.0.1:0" }), "")
}

func TestTrustedProxies(t *testing.T) {
	for proxy, want := range map[string]string{
		"10.0.0.0/8": "", "192.0.2.7": "", "2001:db8::/32": "", "::1": "",
		"": "is not an address", "10.0.0.0/33": "is not an address", "proxy.example.com": "is not an address", "fe80::1%eth0": "is not an address",
	} {
		expect(t, proxy, spoiled(func(c *Config) { c.Server.TrustedProxies = []string{proxy} }), want)
	}
	got := Server{TrustedProxies: []string{"10.1.2.3/8", "192.0.2.7", "2001:db8::7"}}.Proxies()
	want := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("2001:db8::7/128")}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("Proxies (-want +got):\n%s", diff)
	}
}

func TestStoreURL(t *testing.T) {
	for url, want := range map[string]string{
		"file:authd.db": "", "file:/var/lib/authd/authd.db": "", "file:///var/lib/authd/authd.db": "", "memory:": "",
		"": "is not the URL of a store", "authd.db": "is not the URL of a store", "file:": "names no file", "file://": "names no file",
		"mysql://db": "has a scheme that no store has", "redis://localhost": "has a scheme that no store has",
	} {
		expect(t, url, spoiled(func(c *Config) { c.Store.URL = url }), want)
	}
}

// Threat 157: a short or guessable key is refused.
func TestSessionSecret(t *testing.T) {
	long := "0123456789abcdefghijklmnopqrstuv"
	for _, test := range []struct {
		secrets []string
		want    string
	}{
		{nil, ""},
		{[]string{long}, ""},
		{[]string{long, long + "x"}, ""},
		{[]string{long[1:]}, "has 31 bytes, fewer than 32"},
		{[]string{""}, "has 0 bytes"},
		{[]string{long, "short"}, "secret 2 of 2 has 5 bytes"},
		{[]string{strings.Repeat("a", 64)}, "is not random"},
		{[]string{strings.Repeat("secret", 10)}, "is not random"},
	} {
		expect(t, strings.Join(test.secrets, "|"), spoiled(func(c *Config) { c.Session.Secret = test.secrets }), test.want)
	}
}

func TestCookie(t *testing.T) {
	for name, want := range map[string]string{
		"authd": "", "a.b-c_d": "", "__Host-authd": "has a prefix", "__Secure-x": "has a prefix", "": "is not a name for a cookie",
		"a b": "is not a name", "a=b": "is not a name", "a;b": "is not a name", "ä": "is not a name", strings.Repeat("a", 65): "is not a name",
	} {
		expect(t, name, spoiled(func(c *Config) { c.Session.CookieName = name }), want)
	}
	for domain, want := range map[string]string{
		"": "", ".example.com": "", "example.com": "", "auth.example.com": "", ".auth.example.com": "",
		".com": "is a top-level domain", "com": "is a top-level domain", "localhost": "is a top-level domain",
		".example.org": "does not cover", "app.example.com": "does not cover", "ample.com": "does not cover",
		"..example.com": "is not a domain", "Example.com": "is not a domain", ".": "is not a domain", "127.0.0.1": "is an IP address", "a;b.com": "is not a domain",
	} {
		expect(t, domain, spoiled(func(c *Config) { c.Session.CookieDomain = domain }), want)
	}
}

func TestLifetimes(t *testing.T) {
	for _, test := range []struct {
		lifetime, idle time.Duration
		want           string
	}{
		{time.Hour, time.Hour, ""},
		{9600 * time.Hour, time.Hour, ""},
		{time.Hour, time.Hour + 1, "is longer than session.lifetime, 1h"},
		{0, time.Hour, "session.lifetime: is not above zero"},
		{-time.Hour, time.Hour, "session.lifetime: is not above zero"},
		{time.Hour, 0, "session.idle_timeout: is not above zero"},
		{time.Hour, -time.Hour, "session.idle_timeout: is not above zero"},
		{9601 * time.Hour, time.Hour, "is longer than browsers keep a cookie"},
	} {
		expect(t, test.lifetime.String()+" "+test.idle.String(), spoiled(func(c *Config) {
			c.Session.Lifetime, c.Session.IdleTimeout = test.lifetime, test.idle
		}), test.want)
	}
}

// Threat 157: no pattern lets people be sent anywhere.
func TestReturnToAllow(t *testing.T) {
	for pattern, want := range map[string]string{
		"https://app.example.com": "", "https://app.example.com:8443": "", "https://*.example.com": "", "https://*.example.com:8443": "",
		"http://localhost:3000": "", "http://127.0.0.1:3000": "", "http://*.localhost:3000": "", "https://*.a.b.example.com": "",
		"*": "lets people be sent anywhere", "https://*": "lets people be sent anywhere", "https://*:8443": "lets people be sent anywhere",
		"https://*.*": "lets people be sent anywhere", "https://*.com": "covers a whole top-level domain", "https://*.": "covers a whole",
		"https://app.*.com": "lets people be sent anywhere", "https://a*.example.com": "lets people be sent anywhere",
		"*://app.example.com": "lets people be sent anywhere", "https://app.example.com:*": "lets people be sent anywhere", "*.example.com": "lets people be sent anywhere",
		"https://*.example.com/": "ends in a slash", "https://*.example.com/path": "has a path", "http://*.example.com": "in clear over the network",
		"http://app.example.com": "in clear over the network", "https://*.192.0.2.7": "puts * before an IP address",
		"": "is not an http(s) URL", "app.example.com": "is not an http(s) URL", "javascript://x": "is not an http(s) URL", "https://u@app.example.com": "holds a user name",
		"javascript://*.example.com": "is not an http(s) URL",
	} {
		expect(t, pattern, spoiled(func(c *Config) { c.Login.ReturnToAllow = []string{pattern} }), want)
	}
}

func TestPromptAndLogo(t *testing.T) {
	for prompt, want := range map[string]string{
		"": "", "login": "", "consent select_account": "", " login ": "",
		"none": "nobody could sign in", "login none": "nobody could sign in", "Login": "is not a prompt", "login,consent": "is not a prompt",
	} {
		expect(t, prompt, spoiled(func(c *Config) { c.Login.Prompt = prompt }), want)
	}
	for logo, want := range map[string]string{
		"": "", "/logo.svg": "", "https://auth.example.com/logo.png": "", "data:image/png;base64,AAAA": "",
		"https://cdn.example.com/logo.png": "is on another site", "//cdn.example.com/logo.png": "is on another site", "logo.svg": "is on another site",
		"https://auth.example.com.evil.example/x": "is on another site", "javascript:alert(1)": "is on another site", "data:text/html,x": "is on another site",
		"/my logo.svg": "holds a space", `/a"b`: "holds a space, a quote",
	} {
		expect(t, logo, spoiled(func(c *Config) { c.Login.Logo = logo }), want)
	}
}

func TestLoopbackHost(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "a.localhost": true, "127.0.0.1": true, "127.255.0.1": true, "::1": true, "::ffff:127.0.0.1": true,
		"": false, "0.0.0.0": false, "::": false, "localhost.": false, "notlocalhost": false, "10.0.0.1": false, "127.0.0.1.example.com": false,
	} {
		if got := loopbackHost(host); got != want {
			t.Errorf("loopbackHost(%q) = %v", host, got)
		}
	}
}
