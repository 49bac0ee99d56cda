package policy

import (
	"strings"
	"testing"
)

func TestNewAppsNamesEveryFault(t *testing.T) {
	_, err := NewApps([]App{
		{Host: "a.example.com", Rules: []AppRule{
			{Path: "/ok", Methods: []string{"GET", "HEAD", "POST", "PROPFIND"}, Public: true},
			{Path: "admin"},
			{Path: "/a//b", Methods: []string{"FETCH"}, Public: true, Allow: `user.emial == "x"`},
			{Path: "/a", Methods: []string{"get"}},
			{Path: "/a", Methods: []string{"HEAD"}},
			{Path: "/a", Allow: `request.paht == "x"`},
			{Path: "/a", Allow: `1 + 1`},
		}},
		{Host: "A.example.com."},
		{Host: "https://b.example.com"},
		{Host: "*.*.example.com"},
		{Host: "*.[::1]"},
		{Host: ""},
	})
	if err == nil {
		t.Fatal("no fault")
	}
	got := err.Error()
	for _, want := range []string{
		`rule 1 of app a.example.com: the path "admin" does not start with /`,
		`rule 2 of app a.example.com: the path "/a//b" can be read in different ways: it holds //`,
		`rule 2 of app a.example.com: the method "FETCH" is not known`,
		`rule 2 of app a.example.com: public and allow exclude each other; remove one`,
		`rule 2 of app a.example.com: user has no field emial; it has email,`,
		`rule 3 of app a.example.com: the method "get" is not in capitals; write GET`,
		`rule 4 of app a.example.com: HEAD counts as GET, so it can't stand without GET`,
		`rule 5 of app a.example.com: request has no field paht; it has host, method, path`,
		`rule 6 of app a.example.com: the rule gives a int`,
		`app A.example.com.: it is there twice`,
		`app https://b.example.com: it is not a host`,
		`app *.*.example.com: it is not a host`,
		`app *.[::1]: it is not a host`,
		`app : it is not a host`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no fault %q", want)
		}
	}
	if strings.Contains(got, "rule 0") {
		t.Error("a good rule is at fault")
	}
	if t.Failed() {
		t.Log(got)
	}
}

// The same host is another app with another port, and below a wildcard.
func TestHostsThatAreApart(t *testing.T) {
	apps(t, App{Host: "example.com"}, App{Host: "example.com:8443"}, App{Host: "*.example.com"}, App{Host: "*.example.com:8443"})
	for _, host := range []string{"example.com", "*.example.com"} {
		if _, err := NewApps([]App{{Host: host}, {Host: strings.ToUpper(host)}}); err == nil || !strings.Contains(err.Error(), "twice") {
			t.Errorf("%s twice: %v", host, err)
		}
	}
}

func TestCheckMethods(t *testing.T) {
	for methods, want := range map[string]string{
		"": "", "GET": "", "GET HEAD": "", "HEAD GET": "", "OPTIONS": "", "DELETE PATCH": "", "HEAD": "can't stand without GET",
		"HEAD POST": "can't stand without GET", "options": "write OPTIONS", "GET NONE": "is not known", "*": "is not known",
	} {
		err := CheckMethods(strings.Fields(methods))
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("CheckMethods(%s) = %v, want %q", methods, err, want)
		}
	}
}

// request is known to the rules of apps alone, and misspelt fields are found however they are written.
func TestCompileAppRule(t *testing.T) {
	for rule, want := range map[string]string{
		`request.path == "/" && user.identifier == "ada" && claims.a == 1`: "",
		`request["path"] == "/"`:  "",
		``:                        "",
		`request.url == "/"`:      "request has no field url; it has host, method, path",
		`request["url"] == "/"`:   "request has no field url",
		`user["emial"] == "a"`:    "user has no field emial",
		`has(user.emial)`:         "user has no field emial",
		`[1].exists(x, user.e>x)`: "user has no field e",
		`request.path == 1`:       "does not compile",
	} {
		_, err := CompileAppRule("rule", rule)
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("CompileAppRule(%s) = %v, want %q", rule, err, want)
		}
	}
	for rule, want := range map[string]Rule{
		`user.sub == "a"`: {},
		`request.path == "/" || request.host == ""`: {readsRequest: true},
		`request.method == "GET"`:                   {readsRequest: true, readsMethod: true},
		`request["method"] == "GET"`:                {readsRequest: true, readsMethod: true},
		`request[user.name] == "GET"`:               {readsRequest: true, readsMethod: true},
		`request.exists(k, k == "method")`:          {readsRequest: true, readsMethod: true},
	} {
		r, err := CompileAppRule("rule", rule)
		if err != nil {
			t.Errorf("%s: %v", rule, err)
		} else if r.readsRequest != want.readsRequest || r.readsMethod != want.readsMethod {
			t.Errorf("%s: reads the request %v, the method %v", rule, r.readsRequest, r.readsMethod)
		}
	}
}
