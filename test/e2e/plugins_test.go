//go:build linux

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/authd/authd/internal/realtest"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/providertest"
)

// pair is an authd with two providers at one identity provider, each with a plugin of its own.
type pair struct {
	*server
	idp *devidp.Server
}

func newPair(t testing.TB, opt options) *pair {
	t.Helper()
	p := &pair{idp: providertest.StartIDP(t, devidp.Options{})}
	opt.tables += devTable(p.idp, "company", "oidc", "label", "Company") + devTable(p.idp, "staff", "keycloak", "label", "Staff")
	opt.offers = []string{"company", "staff"}
	p.server = serve(t, opt)
	return p
}

// login signs ada in with a new browser.
func (p *pair) login(provider string) (*browser, page) {
	p.t.Helper()
	b := newBrowser(p.t)
	res, err := p.idp.Login(p.t.Context(), b.client, p.url+"/auth/oauth/"+provider, "ada")
	if err != nil {
		p.t.Fatal(err)
	}
	return b, readPage(p.t, res)
}

func (p *pair) wantLogin(provider string) {
	p.t.Helper()
	b, home := p.login(provider)
	wantStatus(p.t, home, http.StatusOK)
	wantHeaders(p.t, p.check(b), map[string]string{"X-Auth-Request-Provider": provider})
}

// Threat 134: a plugin that is killed is replaced; whoever comes meanwhile waits, and nobody else notices.
func TestPluginKilled(t *testing.T) {
	t.Parallel()
	p := newPair(t, options{})
	other := p.plugin("keycloak")
	for range 3 {
		// One person is at the identity provider at that moment, another one begins right after it.
		away := newBrowser(t)
		start := away.still().get(p.url + "/auth/oauth/company")
		callback, err := p.idp.Authorize(t.Context(), start.Header.Get("Location"), "grace")
		if err != nil {
			t.Fatal(err)
		}
		victim := p.plugin("oidc")
		victim.Signal(t, syscall.SIGKILL)
		p.wantLogin("company")
		wantStatus(t, away.get(callback), http.StatusOK)
		wantHeaders(t, p.check(away), map[string]string{"X-Auth-Request-User": "grace"})
		p.wantLogin("staff")
		if now := p.plugin("oidc"); now.PID == victim.PID || victim.Runs() {
			t.Errorf("the process %d was not replaced", victim.PID)
		}
	}
	if !other.Runs() {
		t.Error("the other provider's process has been replaced too")
	}
	if n := strings.Count(p.Log(), `"plugin_crashed"`); n != 3 {
		t.Errorf("the audit log tells of %d crashes, want 3", n)
	}
}

// Threat 33, 134: a plugin that dies in the middle of an exchange fails that login alone, and cleanly: the code is not
// sent again.
func TestPluginKilledDuringTheExchange(t *testing.T) {
	t.Parallel()
	p := newPair(t, options{})
	b := newBrowser(t)
	start := b.still().get(p.url + "/auth/oauth/company?return_to=/auth/session")
	callback, err := p.idp.Authorize(t.Context(), start.Header.Get("Location"), "ada")
	if err != nil {
		t.Fatal(err)
	}
	p.idp.Fault(devidp.EndpointToken, devidp.Fault{Hang: true, Times: 1})
	type result struct {
		page
		err error
	}
	answered := make(chan result, 1)
	go func() {
		got, err := b.try(http.MethodGet, callback, nil)
		answered <- result{got, err}
	}()
	await(t, patience, "the code is at the token endpoint", func() error {
		if p.idp.RequestCount(devidp.EndpointToken) == 0 {
			return realtest.ErrNotYet
		}
		return nil
	})
	p.plugin("oidc").Signal(t, syscall.SIGKILL)

	got := <-answered
	if got.err != nil {
		t.Fatal(got.err)
	}
	if got.StatusCode != http.StatusBadGateway && got.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("the callback answers %s, want 502 or 503", got.Status)
	}
	wantText(t, got.page, `href="/auth/login?return_to=%2Fauth%2Fsession"`)
	wantStatus(t, p.check(b), http.StatusUnauthorized)
	p.wantLogin("company")
	if n := p.idp.RequestCount(devidp.EndpointToken); n != 2 {
		t.Errorf("the token endpoint was asked %d times for two logins, want 2", n)
	}
}

// Threat 135: a plugin that hangs is replaced without any help. Whoever calls it meanwhile is told soon; the other
// provider does not notice.
func TestPluginHangs(t *testing.T) {
	t.Parallel()
	p := newPair(t, options{})
	victim := p.plugin("oidc")
	victim.Signal(t, syscall.SIGSTOP)
	await(t, patience, "the plugin has stopped", func() error {
		if st, _ := realtest.StatusOf(victim.PID); st.State != "T" {
			return fmt.Errorf("it is in state %s", st.State)
		}
		return nil
	})
	await(t, patience, "the process that hangs is gone", func() error {
		got := newBrowser(t).still().get(p.url + "/auth/oauth/company")
		if !slices.Contains([]int{http.StatusSeeOther, http.StatusServiceUnavailable, http.StatusGatewayTimeout}, got.StatusCode) {
			t.Errorf("a login while the plugin hangs: %s, want a redirect, 503 or 504\n%s", got.Status, got.body)
		}
		p.wantLogin("staff")
		if victim.Runs() {
			return realtest.ErrNotYet
		}
		return nil
	})
	if now := p.plugin("oidc"); now.PID == victim.PID {
		t.Error("the process was not replaced")
	}
	p.awaitReady("company")
	p.wantLogin("company")
}

