package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	minSecret      = 32 // bytes of session.secret
	minDistinct    = 8  // different bytes in it: what was typed by hand has fewer
	minToken       = 16 // bytes of admin.token and a client's secret
	longestSession = 400 * 24 * time.Hour
)

var (
	cookieName  = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$") // token of RFC 9110 section 5.6.2
	identName   = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)
	settingName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
)

// checker looks at a whole Config and reports what must not be.
type checker struct {
	cfg    *Config
	faults *Faults
}

func (c *Config) check(faults *Faults) {
	k := checker{cfg: c, faults: faults}
	k.enums("", reflect.ValueOf(c).Elem())
	k.server()
	k.store()
	k.session()
	k.login()
	k.admin()
	k.plugins()
	k.providers()
	k.apps()
	k.clients()
}

func (k checker) fault(path, summary, mend string) {
	k.faults.List = append(k.faults.List, k.cfg.FaultAt(path, summary, mend))
}

func (k checker) found(path string, p problem) {
	if p != (problem{}) {
		k.fault(path, p.summary, p.mend)
	}
}

// enums checks the keys that have a closed set of values.
func (k checker) enums(path string, v reflect.Value) {
	for _, f := range fieldsOf(v.Type()) {
		at, target := join(path, f.key), v.Field(f.index)
		switch {
		case f.isTable():
			k.enums(at, target)
		case f.isTables():
			for i := range target.Len() {
				k.enums(fmt.Sprintf("%s[%d]", at, i), target.Index(i))
			}
		case len(f.enum) > 0:
			value := target.String()
			if !slices.Contains(f.enum, value) && (value != "" || f.def != "") {
				k.fault(at, quoted(value)+" is not possible here", "use one of "+strings.Join(f.enum, ", "))
			}
		}
	}
}

func (k checker) server() {
	s := k.cfg.Server
	k.found("server.listen", checkListen(s.Listen))
	if s.PublicURL == "" {
		k.fault("server.public_url", "is not set", "set it to the URL under which browsers reach authd, such as https://auth.example.com")
	} else {
		k.found("server.public_url", checkPublicURL(s.PublicURL))
	}
	for _, text := range s.TrustedProxies {
		if _, err := parseProxy(text); err != nil {
			k.fault("server.trusted_proxies", quoted(text)+" is not an address or a CIDR range", "write it like 10.0.0.0/8 or 192.0.2.7")
		}
	}
	if s.AdminListen != "" {
		k.found("server.admin_listen", checkListen(s.AdminListen))
		if s.AdminListen == s.Listen && !strings.HasSuffix(s.Listen, ":0") {
			k.fault("server.admin_listen", "is the same as server.listen", `use another port, or "" for no admin listener`)
		}
	}
	if len(s.PluginsDir) == 0 || slices.Contains(s.PluginsDir, "") {
		k.fault("server.plugins_dir", "is empty", `set it to the directory of the plugins, such as "plugins"`)
	}
}

// Stores are the schemes of store.url.
func Stores() []string { return []string{"file", "memory"} }

// store checks as much of the URL as needs no driver. The URL may hold a password, so it is never shown.
func (k checker) store() {
	const forms = "use file:PATH or memory:"
	scheme, rest, ok := strings.Cut(k.cfg.Store.URL, ":")
	switch {
	case !ok:
		k.fault("store.url", "is not the URL of a store", forms)
	case !slices.Contains(Stores(), scheme):
		k.fault("store.url", "has a scheme that no store has", forms)
	case scheme == "file" && strings.Trim(rest, "/") == "":
		k.fault("store.url", "names no file", "write it like file:authd.db")
	}
}

func (k checker) session() {
	s := k.cfg.Session
	for i, secret := range s.Secret {
		which := ""
		if len(s.Secret) > 1 {
			which = fmt.Sprintf("secret %d of %d ", i+1, len(s.Secret))
		}
		if len(secret) < minSecret {
			k.fault("session.secret", fmt.Sprintf("%shas %d bytes, fewer than %d", which, len(secret), minSecret), "make one with `authd keygen`")
		} else if distinctBytes(secret) < minDistinct {
			k.fault("session.secret", which+"is not random", "make one with `authd keygen`")
		}
	}
	switch {
	case !cookieName.MatchString(s.CookieName):
		k.fault("session.cookie_name", quoted(s.CookieName)+" is not a name for a cookie", "use up to 64 letters, digits, - and _")
	case strings.HasPrefix(s.CookieName, "__"):
		k.fault("session.cookie_name", quoted(s.CookieName)+" has a prefix that browsers give a meaning", "leave the prefix out; authd adds __Host- where it can")
	}
	if s.CookieDomain != "" {
		k.found("session.cookie_domain", checkCookieDomain(s.CookieDomain, k.cfg.Server.PublicURL))
	}
	k.lifetimes()
}

