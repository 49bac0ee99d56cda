package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestApps(t *testing.T) {
	for _, test := range []struct {
		name string
		app  App
		want string
	}{
		{"host", App{Host: "app.example.com"}, ""},
		{"host and port", App{Host: "app.example.com:8443"}, ""},
		{"address", App{Host: "192.0.2.7"}, ""},
		{"address in brackets", App{Host: "[2001:db8::1]"}, ""},
		{"wildcard", App{Host: "*.example.com"}, ""},
		{"wildcard and port", App{Host: "*.example.com:8443"}, ""},
		{"wildcard below localhost", App{Host: "*.localhost"}, ""},
		{"rules", App{Host: "a.example.com", Rules: []Rule{{Path: "/*", Public: true}, {Path: "/", Allow: "true"}}}, ""},
		{"methods", App{Host: "a.example.com", Rules: []Rule{{Path: "/*", Methods: []string{"OPTIONS"}, Public: true}}}, ""},
		{"no host", App{}, "apps[0].host: is not set"},
		{"URL", App{Host: "https://app.example.com"}, "is not a host"},
		{"upper case", App{Host: "App.example.com"}, "is not a host"},
		{"final dot", App{Host: "app.example.com."}, "is not a host"},
		{"wildcard inside", App{Host: "app.*.example.com"}, "is not a host"},
		{"two wildcards", App{Host: "*.*.example.com"}, "is not a host"},
		{"wildcard in a label", App{Host: "app*.example.com"}, "is not a host"},
		{"wildcard alone", App{Host: "*"}, "is not a host"},
		{"wildcard over all", App{Host: "*.com"}, "covers a whole top-level domain"},
		{"wildcard over an address", App{Host: "*.192.0.2.7"}, "puts * before an IP address"},
		{"path", App{Host: "app.example.com/x"}, "is not a host"},
		{"port", App{Host: "app.example.com:http"}, "is not a host"},
		{"port that browsers leave out", App{Host: "app.example.com:443"}, "names a port that browsers leave out"},
		{"relative path", App{Host: "a.example.com", Rules: []Rule{{Path: "admin"}}}, "does not start with /"},
		{"no path", App{Host: "a.example.com", Rules: []Rule{{}}}, "apps[0].rules[0].path"},
		{"star inside", App{Host: "a.example.com", Rules: []Rule{{Path: "/*/admin"}}}, "has a * before its end"},
		{"two stars", App{Host: "a.example.com", Rules: []Rule{{Path: "/a**"}}}, "has a * before its end"},
		{"empty method", App{Host: "a.example.com", Rules: []Rule{{Path: "/", Methods: []string{"GET", ""}}}}, "apps[0].rules[0].methods: has an empty element"},
		{"public and a rule", App{Host: "a.example.com", Rules: []Rule{{Path: "/", Public: true, Allow: "true"}}}, "is set for a public path"},
	} {
		expect(t, test.name, spoiled(func(c *Config) { c.Apps = []App{test.app} }), test.want)
	}
	expect(t, "twice", spoiled(func(c *Config) { c.Apps = []App{{Host: "a.example.com"}, {Host: "a.example.com"}} }), "has an [[apps]] table already")
	expect(t, "two ports", spoiled(func(c *Config) { c.Apps = []App{{Host: "a.example.com"}, {Host: "a.example.com:8443"}} }), "")
}

func TestAppsFromFileAndEnvironment(t *testing.T) {
	const document = `
[[apps]]
host = "a.example.com"
[[apps.rules]]
path = "/*"
methods = ["OPTIONS"]
public = true
`
	want := []App{{Host: "a.example.com", Rules: []Rule{{Path: "/*", Methods: []string{"OPTIONS"}, Public: true}}}}
	if diff := cmp.Diff(want, load(t, document).Apps); diff != "" {
		t.Errorf("from the file (-want +got):\n%s", diff)
	}
	want = []App{{Host: "*.example.com", Rules: []Rule{{Path: "/items/*", Methods: []string{"GET", "POST"}, Allow: "true"}}}}
	got := load(t, "", "AUTHD_APPS_0_HOST=*.example.com", "AUTHD_APPS_0_RULES_0_PATH=/items/*",
		"AUTHD_APPS_0_RULES_0_METHODS=GET, POST", "AUTHD_APPS_0_RULES_0_ALLOW=true").Apps
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("from the environment (-want +got):\n%s", diff)
	}
}
