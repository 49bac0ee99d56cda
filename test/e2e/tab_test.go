//go:build linux

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/authd/authd/internal/realtest"
)

// chromium starts the one browser of the package. It finds the hosts of an estate on this machine and believes its
// certificates.
func chromium(t *testing.T) context.Context {
	t.Helper()
	return realtest.Chromium(t, chromedp.IgnoreCertErrors, chromedp.Flag("host-resolver-rules",
		"MAP *.example.com 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"))
}

// tab is one tab of a browser. At the end of the test nothing may have gone wrong on any of its pages.
type tab struct {
	t   testing.TB
	ctx context.Context

	mu       sync.Mutex
	problems []string
	expected []string // parts of problems that belong to the test
}

// newPerson opens a tab with an empty cookie jar.
func newPerson(t testing.TB, browser context.Context) *tab {
	t.Helper()
	return openTab(t, browser, chromedp.WithNewBrowserContext())
}

// another opens a second tab of the same person.
func (b *tab) another() *tab {
	b.t.Helper()
	return openTab(b.t, b.ctx)
}

func openTab(t testing.TB, parent context.Context, options ...chromedp.ContextOption) *tab {
	t.Helper()
	b := &tab{t: t}
	var cancel context.CancelFunc
	b.ctx, cancel = chromedp.NewContext(parent, options...)
	t.Cleanup(func() {
		if t.Failed() {
			b.shoot("failed-" + t.Name())
		}
		cancel()
		for _, problem := range b.heard() {
			if !slices.ContainsFunc(b.expected, func(part string) bool { return strings.Contains(problem, part) }) {
				t.Errorf("the browser complains: %s", problem)
			}
		}
	})
	if err := chromedp.Listen(b.ctx, b.hear); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(b.ctx, audits.Enable, cdp.Empty{}); err != nil {
		t.Fatal(err)
	}
	b.view(desktop, light)
	return b
}

// heard is all that has gone wrong so far.
func (b *tab) heard() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.problems)
}

// expect says that a complaint with this in it belongs to the test.
func (b *tab) expect(part string) {
	b.expected = append(b.expected, part)
}

// Threat 67: hear remembers what a page has no reason to cause: errors and warnings on the console, exceptions, and
// what Chromium finds fault with, such as something that the Content-Security-Policy forbids.
func (b *tab) hear(event any) {
	problem := ""
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			problem = fmt.Sprintf("%s %s: %s (%s)", e.Entry.Source, e.Entry.Level, e.Entry.Text, e.Entry.URL)
		}
	case *runtime.EventExceptionThrown:
		problem = "exception: " + e.ExceptionDetails.Text
	case *runtime.EventConsoleAPICalled:
		problem = fmt.Sprintf("console.%s", e.Type)
	case *audits.EventIssueAdded:
		problem = fmt.Sprintf("issue %s", e.Issue.Code)
		if csp := e.Issue.Details.ContentSecurityPolicyIssueDetails; csp != nil {
			problem += fmt.Sprintf(": %s %s", csp.ViolatedDirective, csp.BlockedURL)
		}
	}
	if problem == "" {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.problems = append(b.problems, problem)
}

// do runs actions that lead to no other page.
func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatalf("%v; the tab is at %s", err, b.location())
	}
}

// load runs an action that leads to another page, and returns the status of that.
func (b *tab) load(action chromedp.Action[chromedp.Void]) int64 {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	res, err := chromedp.RunResponse(ctx, action)
	if err != nil {
		b.t.Fatalf("%v; the tab is at %s", err, b.location())
	}
	return res.Status
}

// open types an address.
func (b *tab) open(address string) int64 {
	b.t.Helper()
	return b.load(chromedp.Navigate(address))
}

// click clicks on an element, named by a CSS selector, that leads to another page.
func (b *tab) click(selector string) int64 {
	b.t.Helper()
	return b.load(chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// choose clicks on the button or link with this text.
func (b *tab) choose(text string) int64 {
	b.t.Helper()
	return b.load(chromedp.Click(chromedp.Search(fmt.Sprintf("//*[(self::a or self::button) and contains(normalize-space(.), %q)]", text)), chromedp.NodeVisible))
}

// press presses a key that leads to another page.
func (b *tab) press(key string) int64 {
	b.t.Helper()
	return b.load(chromedp.KeyEvent(key))
}

// tabTo presses the tab key until the element that the expression finds has the focus, and shows it.
func (b *tab) tabTo(element string) {
	b.t.Helper()
	const most = 20
	for range most {
		b.do(chromedp.KeyEvent(kb.Tab))
		if evaluate[bool](b, "document.activeElement === "+element) {
			if !evaluate[bool](b, element+".matches(':focus-visible')") {
				b.t.Errorf("%s has the focus and does not show it", element)
			}
			return
		}
	}
	b.t.Fatalf("%s can't be reached with the tab key on %s", element, b.location())
}

// evaluate runs JavaScript beside the page.
func evaluate[T any](b *tab, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// location is the address that the tab shows.
func (b *tab) location() string {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	where, err := chromedp.Run(ctx, chromedp.Location())
	if err != nil {
		return err.Error()
	}
	return where
}

// text is all that a person can read on the page.
func (b *tab) text() string {
	b.t.Helper()
	return evaluate[string](b, "document.body.innerText")
}

func (b *tab) wantLocation(want string) {
	b.t.Helper()
	if got := b.location(); got != want {
		b.t.Errorf("the tab is at %s, want %s\n%s", got, want, b.text())
	}
}

func (b *tab) wantText(want ...string) {
	b.t.Helper()
	text := b.text()
	for _, one := range want {
		if !strings.Contains(text, one) {
			b.t.Errorf("%s does not say %q:\n%s", b.location(), one, text)
		}
	}
}

// Sizes of screens, and colour schemes.
const (
	phone   = 390
	desktop = 1280
	light   = "light"
	dark    = "dark"
)

// view sets the width of the screen and the colour scheme.
func (b *tab) view(width int64, scheme string) {
	b.t.Helper()
	height := map[int64]int64{phone: 844, desktop: 720}[width]
	b.do(chromedp.EmulateViewport(width, height))
	// Without reduced motion a picture shows the middle of the change from one scheme to the other.
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}}
	if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, media); err != nil {
		b.t.Fatal(err)
	}
}

// shootAll takes pictures of the page as a phone and a desktop show it, light and dark. On none of them anything may
// stick out at the side, nor move for people who do not want that.
func (b *tab) shootAll(name string) {
	b.t.Helper()
	for _, width := range []int64{phone, desktop} {
		for _, scheme := range []string{light, dark} {
			b.view(width, scheme)
			if wide := evaluate[int64](b, "document.documentElement.scrollWidth"); wide > width {
				b.t.Errorf("%s is %d pixels wide on a screen of %d", name, wide, width)
			}
			if evaluate[bool](b, "[...document.querySelectorAll('*')].some(e => getComputedStyle(e).transitionDuration !== '0s')") {
				b.t.Errorf("something moves on %s", name)
			}
			b.shoot(fmt.Sprintf("%s-%d-%s", name, width, scheme))
		}
	}
	b.view(desktop, light)
}

func (b *tab) shoot(name string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	realtest.Screenshot(b.t, ctx, name)
}
