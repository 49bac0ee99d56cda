package web

import (
	"net/url"
	"slices"
	"strings"
)

// ContentSecurityPolicy returns the value of the Content-Security-Policy header
// that all pages work under: no script at all, styles from authd, images from
// authd or inside the page, framed by nobody.
//
// Each formAction is an http(s) URL or origin that a form of the page leads to
// in the end; only its origin is written. Chromium applies form-action to the
// redirects after a POST as well: the sign-out page needs the origin of the
// provider's end-session endpoint here. Anything else in formAction (other
// schemes, userinfo, characters that could end the directive, IPv6 literals,
// which the policy's grammar cannot say) is left out, so that its form is
// blocked rather than the policy widened.
func ContentSecurityPolicy(formAction ...string) string { return contentPolicy("'self'", formAction) }

// ContentSecurityPolicy is that of these pages: as the function of that name,
// but styles and images come from where [Pages.For] says.
func (p *Pages) ContentSecurityPolicy(formAction ...string) string {
	if from := origin(p.origin); from != "" {
		return contentPolicy(from, formAction)
	}
	return ContentSecurityPolicy(formAction...)
}

func contentPolicy(from string, formAction []string) string {
	actions := []string{"'self'"}
	for _, raw := range formAction {
		if o := origin(raw); o != "" && !slices.Contains(actions, o) {
			actions = append(actions, o)
		}
	}
	return "default-src 'none'; style-src " + from + "; img-src " + from + " data:; form-action " + strings.Join(actions, " ") +
		"; frame-ancestors 'none'; base-uri 'none'"
}

// origin reduces an http(s) URL to scheme://host[:port], "" when it has none
// that can stand in a policy.
func origin(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.User != nil {
		return ""
	}
	host := strings.ToLower(u.Hostname())
	if host == "" || strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" {
		return ""
	}
	if port := u.Port(); port != "" {
		host += ":" + port
	}
	return u.Scheme + "://" + host
}
