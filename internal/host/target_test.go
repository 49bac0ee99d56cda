package host

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/authd/authd/internal/config"
	"github.com/authd/authd/internal/policy"
)

// reader is a server that is just enough to read targets, with the apps of these hosts. Trusted is 10.0.0.0/8.
func reader(t testing.TB, public string, hosts ...string) *Server {
	t.Helper()
	at, err := url.Parse(public)
	if err != nil {
		t.Fatal(err)
	}
	cfg := &config.Config{}
	for _, h := range hosts {
		cfg.Apps = append(cfg.Apps, config.App{Host: h})
	}
	apps, err := policy.NewApps(AppsOf(cfg))
	if err != nil {
		t.Fatal(err)
	}
	trusted, err := parseProxies([]string{"10.0.0.0/8"})
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{publicURL: at, app: fiber.New()}
	s.inForce.Store(&live{cfg: cfg, apps: apps, proxies: trusted})
	return s
}

// Who asks.
const (
	proxyPeer    = "10.0.0.1"
	strangerPeer = "192.0.2.1"
)

// asked lets read see a request, its header parsed as the server does it. It reports whether there was one to see.
func (s *Server) asked(peer, raw string, read func(*fiber.Ctx)) bool {
	var request fasthttp.Request
	if err := request.Header.Read(bufio.NewReader(bytes.NewReader([]byte(raw)))); err != nil {
		return false
	}
	var ctx fasthttp.RequestCtx
	ctx.Init(&request, &net.TCPAddr{IP: net.ParseIP(peer), Port: 50000}, nil)
	c := s.app.AcquireCtx(&ctx)
	defer s.app.ReleaseCtx(c)
	read(c)
	return true
}

// kinds are the three ways in which proxies ask.
const (
	nginxKind   = "nginx"
	traefikKind = "traefik"
	envoyKind   = "envoy"
)

func (s *Server) targetOf(t testing.TB, peer, kind, raw string) (got target) {
	t.Helper()
	there := s.asked(peer, raw, func(c *fiber.Ctx) {
		switch kind {
		case nginxKind:
			got = s.originalTarget(c)
		case traefikKind:
			got = s.forwardedTarget(c)
		default:
			got = s.suffixTarget(c, forwardRoute)
		}
	})
	if !there {
		t.Fatalf("no request: %q", raw)
	}
	return got
}

// lines are the fields of a request.
func lines(fields ...string) string { return strings.Join(fields, "\r\n") + "\r\n\r\n" }

