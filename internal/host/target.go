package host

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/authd/authd/internal/config"
)

// target is what the browser asked a proxy for. Its host is empty when nobody whose word counts has said it.
type target struct {
	scheme, host string
	uri          string // path and query, as they were sent
	method       string // empty: not said
	doubt        error  // why it can't be told what was asked for: such a request is refused
}

var (
	errTwoTargets  = errors.New("the proxy's headers name two different targets; have it set, or clear, X-Original-URL, X-Forwarded-Host and X-Forwarded-Uri")
	errBadTarget   = errors.New("X-Original-URL is no http or https URL")
	errBadHost     = errors.New("the host of the request is none that a browser could have asked for")
	errForeignPath = errors.New("the path of the request is not below the route that it came through")
)

// url is the whole of the target, "" when it is not known.
func (t target) url() string {
	if t.host == "" || t.uri == "" || t.doubt != nil {
		return ""
	}
	return t.scheme + "://" + t.host + t.uri
}

// trusted reports whether the peer is a proxy whose word counts: one of server.trusted_proxies, or whoever may open
// authd's own unix socket.
func (s *Server) trusted(c *fiber.Ctx) bool {
	if s.onSocket() {
		return true
	}
	peer, ok := netip.AddrFromSlice(c.Context().RemoteIP())
	return ok && s.live().proxies.contain(peer)
}

// hints are the headers in which proxies say what was asked for; nil where they say nothing. They lie in the request's
// buffer.
type hints struct {
	original, originalMethod []byte // X-Original-*: nginx, HAProxy, Apache
	proto, host, uri, method []byte // X-Forwarded-*: Traefik, Caddy
	repeated                 bool
}

func readHints(h *fasthttp.RequestHeader) hints {
	var found hints
	for name, value := range h.All() {
		if len(name) < len("X-Original-Url") || name[0] != 'X' {
			continue
		}
		var field *[]byte
		switch string(name) {
		case "X-Original-Url", "X-Original-Uri":
			field = &found.original
		case "X-Original-Method":
			field = &found.originalMethod
		case "X-Forwarded-Proto":
			field = &found.proto
		case "X-Forwarded-Host":
			field = &found.host
		case "X-Forwarded-Uri":
			field = &found.uri
		case "X-Forwarded-Method":
			field = &found.method
		default:
			continue
		}
		found.repeated = found.repeated || *field != nil
		*field = value
	}
	return found
}

// originalTarget is the target of a proxy of nginx's kind. Such a proxy lets the browser's own headers through, so a
// client may have added any that it does not set: the method counts in X-Original-Method alone, and of two names for
// the target neither counts unless they agree (Threat 88).
func (s *Server) originalTarget(c *fiber.Ctx) target {
	if !s.trusted(c) {
		return target{}
	}
	found := readHints(&c.Request().Header)
	t := s.forwarded(c, found)
	t.method = methodName(found.originalMethod)
	if len(found.original) > 0 && t.doubt == nil {
		said := parseTarget(string(found.original))
		own := string(c.Request().Header.Host())
		if said.host == "" && said.doubt == nil {
			said.host, said.doubt = hostName(own)
		}
		// A proxy behind another that ends TLS says http of itself; X-Forwarded-Proto knows better.
		if len(found.proto) > 0 || said.scheme == "" {
			said.scheme = t.scheme
		}
		differs := (len(found.host) > 0 && t.host != said.host) || (len(found.uri) > 0 && t.uri != said.uri)
		if said.doubt == nil && (differs || s.contradicts(own, said.host)) {
			said.doubt = errTwoTargets
		}
		said.method = t.method
		return said
	}
	if t.uri == "" {
		t.host = "" // nothing but a Host field, which everybody sends
	}
	return t
}

