package web

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"
)

func TestLoginShowsEveryWayIn(t *testing.T) {
	_, doc := render(t, newPages(t, Site{Title: "Welcome to Acme", ProductName: "Acme"}), ordinary(t)["login"])
	if got := text(named(doc, "h1")[0]); got != "Welcome to Acme" {
		t.Errorf("heading = %q", got)
	}
	if got := text(named(doc, "title")[0]); got != "Welcome to Acme · Acme" {
		t.Errorf("title = %q", got)
	}
	button := byID(t, doc, "provider-github")
	if got, want := attr(button, "href"), "/auth/oauth/github?return_to=%2Fapp"; button.Data != "a" || got != want {
		t.Errorf("GitHub is <%s href=%q>, want a link to %q: links need no script and no form-action", button.Data, got, want)
	}
	if got := text(button); got != "Continue with GitHub" {
		t.Errorf("GitHub's button says %q", got)
	}
	if got, want := attr(named(button, "img")[0], "src"), string(githubIcon(t)); got != want {
		t.Errorf("GitHub's icon is %.60q, want %.60q", got, want)
	}
	out := byID(t, doc, "provider-gitlab")
	if got := text(out); out.Data == "a" || len(named(out, "a")) > 0 || got != "GitLab "+english.Unavailable {
		t.Errorf("the provider that is down is <%s> %q, want its name, the reason and no link", out.Data, got)
	}
}

