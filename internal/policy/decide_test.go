package policy

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/authd/authd/internal/identity"
)

func apps(t testing.TB, all ...App) *Apps {
	t.Helper()
	made, err := NewApps(all)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// shop is an app with a rule of every kind.
func shop() App {
	return App{Host: "shop.example.com", Rules: []AppRule{
		{Path: "/public/*", Public: true},
		{Path: "/*", Methods: []string{"OPTIONS"}, Public: true},
		{Path: "/admin/*", Allow: `"admins" in user.groups`},
		{Path: "/items/*", Methods: []string{"GET"}},
		{Path: "/items/*", Allow: `"staff" in user.groups && request.method in ["POST", "PUT"]`},
		{Path: "/home/*", Allow: `request.path.startsWith("/home/" + user.identifier + "/")`},
		{Path: "/open", Public: true},
	}}
}

func bob() *identity.User {
	return &identity.User{Subject: "b", Identifier: "bob", Provider: "github", Groups: []string{"guests"}}
}

func TestDecide(t *testing.T) {
	all := apps(t, shop())
	people := map[string]*Person{"guest": nil, "ada": NewPerson(ada()), "bob": NewPerson(bob())}
	for _, test := range []struct {
		who, method, path string
		want              Verdict
		rule              int
	}{
		{"guest", "GET", "/public/x", Allow, 0},
		{"bob", "DELETE", "/public/x", Allow, 0},
		{"guest", "GET", "/public", NeedLogin, -1},
		{"guest", "GET", "/publicx", NeedLogin, -1},
		{"guest", "GET", "/%70ublic/x?y", Allow, 0},
		{"guest", "GET", "/x?/public/x", NeedLogin, -1},
		{"guest", "GET", "/Public/x", NeedLogin, -1},
		{"guest", "GET", "/open", Allow, 6},
		{"guest", "GET", "/open/", NeedLogin, -1},
		{"guest", "GET", "/", NeedLogin, -1},
		{"bob", "GET", "/", Allow, -1},
		{"guest", "GET", "/admin/x", NeedLogin, 2},
		{"bob", "GET", "/admin/x", Deny, 2},
		{"ada", "GET", "/admin/x", Allow, 2},
		{"bob", "GET", "/%61dmin/x", Deny, 2},
		// Threat 90: HEAD counts as GET, and OPTIONS is open where a rule says so.
		{"bob", "GET", "/items/1", Allow, 3},
		{"bob", "HEAD", "/items/1", Allow, 3},
		{"bob", "POST", "/items/1", Deny, 4},
		{"ada", "POST", "/items/1", Allow, 4},
		{"ada", "DELETE", "/items/1", Deny, 4},
		{"guest", "OPTIONS", "/admin/x", Allow, 1},
		{"guest", "HEAD", "/admin/x", NeedLogin, 2},
		{"ada", "GET", "/home/ada/x", Allow, 5},
		{"bob", "GET", "/home/ada/x", Deny, 5},
		{"bob", "GET", "/home/%62ob/x", Allow, 5},
	} {
		d := all.Decide(context.Background(), Request{Host: "shop.example.com", Path: test.path, Method: test.method}, people[test.who])
		if d.Verdict != test.want || d.Rule != test.rule || d.Ambiguous || d.App == nil || d.App.Host != "shop.example.com" {
			t.Errorf("%s %s %s: %+v, want %v by rule %d", test.who, test.method, test.path, d, test.want, test.rule)
		}
		if (d.Verdict == Deny) != errors.Is(d.Reason, ErrDenied) || d.Public != (d.Verdict == Allow && d.Rule >= 0 && d.App.Rules[d.Rule].Public) {
			t.Errorf("%s %s %s: reason %v, public %v", test.who, test.method, test.path, d.Reason, d.Public)
		}
	}
}

func TestReasonNamesTheRule(t *testing.T) {
	all := apps(t, shop())
	for path, want := range map[string]string{
		"/admin/x":   "denied by rule 2 of app shop.example.com",
		"/admin//x":  "denied by rule 2 of app shop.example.com; the request is ambiguous (it holds //), so every rule of the app counts",
		"/home/xy/z": "denied by rule 5 of app shop.example.com",
	} {
		d := all.Decide(context.Background(), Request{Host: "shop.example.com", Path: path, Method: "GET"}, NewPerson(bob()))
		if d.Reason == nil || d.Reason.Error() != want {
			t.Errorf("%s: %v, want %q", path, d.Reason, want)
		}
	}
}

// Threat 89: whoever meets every rule may pass in spite of doubt; a rule that needs what is in doubt denies.
func TestAmbiguousMustMeetEveryRule(t *testing.T) {
	for name, test := range map[string]struct {
		rules []AppRule
		want  Verdict
		rule  int
	}{
		"no rules":           {nil, Allow, -1},
		"public alone":       {[]AppRule{{Path: "/*", Public: true}}, Allow, -1},
		"signed in":          {[]AppRule{{Path: "/admin/*"}}, Allow, -1},
		"met":                {[]AppRule{{Path: "/x", Allow: `"staff" in user.groups`}, {Path: "/y", Allow: `true`}}, Allow, -1},
		"one not met":        {[]AppRule{{Path: "/x", Allow: `true`}, {Path: "/other/*", Allow: `false`}}, Deny, 1},
		"of another method":  {[]AppRule{{Path: "/x", Methods: []string{"PUT"}, Allow: `false`}}, Deny, 0},
		"needs the path":     {[]AppRule{{Path: "/x", Allow: `request.path != "/admin"`}}, Deny, 0},
		"needs the method":   {[]AppRule{{Path: "/x", Allow: `request.method == "GET"`}}, Deny, 0},
		"true for any path":  {[]AppRule{{Path: "/x", Allow: `request.path == "/" || "staff" in user.groups`}}, Allow, -1},
		"knows the host":     {[]AppRule{{Path: "/x", Allow: `request.host == "a.example.com"`}}, Allow, -1},
		"a claim is missing": {[]AppRule{{Path: "/x", Allow: `claims.missing != "x"`}}, Deny, 0},
	} {
		d := apps(t, App{Host: "a.example.com", Rules: test.rules}).Decide(context.Background(),
			Request{Host: "a.example.com", Path: "/a/../b", Method: "GET"}, NewPerson(ada()))
		if d.Verdict != test.want || d.Rule != test.rule || !d.Ambiguous || d.Public {
			t.Errorf("%s: %+v, want %v by rule %d", name, d, test.want, test.rule)
		}
	}
}

// Threat 90: a method that servers may read in different ways is in doubt wherever the method counts.
func TestUnknownMethods(t *testing.T) {
	free := apps(t, App{Host: "a.example.com", Rules: []AppRule{{Path: "/public/*", Public: true}, {Path: "/x", Allow: `request.path == "/x"`}}})
	byRule := apps(t, App{Host: "a.example.com", Rules: []AppRule{{Path: "/public/*", Public: true}, {Path: "/x", Methods: []string{"POST"}, Allow: `false`}}})
	byCEL := apps(t, App{Host: "a.example.com", Rules: []AppRule{{Path: "/public/*", Public: true}, {Path: "/x", Allow: `request["method"] == "GET"`}}})
	for _, method := range []string{"", "post", "Get", "POST ", "XYZZY", "GET,POST"} {
		r := Request{Host: "a.example.com", Path: "/public/x", Method: method}
		if d := free.Decide(context.Background(), r, nil); d.Verdict != Allow || d.Ambiguous {
			t.Errorf("%q where no method counts: %+v", method, d)
		}
		for _, all := range []*Apps{byRule, byCEL} {
			if d := all.Decide(context.Background(), r, nil); d.Verdict != NeedLogin || !d.Ambiguous {
				t.Errorf("%q, a guest: %+v", method, d)
			}
			if d := all.Decide(context.Background(), r, NewPerson(ada())); d.Verdict != Deny || d.Rule != 1 {
				t.Errorf("%q, ada: %+v", method, d)
			}
		}
	}
}

func TestDecideWithoutApps(t *testing.T) {
	none := apps(t)
	for _, path := range []string{"/", "/a/../b", "*"} {
		if d := none.Decide(context.Background(), Request{Host: "anything", Path: path}, nil); d.Verdict != NeedLogin || d.App != nil || d.Rule != -1 {
			t.Errorf("a guest at %s: %+v", path, d)
		}
		if d := none.Decide(context.Background(), Request{Host: "anything", Path: path}, NewPerson(bob())); d.Verdict != Allow {
			t.Errorf("bob at %s: %+v", path, d)
		}
	}
}

// Threat 91: hosts are compared in lower case, without port and final dot; one that no app has is denied to everybody.
func TestHosts(t *testing.T) {
	all := apps(t,
		App{Host: "example.com"}, App{Host: "a.example.com"}, App{Host: "Upper.Example.Com."}, App{Host: "*.example.com"},
		App{Host: "*.deep.example.com"}, App{Host: "port.example.org:8443"}, App{Host: "*.example.org:8443"}, App{Host: "*.example.org"},
		App{Host: "192.0.2.7"}, App{Host: "2001:db8::1"}, App{Host: "[2001:db8::2]:8443"},
	)
	for host, want := range map[string]string{
		"example.com": "example.com", "EXAMPLE.COM": "example.com", "example.com.": "example.com", "example.com:443": "example.com",
		"example.com.:8443": "example.com", "a.example.com": "a.example.com", "b.example.com": "*.example.com", "b.c.example.com": "*.example.com",
		"x.a.example.com": "*.example.com", "deep.example.com": "*.example.com", "x.deep.example.com": "*.deep.example.com",
		"x.y.deep.example.com:1": "*.deep.example.com", "upper.example.com": "Upper.Example.Com.", "a_b.example.com": "*.example.com",
		"port.example.org:8443": "port.example.org:8443", "port.example.org": "*.example.org", "port.example.org:443": "*.example.org",
		"x.example.org:8443": "*.example.org:8443", "192.0.2.7": "192.0.2.7", "192.0.2.7:80": "192.0.2.7", "[2001:db8::1]": "2001:db8::1",
		"[2001:DB8::1]:443": "2001:db8::1", "[2001:db8::2]:8443": "[2001:db8::2]:8443",
		"": "", "example.org": "", "com": "", "notexample.com": "", "example.com.evil.org": "", "a.example.com, b.example.com": "", ".example.com": "",
		"x..example.com": "", "example.com..": "", "evil/.example.com": "", "evil .example.com": "", "evil@a.example.com": "", "a.example.com:": "",
		"a.example.com:https": "", "a.example.com:1:2": "", "\u212a.example.com": "", "x\x00.example.com": "", "*.example.com": "", "[::1]": "",
		"[2001:db8::2]": "", "2001:db8::1": "", "[2001:db8::1": "", "a%2eexample.com": "", "https://a.example.com": "", "192.0.2.8": "",
	} {
		for _, person := range []*Person{nil, NewPerson(ada())} {
			d := all.Decide(context.Background(), Request{Host: host, Path: "/", Method: "GET"}, person)
			if got := appHost(d.App); got != want {
				t.Errorf("%q is app %q, want %q", host, got, want)
			}
			if want == "" && (d.Verdict != Deny || !errors.Is(d.Reason, ErrDenied)) {
				t.Errorf("%q, which no app has: %+v", host, d)
			}
		}
	}
}

func appHost(a *App) string {
	if a == nil {
		return ""
	}
	return a.Host
}

// Threat 86, 92: nothing but host, path, method and person decides. No header that a client makes up does, its
// User-Agent no more than a name in X-Auth-Request-User: a rule can't even ask for one.
func TestRulesSeeNoHeaders(t *testing.T) {
	for _, rule := range []string{`request.headers["User-Agent"] == "probe"`, `request.header == "x"`, `request["user_agent"] == "x"`, `headers == "x"`, `request["X-Auth-Request-User"] == "ada"`} {
		if _, err := CompileAppRule("test", rule); err == nil {
			t.Errorf("%s compiles", rule)
		}
	}
	known := apps(t, App{Host: "a.example.com", Rules: []AppRule{{Path: "/healthz", Allow: `size(request) == 3`}}})
	if d := known.Decide(context.Background(), Request{Host: "A.example.com:1", Path: "/healthz", Method: "GET"}, NewPerson(ada())); d.Verdict != Allow {
		t.Errorf("a request has more than host, path and method: %+v", d)
	}
}

func TestRequestInRules(t *testing.T) {
	for rule, want := range map[string]Verdict{
		`request.host == "sub.example.com"`:              Allow,
		`request.path == "/café menu/100%"`:              Allow,
		`request.method == "GET"`:                        Allow,
		`request.path.startsWith("/caf%C3%A9")`:          Deny,
		`has(request.path) && "method" in request`:       Allow,
		`claims.id == 9007199254740993 && request != {}`: Allow,
		`request.path.matches("^/[a-z]")`:                Allow,
	} {
		all := apps(t, App{Host: "*.example.com", Rules: []AppRule{{Path: "/*", Allow: rule}}})
		d := all.Decide(context.Background(), Request{Host: "SUB.example.com.:8443", Path: "/caf%c3%a9%20menu/100%25?x", Method: "HEAD"}, NewPerson(ada()))
		if d.Verdict != want || d.Path != "/caf%C3%A9%20menu/100%25" {
			t.Errorf("%s: %+v, want %v", rule, d, want)
		}
	}
}

// Threat 85: what can't be decided is denied.
func TestRulesThatFailDeny(t *testing.T) {
	garbled := ada()
	garbled.Claims = json.RawMessage(`{`)
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for name, test := range map[string]struct {
		ctx  context.Context
		rule string
		user *identity.User
		want string
	}{
		"claims garbled": {context.Background(), `claims.hd == "example.org"`, garbled, "the claims can't be read"},
		"time is up":     {ended, `[1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, [1,2,3,4,5].all(c, a+b+c > 0)))`, ada(), "context canceled"},
		"costs too much": {context.Background(), `"x".matches("x") && [1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, [1,2,3,4,5,6,7,8,9,10].all(c, [1,2,3,4,5,6,7,8,9,10].all(d, [1,2,3,4,5,6,7,8,9,10].all(e, a+b+c+d+e > 0)))))`, ada(), "cost"},
		"no boolean":     {context.Background(), `claims.hd`, ada(), "denied by rule"},
	} {
		all := apps(t, App{Host: "a.example.com", Rules: []AppRule{{Path: "/*", Allow: test.rule}}})
		d := all.Decide(test.ctx, Request{Host: "a.example.com", Path: "/", Method: "GET"}, NewPerson(test.user))
		if d.Verdict != Deny || !errors.Is(d.Reason, ErrDenied) || !strings.Contains(d.Reason.Error(), test.want) {
			t.Errorf("%s: %+v, want %q", name, d, test.want)
		}
	}
}

// One Person serves many checks at once.
func TestPersonIsShared(t *testing.T) {
	all, person := apps(t, shop(), App{Host: "c.example.com", Rules: []AppRule{{Path: "/*", Allow: `claims.nested.n == 2`}}}), NewPerson(ada())
	var checks sync.WaitGroup
	for range 8 {
		checks.Go(func() {
			for _, r := range []Request{{"c.example.com", "/", "GET"}, {"shop.example.com", "/admin/x", "GET"}, {"shop.example.com", "/a;b", "GET"}} {
				d := all.Decide(context.Background(), r, person)
				if want := map[bool]Verdict{true: Deny, false: Allow}[d.Ambiguous]; d.Verdict != want {
					t.Errorf("%+v: %+v", r, d)
				}
			}
		})
	}
	checks.Wait()
}

func TestVerdictIsDenyByDefault(t *testing.T) {
	var d Decision
	if d.Verdict != Deny || d.Verdict.String() != "deny" || Allow.String() != "allow" || NeedLogin.String() != "login" || Verdict(9).String() != "deny" {
		t.Errorf("%v %v %v", d.Verdict, Allow, NeedLogin)
	}
}

func BenchmarkDecide(b *testing.B) {
	plain := App{Host: "a.example.com"}
	for _, path := range []string{"/static/*", "/assets/*", "/public/*", "/favicon.ico", "/robots.txt", "/api/v1/*", "/api/v2/*", "/docs/*", "/feeds/*"} {
		plain.Rules = append(plain.Rules, AppRule{Path: path, Methods: []string{"GET"}, Public: true})
	}
	plain.Rules = append(plain.Rules, AppRule{Path: "/reports/*", Methods: []string{"GET", "POST"}})
	for _, bench := range []struct {
		name, path, allow string
	}{
		{"ten rules", "/reports/2026/summary.html?page=2", ""},
		{"ten rules, escapes", "/reports/caf%c3%a9.html", ""},
		{"one CEL rule", "/admin/users", `"admins" in user.groups`},
		{"one CEL rule on the request", "/admin/users", `request.method == "GET" && "admins" in user.groups`},
		{"one CEL rule on claims", "/admin/users", `claims.hd == "example.org"`},
	} {
		b.Run(bench.name, func(b *testing.B) {
			given := plain
			if bench.allow != "" {
				given.Rules = []AppRule{{Path: "/admin/*", Allow: bench.allow}}
			}
			all, person := apps(b, given), NewPerson(ada())
			r := Request{Host: "a.example.com", Path: bench.path, Method: "GET"}
			b.ReportAllocs()
			for b.Loop() {
				if d := all.Decide(context.Background(), r, person); d.Verdict != Allow {
					b.Fatalf("%+v", d)
				}
			}
		})
	}
}

// The check has few allocations to spend: rules without CEL take none of them.
func TestDecideAllocatesNothingWithoutCEL(t *testing.T) {
	all, person := apps(t, App{Host: "*.example.com", Rules: []AppRule{{Path: "/x/*", Public: true}, {Path: "/a/*", Methods: []string{"GET"}}}}), NewPerson(ada())
	r := Request{Host: "a.example.com:8443", Path: "/a/b?c=d", Method: "GET"}
	if n := testing.AllocsPerRun(100, func() { all.Decide(context.Background(), r, person) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
