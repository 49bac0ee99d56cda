package host

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/authd/authd/sdk"
)

// liarEndpoint is where the liar sends people; nobody ever goes there.
const liarEndpoint = "https://idp.example.net/authorize"

// liarType lies at run time: login_hint chooses the lie of the start, the code that of the callback.
func liarType() sdk.Type {
	return sdk.Type{Name: "liar", Label: "Liar", New: func(context.Context, sdk.Config) (sdk.Provider, error) { return liar{}, nil }}
}

// crookType lies when it is configured: it declares whatever endpoint its setting holds.
func crookType() sdk.Type {
	return sdk.Type{
		Name: "crook", Label: "Crook", Settings: []sdk.Setting{{Name: "endpoint", Env: "OAUTH_CROOK_ENDPOINT", Required: true}},
		New: func(_ context.Context, cfg sdk.Config) (sdk.Provider, error) {
			return crook{endpoint: cfg.Settings["endpoint"]}, nil
		},
	}
}

type crook struct {
	liar
	endpoint string
}

func (c crook) AuthorizeParams(context.Context, sdk.AuthorizeRequest) (sdk.AuthorizeParams, error) {
	return sdk.AuthorizeParams{Endpoint: c.endpoint}, nil
}

type liar struct{}

func (liar) AuthorizeParams(_ context.Context, in sdk.AuthorizeRequest) (sdk.AuthorizeParams, error) {
	out := sdk.AuthorizeParams{Endpoint: liarEndpoint, Params: url.Values{}}
	switch in.LoginHint {
	case "other-origin":
		out.Endpoint = "https://evil.example/authorize"
	case "other-port":
		out.Endpoint = "https://idp.example.net:8443/authorize"
	case "http":
		out.Endpoint = "http://idp.example.net/authorize"
	case "javascript":
		out.Endpoint = "javascript:alert(1)"
	case "userinfo":
		out.Endpoint = "https://idp.example.net@evil.example/authorize"
	case "userinfo-own-host":
		out.Endpoint = "https://user:pw@idp.example.net/authorize"
	case "backslash":
		out.Endpoint = `https://idp.example.net\@evil.example/`
	case "newline":
		out.Endpoint = liarEndpoint + "?x=\r\nSet-Cookie:%20a=b"
	case "empty":
		out.Endpoint = ""
	case "panic":
		panic("in AuthorizeParams")
	case "many":
		for i := range 200 {
			out.Params.Set(fmt.Sprint("p", i), "x")
		}
	case "override":
		out.Endpoint = liarEndpoint + "?state=evil&redirect_uri=https://evil.example/&response_type=token"
		out.Params = url.Values{
			"state": {"evil", "eviler"}, "redirect_uri": {"https://evil.example/"}, "response_type": {"token"}, "nonce": {"evil"},
			"code_challenge": {"evil"}, "code_challenge_method": {"plain"},
		}
	}
	return out, nil
}

func (liar) GetToken(_ context.Context, in sdk.CodeExchange) (*sdk.Token, error) {
	switch in.Code {
	case "panic":
		panic("in GetToken")
	case "nil-token":
		return nil, nil
	case "empty-token":
		return &sdk.Token{}, nil
	case "newline-token":
		return &sdk.Token{AccessToken: "a\r\nb"}, nil
	case "plain-error":
		return nil, fmt.Errorf("secret path /etc/liar and\na second line")
	case "user-error":
		return nil, sdk.UserErrorf("invalid_grant", "no longer good")
	}
	return &sdk.Token{AccessToken: in.Code}, nil
}

func (liar) GetUserInfo(_ context.Context, t *sdk.Token) (*sdk.User, error) {
	u := &sdk.User{Sub: "42", PreferredUsername: "liz"}
	switch t.AccessToken {
	case "user-panic":
		panic("in GetUserInfo")
	case "nil-user":
		return nil, nil
	case "empty-sub":
		u.Sub = ""
	case "blank-sub":
		u.Sub = "  "
	case "newline-sub":
		u.Sub = "42\r\nX-Auth-Request-User: root"
	case "long-sub":
		u.Sub = strings.Repeat("4", 300)
	case "two-mebibytes":
		u.Claims = json.RawMessage(`{"x":"` + strings.Repeat("a", 2<<20) + `"}`)
	case "five-thousand-groups":
		u.Groups = make([]string, 5000)
		for i := range u.Groups {
			u.Groups[i] = fmt.Sprint("g", i)
		}
	case "invalid-utf8":
		u.Name = "a\xff\xfeb"
	case "claims-not-json":
		u.Claims = json.RawMessage(`{"x":`)
	case "claims-array":
		u.Claims = json.RawMessage(`["x"]`)
	case "newline-name":
		u.Name = "a\nb"
	}
	return u, nil
}

const liarToml = `
[[providers]]
id = "liar"
type = "liar"
[[providers]]
id = "script"
type = "crook"
endpoint = "javascript:alert(1)"
[[providers]]
id = "mixed"
type = "crook"
endpoint = "https://good.example@evil.example/authorize"
`

