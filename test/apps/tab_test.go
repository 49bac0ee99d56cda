//go:build apps && linux

package apps

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/authd/authd/internal/realtest"
)

// tab is one tab of a browser of its own.
type tab struct {
	t   testing.TB
	ctx context.Context
}

// openBrowser starts a browser that finds the hosts of an estate on this machine and believes their certificates.
func openBrowser(t testing.TB) *tab {
	t.Helper()
	b := &tab{t, realtest.Chromium(t, chromedp.IgnoreCertErrors, chromedp.Flag("host-resolver-rules",
		"MAP *.example.com 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"))}
	const width, height = 1280, 720
	b.do(chromedp.EmulateViewport(width, height))
	return b
}

func (b *tab) do(action chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, action); err != nil {
		b.t.Fatalf("%v; the tab is at %s", err, b.location())
	}
}

// load runs an action that leads to another page.
func (b *tab) load(action chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, action); err != nil {
		b.t.Fatalf("%v; the tab is at %s", err, b.location())
	}
}

// open types an address.
func (b *tab) open(address string) {
	b.t.Helper()
	b.load(chromedp.Navigate(address))
}

// choose clicks on the button or link with this text.
func (b *tab) choose(text string) {
	b.t.Helper()
	b.load(chromedp.Click(chromedp.Search(fmt.Sprintf("//*[(self::a or self::button) and contains(normalize-space(.), %q)]", text)), chromedp.NodeVisible))
}

// pageText is all that a person can read on a page. Panel draws its page inside shadow roots, which innerText leaves out.
const pageText = `(function read(root) {
	const seen = [...root.children].filter(e => !["STYLE", "SCRIPT", "LINK"].includes(e.tagName)).map(e => e.innerText ?? "");
	const inside = [...root.querySelectorAll("*")].filter(e => e.shadowRoot).map(e => read(e.shadowRoot));
	return [...seen, ...inside].filter(text => text.trim() !== "").join("\n");
})(document.body)`

// pageLinks are the targets of all links of a page.
const pageLinks = `(function find(node) {
	const links = [];
	for (const element of node.querySelectorAll("*")) {
		if (element.href) links.push(element.href);
		if (element.shadowRoot) links.push(...find(element.shadowRoot));
	}
	return links;
})(document)`

// evaluate runs JavaScript beside the page; a promise is waited for.
func evaluate[T any](b *tab, expression string) (T, error) {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// text is "" while the tab is between two pages.
func (b *tab) text() string {
	text, err := evaluate[string](b, pageText)
	if err != nil {
		return ""
	}
	return text
}

func (b *tab) location() string {
	where, err := evaluate[string](b, "location.href")
	if err != nil {
		return err.Error()
	}
	return where
}

// shows waits until the page says all of it: these applications draw their pages when their WebSocket is open.
func (b *tab) shows(want ...string) {
	b.t.Helper()
	await(b.t, "the page", func() error {
		text := b.text()
		for _, one := range want {
			if !strings.Contains(text, one) {
				return fmt.Errorf("%s does not say %q:\n%s", b.location(), one, text)
			}
		}
		return nil
	})
}

// hides says what may not be on the page that is there now.
func (b *tab) hides(unwanted ...string) {
	b.t.Helper()
	text := b.text()
	for _, one := range unwanted {
		if strings.Contains(text, one) {
			b.t.Errorf("%s says %q:\n%s", b.location(), one, text)
		}
	}
}

func (b *tab) shoot(name string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	realtest.Screenshot(b.t, ctx, name)
}
