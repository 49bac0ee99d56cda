package web

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestErrorPage(t *testing.T) {
	_, doc := render(t, newPages(t, Site{}), ordinary(t)["error"])
	want := "GitHub did not answer Please try again. Try GitHub again Back to the start Error 502 · Incident k3v9-q7xm"
	if got := visible(doc); got != want {
		t.Errorf("page says\n %q, want\n %q", got, want)
	}
	var alerts int
	for _, n := range elements(doc) {
		if attr(n, "role") == "alert" {
			alerts++
			if len(named(n, "h1")) != 1 || len(named(n, "a")) != 0 {
				t.Error("the alert must hold the heading and no buttons")
			}
		}
	}
	if alerts != 1 {
		t.Errorf("%d alerts, want 1", alerts)
	}
	links := named(doc, "a")
	if len(links) != 2 || attr(links[0], "href") != "/auth/oauth/github" || attr(links[1], "href") != "/" {
		t.Errorf("%d links, want retry and home", len(links))
	}
	if got := text(byID(t, doc, "incident")); got != "k3v9-q7xm" {
		t.Errorf("incident to copy is %q: nothing else may stand in that element", got)
	}
}

// Threat 107: the page says what the host gave it and nothing of its own accord.
func TestErrorPageSaysNothingElse(t *testing.T) {
	p := newPages(t, Site{})
	_, doc := render(t, p, Error{})
	if got, want := visible(doc), english.SomethingWrong+" "+english.SomethingWrongHint; got != want {
		t.Errorf("an empty error says %q, want %q", got, want)
	}
	source, _ := render(t, p, ordinary(t)["error"])
	for _, word := range []string{"go1.", "html/template", "goroutine", ".go:", "fiber", "version", "generator", "/tmp", "/usr"} {
		if strings.Contains(strings.ToLower(source), word) {
			t.Errorf("the page mentions %q", word)
		}
	}
}

func TestErrorPageParts(t *testing.T) {
	p := newPages(t, Site{})
	head := english.SomethingWrong + " " + english.SomethingWrongHint
	for want, page := range map[string]Error{
		head + " Try again":                  {RetryHref: "/x"},
		head + " Back to the start":          {Home: "/"},
		head + " Error 404":                  {Status: 404},
		head + " Incident i1":                {Incident: "i1"},
		head + " Again! Incident i1":         {RetryHref: "/x", RetryLabel: "Again!", Incident: "i1"},
		"Gone " + english.SomethingWrongHint: {Heading: "Gone"},
	} {
		_, doc := render(t, p, page)
		if got := visible(doc); got != want {
			t.Errorf("%+v says %q, want %q", page, got, want)
		}
	}
	_, doc := render(t, p, Error{Heading: "Gone"})
	if got := text(named(doc, "title")[0]); got != "Gone · authd" {
		t.Errorf("title = %q", got)
	}
}

func TestFormPostCarriesItsFields(t *testing.T) {
	values := [][2]string{{"code", "a b&c=d\"<>"}, {"state", "é\n\"'"}, {"iss", "https://auth.example.com"}}
	_, doc := render(t, newPages(t, Site{}), FormPost{Action: "https://app.example.com/cb?x=1&y=2", Values: values})
	form := named(doc, "form")[0]
	if got := attr(form, "action"); got != "https://app.example.com/cb?x=1&y=2" || attr(form, "method") != "post" {
		t.Errorf("form is %q to %q", attr(form, "method"), got)
	}
	var got [][2]string
	for _, n := range named(form, "input") {
		if attr(n, "type") != "hidden" {
			t.Errorf("field %q is not hidden", attr(n, "name"))
		}
		got = append(got, [2]string{attr(n, "name"), attr(n, "value")})
	}
	if diff := cmp.Diff(values, got); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	if n := len(named(form, "button")); n != 1 {
		t.Errorf("%d buttons; without script the person must press one", n)
	}
}

func TestFormPostNeverRunsItsAction(t *testing.T) {
	for _, action := range []string{"javascript:alert(1)", "data:text/html,x", "vbscript:x", "myapp:callback"} {
		_, doc := render(t, newPages(t, Site{}), FormPost{Action: action})
		if got := attr(named(doc, "form")[0], "action"); got != "#ZgotmplZ" {
			t.Errorf("action %q became %q", action, got)
		}
	}
}

func TestDemoShowsTheHeaders(t *testing.T) {
	long := strings.Repeat("eyJh", 100)
	_, doc := render(t, newPages(t, Site{}), ordinary(t)["demo"])
	if got := text(named(doc, "h1")[0]); got != "Hello, Ada" {
		t.Errorf("heading = %q", got)
	}
	var got [][2]string
	for _, tr := range named(named(doc, "tbody")[0], "tr") {
		got = append(got, [2]string{text(named(tr, "th")[0]), text(named(tr, "td")[0])})
	}
	want := [][2]string{
		{"X-Auth-Request-User", "ada"},
		{"X-Auth-Request-Groups", "empty"},
		{"X-Auth-Request-Jwt", english.ShowValue + long},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if n := len(named(doc, "details")); n != 1 {
		t.Errorf("%d values are folded away, want the long one", n)
	}
	var links []string
	for _, a := range named(doc, "a") {
		links = append(links, text(a)+" "+attr(a, "href"))
	}
	if diff := cmp.Diff([]string{"Your account /", "Sign out /auth/logout"}, links); diff != "" {
		t.Errorf("links (-want +got):\n%s", diff)
	}
}
