package login

import (
	"fmt"
	"net/url"
	"strings"
)

// maxReturnTo is the longest target that is kept; a longer one becomes the home page.
const maxReturnTo = 2048

// ReturnTo says where a login or logout may lead: to a path of authd itself, to authd's own origin, or to an origin
// that the operator allows.
type ReturnTo struct {
	own     origin
	allowed []origin
}

// origin is a scheme, host and port. A host that begins with "." stands for all below it.
type origin struct {
	scheme, host, port string
}

// NewReturnTo takes authd's own public URL and patterns such as "https://app.example.com",
// "http://127.0.0.1:8080" or "https://*.example.com".
func NewReturnTo(publicURL string, patterns []string) (*ReturnTo, error) {
	own, err := parseOrigin(publicURL)
	if err != nil {
		return nil, fmt.Errorf("public_url: %w", err)
	}
	r := &ReturnTo{own: own}
	for _, pattern := range patterns {
		o, err := parsePattern(pattern)
		if err != nil {
			return nil, fmt.Errorf("return_to_allow %q: %w", pattern, err)
		}
		r.allowed = append(r.allowed, o)
	}
	return r, nil
}

func parsePattern(pattern string) (origin, error) {
	scheme, rest, found := strings.Cut(pattern, "://*.")
	if !found {
		return parseOrigin(pattern)
	}
	o, err := parseOrigin(scheme + "://" + rest)
	o.host = "." + o.host
	return o, err
}

func parseOrigin(raw string) (origin, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return origin{}, err
	}
	o, ok := originOf(u)
	if !ok || (u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.Fragment != "" {
		return origin{}, fmt.Errorf("want scheme://host[:port], e.g. https://app.example.com or https://*.example.com")
	}
	return o, nil
}

// originOf returns the origin of an absolute http(s) URL whose host every browser reads in the same way.
func originOf(u *url.URL) (origin, bool) {
	o := origin{scheme: u.Scheme, host: strings.ToLower(u.Hostname()), port: u.Port()}
	if (o.scheme != "http" && o.scheme != "https") || u.User != nil || u.Opaque != "" || o.host == "" {
		return origin{}, false
	}
	if strings.Trim(o.host, "abcdefghijklmnopqrstuvwxyz0123456789.-:") != "" || strings.HasSuffix(u.Host, ":") {
		return origin{}, false
	}
	if strings.HasPrefix(o.host, ".") || strings.HasSuffix(o.host, ".") || strings.Contains(o.host, "..") {
		return origin{}, false
	}
	if o.port == "" {
		o.port = map[string]string{"http": "80", "https": "443"}[o.scheme]
	}
	return o, true
}

// Check returns the target if a login may lead there. It reads the target as the strictest of browsers would, and
// when in doubt refuses: then it returns "/" and false.
func (r *ReturnTo) Check(target string) (string, bool) {
	if target == "" {
		return "/", true
	}
	if len(target) > maxReturnTo || strings.ContainsFunc(target, misread) {
		return "/", false
	}
	u, err := url.Parse(target)
	if err != nil {
		return "/", false
	}
	if strings.HasPrefix(target, "/") {
		return r.local(target, u)
	}
	o, ok := originOf(u)
	if !ok || !strings.HasPrefix(strings.ToLower(target), o.scheme+"://") || !r.allows(o) {
		return "/", false
	}
	return target, true
}

// local accepts a path on authd's own origin. Browsers take "//" for a host, and some clean up dot segments first.
func (r *ReturnTo) local(target string, u *url.URL) (string, bool) {
	path, _, _ := strings.Cut(target, "?")
	path, _, _ = strings.Cut(path, "#")
	if u.Host != "" || strings.Contains(path, "//") || strings.Contains(path, "/./") || strings.Contains(path, "/../") {
		return "/", false
	}
	return target, true
}

func (r *ReturnTo) allows(o origin) bool {
	if o == r.own {
		return true
	}
	for _, a := range r.allowed {
		below := strings.HasPrefix(a.host, ".") && strings.HasSuffix(o.host, a.host) && len(o.host) > len(a.host)
		if (o.host == a.host || below) && o.scheme == a.scheme && o.port == a.port {
			return true
		}
	}
	return false
}

// misread holds for what browsers drop, or read as something else: controls, white space, the backslash, and all
// that is not ASCII.
func misread(r rune) bool {
	return r <= ' ' || r == '\\' || r >= 0x7f
}
