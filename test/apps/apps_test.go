//go:build apps && linux

package apps

import (
	"crypto/tls"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/authd/authd/internal/realtest"
)

// app is an application of examples/.
type app struct {
	name    string
	command string   // as its README says, but for PORT and HOST
	files   []string // beside app.py
	secret  string   // name of the variable that holds a key of its own
	health  string   // path that answers when it is up
	link    string   // deep link
	socket  string   // path of its WebSocket
}

var apps = []app{
	{
		name: "streamlit", command: "streamlit run app.py --server.port PORT", health: "/_stcore/health",
		link: "/?year=2026&q=a%26b", socket: "/_stcore/stream", files: []string{".streamlit/config.toml"},
	},
	{
		name: "panel", secret: "BOKEH_SECRET_KEY", health: "/liveness", link: "/app?year=2026&q=a%26b", socket: "/app/ws",
		command: "panel serve app.py --address 127.0.0.1 --port PORT --allow-websocket-origin HOST --use-xheaders --session-ids signed " +
			"--include-cookies none --include-headers X-Auth-Request-Subject X-Auth-Request-Name X-Auth-Request-Email " +
			"X-Auth-Request-Groups X-Auth-Request-Provider --liveness",
	},
	{
		name: "chainlit", command: "chainlit run app.py --headless --host 127.0.0.1 --port PORT", secret: "CHAINLIT_AUTH_SECRET",
		health: "/auth/config", link: "/?year=2026&q=a%26b", socket: "/ws/socket.io/",
	},
}

func TestApps(t *testing.T) {
	for _, a := range apps {
		for _, p := range proxies {
			t.Run(a.name+"/"+p.name, func(t *testing.T) { testApp(t, a, p) })
		}
	}
}

// testApp opens a page of an application, signs in, and is still the same person when requests carry forged headers.
// After signing out nobody is there, and the next one to sign in is not taken for the first.
func testApp(t *testing.T, a app, p proxy) {
	e := newEstate(t, a, p)
	e.wantClosed(t, a)
	b, name := openBrowser(t), a.name+"-"+p.name
	link := e.site + a.link
	b.open(link)
	b.shows("Continue with Company")
	b.shoot("apps-" + name + "-1-login")
	b.choose("Continue with Company")
	b.shows("Who are you today?")
	b.choose("Ada Quillfeather")
	b.shows("Signed in as Ada Quillfeather", "ada@example.org", "admins, staff")
	if where := b.location(); where != link {
		t.Errorf("the login ends at %s, want %s", where, link)
	}
	e.wantSocket(t, a)
	b.shoot("apps-" + name + "-2-ada")
	if links, err := evaluate[[]string](b, pageLinks); err != nil || !slices.Contains(links, e.auth+"/auth/logout") {
		t.Errorf("no link to sign out among %v (%v)", links, err)
	}

	// Threat 86, 87: whatever the browser says of itself, it is Ada.
	e.front.lies.Store(true)
	b.load(chromedp.Reload())
	b.shows("Signed in as Ada Quillfeather", "ada@example.org")
	b.hides(mark)
	e.wantSocket(t, a)
	e.front.lies.Store(false)

	b.open(e.auth + "/auth/logout")
	b.shows("Sign out?")
	b.choose("Sign out")
	b.shows("You are signed out")
	e.wantClosed(t, a)
	b.open(link)
	b.shows("Continue with Company")
	b.hides("ada@example.org")

	b.choose("Continue with Company")
	b.shows("Who are you today?")
	b.choose("Linus Fjordgren")
	b.shows("Signed in as Linus Fjordgren", "no verified address", "guests")
	b.hides("ada@example.org", "Ada Quillfeather")
	b.shoot("apps-" + name + "-3-linus")
}

// wantSocket says that the page has opened the application's WebSocket: what it shows has come through that.
func (e *estate) wantSocket(t testing.TB, a app) {
	t.Helper()
	if !e.front.opened(a.socket) {
		t.Errorf("the page of %s has not opened %s", a.name, a.socket)
	}
}

// wantClosed says that nobody gets at the page, the WebSocket or an API without a session, forged headers or not.
func (e *estate) wantClosed(t testing.TB, a app) {
	t.Helper()
	transport := &http.Transport{Proxy: nil, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	for _, lies := range []bool{false, true} {
		for _, ask := range []struct {
			method, path string
			upgrade      bool
			want         int
		}{
			{http.MethodGet, a.link, false, http.StatusFound},
			{http.MethodGet, a.socket, true, http.StatusUnauthorized},
			{http.MethodPost, "/auth/header", false, http.StatusUnauthorized},
		} {
			req, err := http.NewRequestWithContext(t.Context(), ask.method, e.front.URL+ask.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = strings.TrimPrefix(e.site, "https://")
			req.Header.Set("Accept", "text/html")
			if ask.upgrade {
				req.Header = http.Header{
					"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
					"Sec-Fetch-Mode": {"websocket"}, "Origin": {e.site},
				}
			}
			if lies {
				for name, value := range forged() {
					req.Header[name] = []string{value}
				}
			}
			res, err := transport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close() // only the status is of interest
			if res.StatusCode != ask.want {
				t.Errorf("%s %s with forged headers %v: %s, want %d", ask.method, ask.path, lies, res.Status, ask.want)
			}
		}
	}
}

// The commands of the READMEs are those that are tested.
func TestReadmes(t *testing.T) {
	ports := map[string]string{"streamlit": "8501", "panel": "5006", "chainlit": "8000"}
	for _, a := range apps {
		text, err := os.ReadFile(realtest.Checkout(t, "examples", a.name, "README.md"))
		if err != nil {
			t.Fatal(err)
		}
		command := strings.NewReplacer("PORT", ports[a.name], "HOST", "app.example.com", " --liveness", "").Replace(a.command)
		for _, want := range []string{command, a.socket, a.secret} {
			if !strings.Contains(strings.ReplaceAll(string(text), " \\\n  ", " "), want) {
				t.Errorf("examples/%s/README.md does not say %q", a.name, want)
			}
		}
	}
}
