package devidp

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The three people differ in what tests need: verified or not, public or not, groups.
func TestDefaultUsers(t *testing.T) {
	users := DefaultUsers()
	if len(users) != 3 {
		t.Fatalf("%d users", len(users))
	}
	seen := map[string]bool{}
	for _, u := range users {
		for _, value := range []string{u.Sub, u.Username, u.Email, fmt.Sprint(u.GitHubID)} {
			if value == "" || seen[value] {
				t.Errorf("%s: %q is empty or not unique", u.Username, value)
			}
			seen[value] = true
		}
		if contains(u.Sub, "@") || len(u.Groups) == 0 || u.Password != u.Username+"-password" {
			t.Errorf("user %+v", u)
		}
		if !strings.HasSuffix(u.Email, "@example.org") && !strings.HasSuffix(u.Email, "@example.net") {
			t.Errorf("%s is no made-up address", u.Email)
		}
	}
	if !users[0].EmailVerified || users[2].EmailVerified || !users[2].EmailPrivate {
		t.Error("ada's address is to be verified, linus's neither verified nor public")
	}
	users[0].Username = "changed"
	if DefaultUsers()[0].Username != "ada" {
		t.Error("DefaultUsers gave out its own memory")
	}
}

func TestSetUser(t *testing.T) {
	s := start(t, Options{})
	for name, u := range map[string]User{
		"no sub":          {Username: "x"},
		"no username":     {Sub: "x"},
		"long sub":        {Sub: strings.Repeat("s", 256), Username: "x"},
		"ada's user name": {Sub: "x", Username: "ada"},
	} {
		if err := s.SetUser(u); err == nil {
			t.Errorf("%s: SetUser took it", name)
		}
	}
	groups := []string{"one"}
	if err := s.SetUser(User{Sub: "new", Username: "newcomer", Groups: groups, Claims: map[string]any{"a": 1}}); err != nil {
		t.Fatal(err)
	}
	groups[0] = "changed outside"
	got, ok := s.User("newcomer")
	if !ok || got.Groups[0] != "one" {
		t.Errorf("User = %+v, %v", got, ok)
	}
	if bySub, ok := s.User("new"); !ok || bySub.Username != "newcomer" {
		t.Errorf("User by sub: %+v, %v", bySub, ok)
	}
	if _, ok := s.User(""); ok {
		t.Error("nobody has a name")
	}
	if got := authorizeAs(t, s.NewBrowser(), "newcomer", authURL(s, nil)); got.Get("code") == "" {
		t.Errorf("the newcomer cannot sign in: %v", got)
	}
}

// Whatever people and clients are called, it is text on the pages.
func TestPagesEscape(t *testing.T) {
	const nasty = `"><script>alert(1)</script>`
	s := start(t, Options{
		Users:   []User{{Sub: "nasty-" + nasty, Username: "nasty", Name: nasty, Email: nasty, Groups: []string{nasty}}},
		Clients: []Client{{ID: nasty, Secret: "x"}},
	})
	for name, target := range map[string]string{
		"login":  authURL(s, with{"client_id": nasty, "scope": "openid " + nasty}),
		"error":  authURL(s, with{"client_id": nasty, "redirect_uri": "http://attacker.example/" + nasty}),
		"home":   s.URL() + "/",
		"avatar": s.URL() + "/-/avatar/nasty",
	} {
		page := string(get(t, target).raw)
		if contains(page, "<script>alert") || page == "" {
			t.Errorf("%s:\n%s", name, page)
		}
	}
	b := s.NewBrowser()
	got := authorizeAs(t, b, "nasty", authURL(s, with{"client_id": nasty}))
	if got.Get("code") == "" {
		t.Errorf("nasty cannot sign in: %v", got)
	}
	p, err := b.get(t.Context(), logoutURL(s, url.Values{}))
	if err != nil || contains(p.body, "<script>alert") || p.interaction() == "" {
		t.Errorf("logout page: %v\n%s", err, p.body)
	}
	form, err := b.get(t.Context(), authURL(s, with{"client_id": nasty, "response_mode": "form_post", "state": nasty}))
	if err != nil || contains(form.body, "<script>alert") {
		t.Errorf("form post page: %v\n%s", err, form.body)
	}
}

func TestInitials(t *testing.T) {
	for _, tt := range []struct {
		u    User
		want string
	}{
		{User{Name: "Ada Quillfeather"}, "AQ"},
		{User{Name: "élodie van der berg"}, "ÉV"},
		{User{Username: "solo"}, "S"},
		{User{}, ""},
	} {
		if got := initials(tt.u); got != tt.want {
			t.Errorf("initials(%q) = %q, want %q", tt.u.Name, got, tt.want)
		}
	}
	if diff := cmp.Diff(person{Sub: "s", Name: "solo", Detail: "a, b", Initials: "S", Colour: 1}, personOf(User{Sub: "s", Username: "solo", Groups: []string{"a", "b"}}, 7, false)); diff != "" {
		t.Errorf("personOf (-want +got):\n%s", diff)
	}
}