func TestLoginPasswordForm(t *testing.T) {
	_, doc := render(t, newPages(t, Site{}), ordinary(t)["login"])
	form := byID(t, doc, "provider-users")
	if got := attr(form, "action"); got != "/auth/password/users" {
		t.Errorf("action = %q", got)
	}
	type field struct{ Name, Type, Value, Autocomplete string }
	var got []field
	for _, n := range named(form, "input") {
		got = append(got, field{attr(n, "name"), attr(n, "type"), attr(n, "value"), attr(n, "autocomplete")})
	}
	want := []field{
		{"return_to", "hidden", "/app", ""},
		{"username", "text", "ada", "username"},
		{"password", "password", "", "current-password"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	isFocus := func(a html.Attribute) bool { return a.Key == "autofocus" }
	if password := named(form, "input")[2]; !slices.ContainsFunc(password.Attr, isFocus) {
		t.Error("with the user name filled in, the password is not what is typed next")
	}
}

// A form that is not for passwords that matter says so, to those who can't see it too.
func TestLoginFormForDevelopment(t *testing.T) {
	page := Login{Passwords: []PasswordForm{{ID: "test", Label: "Test account", Development: true}, {ID: "staff", Label: "Staff"}}}
	_, doc := render(t, newPages(t, Site{}), page)
	if got := text(byID(t, doc, "note-test")); got != english.Development || !strings.Contains(got, "For development only") {
		t.Errorf("the form says %q, want %q", got, english.Development)
	}
	if got := attr(byID(t, doc, "password-test"), "aria-describedby"); got != "note-test" {
		t.Errorf("the password field is described by %q", got)
	}
	staff := byID(t, doc, "provider-staff")
	if strings.Contains(text(staff), "development") || attr(byID(t, doc, "password-staff"), "aria-describedby") != "" {
		t.Errorf("the form that is meant for people is marked: %q", text(staff))
	}
}

func TestLoginFormKeepsItsOwnTarget(t *testing.T) {
	page := Login{ReturnTo: "/page", Passwords: []PasswordForm{{ID: "a", ReturnTo: "/own"}, {ID: "b"}}}
	_, doc := render(t, newPages(t, Site{}), page)
	for id, want := range map[string]string{"provider-a": "/own", "provider-b": "/page"} {
		if got := attr(named(byID(t, doc, id), "input")[0], "value"); got != want {
			t.Errorf("%s returns to %q, want %q", id, got, want)
		}
	}
}

func TestLoginMessages(t *testing.T) {
	p := newPages(t, Site{})
	roles := func(page Login) map[string]string {
		_, doc := render(t, p, page)
		got := map[string]string{}
		for _, n := range elements(doc) {
			if r := attr(n, "role"); r != "" {
				got[r] = strings.TrimSpace(text(n))
			}
		}
		return got
	}
	full := ordinary(t)["login"].(Login)
	want := map[string]string{"alert": "Error: That did not match.", "status": "You are signed out."}
	if diff := cmp.Diff(want, roles(full)); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	full.Error, full.Notice = "", ""
	if got := roles(full); len(got) != 0 {
		t.Errorf("a page without messages has %v", got)
	}
}

func TestLoginWithNothingToOffer(t *testing.T) {
	p := newPages(t, Site{})
	out := []OutProvider{{ID: "x", Label: "X"}}
	for want, page := range map[string]Login{english.NothingHere: {}, english.AllOut: {Out: out}} {
		if source, _ := render(t, p, page); !strings.Contains(source, want) {
			t.Errorf("%+v does not say %q", page, want)
		}
	}
	if source, _ := render(t, p, ordinary(t)["login"]); strings.Contains(source, english.NothingHere) || strings.Contains(source, english.AllOut) {
		t.Error("a page with choices says that there are none")
	}
}

func TestLoginStressesASingleChoiceOnly(t *testing.T) {
	p := newPages(t, Site{})
	one := LoginButton{ID: "one", Label: "One", Href: "/1"}
	two := LoginButton{ID: "two", Label: "Two", Href: "/2"}
	form := PasswordForm{ID: "users", Label: "Users", Action: "/p"}
	for _, c := range []struct {
		page Login
		want bool
	}{
		{Login{Providers: []LoginButton{one}}, true},
		{Login{Providers: []LoginButton{one}, Out: []OutProvider{{ID: "x"}}}, true},
		{Login{Providers: []LoginButton{one, two}}, false},
		{Login{Providers: []LoginButton{one}, Passwords: []PasswordForm{form}}, false},
	} {
		_, doc := render(t, p, c.page)
		if got := slices.Contains(strings.Fields(attr(byID(t, doc, "provider-one"), "class")), "primary"); got != c.want {
			t.Errorf("%d buttons, %d forms: primary = %v, want %v", len(c.page.Providers), len(c.page.Passwords), got, c.want)
		}
	}
}

// An icon that is not an SVG data URI would be a request to whoever it names.
func TestLoginIconIsNeverAnAddress(t *testing.T) {
	p := newPages(t, Site{})
	key, err := iconOrKey("")
	if err != nil {
		t.Fatal(err)
	}
	for _, icon := range []string{"", "https://tracker.example/x.svg", "//tracker.example", "javascript:alert(1)", "data:text/html;base64,PHA+"} {
		button := filled(Login{}, icon).(Login).Providers[0]
		_, doc := render(t, p, Login{Providers: []LoginButton{{ID: "x", Label: "X", Href: "/x", Icon: button.Icon}}})
		if got := attr(named(byID(t, doc, "provider-x"), "img")[0], "src"); got != string(key) {
			t.Errorf("icon %q is shown as %.60q, want the neutral key", icon, got)
		}
	}
}

// Threat 72: leaving takes a POST.
func TestLogoutConfirm(t *testing.T) {
	p := newPages(t, Site{})
	_, doc := render(t, p, ordinary(t)["logout_confirm"])
	form := named(doc, "form")[0]
	if attr(form, "method") != "post" || attr(form, "action") != "/auth/logout" {
		t.Errorf("form is %q to %q, want a post to /auth/logout", attr(form, "method"), attr(form, "action"))
	}
	if in := named(form, "input"); len(in) != 1 || attr(in[0], "name") != "return_to" || attr(in[0], "value") != "/bye" {
		t.Errorf("%d hidden fields, want return_to=/bye", len(in))
	}
	if got := attr(named(form, "a")[0], "href"); got != "/" {
		t.Errorf("staying leads to %q, want /", got)
	}
	for want, page := range map[string]LogoutConfirm{
		"You are signed in as Ada with GitHub.": {Name: "Ada", Provider: "GitHub"},
		"You are signed in as Ada.":             {Name: "Ada"},
	} {
		if source, _ := render(t, p, page); !strings.Contains(source, want) {
			t.Errorf("%+v does not say %q", page, want)
		}
	}
	_, doc = render(t, p, LogoutConfirm{Provider: "GitHub"})
	if got := text(doc); strings.Contains(got, "signed in as") || len(named(doc, "input")) != 0 {
		t.Errorf("without a name the page says %q", got)
	}
}

func TestSignedOutLeadsBack(t *testing.T) {
	p := newPages(t, Site{})
	for href, want := range map[string]string{"": "/auth/login", "/auth/login?return_to=%2Fapp": "/auth/login?return_to=%2Fapp"} {
		_, doc := render(t, p, SignedOut{LoginHref: href})
		if got := attr(named(doc, "a")[0], "href"); got != want {
			t.Errorf("LoginHref %q leads to %q, want %q", href, got, want)
		}
	}
}

func TestSignedOutSaysWhere(t *testing.T) {
	p := newPages(t, Site{})
	for atProvider, want := range map[bool]string{false: "you may still be signed in at the provider", true: "and at the provider you used"} {
		_, doc := render(t, p, SignedOut{AtProvider: atProvider})
		if !strings.Contains(text(doc), want) {
			t.Errorf("AtProvider %v: the page lacks %q", atProvider, want)
		}
	}
}

// visible returns the words of a page with single spaces.
func visible(doc *html.Node) string {
	return strings.Join(strings.Fields(text(named(doc, "body")[0])), " ")
}