// forwardedTarget is the target of a proxy of Traefik's kind, which overwrites all of X-Forwarded-*.
func (s *Server) forwardedTarget(c *fiber.Ctx) target {
	if !s.trusted(c) {
		return target{}
	}
	found := readHints(&c.Request().Header)
	found.original = nil
	t := s.forwarded(c, found)
	if t.method = methodName(found.method); t.method == "" {
		t.method = c.Method()
	}
	return t
}

// forwarded reads X-Forwarded-*, all but the method. Without X-Forwarded-Host the Host field counts, which nginx is
// told to pass on and Caddy passes on by itself; beside X-Original-URL it need not be read here. If it names an app,
// X-Forwarded-Host can't name another.
func (s *Server) forwarded(c *fiber.Ctx, found hints) target {
	t := target{scheme: s.publicURL.Scheme, uri: string(found.uri)}
	if p := string(found.proto); p == "http" || p == "https" {
		t.scheme = p
	}
	own := c.Request().Header.Host()
	switch {
	case found.repeated:
		t.doubt = errTwoTargets
	case len(found.host) > 0:
		if t.host, t.doubt = hostName(string(found.host)); t.doubt == nil && s.contradicts(string(own), t.host) {
			t.doubt = errTwoTargets
		}
	case len(found.original) == 0:
		t.host, t.doubt = hostName(string(own))
	}
	return t
}

// contradicts reports whether the Host field names an app other than the one that another header names. Proxies of
// Traefik's kind put authd's own address there, which an app such as *.example.com can cover.
func (s *Server) contradicts(field, host string) bool {
	own, err := hostName(field)
	switch now := s.live(); {
	case err != nil:
		return true
	case own == host:
		return false
	case own == strings.ToLower(s.publicURL.Host):
		return slices.ContainsFunc(now.cfg.Apps, func(a config.App) bool { return strings.ToLower(a.Host) == own })
	default:
		return now.apps.Has(own)
	}
}

// hostName is a host in lower case. Rules, links and tokens rest on it, so it may only hold what a browser's may.
func hostName(raw string) (string, error) {
	for i := range len(raw) {
		b := raw[i]
		if plain := 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9'; !plain && strings.IndexByte(".-_:[]", b) < 0 {
			return "", errBadHost
		}
	}
	return strings.ToLower(raw), nil
}

// suffixTarget is the target of Envoy's ext_authz filter, which asks with the browser's own method, host and path, the
// path behind that of the route.
func (s *Server) suffixTarget(c *fiber.Ctx, route string) target {
	if !s.trusted(c) {
		return target{}
	}
	header := &c.Request().Header
	uri, ok := bytes.CutPrefix(header.RequestURI(), []byte(route))
	t := target{scheme: s.publicURL.Scheme, uri: string(uri), method: c.Method()}
	t.host, t.doubt = hostName(string(header.Host()))
	if p := c.Get(fiber.HeaderXForwardedProto); p == "http" || p == "https" {
		t.scheme = p
	}
	if !ok || t.uri == "" || t.uri[0] != '/' {
		t.doubt = errForeignPath
	}
	return t
}

// parseTarget reads X-Original-URL: a whole URL, or a path alone. It changes no byte of the path.
func parseTarget(original string) target {
	if strings.HasPrefix(original, "/") {
		return target{uri: original}
	}
	scheme, rest, ok := strings.Cut(original, "://")
	end := strings.IndexAny(rest, `/?#\`)
	if end < 0 {
		end = len(rest)
	}
	host, uri := rest[:end], rest[end:]
	if !ok || (scheme != "https" && scheme != "http") || host == "" {
		return target{doubt: errBadTarget}
	}
	if !strings.HasPrefix(uri, "/") {
		uri = "/" + uri
	}
	t := target{scheme: scheme, uri: uri}
	t.host, t.doubt = hostName(host)
	return t
}

// methodName copies a method out of the request's buffer; the usual ones need no copy.
func methodName(raw []byte) string {
	switch string(raw) {
	case "GET":
		return "GET"
	case "HEAD":
		return "HEAD"
	case "POST":
		return "POST"
	}
	return string(raw)
}
