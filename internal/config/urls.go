package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// hostName is a name that every browser reads in the same way: its last label is no number, which some would take
// for the end of an IP address.
var hostName = regexp.MustCompile(`^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$`)

// problem is what is wrong with a value and how to mend it; the zero problem means that nothing is.
type problem struct {
	summary, mend string
}

func problemf(mend, format string, args ...any) problem {
	return problem{fmt.Sprintf(format, args...), mend}
}

// checkPublicURL accepts https://host[:port], and http for a loopback host.
func checkPublicURL(text string) problem {
	return checkOrigin(text, "https://auth.example.com")
}

// checkOrigin accepts an origin as browsers write it (RFC 6454 section 6.1), so that it can be compared byte by byte.
func checkOrigin(text, example string) problem {
	u, err := url.Parse(text)
	write := "write it like " + example
	switch {
	case err != nil:
		return problemf(write, "is not a URL")
	case u.User != nil:
		return problemf("remove what stands before the @", "holds a user name or password")
	case u.Scheme != "https" && u.Scheme != "http", u.Host == "":
		return problemf(write, "%s is not an http(s) URL", quoted(text))
	case u.Path == "/" && u.RawQuery == "" && u.Fragment == "":
		return problemf("remove the slash at the end", "%s ends in a slash", quoted(text))
	case u.Path != "" || u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#"):
		return problemf(write+"; authd has an origin of its own", "%s has a path, a query or a fragment", quoted(text))
	}
	if p := checkHostPort(u.Scheme, u.Hostname(), u.Port(), u.Host); p != (problem{}) {
		return p
	}
	if u.Scheme == "http" && !loopbackHost(u.Hostname()) {
		return problemf("use https; plain http is for loopback only", "%s sends logins in clear over the network", quoted(text))
	}
	if u.Scheme+"://"+u.Host != text {
		return problemf(write, "%s is not a plain origin", quoted(text))
	}
	return problem{}
}

func checkHostPort(scheme, host, port, both string) problem {
	if _, err := netip.ParseAddr(host); err != nil && !hostName.MatchString(host) {
		return problemf("write the name in lower case, letters beyond a–z as punycode (xn--…)", "%s is not a host name", quoted(host))
	}
	if strings.HasSuffix(both, ":") {
		return problemf("remove the colon", "%s has a colon without a port", quoted(both))
	}
	if port == "" {
		return problem{}
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
		return problemf("use a number from 1 to 65535", "%s is not a port", quoted(port))
	}
	if (scheme == "https" && port == "443") || (scheme == "http" && port == "80") {
		return problemf("remove :"+port+", browsers leave it out", "names the default port of %s", scheme)
	}
	return problem{}
}

// checkReturnTo accepts an origin, or https://*. and a domain of at least two labels.
func checkReturnTo(pattern string) problem {
	const example = `write an origin such as "https://app.example.com" or "https://*.example.com"`
	if !strings.Contains(pattern, "*") {
		return checkOrigin(pattern, "https://app.example.com")
	}
	scheme, rest, ok := strings.Cut(pattern, "://*.")
	if !ok || strings.Contains(rest, "*") {
		return problemf(example, "%s lets people be sent anywhere: * may only stand for the subdomains of one domain", quoted(pattern))
	}
	host := rest
	if h, _, err := net.SplitHostPort(rest); err == nil {
		host = h
	}
	if !strings.Contains(host, ".") && host != "localhost" {
		return problemf(example, "%s covers a whole top-level domain", quoted(pattern))
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return problemf("write the address without *", "%s puts * before an IP address", quoted(pattern))
	}
	return checkOrigin(scheme+"://"+rest, `"https://*.example.com"`)
}

// checkRedirectURI accepts what a client may be sent back to (RFC 6749 section 3.1.2, RFC 8252 section 7): https,
// http on loopback, or for a public client a scheme of its own with a dot in it.
func checkRedirectURI(text string, public bool) problem {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme == "":
		return problemf("write it like https://app.example.com/callback", "%s is not an absolute URL", quoted(text))
	case u.User != nil:
		return problemf("remove what stands before the @", "holds a user name or password")
	case strings.Contains(text, "#"):
		return problemf("remove the #", "%s has a fragment", quoted(text))
	case strings.ContainsAny(text, "* \t"):
		return problemf("list each one in full", "%s has a wildcard or a space; redirect URIs are compared byte by byte", quoted(text))
	case u.Scheme == "https" && u.Host != "", u.Scheme == "http" && loopbackHost(u.Hostname()):
		return problem{}
	case u.Scheme == "http" || u.Scheme == "https":
		return problemf("use https; plain http is for loopback only", "%s sends codes in clear over the network", quoted(text))
	case public && strings.Contains(u.Scheme, "."):
		return problem{}
	}
	return problemf("use https, or for a public client a scheme such as com.example.app", "%s has a scheme that any program may claim", quoted(text))
}

// checkListen accepts host:port and unix:/path.
func checkListen(text string) problem {
	const example = "write it like 127.0.0.1:4180 or unix:/run/authd/authd.sock"
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		if !strings.HasPrefix(path, "/") {
			return problemf("write unix: and the whole path, such as unix:/run/authd/authd.sock", "%s has no absolute path", quoted(text))
		}
		return problem{}
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return problemf(example, "%s is not host:port", quoted(text))
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return problemf("use a number from 0 (any free port) to 65535", "%s is not a port", quoted(port))
	}
	if _, err := netip.ParseAddr(host); host != "" && err != nil && !hostName.MatchString(strings.ToLower(host)) {
		return problemf(example, "%s is not a host name or an IP address", quoted(host))
	}
	return problem{}
}

// Loopback reports whether only this machine can reach authd at its public_url.
func (c *Config) Loopback() bool {
	u, err := url.Parse(c.Server.PublicURL)
	return err == nil && loopbackHost(u.Hostname())
}

// loopbackHost reports whether a host is this machine whatever the name service says: a loopback address, localhost,
// or a name below it (RFC 6761 section 6.3).
func loopbackHost(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// parseProxy reads an address or a CIDR range.
func parseProxy(text string) (netip.Prefix, error) {
	if ip, err := netip.ParseAddr(text); err == nil && ip.Zone() == "" {
		return netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	return prefix.Masked(), nil
}

// Proxies are the ranges of TrustedProxies, which Validate has found to be well-formed.
func (s Server) Proxies() []netip.Prefix {
	var prefixes []netip.Prefix
	for _, text := range s.TrustedProxies {
		if prefix, err := parseProxy(text); err == nil {
			prefixes = append(prefixes, prefix)
		}
	}
	return prefixes
}
