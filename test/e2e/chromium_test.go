//go:build linux

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/authd/authd/internal/realtest"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/providertest"
)

// TestChromium shares one browser; each part has cookies of its own.
func TestChromium(t *testing.T) {
	t.Parallel()
	browser := chromium(t)
	s := servePages(t)
	for name, part := range map[string]func(*testing.T, context.Context, *server){
		"Login":    testLoginPage,
		"Keyboard": testKeyboard,
		"TwoTabs":  testTwoTabs,
		"Denied":   testDeniedPage,
		"Picture":  testPicture,
		"Hearing":  testHearing,
	} {
		t.Run(name, func(t *testing.T) { part(t, browser, s) })
	}
	t.Run("Demo", func(t *testing.T) { testDemo(t, browser) })
	t.Run("Nginx", func(t *testing.T) { testBehindNginx(t, browser) })
}

// servePages runs an authd with three providers that work and one that is down, for everybody in staff.
func servePages(t *testing.T) *server {
	t.Helper()
	idp := providertest.StartIDP(t, devidp.Options{})
	nobody := fmt.Sprintf("http://127.0.0.1:%d", realtest.FreePort(t))
	return serve(t, options{
		offers: []string{"company", "github", "staff"},
		tables: "[access]\nallow = '\"staff\" in user.groups'\n" +
			devTable(idp, "github", "github", "label", "GitHub") +
			devTable(idp, "staff", "keycloak", "label", "Keycloak") +
			devTable(idp, "company", "oidc", "label", "Example Company") +
			table("partner", "oidc", "label", "Partner", "issuer", nobody, "client_id", "demo", "client_secret", "demo-secret"),
	})
}

// testHearing shows that a tab hears what the other tests rely on never to hear.
func testHearing(t *testing.T, browser context.Context, _ *server) {
	bad := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'")
		if r.URL.Path == "/script.js" {
			w.Header().Set("Content-Type", "text/javascript")
			_, _ = w.Write([]byte("console.error('a complaint'); throw new Error('an exception')")) // a browser that left needs no answer
			return
		}
		_, _ = w.Write([]byte(`<!doctype html><title>bad</title><p style="color:red">bad</p><script src="/script.js"></script><img src="/missing.png">`))
	}))
	t.Cleanup(bad.Close)
	b := newPerson(t, browser)
	for _, part := range []string{"style-src", "img-src", "console.error", "exception", "favicon"} {
		b.expect(part)
	}
	b.open(bad.URL + "/")
	await(t, patience, "the tab hears of everything", func() error {
		heard := strings.Join(b.heard(), "\n")
		for _, part := range []string{"ContentSecurityPolicyIssue: style-src", "ContentSecurityPolicyIssue: img-src", "security error", "console.error", "exception"} {
			if !strings.Contains(heard, part) {
				return fmt.Errorf("no %s in:\n%s", part, heard)
			}
		}
		return nil
	})
}

// From the login page through the provider to the account page and out again, by clicking alone.
func testLoginPage(t *testing.T, browser context.Context, s *server) {
	b := newPerson(t, browser)
	b.open(s.url + "/")
	b.wantLocation(s.url + "/auth/login")
	b.wantText("Continue with GitHub", "Continue with Keycloak", "Continue with Example Company", "Partner", "Unavailable right now")
	// The provider that is down is named, and can't be pressed.
	if evaluate[bool](b, "!!document.querySelector('#provider-partner a, a#provider-partner, #provider-partner button')") {
		t.Error("the provider that is down has a link")
	}
	b.shootAll("login")

	b.click("#provider-company")
	b.wantText("Who are you today?")
	b.shootAll("devidp")
	b.choose("Ada Quillfeather")
	b.wantLocation(s.url + "/")
	b.wantText("Ada Quillfeather", "ada@example.org", "Verified", "Example Company", "admins", "staff", "This device")
	b.shootAll("account")

	b.open(s.url + "/auth/logout")
	b.wantText("Sign out?", "Ada Quillfeather", "Example Company")
	b.shootAll("logout")
	b.choose("Stay signed in")
	b.wantLocation(s.url + "/")

	// Threat 67, 73: the form leads to the provider's end-session endpoint and back; the policy must let it.
	b.open(s.url + "/auth/logout?return_to=" + s.url + "/auth/login")
	b.click("main form button")
	b.wantLocation(s.url + "/auth/login")
	b.click("#provider-company")
	b.wantText("Who are you today?") // the provider's own session has ended too
	b.choose("Grace Marlowind")
	b.wantText("Grace Marlowind")
	b.choose("Sign out")
	b.wantText("You are signed out")
	b.shootAll("signed-out")
	b.choose("Sign in again")
	b.wantLocation(s.url + "/auth/login")
}