// Threat 88, 91: what is taken for the target of a request, of all that a proxy and a client can send together. The
// apps are wiki.example.com, admin.example.com and *.example.org, and authd itself is auth.example.org.
func TestTarget(t *testing.T) {
	t.Parallel()
	s := reader(t, "https://auth.example.org", "wiki.example.com", "admin.example.com", "*.example.org")
	const (
		get   = "GET /auth/check HTTP/1.1"
		authd = "Host: authd:4180"
		wiki  = "Host: wiki.example.com"
	)
	for name, c := range map[string]struct {
		kind, request string
		want          string // method, and the URL as it was understood
		doubt         error
	}{
		"nginx as documented":           {nginxKind, lines(get, authd, "X-Original-URL: https://wiki.example.com/a?b=c", "X-Original-Method: POST"), "POST https://wiki.example.com/a?b=c", nil},
		"nginx passes the host on":      {nginxKind, lines(get, wiki, "X-Original-URL: https://wiki.example.com/a"), " https://wiki.example.com/a", nil},
		"a path alone":                  {nginxKind, lines(get, wiki, "X-Original-URI: /a?b=//c", "X-Original-Method: GET"), "GET https://wiki.example.com/a?b=//c", nil},
		"a path alone, other name":      {nginxKind, lines(get, wiki, "X-Original-URL: /a%2Fb;c"), " https://wiki.example.com/a%2Fb;c", nil},
		"a path that looks like a host": {nginxKind, lines(get, wiki, "X-Original-URI: //evil.com/a"), " https://wiki.example.com//evil.com/a", nil},
		"no path":                       {nginxKind, lines(get, authd, "X-Original-URL: https://wiki.example.com"), " https://wiki.example.com/", nil},
		"a query alone":                 {nginxKind, lines(get, authd, "X-Original-URL: https://wiki.example.com?a"), " https://wiki.example.com/?a", nil},
		"upper case":                    {nginxKind, lines(get, authd, "x-original-url: https://WIKI.Example.com/A"), " https://wiki.example.com/A", nil},
		"a port":                        {nginxKind, lines(get, authd, "X-Original-URL: https://wiki.example.com:8443/a"), " https://wiki.example.com:8443/a", nil},
		"an IPv6 address":               {nginxKind, lines(get, authd, "X-Original-URL: http://[::1]:80/a"), " http://[::1]:80/a", nil},
		"TLS ends before nginx":         {nginxKind, lines(get, authd, "X-Original-URL: http://wiki.example.com/a", "X-Forwarded-Proto: https"), " https://wiki.example.com/a", nil},
		"a scheme that is none":         {nginxKind, lines(get, authd, "X-Original-URL: http://wiki.example.com/a", "X-Forwarded-Proto: gopher"), " https://wiki.example.com/a", nil},
		"Caddy to the nginx route":      {nginxKind, lines(get, wiki, "X-Forwarded-Uri: /a", "X-Forwarded-Host: wiki.example.com", "X-Forwarded-Method: GET"), " https://wiki.example.com/a", nil},
		"oauth2-proxy's nginx":          {nginxKind, lines(get, wiki, "X-Forwarded-Uri: /a"), " https://wiki.example.com/a", nil},
		"nothing but a host":            {nginxKind, lines(get, wiki), " ", nil},
		"both, the same":                {nginxKind, lines(get, authd, "X-Original-URL: https://wiki.example.com/a", "X-Forwarded-Host: wiki.example.com", "X-Forwarded-Uri: /a"), " https://wiki.example.com/a", nil},
		"a backslash":                   {nginxKind, lines(get, authd, `X-Original-URL: https://wiki.example.com\@evil.com/`), ` https://wiki.example.com/\@evil.com/`, nil},
		"an empty one":                  {nginxKind, lines(get, wiki, "X-Original-URL:", "X-Forwarded-Uri: /a"), " https://wiki.example.com/a", nil},
		"the method of another header":  {nginxKind, lines("DELETE /auth/check HTTP/1.1", authd, "X-Original-URL: https://wiki.example.com/", "X-Forwarded-Method: GET", "X-HTTP-Method-Override: GET"), " https://wiki.example.com/", nil},

		// A browser adds what its proxy does not set.
		"two hosts":                       {nginxKind, lines(get, authd, "X-Original-URL: https://wiki.example.com/a", "X-Forwarded-Host: admin.example.com"), "", errTwoTargets},
		"two paths":                       {nginxKind, lines(get, authd, "X-Original-URL: https://wiki.example.com/a", "X-Forwarded-Uri: /b"), "", errTwoTargets},
		"two URLs":                        {nginxKind, lines(get, authd, "X-Original-URL: https://wiki.example.com/a", "X-Original-URL: https://wiki.example.com/a"), "", errTwoTargets},
		"two URLs, one empty":             {nginxKind, lines(get, authd, "X-Original-URL:", "X-Original-URL: https://wiki.example.com/a"), "", errTwoTargets},
		"a URL and a path":                {nginxKind, lines(get, wiki, "X-Original-URI: /admin", "X-Original-URL: https://wiki.example.com/a"), "", errTwoTargets},
		"two methods":                     {nginxKind, lines(get, authd, "X-Original-URL: https://wiki.example.com/a", "X-Original-Method: GET", "X-Original-Method: POST"), "", errTwoTargets},
		"a host against the Host":         {nginxKind, lines(get, "Host: admin.example.com", "X-Forwarded-Uri: /a", "X-Forwarded-Host: wiki.example.com"), "", errTwoTargets},
		"a URL against the Host":          {nginxKind, lines(get, "Host: admin.example.com", "X-Original-URL: https://wiki.example.com/a"), "", errTwoTargets},
		"a URL against Host and path":     {nginxKind, lines(get, "Host: admin.example.com", "X-Forwarded-Uri: /a", "X-Original-URL: https://wiki.example.com/a"), "", errTwoTargets},
		"a URL against a wildcard's Host": {nginxKind, lines(get, "Host: shop.example.org", "X-Original-URL: https://wiki.example.com/a"), "", errTwoTargets},
		"userinfo":                        {nginxKind, lines(get, authd, "X-Original-URL: https://wiki.example.com@evil.com/a"), "", errBadHost},
		"another scheme":                  {nginxKind, lines(get, authd, "X-Original-URL: javascript:alert(1)"), "", errBadTarget},
		"a websocket's scheme":            {nginxKind, lines(get, authd, "X-Original-URL: wss://wiki.example.com/a"), "", errBadTarget},
		"a scheme in capitals":            {nginxKind, lines(get, authd, "X-Original-URL: HTTPS://wiki.example.com/a"), "", errBadTarget},
		"no host":                         {nginxKind, lines(get, authd, "X-Original-URL: https:///a"), "", errBadTarget},
		"no scheme":                       {nginxKind, lines(get, authd, "X-Original-URL: wiki.example.com/a"), "", errBadTarget},
		"a letter that only looks small":  {nginxKind, lines(get, authd, "X-Original-URL: https://wi\u212ai.example.com/a"), "", errBadHost},
		"an escaped host":                 {nginxKind, lines(get, authd, "X-Original-URL: https://wiki%2eexample.com/a"), "", errBadHost},
		"a list of hosts":                 {nginxKind, lines(get, authd, "X-Forwarded-Uri: /a", "X-Forwarded-Host: wiki.example.com, admin.example.com"), "", errBadHost},
		"a Host that is none":             {nginxKind, lines(get, "Host: wiki.example.com/x", "X-Original-URI: /a"), "", errBadHost},
		"a Host that is none, and a URL":  {nginxKind, lines(get, "Host: a@wiki.example.com", "X-Original-URL: https://wiki.example.com/a"), "", errTwoTargets},

		"Traefik as it is":                {traefikKind, lines(get, authd, "X-Forwarded-Proto: http", "X-Forwarded-Host: wiki.example.com", "X-Forwarded-Uri: /a?b=c", "X-Forwarded-Method: PUT"), "PUT http://wiki.example.com/a?b=c", nil},
		"Traefik calls authd's own name":  {traefikKind, lines(get, "Host: auth.example.org", "X-Forwarded-Host: wiki.example.com", "X-Forwarded-Uri: /a"), "GET https://wiki.example.com/a", nil},
		"a websocket":                     {traefikKind, lines(get, authd, "X-Forwarded-Proto: wss", "X-Forwarded-Host: wiki.example.com", "X-Forwarded-Uri: /a"), "GET https://wiki.example.com/a", nil},
		"Caddy without X-Forwarded-Host":  {traefikKind, lines(get, wiki, "X-Forwarded-Uri: /a", "X-Forwarded-Method: DELETE"), "DELETE https://wiki.example.com/a", nil},
		"X-Original-URL is not Traefik's": {traefikKind, lines(get, authd, "X-Forwarded-Host: admin.example.com", "X-Forwarded-Uri: /a", "X-Original-URL: https://wiki.example.com/b"), "GET https://admin.example.com/a", nil},
		"X-Original-URL is not Caddy's":   {traefikKind, lines(get, wiki, "X-Forwarded-Uri: /a", "X-Original-URL: https://admin.example.com/b"), "GET https://wiki.example.com/a", nil},
		"two X-Forwarded-Host":            {traefikKind, lines(get, authd, "X-Forwarded-Host: wiki.example.com", "X-Forwarded-Host: admin.example.com", "X-Forwarded-Uri: /a"), "", errTwoTargets},
		"two X-Forwarded-Method":          {traefikKind, lines(get, authd, "X-Forwarded-Host: wiki.example.com", "X-Forwarded-Method: GET", "X-Forwarded-Method: POST", "X-Forwarded-Uri: /a"), "", errTwoTargets},
		"an app in Host, another beside":  {traefikKind, lines(get, wiki, "X-Forwarded-Host: admin.example.com", "X-Forwarded-Uri: /a"), "", errTwoTargets},
		"a path in the host":              {traefikKind, lines(get, authd, "X-Forwarded-Host: wiki.example.com/x", "X-Forwarded-Uri: /a"), "", errBadHost},
		"an app with a port":              {traefikKind, lines(get, authd, "X-Forwarded-Host: wiki.example.com:8443", "X-Forwarded-Uri: /a"), "GET https://wiki.example.com:8443/a", nil},

		"Envoy as it is":                 {envoyKind, lines("POST /auth/forward/a/b?c=d HTTP/1.1", wiki, "X-Forwarded-Proto: http"), "POST http://wiki.example.com/a/b?c=d", nil},
		"Envoy's root":                   {envoyKind, lines("GET /auth/forward/ HTTP/1.1", wiki), "GET https://wiki.example.com/", nil},
		"Envoy keeps every byte":         {envoyKind, lines("GET /auth/forward/../%2e%2e//a\\b;c HTTP/1.1", wiki), "GET https://wiki.example.com/../%2e%2e//a\\b;c", nil},
		"Envoy's own method counts":      {envoyKind, lines("POST /auth/forward/a HTTP/1.1", wiki, "X-Forwarded-Method: GET", "X-Original-Method: GET"), "POST https://wiki.example.com/a", nil},
		"Envoy knows no X-Forwarded":     {envoyKind, lines("GET /auth/forward/a HTTP/1.1", wiki, "X-Forwarded-Host: admin.example.com", "X-Forwarded-Uri: /b"), "GET https://wiki.example.com/a", nil},
		"not below the route":            {envoyKind, lines("GET http://wiki.example.com/auth/forward/a HTTP/1.1", wiki), "", errForeignPath},
		"beside the route":               {envoyKind, lines("GET /auth/forwarded HTTP/1.1", wiki), "", errForeignPath},
		"Envoy with a Host that is none": {envoyKind, lines("GET /auth/forward/a HTTP/1.1", "Host: wiki.example.com@evil"), "", errBadHost},
	} {
		got := s.targetOf(t, proxyPeer, c.kind, c.request)
		if !errors.Is(got.doubt, c.doubt) {
			t.Errorf("%s: doubt %v, want %v", name, got.doubt, c.doubt)
		}
		if c.doubt != nil {
			if got.doubt == nil || got.url() != "" {
				t.Errorf("%s: understood as %q in spite of %v", name, got.url(), c.doubt)
			}
			continue
		}
		if said := got.method + " " + got.url(); said != c.want {
			t.Errorf("%s: understood as %q, want %q", name, said, c.want)
		}
		// From anybody else the same request says nothing at all.
		if got := s.targetOf(t, strangerPeer, c.kind, c.request); got != (target{}) {
			t.Errorf("%s: a stranger is believed: %+v", name, got)
		}
	}
}

