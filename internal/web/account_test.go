package web

import (
	"html/template"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"
)

func TestAccountFacts(t *testing.T) {
	_, doc := render(t, newPages(t, Site{ProductName: "Acme ID"}), ordinary(t)["account"])
	got := map[string]string{}
	for _, div := range named(named(doc, "dl")[0], "div") {
		got[text(named(div, "dt")[0])] = strings.TrimSpace(text(named(div, "dd")[0]))
	}
	want := map[string]string{
		"User name": "ada", "Signed in with": "GitHub", "Groups": "adminsengine",
		"Signed in": "21 Nov 2026, 11:00 UTC", "Session ends": "22 Nov 2026, 12:00 UTC",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
	if got := text(named(doc, "h1")[0]); got != "Ada Lovelace" {
		t.Errorf("heading = %q", got)
	}
	if got := visible(doc); !strings.HasPrefix(got, "Acme ID AL Ada Lovelace ada@example.org Verified Sign out") {
		t.Errorf("page begins %.90q", got)
	}
}

// A missing or false email_verified must never look like a verified address.
func TestAccountUnverifiedEmail(t *testing.T) {
	p := newPages(t, Site{})
	_, doc := render(t, p, Account{Email: "x@example.org"})
	if got := visible(doc); !strings.Contains(got, "x@example.org Not verified") {
		t.Errorf("page says %q", got)
	}
	_, doc = render(t, p, Account{Name: "x", EmailVerified: true})
	if got := visible(doc); strings.Contains(strings.ToLower(got), "verified") {
		t.Errorf("without an address the page says %q", got)
	}
}

func TestAccountSessions(t *testing.T) {
	_, doc := render(t, newPages(t, Site{}), ordinary(t)["account"])
	for id, want := range map[string]string{
		"session-a1": "Firefox on Linux This device Address 203.0.113.7 Last seen just now Since 21 Nov 2026, 11:00 UTC Sign out",
		"session-b2": "Unknown browser Address 2001:db8::1 Last seen 5 min ago Since 19 Nov 2026, 10:00 UTC Sign out",
	} {
		if got := words(byID(t, doc, id)); got != want {
			t.Errorf("%s:\n got %q\nwant %q", id, got, want)
		}
	}
	form := named(byID(t, doc, "session-b2"), "form")[0]
	if got := attr(form, "action"); got != "/auth/sessions/b2" {
		t.Errorf("revoke posts to %q", got)
	}
	if got := attr(named(form, "button")[0], "aria-label"); got != "Sign out Unknown browser" {
		t.Errorf("the button is called %q: buttons of several sessions must be told apart by ear", got)
	}
	_, doc = render(t, newPages(t, Site{}), Account{Name: "x", Sessions: []AccountSession{{Handle: "c3"}}})
	if n := len(named(byID(t, doc, "session-c3"), "form")); n != 0 {
		t.Errorf("a session without RevokeAction has %d forms", n)
	}
}

// words joins the texts inside n with single spaces, element by element.
func words(n *html.Node) string {
	var out []string
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			out = append(out, strings.Fields(d.Data)...)
		}
	}
	return strings.Join(out, " ")
}

func TestAccountNameFallsBack(t *testing.T) {
	for want, a := range map[string]Account{
		"Ada":             {Name: "Ada", Identifier: "ada", Email: "a@example.org", Provider: "github"},
		"ada":             {Identifier: "ada", Email: "a@example.org", Provider: "github"},
		"ada@example.org": {Email: "ada@example.org", Provider: "github"},
		"github":          {Provider: "github"},
		"Your account":    {},
	} {
		_, doc := render(t, newPages(t, Site{}), a)
		if got := text(named(doc, "h1")[0]); got != want {
			t.Errorf("%+v is called %q, want %q", a, got, want)
		}
	}
	if got := (Account{Provider: "corp"}).Through(); got != "corp" {
		t.Errorf("Through without a label = %q, want the id", got)
	}
}

func TestInitials(t *testing.T) {
	for _, c := range []struct {
		names []string
		want  string
	}{
		{[]string{"Ada Lovelace"}, "AL"},
		{[]string{"ada king of lovelace"}, "AL"},
		{[]string{"Ada"}, "A"},
		{[]string{"", "grace"}, "G"},
		{[]string{"!!!", "", "linus@example.org"}, "L"},
		{[]string{"", "", ""}, "?"},
		{nil, "?"},
		{[]string{"Łukasz Żak"}, "ŁŻ"},
		{[]string{"李 小龙"}, "李小"},
		{[]string{"e\u0301lise"}, "E"},
		{[]string{"<script> x"}, "SX"},
		{[]string{"\xff\xfe", "bob"}, "B"},
		{[]string{"\u0301"}, "?"},
	} {
		if got := initials(c.names...); got != c.want {
			t.Errorf("initials(%q) = %q, want %q", c.names, got, c.want)
		}
	}
}

func TestPictureComesOnlyWithThePage(t *testing.T) {
	const png = "data:image/png;base64,iVBORw0KGgo="
	for in, want := range map[string]template.URL{
		png:                                    png,
		"data:image/jpeg;base64,/9j+":          "data:image/jpeg;base64,/9j+",
		"":                                     "",
		"https://avatars.example/u/1":          "",
		"data:image/svg+xml;base64,PHN2Zy8+":   "",
		"data:text/html;base64,PHA+":           "",
		"data:image/png;base64,AA\" onerror=x": "",
		"data:image/png,raw":                   "",
		"data:image/png;base64," + strings.Repeat("A", maxPicture): "",
	} {
		if got := picture(in); got != want {
			t.Errorf("picture(%.50q) = %.50q, want %.50q", in, got, want)
		}
	}
	p := newPages(t, Site{})
	_, doc := render(t, p, Account{Name: "Ada", Picture: png})
	if img := named(named(doc, "main")[0], "img"); len(img) != 1 || attr(img[0], "src") != png {
		t.Errorf("%d pictures, want the one in the page", len(img))
	}
	_, doc = render(t, p, Account{Name: "Ada", Picture: "https://avatars.example/u/1"})
	if img := named(named(doc, "main")[0], "img"); len(img) != 0 {
		t.Errorf("a picture from elsewhere is asked for: %q", attr(img[0], "src"))
	}
}

func TestAgo(t *testing.T) {
	p := newPages(t, Site{})
	for _, c := range []struct {
		before time.Duration
		want   string
	}{
		{-time.Hour, "just now"}, // a clock ahead of ours
		{0, "just now"},
		{59 * time.Second, "just now"},
		{time.Minute, "1 min ago"},
		{59*time.Minute + 59*time.Second, "59 min ago"},
		{time.Hour, "1 h ago"},
		{23*time.Hour + 59*time.Minute, "23 h ago"},
		{24 * time.Hour, "20 Nov 2026, 12:00 UTC"},
		{400 * 24 * time.Hour, "17 Oct 2025, 12:00 UTC"},
	} {
		if got := p.ago(noon.Add(-c.before)); got != c.want {
			t.Errorf("%v before now is %q, want %q", c.before, got, c.want)
		}
	}
}

func TestTimesAreUTC(t *testing.T) {
	zone := time.FixedZone("X", 3*3600)
	_, doc := render(t, newPages(t, Site{}), Account{Name: "x", SignedInAt: noon.In(zone)})
	n := named(doc, "time")
	if len(n) != 1 || text(n[0]) != "21 Nov 2026, 12:00 UTC" || attr(n[0], "datetime") != "2026-11-21T12:00:00Z" {
		t.Errorf("%d times; first %q (%s)", len(n), text(n[0]), attr(n[0], "datetime"))
	}
}
