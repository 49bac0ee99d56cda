package main

import (
	"strings"
	"testing"

	"github.com/authd/authd/internal/config"
)

func TestCookieWarnings(t *testing.T) {
	for _, test := range []struct {
		public, domain string
		apps, returnTo []string
		missed         string // empty: no warning
	}{
		{"https://auth.example.com", "", nil, nil, ""},
		{"https://auth.example.com", "", []string{"auth.example.com", "Auth.Example.com:8443"}, []string{"https://auth.example.com:8443"}, ""},
		{"http://127.0.0.1:4180", "", nil, []string{"http://127.0.0.1:4182"}, ""},
		{"http://[::1]:4180", "", nil, []string{"http://[::1]:4182"}, ""},
		{"https://auth.example.com", "", nil, []string{"https://*.example.com"}, "*.example.com"},
		{"https://auth.example.com", "", []string{"app.example.com"}, []string{"https://app.example.com"}, "app.example.com"},
		{"https://auth.example.com", ".example.com", []string{"app.example.com:8443", "*.Example.com"}, []string{"https://*.example.com", "https://example.com"}, ""},
		{"https://auth.example.com", ".example.com", []string{"app.example.net"}, []string{"https://notexample.com"}, "app.example.net, notexample.com"},
		{"https://auth.example.com", "auth.example.com", []string{"app.example.com"}, nil, "app.example.com"},
	} {
		cfg := config.Default()
		cfg.Server.PublicURL, cfg.Session.CookieDomain, cfg.Login.ReturnToAllow = test.public, test.domain, test.returnTo
		for _, host := range test.apps {
			cfg.Apps = append(cfg.Apps, config.App{Host: host})
		}
		got := strings.Join(cookieWarnings(cfg), "\n")
		if test.missed == "" && got != "" || !strings.HasPrefix(got, "the login does not reach "+test.missed+": session.cookie_domain is ") && test.missed != "" {
			t.Errorf("%+v: %q", test, got)
		}
	}
}