// A session cookie counts in its own realm alone, under whatever name it is sent.
func TestCookieOfAnotherRealm(t *testing.T) {
	s := start(t, Options{AutoLogin: "ada"})
	set := get(t, authURL(s, nil)).header.Get("Set-Cookie")
	pair, _, _ := strings.Cut(set, ";")
	name, value, _ := strings.Cut(pair, "=")
	if err := s.SetAutoLogin(""); err != nil {
		t.Fatal(err)
	}
	realm := "keycloak|/realms/one"
	send := func(name, target string) reply {
		t.Helper()
		return get(t, target, func(r *http.Request) { r.AddCookie(&http.Cookie{Name: name, Value: value}) })
	}
	if r := send(name, authURL(s, nil)); r.status != http.StatusSeeOther {
		t.Fatalf("the cookie does not count at home: %d", r.status)
	}
	at := s.URL() + "/realms/one/protocol/openid-connect/auth?" + authParams(nil).Encode()
	if r := send(s.cookieName(realm), at); r.status != http.StatusOK {
		t.Errorf("the cookie counts in another realm: %d", r.status)
	}
	// max_age=0 means: now, not a moment ago (OpenID Connect Core 3.1.2.1).
	if r := send(name, authURL(s, with{"max_age": "0"})); r.status != http.StatusOK {
		t.Errorf("max_age=0: %d, want the page", r.status)
	}
}

// With a clock that stands still, max_age=0 asks all the same.
func TestMaxAgeZero(t *testing.T) {
	clk := newClock()
	s := start(t, Options{Now: clk.Now})
	b := s.NewBrowser()
	authorizeAs(t, b, "ada", authURL(s, nil))
	for age, asked := range map[string]bool{"0": true, "1": false} {
		p, err := b.get(t.Context(), authURL(s, with{"max_age": age}))
		if err != nil {
			t.Fatal(err)
		}
		if got := p.interaction() != ""; got != asked {
			t.Errorf("max_age=%s: asked = %v, want %v", age, got, asked)
		}
	}
}

// Many people at once, with keys, users and faults changing under their feet.
func TestManyAtOnce(t *testing.T) {
	s := start(t, Options{})
	users := []string{"ada", "grace", "linus"}
	stop := make(chan struct{})
	var churn, logins sync.WaitGroup
	churn.Go(func() {
		u, _ := s.User("ada")
		for {
			select {
			case <-stop:
				return
			default:
			}
			s.Fault(EndpointIntrospect, Fault{Status: 500, Times: 1})
			if err := s.SetUser(u); err != nil {
				t.Errorf("SetUser: %v", err)
			}
			s.Requests(EndpointToken)
			s.Stats()
			s.SessionIDs(u.Sub)
			s.Clear()
		}
	})
	const each = 8
	for i := range each * len(users) {
		logins.Go(func() {
			who := users[i%len(users)]
			id, err := newStrictClient(t, s).login(who)
			want, _ := s.User(who)
			if err != nil || id.sub != want.Sub {
				t.Errorf("%s signed in as %+v: %v", who, id, err)
			}
		})
	}
	logins.Wait()
	close(stop)
	churn.Wait()
	if got := s.Stats(); got.Logins != each*len(users) || got.Tokens != got.Logins || got.CodesReused != 0 {
		t.Errorf("stats %+v, want %d logins", got, each*len(users))
	}
}

// Of many refreshes at once with one token, one wins, and the others end the family.
func TestRefreshRace(t *testing.T) {
	s := start(t, Options{RefreshAlways: true})
	token := text(t, tokens(t, s, nil), "refresh_token")
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "client_id": {"demo"}, "client_secret": {"demo-secret"}}
	const tries = 10
	answers := make([]reply, tries)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() {
			if r, err := try(request(t, http.MethodPost, s.EndpointURL(EndpointToken), form)); err == nil {
				answers[i] = r
			}
		})
	}
	wg.Wait()
	var next string
	for _, r := range answers {
		if r.status == http.StatusOK {
			if next != "" {
				t.Error("two refreshes won")
			}
			next = text(t, r.object(t), "refresh_token")
		}
	}
	if next == "" {
		t.Fatal("no refresh won")
	}
	refresh(t, s, next, nil).want(t, http.StatusBadRequest, "invalid_grant")
	if got := s.Stats().RefreshReused; got == 0 {
		t.Errorf("the reuse was not noticed: %d", got)
	}
}

func TestMethodsOfPages(t *testing.T) {
	s := start(t, Options{})
	for _, path := range []string{"/nowhere", "/-/nothing", "/realms/one/nowhere"} {
		if r := get(t, s.URL()+path); r.status != http.StatusNotFound {
			t.Errorf("GET %s: %d", path, r.status)
		}
	}
	head := do(t, request(t, http.MethodHead, s.EndpointURL(EndpointDiscovery), nil))
	if head.status != http.StatusOK || len(head.raw) != 0 || head.header.Get("Content-Length") == "" {
		t.Errorf("HEAD discovery: %d, %d bytes, %v", head.status, len(head.raw), head.header)
	}
}
