package web

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"
)

// everyPage calls check for each kind of page, full and empty.
func everyPage(t *testing.T, check func(t *testing.T, source string, doc *html.Node)) {
	t.Helper()
	p := newPages(t, Site{})
	for kind, pages := range map[string]map[string]Page{"full": ordinary(t), "empty": bare()} {
		if len(pages) != len(p.templates) {
			t.Errorf("%d kinds of pages are tested, there are %d", len(pages), len(p.templates))
		}
		for name, page := range pages {
			t.Run(kind+"/"+name, func(t *testing.T) {
				source, doc := render(t, p, page)
				check(t, source, doc)
			})
		}
	}
}

func TestEveryPageIsAWholeDocument(t *testing.T) {
	everyPage(t, func(t *testing.T, source string, doc *html.Node) {
		if !strings.HasPrefix(source, "<!doctype html>\n") {
			t.Errorf("starts with %.20q, want the doctype: without it browsers fall back to quirks mode", source)
		}
		if got := attr(named(doc, "html")[0], "lang"); got != "en" {
			t.Errorf("lang = %q, want en", got)
		}
		for _, tag := range []string{"title", "h1", "main"} {
			if n := named(doc, tag); len(n) != 1 || tag != "main" && strings.TrimSpace(text(n[0])) == "" {
				t.Errorf("%d <%s> elements, want one that says something", len(n), tag)
			}
		}
		metas := map[string]string{}
		for _, m := range named(doc, "meta") {
			metas[attr(m, "name")] = attr(m, "content")
		}
		if got := metas["viewport"]; got != "width=device-width, initial-scale=1" {
			t.Errorf("viewport = %q", got)
		}
		if got := metas["color-scheme"]; got != "light dark" {
			t.Errorf("color-scheme = %q", got)
		}
		if strings.Contains(source, "{{") || strings.Contains(source, "%!") || strings.Contains(source, "ZgotmplZ") {
			t.Error("something was left unfilled in the page")
		}
	})
}

// Threat 67: a policy without unsafe-inline only holds if the pages need none.
func TestNoPageHasAnythingInline(t *testing.T) {
	everyPage(t, func(t *testing.T, _ string, doc *html.Node) {
		for _, n := range elements(doc) {
			if slices.Contains([]string{"script", "style", "iframe", "object", "embed", "base"}, n.Data) {
				t.Errorf("page holds <%s>", n.Data)
			}
			for _, a := range n.Attr {
				if a.Key == "style" || strings.HasPrefix(a.Key, "on") || a.Key == "srcdoc" || a.Key == "http-equiv" {
					t.Errorf("<%s> has the attribute %s", n.Data, a.Key)
				}
			}
		}
	})
}

func TestNoPageLeadsOutside(t *testing.T) {
	everyPage(t, func(t *testing.T, _ string, doc *html.Node) {
		for _, n := range elements(doc) {
			for _, a := range n.Attr {
				if !slices.Contains([]string{"href", "src", "action", "srcset", "formaction"}, a.Key) {
					continue
				}
				local := strings.HasPrefix(a.Val, "/") && !strings.HasPrefix(a.Val, "//")
				if !local && a.Val != "" && !strings.HasPrefix(a.Val, svgDataPrefix) {
					t.Errorf("<%s %s=%q> leads outside", n.Data, a.Key, a.Val)
				}
			}
		}
	})
}

func TestAssetsOfEveryPageExist(t *testing.T) {
	everyPage(t, func(t *testing.T, _ string, doc *html.Node) {
		types := map[string]string{"stylesheet": "text/css; charset=utf-8", "icon": "image/svg+xml"}
		var found []string
		for _, n := range elements(doc) {
			link := attr(n, "href") + attr(n, "src")
			name, ok := strings.CutPrefix(link, AssetsPath)
			if !ok {
				continue
			}
			body, contentType, ok := Asset(name)
			if !ok || len(body) == 0 {
				t.Errorf("Asset(%q) = %d bytes, %v; the page links to it", name, len(body), ok)
			}
			if rel := attr(n, "rel"); rel != "" {
				found = append(found, rel)
				if contentType != types[rel] {
					t.Errorf("%s is sent as %q, want %q", rel, contentType, types[rel])
				}
			}
		}
		slices.Sort(found)
		if diff := cmp.Diff([]string{"icon", "stylesheet"}, found); diff != "" {
			t.Errorf("links in the head (-want +got):\n%s", diff)
		}
	})
}

func TestEveryPageCanBeHeardAndKeyed(t *testing.T) {
	everyPage(t, func(t *testing.T, _ string, doc *html.Node) {
		ids, labels := map[string]int{}, map[string]string{}
		for _, n := range elements(doc) {
			if id := attr(n, "id"); id != "" {
				ids[id]++
			}
			if n.Data == "label" {
				labels[attr(n, "for")] = text(n)
			}
		}
		for id, n := range ids {
			if n != 1 {
				t.Errorf("id %q occurs %d times", id, n)
			}
		}
		for _, n := range elements(doc) {
			if ref := attr(n, "aria-labelledby"); ref != "" && ids[ref] != 1 {
				t.Errorf("<%s> is named by %q, which is not there", n.Data, ref)
			}
			switch n.Data {
			case "img":
				if !slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == "alt" }) {
					t.Errorf("image %.40s has no alt", attr(n, "src"))
				}
			case "input":
				if attr(n, "type") != "hidden" && (labels[attr(n, "id")] == "" || attr(n, "autocomplete") == "") {
					t.Errorf("input %q lacks a label or autocomplete", attr(n, "name"))
				}
			case "a", "button":
				if strings.TrimSpace(text(n)) == "" {
					t.Errorf("<%s> says nothing", n.Data)
				}
			case "form":
				if attr(n, "method") != "post" {
					t.Errorf("form %q has method %q: a GET would put its fields into the URL", attr(n, "action"), attr(n, "method"))
				}
			}
		}
	})
}

