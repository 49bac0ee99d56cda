package main

import (
	"bufio"
	"context"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/internal/config"
	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
)

// runDemo runs the demo until the returned function stops it, which returns the exit code and what came on stderr.
func runDemo(t *testing.T, dir string) (page string, stop func() (int, string)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	var stderr strings.Builder
	code := make(chan int, 1)
	go func() {
		a := &app{out: w, errOut: &stderr, environ: nil}
		got := a.run(ctx, []string{"demo", "--plugins-dir", dir})
		_ = w.Close()
		code <- got
	}()
	printed := bufio.NewScanner(r)
	for printed.Scan() && page == "" {
		if line := strings.TrimSpace(printed.Text()); strings.HasPrefix(line, "http://") {
			page = line
		}
	}
	stop = func() (int, string) {
		cancel()
		for printed.Scan() {
		}
		return <-code, stderr.String()
	}
	t.Cleanup(cancel)
	return page, stop
}

// visitor is a browser, as far as the demo needs one: it follows redirects, and links and forms by hand.
type visitor struct {
	t      *testing.T
	client *http.Client
	at     *url.URL
	body   string
}

func newVisitor(t *testing.T) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{t: t, client: &http.Client{Jar: jar, Timeout: 20 * time.Second}}
}

func (v *visitor) do(method, target string, form url.Values) *http.Response {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), method, target, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	req.Header.Set("Accept", "text/html")
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", v.at.Scheme+"://"+v.at.Host)
	}
	res, err := v.client.Do(req)
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	v.at, v.body = res.Request.URL, string(body)
	return res
}

func (v *visitor) open(target string) *http.Response {
	v.t.Helper()
	return v.do(http.MethodGet, target, nil)
}

// click follows the link that leads to an address which begins so.
func (v *visitor) click(prefix string) {
	v.t.Helper()
	for _, link := range regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(v.body, -1) {
		target, err := v.at.Parse(html.UnescapeString(link[1]))
		if err == nil && (strings.HasPrefix(target.String(), prefix) || strings.HasPrefix(target.Path, prefix)) {
			v.open(target.String())
			return
		}
	}
	v.t.Fatalf("%s has no link to %s:\n%s", v.at, prefix, v.body)
}

// signIn chooses one of the made-up people on the identity provider's page.
func (v *visitor) signIn(user devidp.User) {
	v.t.Helper()
	found := regexp.MustCompile(`name="interaction" value="([^"]*)"`).FindStringSubmatch(v.body)
	if found == nil {
		v.t.Fatalf("%s is not the page of the identity provider:\n%s", v.at, v.body)
	}
	v.do(http.MethodPost, v.at.Scheme+"://"+v.at.Host+"/-/login", url.Values{"interaction": {html.UnescapeString(found[1])}, "user": {user.Sub}})
}

// wants fails unless the page is at an address and shows all the texts.
func (v *visitor) wants(at string, texts ...string) {
	v.t.Helper()
	if !strings.HasPrefix(v.at.String(), at) {
		v.t.Fatalf("the browser is at %s, want %s:\n%s", v.at, at, v.body)
	}
	for _, text := range texts {
		if !strings.Contains(v.body, html.EscapeString(text)) {
			v.t.Errorf("%s does not show %q:\n%s", v.at, text, v.body)
		}
	}
}

// The whole way: the protected page, the sign-in page, the identity provider, back to the page that now says who is
// there; then out again.
func TestDemo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "plugins")
	if err := linkPlugin(dir, "oidc"); err != nil {
		t.Fatal(err)
	}
	page, stop := runDemo(t, dir)
	if page == "" {
		code, stderr := stop()
		t.Fatalf("the demo did not start: exit code %d, %s", code, stderr)
	}
	ada := devidp.DefaultUsers()[0]
	v := newVisitor(t)
	v.open(page + "reports?year=2026")
	login := v.at.Scheme + "://" + v.at.Host
	v.wants(login+"/auth/login", "Sign in to the demo", "Demo Identity")
	v.click("/auth/oauth/demo")
	v.signIn(ada)
	v.wants(page+"reports?year=2026", ada.Name, ada.Email, "X-Auth-Request-User", "X-Auth-Request-Groups", "admins,staff", "demo", "eyJ")

	// Anybody else is still asked to sign in, and the style is there for them.
	stranger := newVisitor(t)
	stranger.open(page)
	stranger.wants(login + "/auth/login")
	v.click("/auth/assets/authd.")
	if !strings.Contains(v.body, "{") {
		t.Errorf("the style sheet is %q", v.body)
	}

	v.open(page)
	v.click(login + "/auth/logout")
	v.do(http.MethodPost, login+"/auth/logout", url.Values{"return_to": {page}})
	v.open(page)
	v.wants(login + "/auth/login")

	code, stderr := stop()
	if code != exitOK || stderr != "" {
		t.Errorf("exit code %d after Ctrl-C, stderr %q", code, stderr)
	}
	for _, address := range []string{page, login} {
		at, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if conn, err := net.Dial("tcp", at.Host); err == nil {
			_ = conn.Close()
			t.Errorf("%s still answers", at.Host)
		}
	}
}

