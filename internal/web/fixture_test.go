package web

import (
	"bytes"
	"html/template"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// noon is the time at which all pages of the tests are rendered.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func newPages(t *testing.T, site Site) *Pages {
	t.Helper()
	p, err := New(site)
	if err != nil {
		t.Fatalf("New(%+v): %v", site, err)
	}
	p.now = func() time.Time { return noon }
	return p
}

// render returns the page as text and as a parsed document.
func render(t *testing.T, p *Pages, page Page) (string, *html.Node) {
	t.Helper()
	var b bytes.Buffer
	if err := p.Render(&b, page); err != nil {
		t.Fatalf("Render(%T): %v", page, err)
	}
	doc, err := html.Parse(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatalf("parse %T: %v", page, err)
	}
	return b.String(), doc
}

func githubIcon(t *testing.T) template.URL {
	t.Helper()
	svg, ok := Icon("github")
	if !ok {
		t.Fatal("no mark for github")
	}
	uri, err := IconDataURI(svg)
	if err != nil {
		t.Fatal(err)
	}
	return uri
}

// ordinary holds one page of each kind as the host would fill it.
func ordinary(t *testing.T) map[string]Page {
	icon := githubIcon(t)
	return map[string]Page{
		"login": Login{
			Providers: []LoginButton{
				{ID: "github", Label: "GitHub", Href: "/auth/oauth/github?return_to=%2Fapp", Icon: icon},
				{ID: "acme", Label: "Acme", Href: "/auth/oauth/acme"},
			},
			Passwords: []PasswordForm{{ID: "users", Label: "Staff", Action: "/auth/password/users", UsernameHint: "ada"}},
			Out:       []OutProvider{{ID: "gitlab", Label: "GitLab"}},
			Notice:    "You are signed out.",
			Error:     "That did not match.",
			ReturnTo:  "/app",
		},
		"account": Account{
			Name: "Ada Lovelace", Identifier: "ada", Email: "ada@example.org", EmailVerified: true,
			Provider: "github", ProviderLabel: "GitHub", Groups: []string{"admins", "engine"},
			SignedInAt: noon.Add(-time.Hour), ExpiresAt: noon.Add(24 * time.Hour), LogoutAction: "/auth/logout",
			Sessions: []AccountSession{
				{Handle: "a1", Browser: "Firefox on Linux", Address: "203.0.113.7", CreatedAt: noon.Add(-time.Hour), LastSeen: noon, Current: true, RevokeAction: "/auth/sessions/a1"},
				{Handle: "b2", Address: "2001:db8::1", CreatedAt: noon.Add(-50 * time.Hour), LastSeen: noon.Add(-5 * time.Minute), RevokeAction: "/auth/sessions/b2"},
			},
		},
		"logout_confirm": LogoutConfirm{Name: "Ada", Provider: "GitHub", Action: "/auth/logout", ReturnTo: "/bye"},
		"signed_out":     SignedOut{LoginHref: "/auth/login?return_to=%2Fapp"},
		"error": Error{
			Status: 502, Heading: "GitHub did not answer", Message: "Please try again.", Incident: "k3v9-q7xm",
			RetryHref: "/auth/oauth/github", RetryLabel: "Try GitHub again", Home: "/",
		},
		"form_post": FormPost{Action: "/oauth2callback", Values: [][2]string{{"code", "c0de"}, {"state", "st4te"}}},
		"demo": Demo{Name: "Ada", AccountHref: "/", LogoutHref: "/auth/logout", Headers: []Header{
			{"X-Auth-Request-User", "ada"}, {"X-Auth-Request-Groups", ""}, {"X-Auth-Request-Jwt", strings.Repeat("eyJh", 100)},
		}},
	}
}

// bare holds one page of each kind with nothing in it.
func bare() map[string]Page {
	return map[string]Page{
		"login": Login{}, "account": Account{}, "logout_confirm": LogoutConfirm{}, "signed_out": SignedOut{},
		"error": Error{}, "form_post": FormPost{}, "demo": Demo{},
	}
}

// filled returns a page of the type of page with value in every string, two
// elements in every slice, true in every bool.
func filled(page Page, value string) Page {
	v := reflect.New(reflect.TypeOf(page)).Elem()
	fill(v, value)
	return v.Interface().(Page)
}

func fill(v reflect.Value, value string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(value)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int:
		v.SetInt(500)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), value)
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), value)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(noon))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i), value)
		}
	}
}

// elements returns all elements of the document in order.
func elements(doc *html.Node) []*html.Node {
	var out []*html.Node
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode {
			out = append(out, n)
		}
	}
	return out
}

// named returns all elements with that tag name.
func named(doc *html.Node, tag string) []*html.Node {
	var out []*html.Node
	for _, n := range elements(doc) {
		if n.Data == tag {
			out = append(out, n)
		}
	}
	return out
}

// attr returns an attribute's value, "" when it is absent.
func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// text returns everything written inside n.
func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

// byID returns the element with that id, or fails the test.
func byID(t *testing.T, doc *html.Node, id string) *html.Node {
	t.Helper()
	for _, n := range elements(doc) {
		if attr(n, "id") == id {
			return n
		}
	}
	t.Fatalf("no element with id %q", id)
	return nil
}
