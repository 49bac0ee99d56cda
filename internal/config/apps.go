package config

import (
	"fmt"
	"net"
	"slices"
	"strings"
)

func (k checker) apps() {
	seen := map[string]bool{}
	for i, app := range k.cfg.Apps {
		at := fmt.Sprintf("apps[%d]", i)
		k.found(at+".host", checkAppHost(app.Host))
		if seen[app.Host] && app.Host != "" {
			k.fault(at+".host", quoted(app.Host)+" has an [[apps]] table already", "put all rules of a host into one table")
		}
		seen[app.Host] = true
		for j, rule := range app.Rules {
			k.rule(fmt.Sprintf("%s.rules[%d]", at, j), rule)
		}
	}
}

// checkAppHost accepts a host as browsers name it, and "*." before a domain of at least two labels.
func checkAppHost(text string) problem {
	const example = "write it like app.example.com"
	if text == "" {
		return problemf(example, "is not set")
	}
	rest, wildcard := strings.CutPrefix(text, "*.")
	host, port, err := net.SplitHostPort(rest)
	if err != nil {
		host, port = strings.TrimSuffix(strings.TrimPrefix(rest, "["), "]"), ""
	}
	if p := checkHostPort("", host, port, rest); p != (problem{}) {
		return problemf(example+", app.example.com:8443 or *.example.com", "%s is not a host", quoted(text))
	}
	switch {
	case port == "443" || port == "80":
		return problemf("remove :"+port, "%s names a port that browsers leave out", quoted(text))
	case wildcard && !hostName.MatchString(host):
		return problemf("write the address without *", "%s puts * before an IP address", quoted(text))
	case wildcard && !strings.Contains(host, ".") && host != "localhost":
		return problemf("write it like *.example.com", "%s covers a whole top-level domain", quoted(text))
	}
	return problem{}
}

// rule checks what needs no knowledge of how paths and expressions are read: that is the business of whoever asks them.
func (k checker) rule(at string, rule Rule) {
	if !strings.HasPrefix(rule.Path, "/") {
		k.fault(at+".path", quoted(rule.Path)+" does not start with /", `write it like "/admin/*"`)
	}
	if star := strings.Index(rule.Path, "*"); star >= 0 && star != len(rule.Path)-1 {
		k.fault(at+".path", quoted(rule.Path)+" has a * before its end", `a * may only be the last character, as in "/admin/*"`)
	}
	if slices.Contains(rule.Methods, "") {
		k.fault(at+".methods", "has an empty element", `write it like ["GET", "POST"], or leave it out for all methods`)
	}
	if rule.Public && rule.Allow != "" {
		k.fault(at+".allow", "is set for a public path, where it is never asked", "remove public or allow")
	}
}