func TestDemoNeedsItsPlugin(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "plugins")
	if err := linkPlugin(dir, "broken"); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := runAuthd(t, nil, "demo", "--plugins-dir", dir)
	if code != exitFailed || stdout != "" || !strings.Contains(stderr, "this plugin does not work") ||
		!strings.Contains(stderr, "serves type oidc, which the demo needs; build it with make build") {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}

// To stop the demo while it starts is no failure.
func TestDemoStoppedAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "plugins")
	if err := linkPlugin(dir, "oidc"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr strings.Builder
	a := &app{out: &stdout, errOut: &stderr}
	if code := a.run(ctx, []string{"demo", "--plugins-dir", dir}); code != exitOK || stdout.String() != "" || stderr.String() != "" {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout.String(), stderr.String())
	}
}

func TestDemoProviders(t *testing.T) {
	github := func(names ...string) found {
		typ := sdk.Type{Name: "github", Settings: sdk.ClientSettings("OAUTH_GITHUB")}
		for _, name := range names {
			typ.Settings = append(typ.Settings, sdk.Setting{Name: name})
		}
		return found{manifest: &sdk.Manifest{Types: []sdk.Type{typ}}}
	}
	for _, test := range []struct {
		name    string
		plugins []found
		want    []string
	}{
		{"oidc alone", nil, []string{"demo"}},
		{"with GitHub", []found{github("auth_url", "token_url", "user_info_url", "groups")}, []string{"demo", "demo-github"}},
		{"with a GitHub that can't be pointed elsewhere", []found{github("auth_url")}, []string{"demo"}},
	} {
		var got []string
		for _, p := range demoProviders("http://127.0.0.1:1", test.plugins) {
			got = append(got, p.ID)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

// The demo's configuration passes the checks of any other, and keeps nothing.
func TestDemoConfig(t *testing.T) {
	c := demoConfig("127.0.0.1:4180", "http://127.0.0.1:4182", []string{"plugins"}, demoProviders("http://127.0.0.1:1", nil))
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	if c.Store.URL != "memory:" || c.Server.AdminListen != "" || len(c.Session.Secret) != 1 {
		t.Errorf("%+v", c)
	}
	other := demoConfig("127.0.0.1:4180", "http://127.0.0.1:4182", []string{"plugins"}, nil)
	if other.Session.Secret[0] == c.Session.Secret[0] {
		t.Error("two demos share a secret")
	}
	if diff := cmp.Diff(config.OneOrMore{"plugins"}, c.Server.PluginsDir); diff != "" {
		t.Error(diff)
	}
}

func TestListenElsewhereWhenTaken(t *testing.T) {
	first, err := listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	taken := first.Addr().String()
	second, err := listen(taken)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if second.Addr().String() == taken || !second.Addr().(*net.TCPAddr).IP.IsLoopback() {
		t.Errorf("listen(%s) = %s, want another port on loopback", taken, second.Addr())
	}
	if got, err := free(taken); err != nil || got == taken {
		t.Errorf("free(%s) = %s, %v", taken, got, err)
	}
}

func TestBesideProgram(t *testing.T) {
	t.Chdir(t.TempDir())
	if got := besideProgram(); !cmp.Equal(got, []string{"plugins"}) {
		t.Errorf("besideProgram() = %v, want plugins here: there are none beside %s", got, os.Args[0])
	}
}