// Threat 88: an app that has the very address of authd is guarded like any other.
func TestTargetOnAuthdsOwnHost(t *testing.T) {
	t.Parallel()
	request := lines("GET /auth/check HTTP/1.1", "Host: one.example.com", "X-Forwarded-Host: wiki.example.com", "X-Forwarded-Uri: /a")
	named := reader(t, "https://one.example.com", "one.example.com", "wiki.example.com")
	if got := named.targetOf(t, proxyPeer, nginxKind, request); got.doubt == nil {
		t.Errorf("a request to one.example.com passes for %s", got.url())
	}
	covered := reader(t, "https://one.example.com", "*.example.com")
	if got := covered.targetOf(t, proxyPeer, traefikKind, request); got.doubt != nil || got.url() != "https://wiki.example.com/a" {
		t.Errorf("the address of authd below a wildcard: %s, %v", got.url(), got.doubt)
	}
}

// Threat 88, 89, 91: whatever bytes a proxy or client sends, nothing breaks; strangers are not believed; a host is one
// that a browser could have asked for; and the path is byte for byte what was sent.
func FuzzTarget(f *testing.F) {
	for _, seed := range []string{
		"https://wiki.example.com/a?b#c", "/a//b", "//evil/", "https://u:p@h/", "http://[::1]:80/", "https://h\\x", "https://h?x", "", "a,b", "h:1", "\u212a", "ws://x/", "HTTP://X/", "%00",
	} {
		f.Add(seed, "wiki.example.com", "/a", "https", "wiki.example.com", "GET")
		f.Add("", seed, "/a", "http", "admin.example.com", "POST")
		f.Add("/x", "", seed, seed, seed, seed)
	}
	s := reader(f, "https://auth.example.org", "wiki.example.com", "admin.example.com")
	f.Fuzz(func(t *testing.T, original, host, uri, proto, field, method string) {
		rest := lines("Host: "+field, "X-Original-URL: "+original, "X-Forwarded-Host: "+host, "X-Forwarded-Uri: "+uri, "X-Forwarded-Proto: "+proto, "X-Original-Method: "+method, "X-Forwarded-Method: "+method)
		for _, kind := range []string{nginxKind, traefikKind, envoyKind} {
			raw := "GET /auth/forward" + uri + " HTTP/1.1\r\n" + rest
			if !s.asked(proxyPeer, raw, func(c *fiber.Ctx) { s.holdsTarget(t, kind, c) }) {
				return
			}
			if got := s.targetOf(t, strangerPeer, kind, raw); got != (target{}) {
				t.Fatalf("%s: a stranger is believed: %+v", kind, got)
			}
		}
	})
}

