package oauth2

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// ErrEndpoint is wrapped by every error of ValidateEndpoint.
var ErrEndpoint = errors.New("not a usable endpoint")

// ValidateEndpoint tells whether a request, or a person, may be sent to a URL: https, or http to this machine itself;
// http elsewhere only when insecureHTTP is set. User names, fragments and other schemes are refused.
func ValidateEndpoint(raw string, insecureHTTP bool) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return fmt.Errorf("%w: it does not parse as a URL", ErrEndpoint)
	case u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("%w: %q is no https URL", ErrEndpoint, raw)
	case u.Hostname() == "" || u.Opaque != "":
		return fmt.Errorf("%w: %q names no host", ErrEndpoint, raw)
	case u.User != nil:
		return fmt.Errorf("%w: the URL for %s holds a user name; take it out", ErrEndpoint, u.Host)
	case strings.Contains(raw, "#"):
		return fmt.Errorf("%w: %q has a fragment; take it out", ErrEndpoint, raw)
	case u.Scheme == "http" && !insecureHTTP && !IsLoopback(u.Hostname()):
		return fmt.Errorf("%w: %q is not encrypted; use https, or set insecure_http = true on this provider if the network is yours", ErrEndpoint, raw)
	}
	return nil
}

// IsLoopback tells whether a host name or address is this machine itself. Other names are not looked up: what a name
// points at may change.
func IsLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// place names an endpoint in errors, without a query that might hold something secret.
func place(name string, u *url.URL) string {
	return name + " " + u.Scheme + "://" + u.Host + u.EscapedPath()
}
