package providertest

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/oauth2"
)

// TestCheckBinary: the command's way, for an executable of which nothing is known. Both of its types are pointed at
// the developer identity provider by the names of their settings.
func TestCheckBinary(t *testing.T) {
	var out bytes.Buffer
	if err := CheckBinary(t.Context(), &out, link(t, "")); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	line := regexp.MustCompile(`^(ok   (process-[a-z-]+|(plain|openid)/[a-z0-9-]+)|note resident memory when idle: \d+ kB)$`)
	names := map[string]int{}
	for _, text := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		if !line.MatchString(text) {
			t.Errorf("line %q", text)
		}
		names[text]++
		if names[text] > 1 {
			t.Errorf("%q is there twice", text)
		}
	}
	for _, want := range []string{
		"ok   process-handshake", "ok   process-shutdown", "ok   plain/settings-required", "ok   plain/login", "ok   plain/token-429",
		"ok   openid/id-token-wrong-nonce", "ok   openid/identity-other-user", "ok   openid/end-session", "ok   openid/secrets",
	} {
		if names[want] == 0 {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
}

func TestCheckBinaryFails(t *testing.T) {
	var out bytes.Buffer
	err := CheckBinary(t.Context(), &out, link(t, "crash"))
	var failed *CheckFailed
	if !errors.As(err, &failed) || failed.Failed != 1 || failed.Checks != 1 {
		t.Errorf("got %v, want 1 of 1 checks failed", err)
	}
	want := "FAIL process-handshake: the plugin ended before its handshake (exit status 3); its standard error ends: no config\n" +
		"note the other checks need a plugin that starts; they were not run\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
}

func TestCheckBinaryGivesUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out bytes.Buffer
	if err := CheckBinary(ctx, &out, link(t, "bare")); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v, want cancelled", err)
	}
	if err := CheckBinary(t.Context(), fullDisk{}, link(t, "crash")); !errors.Is(err, errFull) {
		t.Errorf("with a writer that fails: %v, want its error", err)
	}
}

var errFull = errors.New("disk full")

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func TestPointers(t *testing.T) {
	idp, err := devidp.New(devidp.Options{Issuer: "http://127.0.0.1:1", SigningAlg: "ES256"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := idp.Close(); err != nil {
			t.Error(err)
		}
	}()
	settings := func(names ...string) sdk.Type {
		typ := sdk.Type{Name: "x"}
		for _, name := range names {
			name, standard, _ := strings.Cut(name, "=")
			typ.Settings = append(typ.Settings, sdk.Setting{Name: name, Required: standard != "?", Default: strings.TrimPrefix(standard, "?")})
		}
		return typ
	}
	for _, test := range []struct {
		name string
		typ  sdk.Type
		want map[string]string
		why  string
	}{
		{"an issuer", settings("issuer", "client_id", "client_secret", "tenant=?", "token_url=?"), map[string]string{
			"issuer": "http://127.0.0.1:1", "client_id": "demo", "client_secret": "demo-secret",
		}, ""},
		{"endpoints", settings("auth_url", "token_url", "user_info_url", "client_id"), map[string]string{
			"auth_url": "http://127.0.0.1:1/authorize", "token_url": "http://127.0.0.1:1/token",
			"user_info_url": "http://127.0.0.1:1/userinfo", "client_id": "demo",
		}, ""},
		{"endpoints like GitHub's", settings("auth_url=https://github.com/login/oauth/authorize",
			"token_url=https://github.com/login/oauth/access_token", "user_info_url=https://api.github.com/user"), map[string]string{
			"auth_url": "http://127.0.0.1:1/login/oauth/authorize", "token_url": "http://127.0.0.1:1/login/oauth/access_token",
			"user_info_url": "http://127.0.0.1:1/user",
		}, ""},
		{"a realm", settings("base_url", "realm", "client_id"), map[string]string{
			"base_url": "http://127.0.0.1:1", "realm": "kit", "client_id": "demo",
		}, ""},
		{"nothing known", settings("ldap_url", "base_dn"), nil, "neither an issuer nor endpoints"},
		{"nothing at all", settings(), nil, "neither an issuer nor endpoints"},
		{"one too many", settings("issuer", "client_id", "tenant"), nil, "nobody can guess the setting tenant"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h, why := guess(t.Context(), nil, test.typ)
			if !strings.Contains(why, test.why) || (why == "") != (test.why == "") {
				t.Errorf("reason %q, want %q", why, test.why)
			}
			var got map[string]string
			if h.Settings != nil {
				got = h.Settings(idp)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("settings (-want +got):\n%s", diff)
			}
		})
	}
}

