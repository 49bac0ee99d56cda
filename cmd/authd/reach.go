package main

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/authd/authd/internal/config"
)

// cookieWarnings names the hosts that logins are for and whose requests will not carry the session cookie: people would
// be sent from the application to authd and back for ever.
func cookieWarnings(cfg *config.Config) []string {
	public, err := url.Parse(cfg.Server.PublicURL)
	if err != nil {
		return nil
	}
	var missed []string
	for _, host := range appHosts(cfg) {
		name := strings.TrimPrefix(host, "*.")
		if name != public.Hostname() && !covers(cfg.Session.CookieDomain, name) && !slices.Contains(missed, host) {
			missed = append(missed, host)
		}
	}
	if len(missed) == 0 {
		return nil
	}
	domain := "not set"
	if cfg.Session.CookieDomain != "" {
		domain = cfg.Session.CookieDomain
	}
	return []string{fmt.Sprintf("the login does not reach %s: session.cookie_domain is %s; set it to a domain that they share with %s",
		strings.Join(missed, ", "), domain, public.Hostname())}
}

// appHosts are the hosts of applications that the configuration names, without ports.
func appHosts(cfg *config.Config) []string {
	var hosts []string
	for _, a := range cfg.Apps {
		host := a.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		hosts = append(hosts, strings.ToLower(host))
	}
	for _, origin := range cfg.Login.ReturnToAllow {
		if u, err := url.Parse(origin); err == nil {
			hosts = append(hosts, strings.ToLower(u.Hostname()))
		}
	}
	return hosts
}

// covers reports whether a cookie of domain is sent to host.
func covers(domain, host string) bool {
	domain = strings.ToLower(strings.TrimPrefix(domain, "."))
	return domain != "" && (host == domain || strings.HasSuffix(host, "."+domain))
}
