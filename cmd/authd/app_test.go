package main

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/internal/config"
	"github.com/authd/authd/internal/identity"
	"github.com/authd/authd/internal/policy"
)

// The path of the URL reaches the rules byte by byte: whoever reads it on the way would hide what is in doubt.
func TestInquiryRequest(t *testing.T) {
	for url, want := range map[string]policy.Request{
		"https://app.example.com":               {Host: "app.example.com", Path: "/"},
		"http://app.example.com:8443/":          {Host: "app.example.com:8443", Path: "/"},
		"https://app.example.com?a=b":           {Host: "app.example.com", Path: "/?a=b"},
		"https://app.example.com/a%2F..%2e/b;c": {Host: "app.example.com", Path: "/a%2F..%2e/b;c"},
		"https://app.example.com//a/%zz?b/c":    {Host: "app.example.com", Path: "//a/%zz?b/c"},
		"https://app.example.com/a?b#c":         {Host: "app.example.com", Path: "/a?b"},
		"https://app.example.com#/c":            {Host: "app.example.com", Path: "/"},
		"https://[::1]:8080/a":                  {Host: "[::1]:8080", Path: "/a"},
		"https://app.example.com/a@b":           {Host: "app.example.com", Path: "/a@b"},
	} {
		got, err := inquiry{url: url, method: "PUT"}.request()
		want.Method = "PUT"
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", url, err, diff)
		}
	}
	for _, url := range []string{"", "/", "app.example.com", "//app.example.com/", "ftp://app.example.com/", "https://", "https:///a", "https://me@app.example.com/", "https://#a"} {
		if got, err := (inquiry{url: url}).request(); exitCode(err) != exitUsage {
			t.Errorf("%q: %+v, %v", url, got, err)
		}
	}
}

func exitCode(err error) int {
	var coded *codeError
	if errors.As(err, &coded) {
		return coded.code
	}
	return exitOK
}

func TestInquiryPerson(t *testing.T) {
	for name, test := range map[string]struct {
		ask  inquiry
		want *identity.User
	}{
		"a guest": {inquiry{}, nil},
		"a name":  {inquiry{user: "ada"}, &identity.User{Identifier: "ada"}},
		"an address": {
			inquiry{user: "Ada@Example.ORG", groups: []string{"a"}, provider: "acme", claims: `{"hd":1}`},
			&identity.User{Identifier: "Ada@Example.ORG", Email: "Ada@example.org", EmailVerified: true, Groups: []string{"a"}, Provider: "acme", Claims: json.RawMessage(`{"hd":1}`)},
		},
	} {
		got, err := test.ask.person()
		if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
	for name, ask := range map[string]inquiry{
		"groups of nobody": {groups: []string{"a"}}, "provider of nobody": {provider: "a"}, "claims of nobody": {claims: "{}"},
		"claims, a list": {user: "a", claims: "[]"}, "claims, nothing": {user: "a", claims: "null"}, "claims, cut off": {user: "a", claims: `{"a"`},
	} {
		if got, err := ask.person(); exitCode(err) != exitUsage {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// What "app explain" says is what a check decides, for every kind of answer.
func TestExplanations(t *testing.T) {
	cfg := &config.Config{Apps: []config.App{{Host: "a.example.com", Rules: []config.Rule{
		{Path: "/public/*", Public: true}, {Path: "/staff/*"}, {Path: "/admin/*", Allow: `"admins" in user.groups`},
	}}}}
	ada := policy.NewPerson(&identity.User{Identifier: "ada", Groups: []string{"admins"}})
	bob := policy.NewPerson(&identity.User{Identifier: "bob"})
	for _, test := range []struct {
		person *policy.Person
		path   string
		status int
		why    string
	}{
		{nil, "/public/x", 200, "rule 0 is public"},
		{ada, "/public/x", 200, "rule 0 is public"},
		{nil, "/staff/x", 401, "rule 1 lets in every signed-in person; a guest has to sign in"},
		{bob, "/staff/x", 200, "rule 1 lets in every signed-in person"},
		{nil, "/admin/x", 401, "rule 2 depends on who asks; a guest has to sign in"},
		{ada, "/admin/x", 200, "rule 2 is true for the person"},
		{bob, "/admin/x", 403, "denied by rule 2 of app a.example.com"},
		{nil, "/x", 401, "no rule matches, so every signed-in person passes; a guest has to sign in"},
		{bob, "/x", 200, "no rule matches, so every signed-in person passes"},
		{nil, "/public//x", 401, "the request is ambiguous (it holds //), so no public rule counts; a guest has to sign in"},
		{ada, "/public//x", 200, "the request is ambiguous (it holds //), so every rule of the app counts, and the person meets them all"},
		{bob, "/public//x", 403, "denied by rule 2 of app a.example.com; the request is ambiguous (it holds //), so every rule of the app counts"},
	} {
		got, err := decide(context.Background(), cfg, policy.Request{Host: "a.example.com", Path: test.path, Method: "GET"}, test.person)
		if err != nil || got.Status != test.status || got.Why != test.why {
			t.Errorf("%s: %d, %q, %v, want %d, %q", test.path, got.Status, got.Why, err, test.status, test.why)
		}
	}
}

// A path in doubt may hold anything; it must not steer the terminal.
func TestExplanationIsPrintable(t *testing.T) {
	cfg := &config.Config{Apps: []config.App{{Host: "a.example.com"}}}
	e, err := decide(context.Background(), cfg, policy.Request{Host: "a.example.com", Path: "/\x1b[31m\r\nx\xff", Method: "\x1b[1m"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := (&app{out: &out}).writeExplanation(e); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(out.String(), "\x1b\r") || !utf8.ValidString(out.String()) || !strings.Contains(out.String(), `"/\x1b[31m\r\nx\xff"`) {
		t.Errorf("printed %q", out.String())
	}
	if err := (&app{out: closedPipe{}}).writeExplanation(e); err == nil {
		t.Error("nothing could be printed, and that was no error")
	}
}

// What the configuration has said of a key is not said once more in other words.
func TestUnsaid(t *testing.T) {
	cfg := &config.Config{Apps: []config.App{{Host: "a.example.com", Rules: []config.Rule{{Path: "admin", Allow: "1"}, {Path: "/a;b", Methods: []string{"x"}}}}}}
	var keys []string
	for _, f := range unsaid([]config.Fault{{Key: "apps[0].rules[0].path"}}, ruleFaults(cfg)) {
		keys = append(keys, f.Key)
		if f.Mend == "" {
			t.Errorf("%s has no mend", f.Key)
		}
	}
	want := []string{"apps[0].rules[0].allow", "apps[0].rules[1].path", "apps[0].rules[1].methods"}
	if diff := cmp.Diff(want, keys); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
}
