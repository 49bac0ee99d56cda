package host

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/authd/authd/internal/policy"
	"github.com/authd/authd/internal/web"
)

// appsTOML are the apps of these tests. wiki has paths of all sorts, api rules that turn on the method.
const appsTOML = `
[[apps]]
host = "wiki.example.com"
[[apps.rules]]
path = "/public/*"
public = true
[[apps.rules]]
path = "/admin/*"
allow = '"admins" in user.groups'

[[apps]]
host = "api.example.com"
[[apps.rules]]
path = "/*"
methods = ["GET"]
public = true
[[apps.rules]]
path = "/*"
allow = '"admins" in user.groups'

[[apps]]
host = "tokens.example.com"
pass_access_token = true
`

const trustLoopback = "trusted_proxies = [\"127.0.0.1\"]\n"

// appSite has the apps above and believes the test, which plays the proxy.
func appSite(t testing.TB, opt siteOptions) *site {
	t.Helper()
	opt.keys, opt.toml = opt.keys+trustLoopback, opt.toml+appsTOML
	s := newSite(t, opt)
	if !opt.mute {
		s.guarded(t)
	}
	return s
}

// request is what a browser asks its proxy for.
type request struct {
	method, host, uri string
	headers           []string
}

// The ways of asking authd about a request.
type route func(request) (method, path, host string, headers []string)

func viaNginx(path string) route {
	return func(r request) (string, string, string, []string) {
		return http.MethodGet, path, "", append([]string{"X-Original-Method", r.method, "X-Original-URL", "http://" + r.host + r.uri}, r.headers...)
	}
}

func viaTraefik(path string) route {
	return func(r request) (string, string, string, []string) {
		return http.MethodGet, path, "", append([]string{
			"X-Forwarded-Method", r.method, "X-Forwarded-Proto", "http", "X-Forwarded-Host", r.host, "X-Forwarded-Uri", r.uri,
		}, r.headers...)
	}
}

func viaEnvoy(prefix string) route {
	return func(r request) (string, string, string, []string) {
		return r.method, prefix + r.uri, r.host, append([]string{"X-Forwarded-Proto", "http"}, r.headers...)
	}
}

// everyRoute is each address at which a proxy can ask, with what it answers when all is well.
var everyRoute = map[string]struct {
	via     route
	allowed int
}{
	"/auth/check":              {viaNginx("/auth/check"), 200},
	"/auth/forward":            {viaTraefik("/auth/forward"), 200},
	"/auth/forward/*":          {viaEnvoy("/auth/forward"), 200},
	"/oauth2/auth":             {viaNginx("/oauth2/auth"), 202},
	"/api/authz/auth-request":  {viaNginx("/api/authz/auth-request"), 200},
	"/api/authz/forward-auth":  {viaTraefik("/api/authz/forward-auth"), 200},
	"/api/authz/ext-authz/*":   {viaEnvoy("/api/authz/ext-authz"), 200},
	"/auth/check, X-Forwarded": {viaForwardedNginx, 200},
}

// viaForwardedNginx is a proxy of nginx's kind that was set up for oauth2-proxy: it passes the Host on.
func viaForwardedNginx(r request) (string, string, string, []string) {
	return http.MethodGet, "/auth/check", r.host, append([]string{"X-Original-Method", r.method, "X-Forwarded-Uri", r.uri, "X-Forwarded-Proto", "http"}, r.headers...)
}

// ask asks about a request as a proxy does; redirects are shown.
func (s *site) ask(c *http.Client, via route, r request) reply {
	s.t.Helper()
	method, path, host, headers := via(r)
	return s.askAs(c, method, path, host, headers...)
}

// askAs is get with a Host field.
func (s *site) askAs(c *http.Client, method, path, host string, headers ...string) reply {
	s.t.Helper()
	c = still(c)
	c.Transport = hostTransport(host)
	return s.do(c, method, path, nil, headers...)
}

// hostTransport sends a Host field of its own; "" leaves it.
type hostTransport string

func (h hostTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if h != "" {
		r.Host = string(h)
	}
	return http.DefaultTransport.RoundTrip(r)
}