// TestBaseURL: what lies under a base URL is tried before it is judged.
func TestBaseURL(t *testing.T) {
	for name, says := range map[string]string{"standard": "", "foreign": "it has nothing at /oauth/authorize", "closed": "issuer is wrong"} {
		typ := baseType(name)
		h, why := guess(t.Context(), &binary{path: link(t, "base-"+name)}, typ)
		if !strings.Contains(why, says) || (why == "") != (says == "") || (h.Settings != nil) != (says == "") {
			t.Errorf("%s: reason %q, want %q", name, why, says)
		}
	}
}

// baseType is a type that is configured with a base URL alone.
func baseType(name string) sdk.Type {
	return sdk.Type{
		Name: name, Label: "Base", Settings: []sdk.Setting{{Name: "base_url", Required: true, Help: "Where it is."}},
		New: func(_ context.Context, c sdk.Config) (sdk.Provider, error) {
			path := map[string]string{"standard": "/authorize", "foreign": "/oauth/authorize"}[c.Type]
			if path == "" {
				return nil, sdk.ConfigErrorf("issuer", "is wrong")
			}
			base := c.Settings["base_url"]
			return oauth2.New(c, oauth2.Config{
				ClientID: "demo", AuthStyle: oauth2.AuthNone, Map: mapUser,
				Endpoint: oauth2.Endpoint{Authorize: base + path, Token: base + "/token", UserInfo: base + "/userinfo"},
			})
		},
	}
}

// TestMortal: a process that falls over in one check is told of there, and the next check gets a new one.
func TestMortal(t *testing.T) {
	var out bytes.Buffer
	err := CheckBinary(t.Context(), &out, link(t, "mortal"))
	var failed *CheckFailed
	if !errors.As(err, &failed) || failed.Failed != 1 {
		t.Errorf("got %v, want one failure in\n%s", err, out.String())
	}
	if !regexp.MustCompile(`(?m)^FAIL plain/token-503: .*the plugin's process has ended; its standard error ends: panic: so long`).MatchString(out.String()) {
		t.Errorf("the end of the process is not told of in\n%s", out.String())
	}
}

// mortalType ends its process when the identity provider is not available.
func mortalType() sdk.Type {
	typ := plainType()
	typ.New = func(_ context.Context, c sdk.Config) (sdk.Provider, error) {
		next := c.HTTP.Transport
		c.HTTP.Transport = carrier{next, func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if err == nil && resp.StatusCode == http.StatusServiceUnavailable && r.Method == http.MethodPost {
				go func() { panic("so long") }() // nobody can recover from that
				<-r.Context().Done()
			}
			return resp, err
		}}
		return plainProvider(c, nil)
	}
	return typ
}