// holdsTarget asserts what is true of every target.
func (s *Server) holdsTarget(t *testing.T, kind string, c *fiber.Ctx) {
	var got target
	sent := map[string]bool{"": true}
	switch header := &c.Request().Header; kind {
	case nginxKind:
		got = s.originalTarget(c)
		for _, name := range []string{"X-Original-Url", "X-Original-Uri"} {
			for _, value := range header.PeekAll(name) {
				_, rest, _ := strings.Cut(string(value), "://")
				at := strings.IndexAny(rest, `/?#\`)
				if at < 0 {
					at = len(rest)
				}
				sent[string(value)], sent[rest[at:]], sent["/"+rest[at:]] = true, true, true
			}
		}
		sent[string(header.Peek("X-Forwarded-Uri"))] = true
	case traefikKind:
		got = s.forwardedTarget(c)
		for _, value := range header.PeekAll("X-Forwarded-Uri") {
			sent[string(value)] = true
		}
	default:
		got = s.suffixTarget(c, forwardRoute)
		sent[strings.TrimPrefix(string(header.RequestURI()), forwardRoute)] = true
	}
	if got.doubt != nil {
		if got.url() != "" {
			t.Fatalf("%s: %q in spite of %v", kind, got.url(), got.doubt)
		}
		return
	}
	if !sent[got.uri] {
		t.Fatalf("%s: the path became %q, of %v", kind, got.uri, sent)
	}
	if strings.Trim(got.host, "abcdefghijklmnopqrstuvwxyz0123456789.-_:[]") != "" {
		t.Fatalf("%s: the host is %q", kind, got.host)
	}
	if got.host != "" && got.scheme != "http" && got.scheme != "https" {
		t.Fatalf("%s: the scheme is %q", kind, got.scheme)
	}
}