// hostile values: each tries to break out of some place in a page.
var hostile = []string{
	`<script>alert(1)</script>`,
	`"><img src=x onerror=alert(1)>`,
	`' onmouseover='alert(1)`,
	"` onfocus=alert(1) autofocus `",
	`</title></p></code></svg><script>alert(1)</script>`,
	`</textarea><!--`,
	`--><svg onload=alert(1)>`,
	`javascript:alert(1)`,
	"java\nscript:alert(1)",
	"\tJaVaScRiPt:alert(1)",
	`data:text/html,<script>alert(1)</script>`,
	`data:image/svg+xml,<svg onload=alert(1)>`,
	`vbscript:msgbox(1)`,
	`{{.Site}}{{template "logo"}}`,
	`%s%d%!(EXTRA)`,
	`&lt;script&gt;&#60;b&#62;`,
	"\u202egnp.exe\u2066\u200f",
	"تسجيل الدخول עברית",
	"nul\x00byte",
	"bad utf-8 \xff\xfe<script>",
	strings.Repeat("N", 300),
	strings.Repeat("long name ", 30),
}

// skeleton is what a browser makes of the page, without the values: the tree of
// elements and the names of their attributes.
func skeleton(doc *html.Node) []string {
	var out []string
	for _, n := range elements(doc) {
		line := n.Data
		for a := n.Parent; a != nil; a = a.Parent {
			line = " " + line
		}
		for _, a := range n.Attr {
			line += " " + a.Key
		}
		out = append(out, line)
	}
	return out
}

// Threat 67: whatever a person, a provider or a link puts into a value, the page
// keeps the shape that it has with harmless letters.
func TestHostileValuesChangeNothing(t *testing.T) {
	p := newPages(t, Site{})
	for name, page := range bare() {
		for _, value := range hostile {
			_, doc := render(t, p, filled(page, value))
			_, tame := render(t, p, filled(page, strings.Repeat("x", len(value))))
			if diff := cmp.Diff(skeleton(tame), skeleton(doc)); diff != "" {
				t.Errorf("%s with %q: the page changes its shape (-harmless +hostile):\n%s", name, value, diff)
			}
			for _, n := range elements(doc) {
				for _, a := range n.Attr {
					if a.Key == "href" || a.Key == "src" || a.Key == "action" {
						checkScheme(t, name, value, a.Val)
					}
				}
			}
		}
	}
}

// checkScheme fails when a browser would run the link or show it as a page.
func checkScheme(t *testing.T, page, value, link string) {
	t.Helper()
	if strings.HasPrefix(link, svgDataPrefix) {
		return
	}
	bare := strings.Map(func(r rune) rune { // browsers drop these anywhere in a URL
		if r == '\t' || r == '\n' || r == '\r' {
			return -1
		}
		return r
	}, strings.TrimLeft(link, "\x00\t\n\r "))
	u, err := url.Parse(bare)
	if err == nil && u.Scheme != "" && u.Scheme != "http" && u.Scheme != "https" {
		t.Errorf("%s with %q: a link became %q", page, value, link)
	}
}

func TestHostileValuesAreStillShown(t *testing.T) {
	p := newPages(t, Site{})
	for _, name := range []string{"login", "account", "logout_confirm", "error", "demo"} {
		for _, value := range hostile {
			if strings.Contains(value, "\x00") || !strings.Contains(strings.ToValidUTF8(value, ""), value) {
				continue // a parser replaces those bytes
			}
			_, doc := render(t, p, filled(bare()[name], value))
			if !strings.Contains(text(named(doc, "main")[0]), value) {
				t.Errorf("%s: %q is not shown as it is written", name, value)
			}
		}
	}
}

// A right-to-left name must not reorder the words around it.
func TestForeignTextIsIsolated(t *testing.T) {
	p := newPages(t, Site{})
	const name = "\u202eevil"
	for page, value := range bare() {
		_, doc := render(t, p, filled(value, name))
		for d := range doc.Descendants() {
			if d.Type != html.TextNode || !strings.Contains(d.Data, name) || d.Parent.Data == "title" {
				continue
			}
			isolated := false
			for n := d.Parent; n != nil && !isolated; n = n.Parent {
				isolated = n.Data == "bdi" || attr(n, "dir") == "auto" || n.Data == "code" || n.Data == "button" || n.Data == "a"
			}
			if !isolated {
				t.Errorf("%s: %q in <%s> is not isolated (bdi or dir=auto)", page, d.Data, d.Parent.Data)
			}
		}
	}
}
