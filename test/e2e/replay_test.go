//go:build linux

package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/authd/authd/internal/realtest"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/providertest"
)

// recorded is what a proxy that is not here asks by its documentation, for one request of a browser.
type recorded struct {
	method, path string // of the question
	host         string // of the question; "": authd's own address
	headers      []string
}

// asked is a request of a browser.
type asked struct {
	method, uri string
	headers     []string
}

// traefik is the forwardAuth middleware with trustForwardHeader off: the method is always GET, X-Forwarded-* are its
// own, every other field of the request comes along. https://doc.traefik.io/traefik/middlewares/http/forwardauth/
func traefik(a asked) recorded {
	return recorded{http.MethodGet, "/auth/forward", "", append([]string{
		"X-Forwarded-Method", a.method, "X-Forwarded-Proto", "https", "X-Forwarded-Host", "app.example.com", "X-Forwarded-Uri", a.uri,
		"X-Forwarded-For", "203.0.113.9", "X-Forwarded-Port", "443", "X-Forwarded-Server", "edge-1", "X-Real-Ip", "203.0.113.9",
	}, a.headers...)}
}

// envoy is the HTTP service of the ext_authz filter as examples/envoy sets it up: the browser's method, host and path
// behind path_prefix, and the fields of allowed_headers.
// https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/ext_authz_filter
func envoy(a asked) recorded {
	return recorded{a.method, "/auth/forward" + a.uri, "app.example.com", append([]string{
		"X-Forwarded-Proto", "https", "X-Forwarded-For", "203.0.113.9", "X-Envoy-Internal", "true", "X-Envoy-Expected-Rq-Timeout-Ms", "5000",
	}, a.headers...)}
}

// authelia is a Traefik that was set up for Authelia's /api/authz/forward-auth.
func authelia(a asked) recorded {
	r := traefik(a)
	r.path = "/api/authz/forward-auth"
	return r
}

// outpost is an authd for app.example.com without a proxy: the test says what proxies say.
type outpost struct {
	*server
	t   *testing.T
	idp *devidp.Server
	b   *browser
}

func newOutpost(t *testing.T) *outpost {
	t.Helper()
	port := realtest.FreePort(t)
	o := &outpost{t: t, b: newBrowser(t)}
	home := "http://127.0.0.1:" + strconv.Itoa(port)
	o.idp = providertest.StartIDP(t, devidp.Options{Clients: []devidp.Client{{ID: "demo", Secret: "demo-secret", RedirectURIs: []string{home + "/auth/oauth/dev/callback"}}}})
	o.server = serve(t, options{
		port: port, store: "file:" + filepath.Join(t.TempDir(), "authd.db"), offers: []string{"dev"}, tables: siteRules + devTable(o.idp, "dev", "oidc"),
		environ: []string{"AUTHD_SERVER_TRUSTED_PROXIES=127.0.0.1", "AUTHD_LOGIN_RETURN_TO_ALLOW=https://app.example.com"},
	})
	return o
}

// signIn returns the cookie of somebody who has signed in.
func (o *outpost) signIn(user string) (name, value string) {
	o.t.Helper()
	b := newBrowser(o.t)
	if _, err := o.idp.Login(o.t.Context(), b.client, o.url+"/auth/oauth/dev", user); err != nil {
		o.t.Fatal(err)
	}
	at, err := url.Parse(o.url)
	if err != nil {
		o.t.Fatal(err)
	}
	var all []string
	for _, c := range b.client.Jar.Cookies(at) {
		all = append(all, c.String())
	}
	return "Cookie", strings.Join(all, "; ")
}

// replay asks what a proxy asks and returns what it would see.
func (o *outpost) replay(r recorded) page {
	o.t.Helper()
	req, err := http.NewRequest(r.method, o.url+r.path, nil)
	if err != nil {
		o.t.Fatal(err)
	}
	if r.host != "" {
		req.Host = r.host
	}
	for i := 0; i < len(r.headers); i += 2 {
		req.Header[r.headers[i]] = append(req.Header[r.headers[i]], r.headers[i+1])
	}
	client := *o.b.client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Do(req)
	if err != nil {
		o.t.Fatal(err)
	}
	return readPage(o.t, res)
}