// Threat 140, 145: kill -9 of authd leaves no plugin behind and loses no session that somebody has seen.
func TestAuthdKilled(t *testing.T) {
	t.Parallel()
	opt := options{port: realtest.FreePort(t), store: "file:" + filepath.Join(t.TempDir(), "authd.db")}
	p := newPair(t, opt)
	stays, _ := p.login("company")
	leaves, _ := p.login("staff")
	leaves.signOut(p.server)
	plugins := p.Children()
	if len(plugins) != 2 {
		t.Fatalf("plugins that run: %v, want two", plugins)
	}
	p.killed = true
	p.stop(syscall.SIGKILL)
	for _, c := range plugins {
		c.AwaitGone(t, patience)
	}

	opt.tables = devTable(p.idp, "company", "oidc") + devTable(p.idp, "staff", "keycloak")
	opt.offers = []string{"company", "staff"}
	p.server = serve(t, opt)
	wantHeaders(t, p.check(stays), map[string]string{"X-Auth-Request-User": "ada", "X-Auth-Request-Provider": "company"})
	wantStatus(t, p.check(leaves), http.StatusUnauthorized)
	p.wantLogin("staff")
}

// manifest is what the -describe of a broken plugin prints: up to there it is in order.
func manifest(name string) string {
	return fmt.Sprintf(`{"types": [{"name": %q, "label": %q, "settings": [{"name": "client_id", "env": "OAUTH_%s_CLIENT_ID", "required": true}]}]}`,
		name, name, strings.ToUpper(name))
}

// brokenPlugins is a directory with the plugin for OpenID Connect and some that are good for nothing.
func brokenPlugins(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(realtest.ShortDir(t), "plugins")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(programs.Path(t, "plugins", "authd-provider-oidc"))
	if err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{
		"oidc":    string(good),
		"quits":   "#!/bin/sh\n[ \"$1\" = -describe ] && { echo '" + manifest("quits") + "'; exit 0; }\necho 'no licence was found' >&2\nexit 3\n",
		"babbles": "#!/bin/sh\n[ \"$1\" = -describe ] && { echo '" + manifest("babbles") + "'; exit 0; }\necho 'Hello, I am a plugin.'\nexec sleep 600\n",
		"nothing": "#!/bin/sh\necho 'what do you want?'\nexit 1\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, "authd-provider-"+name), []byte(body), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Threat 133: plugins that end at once, or print something else than they should, are named on the page and explained
// to the operator. The one that works, works.
func TestBrokenPlugins(t *testing.T) {
	t.Parallel()
	idp := providertest.StartIDP(t, devidp.Options{})
	p := &pair{idp: idp}
	p.server = serve(t, options{
		plugins: brokenPlugins(t), offers: []string{"company"},
		tables: devTable(idp, "company", "oidc", "label", "Company") + table("quits", "quits", "label", "Quitter", "client_id", "c") +
			table("babbles", "babbles", "label", "Babbler", "client_id", "c") + table("nothing", "nothing", "label", "Nothing", "client_id", "c"),
	})
	login := newBrowser(t).get(p.url + "/auth/login")
	wantText(t, login, "Continue with Company")
	for id, label := range map[string]string{"quits": "Quitter", "babbles": "Babbler", "nothing": "Nothing"} {
		if entry := entryOf(t, login, id); !strings.Contains(entry, "Unavailable right now") || !strings.Contains(entry, label) || strings.Contains(entry, "href") {
			t.Errorf("the page says of %s: %s", id, entry)
		}
		// Whoever has the link is told the same, and is not kept waiting for long.
		out := newBrowser(t).get(p.url + "/auth/oauth/" + id)
		if out.StatusCode != http.StatusServiceUnavailable && out.StatusCode != http.StatusBadGateway {
			t.Errorf("%s: the link answers %s, want 503 or 502", id, out.Status)
		}
		wantText(t, out, "/auth/login")
	}
	p.wantLogin("company")

	for id, why := range map[string][]string{
		"quits":   {"exited with status 3", "no licence was found"},
		"babbles": {"Hello, I am a plugin.", "handshake"},
		"nothing": {"nothing", "served by no plugin"},
	} {
		output, code := run(t, nil, "provider", "check", id, "--config", p.config)
		if code != 1 {
			t.Errorf("authd provider check %s: exit code %d, want 1\n%s", id, code, output)
		}
		for _, want := range why {
			if !strings.Contains(output, want) {
				t.Errorf("authd provider check %s does not say %q:\n%s", id, want, output)
			}
		}
	}
	if output, code := run(t, nil, "provider", "check", "company", "--config", p.config); code != 0 {
		t.Errorf("authd provider check company: exit code %d, want 0\n%s", code, output)
	}
}

// entryOf is the list item of a provider on the login page.
func entryOf(t testing.TB, login page, id string) string {
	t.Helper()
	for item := range strings.SplitSeq(login.body, "<li>") {
		if strings.Contains(item, `id="provider-`+id+`"`) {
			return item
		}
	}
	t.Fatalf("the page does not name %s:\n%s", id, login.body)
	return ""
}
