//go:build linux

package e2e

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/authd/authd/internal/realtest"
)

// testDemo does what a newcomer does: runs authd demo, opens the address that it prints and clicks.
func testDemo(t *testing.T, browser context.Context) {
	p := startProcess(t, nil, "demo", "--plugins-dir", programs.Path(t, "plugins"))
	printed := regexp.MustCompile(`http://127\.0\.0\.1:\d+/\S*`)
	var address string
	_, err := p.Ready(pause, patience, func() error {
		if address = printed.FindString(p.output()); address == "" {
			return realtest.ErrNotYet
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if all := printed.FindAllString(p.output(), -1); len(all) != 1 {
		t.Errorf("it prints the addresses %v, want one", all)
	}

	b := newPerson(t, browser)
	b.open(address)
	b.wantText("Sign in to the demo")
	b.shootAll("demo-login")
	b.choose("Demo Identity")
	b.wantText("Who are you today?")
	b.choose("Ada Quillfeather")
	b.wantLocation(address)
	b.wantText("Hello, Ada Quillfeather", "X-Auth-Request-User", "ada@example.org")
	b.shootAll("demo")

	// What the buttons on it promise.
	b.choose("Your account")
	b.wantText("Where you are signed in", "Demo Identity")
	b.open(address)
	b.choose("Sign out")
	b.wantText("Sign out?")
	b.click("main form button")
	b.wantText("Sign in to the demo")
	b.choose("Demo GitHub")
	b.choose("Linus Fjordgren")
	b.wantText("Hello, Linus Fjordgren")
	b.do(chromedp.Navigate("about:blank")) // so that nothing is loaded while it ends

	plugins := p.Children()
	if len(plugins) < 2 {
		t.Errorf("plugins that run: %v, want one for each provider", plugins)
	}
	if code := p.interrupt(); code != 0 {
		t.Errorf("after Ctrl-C: %v, want exit code 0\n%s", p.Cmd.ProcessState, p.Log())
	}
	p.wantNothingLeft(plugins)
	if _, err := newBrowser(t).try(http.MethodGet, address, nil); err == nil {
		t.Error("the address still answers")
	}
	if strings.Contains(p.Log(), "panic") {
		t.Errorf("log:\n%s", p.Log())
	}
}