// Threat 83, 85, 89, 94: what Traefik and Envoy ask is answered as they need it: 2xx lets through, all else is for the
// browser.
func TestReplay(t *testing.T) {
	t.Parallel()
	o := newOutpost(t)
	cookie := func(user string) []string { name, value := o.signIn(user); return []string{name, value} }
	ada, linus := cookie("ada"), cookie("linus")
	person := []string{"Accept", "text/html,application/xhtml+xml", "Sec-Fetch-Mode", "navigate"}
	for name, ask := range map[string]func(asked) recorded{"Traefik": traefik, "Envoy": envoy, "Authelia's": authelia} {
		for _, test := range []struct {
			what string
			asked
			want int
		}{
			{"guest", asked{"GET", "/reports/7?a=b%26c&d", person}, http.StatusFound},
			{"guest's fetch", asked{"GET", "/reports/7", []string{"Accept", "application/json", "Sec-Fetch-Mode", "cors"}}, http.StatusUnauthorized},
			{"guest's XHR", asked{"GET", "/reports/7", append(person[:2:2], "X-Requested-With", "XMLHttpRequest")}, http.StatusUnauthorized},
			{"guest's socket", asked{"GET", "/ws", append(person[:2:2], "Upgrade", "websocket", "Connection", "Upgrade")}, http.StatusUnauthorized},
			{"guest on a public page", asked{"GET", "/public/x?y", person}, http.StatusOK},
			{"guest by a detour", asked{"GET", "/public/../admin/x", person}, http.StatusFound},
			{"guest by an escape", asked{"GET", "/public/..%2fadmin/x", person}, http.StatusFound},
			{"ada", asked{"GET", "/admin/x?y", append(person, ada...)}, http.StatusOK},
			{"ada's form", asked{"POST", "/admin/x", append(person, ada...)}, http.StatusOK},
			{"ada's socket", asked{"GET", "/ws", append(ada[:2:2], "Upgrade", "websocket", "Connection", "Upgrade")}, http.StatusOK},
			{"linus", asked{"GET", "/x", append(person, linus...)}, http.StatusOK},
			{"linus denied", asked{"GET", "/admin/x", append(person, linus...)}, http.StatusForbidden},
		} {
			got := o.replay(ask(test.asked))
			if got.StatusCode != test.want {
				t.Errorf("%s, %s: %s, want %d\n%s", name, test.what, got.Status, test.want, got.body)
				continue
			}
			o.wantAnswer(got, test.uri, strings.HasPrefix(test.what, "ada") || test.what == "linus")
		}
	}
}

// wantAnswer checks what a proxy reads in an answer: where the login page is, and every identity header.
func (o *outpost) wantAnswer(got page, uri string, somebody bool) {
	o.t.Helper()
	for _, name := range []string{"User", "Subject", "Email", "Preferred-Username", "Name", "Groups", "Groups-Omitted", "Provider", "Jwt", "Access-Token"} {
		if values := got.Header.Values("X-Auth-Request-" + name); len(values) != 1 || (!somebody && values[0] != "") {
			o.t.Errorf("%s: X-Auth-Request-%s is %q", got.Status, name, values)
		}
	}
	if somebody && (got.Header.Get("X-Auth-Request-User") == "" || got.Header.Get("X-Auth-Request-Jwt") == "") {
		o.t.Errorf("nobody in %v", got.Header)
	}
	to, err := url.Parse(got.Header.Get("Location"))
	if got.StatusCode == http.StatusFound && (err != nil || !strings.HasPrefix(to.String(), o.url+"/auth/login?") || to.Query().Get("return_to") != "https://app.example.com"+uri) {
		o.t.Errorf("%s leads to %s (%v)", uri, to, err)
	}
	if got.StatusCode == http.StatusUnauthorized && got.Header.Get("Content-Type") == "application/json" {
		var told struct{ Error string }
		if err := json.Unmarshal([]byte(got.body), &told); err != nil || told.Error != "unauthenticated" {
			o.t.Errorf("a program is told %s", got.body)
		}
	}
}

// Threat 88, 91: what a client adds to Traefik's and Envoy's own words opens nothing.
func TestReplayForged(t *testing.T) {
	t.Parallel()
	o := newOutpost(t)
	e := &estate{site: "https://app.example.com"}
	for name, ask := range map[string]func(asked) recorded{"Traefik": traefik, "Envoy": envoy} {
		added := targets(e)
		for i := 0; i < len(added); i += 2 {
			if name == "Traefik" && strings.HasPrefix(added[i], "X-Forwarded-") {
				continue // Traefik writes its own over them
			}
			got := o.replay(ask(asked{"GET", "/admin/x", append([]string{"Accept", "text/html"}, added[i:i+2]...)}))
			if got.StatusCode < 300 {
				t.Errorf("%s with %s: %s opens the page: %s", name, added[i], added[i+1], got.Status)
			}
		}
	}
	// The names of hosts that are no app are refused, whoever asks.
	other := envoy(asked{"GET", "/", nil})
	other.host = "other.example.com"
	wantStatus(t, o.replay(other), http.StatusForbidden)
}