// Everything can be done without a mouse.
func testKeyboard(t *testing.T, browser context.Context, s *server) {
	b := newPerson(t, browser)
	b.open(s.url + "/auth/login")
	b.tabTo("document.querySelector('#provider-staff')")
	b.shoot("keyboard")
	b.press(kb.Enter)
	b.tabTo("[...document.querySelectorAll('button')].find(e => e.innerText.includes('Grace'))")
	b.press(kb.Enter)
	b.wantLocation(s.url + "/")
	b.wantText("Grace Marlowind", "Keycloak")
	b.tabTo("document.querySelector('form[action=\"/auth/logout\"] button')")
	b.press(kb.Enter)
	b.wantText("You are signed out")
	b.tabTo("document.querySelector('main a')")
	b.press(kb.Enter)
	b.wantLocation(s.url + "/auth/login")
}

// Threat 5: two logins of one browser at once, of two people even: both come through, and the last one counts.
func testTwoTabs(t *testing.T, browser context.Context, s *server) {
	one := newPerson(t, browser)
	two := one.another()
	for target, b := range map[string]*tab{"/?tab=1": one, "/?tab=2": two} {
		b.open(s.url + "/auth/login?return_to=" + target)
		b.click("#provider-company")
		b.wantText("Who are you today?")
	}
	one.choose("Ada Quillfeather")
	one.wantLocation(s.url + "/?tab=1")
	one.wantText("Ada Quillfeather")
	two.choose("Grace Marlowind")
	two.wantLocation(s.url + "/?tab=2")
	two.wantText("Grace Marlowind")
	one.load(chromedp.Reload())
	one.wantText("Grace Marlowind")
}

// Whoever is not let in is told so, and can try again as somebody else.
func testDeniedPage(t *testing.T, browser context.Context, s *server) {
	b := newPerson(t, browser)
	b.open(s.url + "/auth/login")
	b.click("#provider-company")
	b.expect("status of 403") // that is what the page is
	if status := b.choose("Linus Fjordgren"); status != 403 {
		t.Errorf("the page has status %d, want 403", status)
	}
	b.wantText("Access denied", "Error 403", "Incident")
	if text := b.text(); strings.Contains(text, "CEL") || strings.Contains(text, "groups") {
		t.Errorf("the page tells the rule:\n%s", text)
	}
	incident := evaluate[string](b, "document.querySelector('#incident').innerText")
	if len(incident) < 8 || !strings.Contains(s.Log(), incident) {
		t.Errorf("the incident %q is not in the log", incident)
	}
	b.shootAll("denied")
	b.choose("Try again")
	b.wantLocation(s.url + "/auth/login")
	b.open(s.url + "/") // still nobody
	b.wantLocation(s.url + "/auth/login")
}

// testPicture takes the picture of the login page for README.md. With -update it is kept, else the one that was kept
// must be what it should be.
func testPicture(t *testing.T, browser context.Context, _ *server) {
	idp := providertest.StartIDP(t, devidp.Options{})
	s := serve(t, options{
		offers: []string{"github", "staff", "acme"},
		tables: devTable(idp, "github", "github") + devTable(idp, "staff", "keycloak") + devTable(idp, "acme", "oidc", "label", "Acme"),
	})
	b := newPerson(t, browser)
	b.open(s.url + "/auth/login")
	b.wantText("Continue with GitHub", "Continue with Keycloak", "Continue with Acme")
	picture, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	path := realtest.Checkout(t, "docs", "images", "login.png")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, picture, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; make it with: go test ./test/e2e -run TestChromium -update", err)
	}
	want, err := png.DecodeConfig(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	got, err := png.DecodeConfig(bytes.NewReader(kept))
	if err != nil || got.Width != desktop || got.Height != want.Height {
		t.Errorf("%s is %d×%d (%v), want %d×%d; make it anew with -update", path, got.Width, got.Height, err, want.Width, want.Height)
	}
	const most = 200 << 10
	if len(kept) > most {
		t.Errorf("%s has %d bytes, more than %d", path, len(kept), most)
	}
}

// testBehindNginx goes from a deep link of an application over https through the login and back, and signs out.
func testBehindNginx(t *testing.T, browser context.Context) {
	e := newEstate(t, "")
	b := newPerson(t, browser)
	link := e.site + "/reports/7?year=2026&q=a%26b"
	b.open(link)
	b.wantText("Continue with Company")
	b.choose("Continue with Company")
	b.choose("Ada Quillfeather")
	b.wantLocation(link)
	b.wantText(mirrorMark, "ada@example.org")

	b.open(e.auth + "/auth/logout?return_to=" + e.site + "/")
	b.click("main form button")
	b.wantText("Continue with Company")
	b.click("#provider-dev")
	b.wantText("Who are you today?")
}