// liarSite waits for the honest provider and the liar; the crooks never become ready.
func liarSite(t *testing.T) *site {
	s := newSite(t, siteOptions{toml: liarToml, noWait: true})
	for _, id := range []string{"idp", "liar"} {
		if err := s.server.live().byID[id].runtime.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// Threat 31, 36, 37, 134, 136, 137: whatever a plugin lies about, nobody is signed in or sent elsewhere, the log
// says which provider it was, and the others work on.
func TestLyingPlugins(t *testing.T) {
	t.Parallel()
	s := liarSite(t)
	for _, id := range []string{"script", "mixed"} {
		s.logs.await(t, "provider "+id+": ", 0)
		got := s.get(still(s.browser()), "/auth/oauth/"+id)
		if got.StatusCode < 500 || got.Header.Get("Location") != "" {
			t.Errorf("the start at %s answered %d to %q", id, got.StatusCode, got.Header.Get("Location"))
		}
	}
	for _, lie := range []string{
		"other-origin", "other-port", "http", "javascript", "userinfo", "userinfo-own-host", "backslash", "newline", "empty", "panic", "many",
	} {
		s.refusesStart(lie)
	}
	for _, lie := range []string{
		"panic", "nil-token", "empty-token", "newline-token", "plain-error", "user-error", "user-panic", "nil-user", "empty-sub", "blank-sub",
		"newline-sub", "long-sub", "two-mebibytes", "five-thousand-groups", "invalid-utf8", "claims-not-json", "claims-array", "newline-name",
	} {
		s.refusesCallback(lie)
	}
	if found := s.storedSessions(); found != 0 {
		t.Errorf("%d sessions came of lies", found)
	}
	wantStatus(t, s.login(s.browser(), "ada", "/auth/oauth/idp?return_to=/auth/session"), http.StatusOK)
	// The liar's process lives on, or came back.
	c := s.browser()
	wantStatus(t, s.callbackOf(c, "liar", "", "honest"), http.StatusSeeOther)
	wantStatus(t, s.get(c, "/auth/check"), http.StatusOK)
}

// storedSessions counts what is in the store.
func (s *site) storedSessions() (found int) {
	s.t.Helper()
	for _, err := range s.server.store.Scan(s.t.Context(), "session/") {
		if err != nil {
			s.t.Fatal(err)
		}
		found++
	}
	return found
}

func (s *site) refusesStart(lie string) {
	s.t.Helper()
	before := len(s.logs.String())
	got := s.get(still(s.browser()), "/auth/oauth/liar?login_hint="+lie, "Accept", "application/json")
	if got.StatusCode != http.StatusBadGateway || got.Header.Get("Location") != "" || len(got.Cookies()) > 0 {
		s.t.Errorf("start with lie %s: status %d, Location %q, cookies %v", lie, got.StatusCode, got.Header.Get("Location"), got.Cookies())
	}
	if log := s.logs.String()[before:]; !strings.Contains(log, "provider liar: AuthorizeParams") {
		s.t.Errorf("start with lie %s: the log does not name the provider:\n%s", lie, log)
	}
	if strings.Contains(got.body, "evil") || strings.Contains(got.body, "panic") {
		s.t.Errorf("start with lie %s: the answer is %s", lie, got.body)
	}
}

// callbackOf begins a login and ends it with a code, without an identity provider.
func (s *site) callbackOf(c *http.Client, id, hint, code string) reply {
	s.t.Helper()
	start := s.get(still(c), "/auth/oauth/"+id+"?login_hint="+hint)
	wantStatus(s.t, start, http.StatusSeeOther)
	to, err := start.Location()
	if err != nil {
		s.t.Fatal(err)
	}
	query := url.Values{"state": {to.Query().Get("state")}, "code": {code}}
	return s.get(still(c), "/auth/oauth/"+id+"/callback?"+query.Encode(), "Accept", "application/json")
}

func (s *site) refusesCallback(lie string) {
	s.t.Helper()
	before := len(s.logs.String())
	c := s.browser()
	got := s.callbackOf(c, "liar", "", lie)
	want := http.StatusBadGateway
	if lie == "user-error" {
		want = http.StatusBadRequest
	}
	if got.StatusCode != want || got.Header.Get("Location") != "" {
		s.t.Errorf("callback with lie %s: status %d, want %d; Location %q", lie, got.StatusCode, want, got.Header.Get("Location"))
	}
	for _, cookie := range got.Cookies() {
		if cookie.Name == "authd" {
			s.t.Errorf("callback with lie %s: a session cookie was set", lie)
		}
	}
	if log := s.logs.String()[before:]; !strings.Contains(log, "provider liar: Get") {
		s.t.Errorf("callback with lie %s: the log does not name the provider:\n%s", lie, log)
	}
	for _, leak := range []string{"/etc/liar", "second line", "goroutine", "root", "GetUserInfo"} {
		if strings.Contains(got.body, leak) {
			s.t.Errorf("callback with lie %s: the answer says %q: %s", lie, leak, got.body)
		}
	}
	wantStatus(s.t, s.get(c, "/auth/check"), http.StatusUnauthorized)
}

// Threat 12, 137: what authd writes into the authorization request, no plugin can change.
func TestPluginCanNotOverrideTheRequest(t *testing.T) {
	t.Parallel()
	s := liarSite(t)
	start := s.get(still(s.browser()), "/auth/oauth/liar?login_hint=override")
	to, err := start.Location()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(to.RawQuery, "evil") || !strings.HasPrefix(to.String(), liarEndpoint+"?") {
		t.Errorf("the browser is sent to %s", to)
	}
	query := to.Query()
	for name, want := range map[string]string{
		"redirect_uri": s.url + "/auth/oauth/liar/callback", "response_type": "code", "code_challenge_method": "S256",
	} {
		if got := query[name]; len(got) != 1 || got[0] != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		if got := query[name]; len(got) != 1 || len(got[0]) != 43 {
			t.Errorf("%s = %q, want one value of 43 characters", name, got)
		}
	}
}