// TestCheckBinaryOfAnUnknownType says what it did not do: silence would pass for success.
func TestCheckBinaryOfAnUnknownType(t *testing.T) {
	report := &lineReport{w: &bytes.Buffer{}}
	var out bytes.Buffer
	report.w = &out
	report.under("ldap").Logf("logins were not tried: %s", "why")
	if want := "note ldap: logins were not tried: why\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestOneLine(t *testing.T) {
	got := oneLine("first\nsecond\r\n\x1b[31mthird\u0085\xff\n")
	if want := "first; second;  [31mthird ?"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWitness(t *testing.T) {
	w := newWitness()
	w.secret("token", "s3cr3t+value")
	w.secret("short", "abc")
	w.heard("the log", "abc and nothing else")
	if err := w.leaks(); err != nil {
		t.Fatalf("nothing leaked, but: %v", err)
	}
	w.heard("the log", "GET /?t=s3cr3t%2Bvalue")
	w.heard("an error", "token s3cr3t+value")
	err := w.leaks()
	for _, want := range []string{"the token is in an error as it is", "the token is in the log in the encoding of URLs"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestTranscriptIsBounded(t *testing.T) {
	var log transcript
	chunk := bytes.Repeat([]byte("x"), 1<<20)
	for range maxTranscript>>20 + 2 {
		if n, err := log.Write(chunk); n != len(chunk) || err != nil {
			t.Fatalf("Write = %d, %v; a plugin would block", n, err)
		}
	}
	if n := len(log.String()); n != maxTranscript {
		t.Errorf("kept %d bytes, want %d", n, maxTranscript)
	}
}

func TestHelloWriter(t *testing.T) {
	for _, test := range []struct {
		name        string
		writes      []string
		hello, rest string
	}{
		{"one line", []string{"1|1|unix|/x|grpc|\n"}, "1|1|unix|/x|grpc|", ""},
		{"in pieces", []string{"1|1|un", "ix|/x|grpc|", "\nhel", "lo\n"}, "1|1|unix|/x|grpc|", "hello\n"},
		{"without an end", []string{strings.Repeat("x", maxHandshake), "y", "z"}, strings.Repeat("x", maxHandshake), "z"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := &helloWriter{hello: make(chan string, 1)}
			for _, text := range test.writes {
				if n, err := w.Write([]byte(text)); n != len(text) || err != nil {
					t.Fatalf("Write = %d, %v", n, err)
				}
			}
			if got := <-w.hello; got != test.hello {
				t.Errorf("hello %q, want %q", got, test.hello)
			}
			if got := w.after.String(); got != test.rest {
				t.Errorf("after %q, want %q", got, test.rest)
			}
		})
	}
}

// TestStdioData reads go-plugin's message, and survives what is none.
func TestStdioData(t *testing.T) {
	for _, test := range []struct{ raw, want string }{
		{"\x08\x01\x12\x05hello", "hello"},
		{"\x12\x05hello\x08\x02", "hello"},
		{"\x08\x01", ""},
		{"", ""},
		{"\x12\x7fshort", ""},
		{"\xff\xff\xff", ""},
	} {
		if got := string(stdioData([]byte(test.raw))); got != test.want {
			t.Errorf("%q: got %q, want %q", test.raw, got, test.want)
		}
	}
}

func TestMalformed(t *testing.T) {
	for _, pattern := range []string{"a|b", `https?://.+`, "true|false", `.+`, `[^\s]+`, `[a-z0-9-]{1,5}`} {
		value, ok := malformed(pattern)
		if pattern == `.+` && !ok {
			continue // nothing is
		}
		if !ok || regexp.MustCompile(`\A(?:`+pattern+`)\z`).MatchString(value) {
			t.Errorf("%s: %q, %v", pattern, value, ok)
		}
	}
	if value, ok := malformed(""); ok {
		t.Errorf("no pattern: %q", value)
	}
}

func TestPick(t *testing.T) {
	two := &sdk.Manifest{Types: []sdk.Type{{Name: "a"}, {Name: "b"}}}
	one := &sdk.Manifest{Types: two.Types[:1]}
	for _, test := range []struct {
		manifest   *sdk.Manifest
		name, want string
	}{
		{two, "b", "b"}, {one, "", "a"}, {one, "a", "a"}, {two, "", ""}, {two, "c", ""}, {one, "c", ""},
	} {
		got, err := pick(test.manifest, test.name)
		if got.Name != test.want || (err == nil) != (test.want != "") {
			t.Errorf("pick(%d types, %q) = %q, %v", len(test.manifest.Types), test.name, got.Name, err)
		}
	}
}

// TestNames: a check is found by its name, so each has one of its own.
func TestNames(t *testing.T) {
	seen := map[string]bool{"configure": true, "login": true, "secrets": true}
	for _, c := range slices.Concat(staticChecks(), flowChecks(), loginChecks(), accidentChecks(), lieChecks(), optionalChecks(), loadChecks()) {
		if seen[c.name] || !regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`).MatchString(c.name) {
			t.Errorf("name %q is taken or malformed", c.name)
		}
		seen[c.name] = true
	}
}