// pageLoad is what browsers say when a person opens a page; fetch is what scripts say.
var (
	pageLoad = []string{"Accept", "text/html,application/xhtml+xml,*/*;q=0.8", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}
	fetch    = []string{"Accept", "*/*", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"}
)

// wantIdentity asserts that an answer holds every identity header once, of this user; "" is nobody, of whom all are
// empty.
func wantIdentity(t testing.TB, what string, got reply, user string) {
	t.Helper()
	names := []string{string(jwtHeader), string(accessTokenHeader)}
	for _, field := range identityFields {
		names = append(names, string(field.name))
	}
	for _, name := range names {
		values := got.Header.Values(name)
		if len(values) != 1 || (user == "" && values[0] != "") {
			t.Errorf("%s: status %d with %s %q, want it once, of %q", what, got.StatusCode, name, values, user)
		}
	}
	if value := got.Header.Get("X-Auth-Request-User"); value != user {
		t.Errorf("%s: X-Auth-Request-User %q, want %q", what, value, user)
	}
	if values := got.Header.Values("Cache-Control"); !slices.Equal(values, []string{"no-store"}) {
		t.Errorf("%s: status %d with Cache-Control %q", what, got.StatusCode, values)
	}
}

// shutOut puts a rule in force that ada does not meet, as a reload would.
func (s *site) shutOut(t testing.TB) {
	t.Helper()
	next := *s.server.live()
	var err error
	if next.admission, err = policy.NewAdmission(`user.identifier != "ada"`, nil); err != nil {
		t.Fatal(err)
	}
	s.server.inForce.Store(&next)
}

// Threat 85, 86, 89, 90, 91, 94: who may pass, at every address at which a proxy can ask, and what every answer holds.
func TestEveryRouteDecidesAlike(t *testing.T) {
	t.Parallel()
	s := appSite(t, siteOptions{})
	people := map[string]*http.Client{"": s.browser(), "ada": s.browser(), "grace": s.browser(), "linus": s.browser()}
	for name, c := range people {
		if name != "" {
			s.login(c, name, "/auth/oauth/idp")
		}
	}
	wiki := func(uri string) request { return request{"GET", "wiki.example.com", uri, nil} }
	api := func(method string) request { return request{method, "api.example.com", "/v1", nil} }
	const pass, login, deny = "pass", "login", "deny"
	for _, c := range []struct {
		ask   request
		guest string
		grace string // staff
		ada   string // admins
	}{
		{wiki("/"), login, pass, pass},
		{wiki("/public/x?y=z"), pass, pass, pass},
		{wiki("/public"), login, pass, pass},
		{wiki("/admin/x"), login, deny, pass},
		{wiki("/%61dmin/x"), login, deny, pass},
		{wiki("/x?/public/"), login, pass, pass},
		// What can be read in two ways is under every rule at once.
		{wiki("/public/../admin/x"), login, deny, pass},
		{wiki("/public/%2e%2e/admin/x"), login, deny, pass},
		{wiki("/public/..%2fadmin/x"), login, deny, pass},
		{wiki("/public//x"), login, deny, pass},
		{wiki("/public/x;y"), login, deny, pass},
		{wiki("/public/%252e%252e/x"), login, deny, pass},
		{wiki("/public/%00"), login, deny, pass},
		{wiki("/public/\\..\\admin"), login, deny, pass},
		{request{"GET", "WIKI.example.com", "/admin/", nil}, login, deny, pass},
		{request{"GET", "wiki.example.com.", "/admin/", nil}, login, deny, pass},
		{request{"GET", "wiki.example.com:80", "/public/", nil}, pass, pass, pass},
		{request{"GET", "other.example.com", "/public/", nil}, deny, deny, deny},
		{request{"GET", "wiki.example.com.evil.com", "/public/", nil}, deny, deny, deny},
		{api("GET"), pass, pass, pass},
		{api("HEAD"), pass, pass, pass},
		{api("POST"), login, deny, pass},
		{api("OPTIONS"), login, deny, pass},
		{request{"POST", "api.example.com", "/v1", []string{"X-HTTP-Method-Override", "GET"}}, login, deny, pass},
	} {
		for where, at := range everyRoute {
			for who, want := range map[string]string{"": c.guest, "grace": c.grace, "ada": c.ada} {
				ask := c.ask
				ask.headers = append(ask.headers, fetch...)
				got := s.ask(people[who], at.via, ask)
				what := where + " " + ask.method + " " + ask.host + ask.uri + " of " + who
				if status := map[string]int{pass: at.allowed, login: 401, deny: 403}[want]; got.StatusCode != status {
					t.Errorf("%s: status %d, want %d", what, got.StatusCode, status)
				}
				if want != pass {
					who = ""
				}
				wantIdentity(t, what, got, who)
			}
		}
	}
	// Methods that nobody knows, where the method counts.
	for where, at := range everyRoute {
		if strings.HasSuffix(where, "*") {
			continue // there it is the method of the question itself, which is refused before
		}
		for _, method := range []string{"get", "BREW", "GET,POST", ""} {
			wantIdentity(t, where, s.ask(people[""], at.via, request{method, "wiki.example.com", "/public/", nil}), "")
			if got := s.ask(people[""], at.via, api(method)); got.StatusCode < 300 && !(method == "" && strings.Contains(where, "forward")) {
				t.Errorf("%s: the method %q passes", where, method)
			}
		}
	}

	// Whoever the rules no longer let in is a guest on public paths, and no one elsewhere.
	s.shutOut(t)
	for where, at := range everyRoute {
		for _, c := range []struct {
			ask  request
			want int
		}{{wiki("/public/"), at.allowed}, {wiki("/"), 403}, {wiki("/admin/"), 403}, {request{"GET", "other.example.com", "/", nil}, 403}} {
			c.ask.headers = pageLoad
			got := s.ask(people["ada"], at.via, c.ask)
			if got.StatusCode != c.want {
				t.Errorf("%s: %s of somebody shut out: status %d, want %d", where, c.ask.uri, got.StatusCode, c.want)
			}
			wantIdentity(t, where+" shut out", got, "")
		}
	}
}

// Threat 80, 94, 95: only a person who opens a page is led to the login page; programs, forms and websockets are told.
func TestForwardLeadsPagesToTheLogin(t *testing.T) {
	t.Parallel()
	s := appSite(t, siteOptions{})
	guest := s.browser()
	ask := func(method string, headers ...string) request {
		return request{method, "wiki.example.com", "/a?b=c&d=%26", headers}
	}
	for name, c := range map[string]struct {
		ask      request
		traefik  int
		authelia int
		html     bool
	}{
		"page load":                {ask("GET", pageLoad...), 302, 302, false},
		"HEAD of a page":           {ask("HEAD", pageLoad...), 302, 302, false},
		"old browser":              {ask("GET", "Accept", "text/html"), 302, 302, false},
		"capitals":                 {ask("GET", "Accept", "TEXT/HTML"), 302, 302, false},
		"in a frame":               {ask("GET", "Accept", "text/html", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"), 302, 302, false},
		"form":                     {ask("POST", pageLoad...), 401, 303, true},
		"form of an old browser":   {ask("POST", "Accept", "text/html"), 401, 303, true},
		"OPTIONS that wants pages": {ask("OPTIONS", pageLoad...), 401, 302, true},
		"fetch":                    {ask("GET", fetch...), 401, 401, false},
		"fetch that accepts pages": {ask("GET", "Accept", "text/html", "Sec-Fetch-Mode", "cors"), 401, 401, false},
		"image":                    {ask("GET", "Accept", "image/avif,*/*", "Sec-Fetch-Mode", "no-cors"), 401, 401, false},
		"XHR":                      {ask("GET", "Accept", "text/html", "X-Requested-With", "XMLHttpRequest"), 401, 401, false},
		"curl":                     {ask("GET", "Accept", "*/*"), 401, 401, false},
		"nothing said":             {ask("GET"), 401, 401, false},
		"websocket":                {ask("GET", append([]string{"Upgrade", "WebSocket", "Connection", "keep-alive"}, pageLoad...)...), 401, 401, false},
		"websocket by its key":     {ask("GET", append([]string{"Sec-WebSocket-Key", "x"}, pageLoad...)...), 401, 401, false},
		"DELETE":                   {ask("DELETE", fetch...), 401, 401, false},
	} {
		for where, want := range map[string]int{"/auth/forward": c.traefik, "/auth/forward/*": c.traefik, "/api/authz/forward-auth": c.authelia, "/api/authz/ext-authz/*": c.authelia} {
			got := s.ask(guest, everyRoute[where].via, c.ask)
			what := name + " at " + where
			if got.StatusCode != want {
				t.Errorf("%s: status %d, want %d", what, got.StatusCode, want)
			}
			wantIdentity(t, what, got, "")
			if want != 401 {
				wantLogin(t, s, what, got, "http://wiki.example.com/a?b=c&d=%26")
				continue
			}
			if got.Header.Get("Location") != "" || got.Header.Get("WWW-Authenticate") == "" || !slices.Contains(got.Header.Values("Vary"), "Cookie") {
				t.Errorf("%s: headers %v", what, got.Header)
			}
			if c.html {
				if !strings.HasPrefix(got.Header.Get("Content-Type"), "text/html") {
					t.Errorf("%s: a person gets %s", what, got.Header.Get("Content-Type"))
				}
				continue
			}
			wantFailure(t, what, got, "unauthenticated")
		}
	}
}

// wantLogin asserts that an answer leads to the login page and from there to back; "": to nothing else.
func wantLogin(t testing.TB, s *site, what string, got reply, back string) {
	t.Helper()
	to, err := url.Parse(got.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	query := to.Query()
	to.RawQuery = ""
	if to.String() != s.server.publicURL.String()+"/auth/login" || query.Get("return_to") != back || len(query) > 1 {
		t.Errorf("%s: leads to %s, want the login page with return_to %q", what, got.Header.Get("Location"), back)
	}
	if got.body != "" {
		t.Errorf("%s: the redirect has the body %q", what, got.body)
	}
}

func wantFailure(t testing.TB, what string, got reply, code string) {
	t.Helper()
	var said map[string]string
	if err := json.Unmarshal([]byte(got.body), &said); err != nil {
		t.Errorf("%s: %q is no JSON: %v", what, got.body, err)
		return
	}
	if said["error"] != code || said["message"] == "" || said["incident"] == "" || len(said) != 3 || !strings.HasPrefix(got.Header.Get("Content-Type"), "application/json") {
		t.Errorf("%s: %s says %v, want %s", what, got.Header.Get("Content-Type"), said, code)
	}
}

// Threat 80, 88: the way back is the page that was asked for, when it is one of ours.
func TestForwardLeadsBack(t *testing.T) {
	t.Parallel()
	s := appSite(t, siteOptions{head: "[login]\nreturn_to_allow = [\"https://*.example.org\"]\n"})
	guest := s.browser()
	for _, c := range []struct{ host, uri, proto, back string }{
		{"wiki.example.com", "/", "http", "http://wiki.example.com/"},
		{"wiki.example.com", "/a/b%2Fc?x=1&y=%26&return_to=/z#f", "http", "http://wiki.example.com/a/b%2Fc?x=1&y=%26&return_to=/z#f"},
		{"WIKI.example.com", "/Ab", "http", "http://wiki.example.com/Ab"},
		{"wiki.example.com", "/", "https", "https://wiki.example.com/"},
		{"wiki.example.com:8080", "/", "http", ""}, // not their port
		{"wiki.example.com", "//evil.com", "http", "http://wiki.example.com//evil.com"},
		{"wiki.example.com", "/a b", "http", ""},
		{"wiki.example.com", "/\\evil.com", "http", ""},
		{"wiki.example.com", "/" + strings.Repeat("a", 2048), "http", ""},
	} {
		got := s.askAs(guest, "GET", "/auth/forward", "", append([]string{"X-Forwarded-Proto", c.proto, "X-Forwarded-Host", c.host, "X-Forwarded-Uri", c.uri}, pageLoad...)...)
		if got.StatusCode != http.StatusFound {
			t.Errorf("%s%s: status %d", c.host, c.uri, got.StatusCode)
		}
		wantLogin(t, s, c.host+c.uri, got, c.back)
	}
	// The whole way: to the login, and back to where it began.
	c := s.browser()
	got := s.ask(c, viaTraefik("/auth/forward"), request{"GET", "wiki.example.com", "/deep?x=1&y=2", pageLoad})
	to, err := url.Parse(got.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	page := s.get(c, to.RequestURI())
	button := regexp.MustCompile(`href="(/auth/oauth/idp[^"]*)"`).FindStringSubmatch(page.body)
	if button == nil {
		t.Fatalf("no button on %s", page.body)
	}
	start := s.get(still(c), strings.ReplaceAll(button[1], "&amp;", "&"))
	back, err := s.idp.Authorize(t.Context(), start.Header.Get("Location"), "ada")
	if err != nil {
		t.Fatal(err)
	}
	if done := s.get(still(c), back); done.Header.Get("Location") != "http://wiki.example.com/deep?x=1&y=2" {
		t.Errorf("the login leads to %q", done.Header.Get("Location"))
	}
}

// Without trusted proxies, and without apps, a page load is led to the login all the same, with no way back.
func TestForwardWithoutTrust(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	c := s.browser()
	for _, path := range []string{"/auth/forward", "/auth/forward/a/b"} {
		lying := append([]string{"X-Forwarded-Proto", "http", "X-Forwarded-Host", strings.TrimPrefix(s.url, "http://"), "X-Forwarded-Uri", "/x", "X-Forwarded-Method", "POST"}, pageLoad...)
		got := s.askAs(c, "GET", path, "", lying...)
		wantStatus(t, got, http.StatusFound)
		wantLogin(t, s, path, got, "")
		wantStatus(t, s.askAs(c, "POST", path, "", pageLoad...), http.StatusUnauthorized)
	}
	s.login(c, "ada", "/auth/oauth/idp")
	for _, path := range []string{"/auth/forward", "/auth/forward/a/b", "/auth/check", "/oauth2/auth"} {
		got := s.askAs(c, "GET", path, "", "X-Forwarded-Host", "wiki.example.com", "X-Original-URL", "https://wiki.example.com/")
		if got.StatusCode/100 != 2 {
			t.Errorf("%s: status %d", path, got.StatusCode)
		}
		wantIdentity(t, path, got, "ada")
		if token := got.Header.Get("X-Auth-Request-Jwt"); token != "" {
			t.Errorf("%s: a token for a host that nobody has named: %s", path, token)
		}
	}
}

var absolute = regexp.MustCompile(`(?:href|src|action)="([^"]*)"`)

// Threat 67, 107: the refusal stands on the address of the app, so all that it shows and leads to is authd's.
func TestRefusalOnTheAddressOfAnApp(t *testing.T) {
	t.Parallel()
	const public = "https://auth.example.com"
	s := appSite(t, siteOptions{public: public, noWait: true})
	got := s.ask(s.browser(), viaTraefik("/auth/forward"), request{"GET", "other.example.com", "/secret?token=x", pageLoad})
	wantStatus(t, got, http.StatusForbidden)
	links := absolute.FindAllStringSubmatch(got.body, -1)
	stylesheet := ""
	for _, link := range links {
		if !strings.HasPrefix(link[1], public+"/") {
			t.Errorf("the page leads to %s", link[1])
		}
		if strings.HasSuffix(link[1], ".css") {
			stylesheet = link[1]
		}
	}
	name, _ := web.Stylesheet()
	if stylesheet != public+"/auth/assets/"+name || !strings.Contains(got.body, `href="`+public+`/auth/login"`) {
		t.Errorf("the page has the stylesheet %q, and the links %v", stylesheet, links)
	}
	want := "default-src 'none'; style-src " + public + "; img-src " + public + " data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
	if said := got.Header.Get("Content-Security-Policy"); said != want {
		t.Errorf("the policy is\n%s, want\n%s", said, want)
	}
	for _, told := range []string{"other.example.com", "secret", "no app has", "rule"} {
		if strings.Contains(got.body, told) {
			t.Errorf("the page tells of %q", told)
		}
	}
	asset := s.get(http.DefaultClient, strings.TrimPrefix(stylesheet, public))
	wantStatus(t, asset, http.StatusOK)
	if kept := asset.Header.Get("Cross-Origin-Resource-Policy"); !strings.HasPrefix(asset.Header.Get("Content-Type"), "text/css") || kept == "same-origin" {
		t.Errorf("the stylesheet comes as %v", asset.Header)
	}
	program := s.ask(s.browser(), viaTraefik("/auth/forward"), request{"GET", "other.example.com", "/", fetch})
	wantStatus(t, program, http.StatusForbidden)
	wantFailure(t, "a program", program, "access_denied")
}