func (k checker) lifetimes() {
	s := k.cfg.Session
	if s.Lifetime <= 0 {
		k.fault("session.lifetime", "is not above zero", `write it like "720h"`)
	}
	if s.Lifetime > longestSession {
		k.fault("session.lifetime", "is longer than browsers keep a cookie", `use "9600h" (400 days) at most`)
	}
	if s.IdleTimeout <= 0 {
		k.fault("session.idle_timeout", "is not above zero", `write it like "168h"`)
	} else if s.IdleTimeout > s.Lifetime && s.Lifetime > 0 {
		k.fault("session.idle_timeout", fmt.Sprintf("%s is longer than session.lifetime, %s", shortDuration(s.IdleTimeout), shortDuration(s.Lifetime)), "make it at most as long")
	}
}

func distinctBytes(s string) int {
	var seen [256]bool
	n := 0
	for i := range len(s) {
		if !seen[s[i]] {
			seen[s[i]] = true
			n++
		}
	}
	return n
}

// checkCookieDomain accepts the host of public_url and its parents, but no address and no top-level domain, which
// browsers refuse (RFC 6265 section 5.3).
func checkCookieDomain(domain, publicURL string) problem {
	name := strings.TrimPrefix(domain, ".")
	if _, err := netip.ParseAddr(name); err == nil {
		return problemf(`set it to ""`, "%s is an IP address, which has no subdomains", quoted(domain))
	}
	if !hostName.MatchString(name) {
		return problemf(`write it in lower case like ".example.com"`, "%s is not a domain", quoted(domain))
	}
	if !strings.Contains(name, ".") {
		return problemf(`write it like ".example.com"`, "%s is a top-level domain, for which browsers take no cookie", quoted(domain))
	}
	u, err := url.Parse(publicURL)
	if err != nil || u.Hostname() == "" {
		return problem{} // public_url has a fault of its own
	}
	if host := u.Hostname(); host != name && !strings.HasSuffix(host, "."+name) {
		return problemf("use a domain that "+quoted(host)+" is in", "%s does not cover the host of server.public_url", quoted(domain))
	}
	return problem{}
}

func (k checker) login() {
	l := k.cfg.Login
	for _, pattern := range l.ReturnToAllow {
		k.found("login.return_to_allow", checkReturnTo(pattern))
	}
	k.found("login.prompt", checkPrompt(l.Prompt))
	k.found("login.logo", checkLogo(l.Logo, k.cfg.Server.PublicURL))
}

// checkPrompt accepts the values of OpenID Connect Core section 3.1.2.1 but none.
func checkPrompt(prompt string) problem {
	for value := range strings.FieldsSeq(prompt) {
		switch value {
		case "login", "consent", "select_account":
		case "none":
			return problemf("leave prompt empty to send no parameter", `"none" fails for everybody who is not signed in at the identity provider, so nobody could sign in there`)
		default:
			return problemf("use login, consent, select_account, or several of them with spaces between", "%s is not a prompt", quoted(value))
		}
	}
	return problem{}
}

// checkLogo accepts what the pages' content security policy lets the browser load.
func checkLogo(logo, publicURL string) problem {
	switch {
	case logo == "":
		return problem{}
	case strings.ContainsAny(logo, "\\ \t\r\n\"'<>"):
		return problemf("write them percent-encoded", "holds a space, a quote or a backslash")
	case strings.HasPrefix(logo, "/") && !strings.HasPrefix(logo, "//"), strings.HasPrefix(logo, "data:image/"),
		strings.HasPrefix(logo, publicURL+"/"):
		return problem{}
	}
	return problemf("use a path such as /logo.svg, a URL below server.public_url, or data:image/…", "%s is on another site, and authd's pages load nothing from elsewhere", quoted(logo))
}

func (k checker) admin() {
	if token := k.cfg.Admin.Token; token != "" && len(token) < minToken {
		k.fault("admin.token", fmt.Sprintf("has %d bytes, fewer than %d", len(token), minToken), "make one with `authd keygen`")
	}
}
