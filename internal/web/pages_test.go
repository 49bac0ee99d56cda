package web

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"
)

func TestNewFillsTheGaps(t *testing.T) {
	_, doc := render(t, newPages(t, Site{}), Login{})
	if got := text(named(doc, "title")[0]); got != "Sign in · authd" {
		t.Errorf("title = %q", got)
	}
	logo := named(doc, "img")[0]
	if attr(logo, "src") != AssetsPath+"favicon.svg" || attr(logo, "alt") != "authd" {
		t.Errorf("logo is %q (%q), want authd's own mark", attr(logo, "src"), attr(logo, "alt"))
	}
	_, doc = render(t, newPages(t, Site{Title: "Acme", ProductName: "Acme"}), Login{})
	if got := text(named(doc, "title")[0]); got != "Acme" {
		t.Errorf("title = %q: a name that is the product's own is said once", got)
	}
}

func TestNewLogo(t *testing.T) {
	for _, logo := range []string{"/logo.svg", "/brand/logo.png?v=2&w=1", "https://auth.example.com/l.svg", "http://127.0.0.1:4180/l.svg", "data:image/png;base64,iVBORw0KGgo="} {
		_, doc := render(t, newPages(t, Site{Logo: logo}), Login{})
		if got := attr(named(doc, "img")[0], "src"); got != logo {
			t.Errorf("logo %q is written as %q", logo, got)
		}
	}
	for _, logo := range []string{"//evil.example/l.svg", "logo.svg", "javascript:alert(1)", "data:text/html,x", "ftp://x/l", "/l.svg\" onerror=\"x", "/a b", "/\\evil.example", "file:///etc/passwd", "https://x/<b>"} {
		p, err := New(Site{Logo: logo})
		if !errors.Is(err, ErrSite) || p != nil {
			t.Errorf("New with logo %q: pages %v, error %v; want ErrSite", logo, p != nil, err)
			continue
		}
		if !strings.Contains(err.Error(), "logo") {
			t.Errorf("error %q does not name the setting", err)
		}
	}
}

func TestSiteIsEscaped(t *testing.T) {
	for _, value := range hostile {
		p := newPages(t, Site{Title: value, ProductName: value})
		tame := newPages(t, Site{Title: strings.Repeat("x", len(value)), ProductName: strings.Repeat("x", len(value))})
		for name, page := range ordinary(t) {
			_, got := render(t, p, page)
			_, want := render(t, tame, page)
			if g, w := strings.Join(skeleton(got), "\n"), strings.Join(skeleton(want), "\n"); g != w {
				t.Errorf("%s: title %q changes the page:\n%s", name, value, g)
			}
		}
	}
}

// brokenWriter takes n bytes and then fails.
type brokenWriter struct {
	n       int
	written int
}

var errBroken = errors.New("broken pipe")

func (w *brokenWriter) Write(b []byte) (int, error) {
	if len(b) > w.n {
		w.written += w.n
		return w.n, errBroken
	}
	w.written += len(b)
	return len(b), nil
}

func TestRenderReportsTheWriter(t *testing.T) {
	if err := newPages(t, Site{}).Render(&brokenWriter{n: 10}, SignedOut{}); !errors.Is(err, errBroken) {
		t.Errorf("error = %v, want the writer's", err)
	}
}

// strange is a page that the package does not have.
type strange struct{ template string }

func (s strange) name() string           { return s.template }
func (strange) title(texts, Site) string { return "" }

func TestRenderWritesAllOrNothing(t *testing.T) {
	p := newPages(t, Site{})
	for what, page := range map[string]Page{
		"no page":                nil,
		"an unknown page":        strange{"nosuch"},
		"a page lacking a value": strange{"account"}, // fails in the middle of the template
	} {
		w := &brokenWriter{n: 1 << 20}
		if err := p.Render(w, page); err == nil || w.written != 0 {
			t.Errorf("%s: error %v, %d bytes written; want an error and none", what, err, w.written)
		}
	}
}

func TestRenderFromManyGoroutines(t *testing.T) {
	p := newPages(t, Site{})
	pages := ordinary(t)
	want := map[string]string{}
	for name, page := range pages {
		want[name], _ = render(t, p, page)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for name, page := range pages {
				var b bytes.Buffer
				if err := p.Render(&b, page); err != nil || b.String() != want[name] {
					t.Errorf("%s: error %v, same page: %v", name, err, b.String() == want[name])
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkRenderLogin(b *testing.B) {
	p, err := New(Site{})
	if err != nil {
		b.Fatal(err)
	}
	page := Login{Providers: []LoginButton{{ID: "github", Label: "GitHub", Href: "/auth/oauth/github"}}}
	b.ReportAllocs()
	for b.Loop() {
		var w bytes.Buffer
		if err := p.Render(&w, page); err != nil {
			b.Fatal(err)
		}
	}
}
