package devidp

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Without a known client and a registered redirect URI nobody is redirected.
func TestAuthorizeErrorPages(t *testing.T) {
	s := start(t, Options{Clients: []Client{
		{ID: "demo", Secret: "demo-secret"},
		{ID: "fixed", Secret: "s", RedirectURIs: []string{"https://app.example.com/cb"}},
	}})
	for name, change := range map[string]with{
		"unknown client":        {"client_id": "nobody"},
		"no client":             {"client_id": "-"},
		"markup":                {"client_id": "<script>alert(1)</script>"},
		"no redirect_uri":       {"redirect_uri": "-"},
		"other host":            {"redirect_uri": "https://attacker.example/cb"},
		"loopback in userinfo":  {"redirect_uri": "http://127.0.0.1@attacker.example/cb"},
		"fragment":              {"redirect_uri": callbackURI + "#x"},
		"empty fragment":        {"redirect_uri": callbackURI + "#"},
		"javascript":            {"redirect_uri": "javascript:alert(1)//127.0.0.1"},
		"loopback as subdomain": {"redirect_uri": "http://127.0.0.1.attacker.example/cb"},
		"registered, prefix":    {"client_id": "fixed", "redirect_uri": "https://app.example.com/cb/more"},
		"registered, case":      {"client_id": "fixed", "redirect_uri": "https://app.example.com/CB"},
		"registered, loopback":  {"client_id": "fixed"},
	} {
		t.Run(name, func(t *testing.T) {
			r := get(t, authURL(s, change))
			if r.status != http.StatusBadRequest || r.header.Get("Location") != "" {
				t.Errorf("status %d, Location %q; want an error page", r.status, r.header.Get("Location"))
			}
			if !strings.HasPrefix(r.header.Get("Content-Type"), "text/html") || contains(string(r.raw), "<script>alert") {
				t.Errorf("no safe page: %s", r.raw)
			}
		})
	}
	for _, name := range []string{"client_id", "redirect_uri"} {
		r := get(t, authURL(s, nil)+"&"+name+"="+url.QueryEscape(authParams(nil).Get(name)))
		if r.status != http.StatusBadRequest || r.header.Get("Location") != "" {
			t.Errorf("%s twice: status %d, Location %q", name, r.status, r.header.Get("Location"))
		}
	}
}

// All other mistakes go back to the client, with state and iss.
func TestAuthorizeErrorRedirects(t *testing.T) {
	s := start(t, Options{Clients: []Client{{ID: "demo", Secret: "demo-secret"}, {ID: "public"}}})
	for name, tt := range map[string]struct {
		change with
		code   string
	}{
		"no response_type":       {with{"response_type": "-"}, "invalid_request"},
		"implicit":               {with{"response_type": "token"}, "unsupported_response_type"},
		"id_token alone":         {with{"response_type": "id_token"}, "unsupported_response_type"},
		"unknown response_mode":  {with{"response_mode": "jwt"}, "invalid_request"},
		"plain PKCE":             {with{"code_challenge_method": "plain"}, "invalid_request"},
		"PKCE without method":    {with{"code_challenge_method": "-"}, "invalid_request"},
		"method without PKCE":    {with{"code_challenge": "-"}, "invalid_request"},
		"short challenge":        {with{"code_challenge": "abc"}, "invalid_request"},
		"public without PKCE":    {with{"client_id": "public", "code_challenge": "-", "code_challenge_method": "-"}, "invalid_request"},
		"unknown prompt":         {with{"prompt": "create"}, "invalid_request"},
		"prompt none and more":   {with{"prompt": "none login"}, "invalid_request"},
		"prompt none, nobody in": {with{"prompt": "none"}, "login_required"},
		"max_age":                {with{"max_age": "-1"}, "invalid_request"},
		"max_age text":           {with{"max_age": "soon"}, "invalid_request"},
		"request":                {with{"request": "x"}, "request_not_supported"},
		"request_uri":            {with{"request_uri": "https://x"}, "request_uri_not_supported"},
		"foreign id_token_hint":  {with{"id_token_hint": "a.b.c"}, "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			got := queryOf(t, redirectOf(t, get(t, authURL(s, tt.change))))
			if got.Get("error") != tt.code || got.Get("error_description") == "" || got.Has("code") {
				t.Errorf("redirect says %v, want error %s", got, tt.code)
			}
			if got.Get("state") != "the-state" || got.Get("iss") != s.Issuer() {
				t.Errorf("redirect lacks state or iss: %v", got)
			}
		})
	}
	twice := queryOf(t, redirectOf(t, get(t, authURL(s, nil)+"&nonce=two")))
	if twice.Get("error") != "invalid_request" {
		t.Errorf("a repeated parameter: %v", twice)
	}
}

func redirectOf(t *testing.T, r reply) string {
	t.Helper()
	to := r.header.Get("Location")
	if r.status != http.StatusSeeOther || !strings.HasPrefix(to, callbackURI) {
		t.Fatalf("status %d to %q, want 303 to the client\n%s", r.status, to, r.raw)
	}
	return to
}

// State comes back byte by byte, whatever is in it, and is not made up.
func TestStateIsEchoed(t *testing.T) {
	s := start(t, Options{})
	for _, state := range []string{"plain", `a+b/c=d&e f%20"<>'`, "ünïcode ✓", "$%*,-./:=>?@^_~", strings.Repeat("s", 2000), ""} {
		got := authorize(t, s, with{"state": state})
		if got.Get("state") != state || len(got["state"]) != 1 {
			t.Errorf("state %q came back as %q", state, got["state"])
		}
	}
	if got := authorize(t, s, with{"state": "-"}); got.Has("state") {
		t.Errorf("a state was made up: %v", got)
	}
}

func TestRedirectKeepsQuery(t *testing.T) {
	s := start(t, Options{})
	for _, uri := range []string{callbackURI + "?a=1&b=%20x", callbackURI + "?", callbackURI + "?a=1&"} {
		back, err := s.Authorize(t.Context(), authURL(s, with{"redirect_uri": uri}), "ada")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(back, uri) {
			t.Errorf("redirected to %s, want a prefix %s", back, uri)
		}
		if queryOf(t, back).Get("code") == "" {
			t.Errorf("no code in %s", back)
		}
	}
}

func TestResponseModes(t *testing.T) {
	s := start(t, Options{})
	for mode, separator := range map[string]string{"query": "?", "fragment": "#", "-": "?"} {
		back, err := s.Authorize(t.Context(), authURL(s, with{"response_mode": mode}), "ada")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(back, callbackURI+separator) {
			t.Errorf("response_mode %s: %s", mode, back)
		}
	}
	action, form, err := s.AuthorizeForm(t.Context(), authURL(s, with{"response_mode": "form_post", "state": `"><b>'&`}), "ada")
	if err != nil {
		t.Fatal(err)
	}
	if action != callbackURI || form.Get("state") != `"><b>'&` || form.Get("code") == "" || form.Get("iss") != s.Issuer() {
		t.Errorf("form_post to %s with %v", action, form)
	}
	if r := exchange(t, s, form.Get("code"), nil); r.status != http.StatusOK {
		t.Errorf("the code of a form post: %d %s", r.status, r.raw)
	}
	if _, err := s.Authorize(t.Context(), authURL(s, with{"response_mode": "form_post"}), "ada"); err == nil {
		t.Error("Authorize took a form post for a redirect")
	}
	if _, _, err := s.AuthorizeForm(t.Context(), authURL(s, nil), "ada"); err == nil {
		t.Error("AuthorizeForm took a redirect for a form post")
	}
}

// The hybrid flow (OpenID Connect Core 3.3): an ID token beside the code, bound to it.
func TestHybridFlow(t *testing.T) {
	s := start(t, Options{})
	back, err := s.Authorize(t.Context(), authURL(s, with{"response_type": "code id_token"}), "ada")
	if err != nil {
		t.Fatal(err)
	}
	rest, ok := strings.CutPrefix(back, callbackURI+"#")
	if !ok {
		t.Fatalf("hybrid answers by default in the fragment, got %s", back)
	}
	params, err := url.ParseQuery(rest)
	if err != nil {
		t.Fatal(err)
	}
	claims := claimsOf(t, params.Get("id_token"))
	if claims["c_hash"] != halfHash("ES256", params.Get("code")) || claims["nonce"] != "the-nonce" || claims["at_hash"] != nil {
		t.Errorf("ID token of the redirect: %v", claims)
	}
	for name, change := range map[string]with{
		"query":     {"response_mode": "query"},
		"no nonce":  {"nonce": "-", "response_mode": "-"},
		"no openid": {"scope": "email", "response_mode": "-"},
	} {
		change["response_type"] = "code id_token"
		to := redirectOf(t, get(t, authURL(s, change)))
		if !contains(to, "error=invalid_request") || contains(to, "id_token=") {
			t.Errorf("%s: %s", name, to)
		}
	}
}

// POST is as good as GET (OpenID Connect Core 3.1.2.1).
func TestAuthorizeByPost(t *testing.T) {
	s := start(t, Options{AutoLogin: "ada"})
	r := post(t, s.EndpointURL(EndpointAuthorize)+"?client_id=ignored", authParams(nil))
	if queryOf(t, redirectOf(t, r)).Get("code") == "" {
		t.Errorf("no code: %v", r.header)
	}
	if r := do(t, request(t, http.MethodPut, s.EndpointURL(EndpointAuthorize), nil)); r.status != http.StatusMethodNotAllowed || r.header.Get("Allow") != "GET, POST" {
		t.Errorf("PUT: %d, Allow %q", r.status, r.header.Get("Allow"))
	}
}

// A redirect_uri may be left out by plain OAuth clients that have registered just one.
func TestRedirectURILeftOut(t *testing.T) {
	s := start(t, Options{Clients: []Client{{ID: "demo", Secret: "demo-secret", RedirectURIs: []string{callbackURI}}}})
	got := authorize(t, s, with{"redirect_uri": "-", "scope": "email"})
	exchange(t, s, got.Get("code"), with{"redirect_uri": "-"}).want(t, http.StatusOK, "")
	if r := get(t, authURL(s, with{"redirect_uri": "-"})); r.status != http.StatusBadRequest {
		t.Errorf("OpenID Connect without redirect_uri: %d", r.status)
	}
}

func TestCancel(t *testing.T) {
	s := start(t, Options{})
	got := authorizeAs(t, s.NewBrowser(), "", authURL(s, nil))
	if got.Get("error") != "access_denied" || got.Get("state") != "the-state" || got.Has("code") {
		t.Errorf("Cancel: %v", got)
	}
}

func TestSingleSignOnAndPrompt(t *testing.T) {
	clk := newClock()
	s := start(t, Options{Now: clk.Now, SessionLife: time.Hour})
	b := s.NewBrowser()
	shows := func(b *Browser, change with) bool {
		t.Helper()
		p, err := b.get(t.Context(), authURL(s, change))
		if err != nil {
			t.Fatal(err)
		}
		return p.interaction() != ""
	}
	if !shows(b, nil) {
		t.Fatal("a stranger was not asked")
	}
	first := authorizeAs(t, b, "ada", authURL(s, nil)).Get("code")
	sid := claimsOf(t, text(t, exchange(t, s, first, nil).want(t, 200, ""), "id_token"))["sid"]
	clk.Turn(10 * time.Minute)
	for name, tt := range map[string]struct {
		change with
		asked  bool
	}{
		"again":           {nil, false},
		"login":           {with{"prompt": "login"}, true},
		"select_account":  {with{"prompt": "select_account"}, true},
		"consent":         {with{"prompt": "consent"}, true},
		"max_age over":    {with{"max_age": "60"}, true},
		"max_age zero":    {with{"max_age": "0"}, true},
		"max_age enough":  {with{"max_age": "3600"}, false},
		"another browser": {nil, true},
	} {
		in := b
		if name == "another browser" {
			in = s.NewBrowser()
		}
		if got := shows(in, tt.change); got != tt.asked {
			t.Errorf("%s: asked = %v, want %v", name, got, tt.asked)
		}
	}
	silent := authorizeAs(t, b, "nobody", authURL(s, with{"prompt": "none"}))
	claims := claimsOf(t, text(t, exchange(t, s, silent.Get("code"), nil).want(t, 200, ""), "id_token"))
	if claims["sid"] != sid || claims["auth_time"].(float64) > float64(clk.Now().Add(-9*time.Minute).Unix()) {
		t.Errorf("single sign-on made a new session: %v", claims)
	}
	if got := authorizeAs(t, b, "", authURL(s, with{"prompt": "none", "max_age": "60"})); got.Get("error") != "login_required" {
		t.Errorf("prompt none with an old session: %v", got)
	}
	again := authorizeAs(t, b, "ada", authURL(s, with{"prompt": "login", "max_age": "60"}))
	claims = claimsOf(t, text(t, exchange(t, s, again.Get("code"), nil).want(t, 200, ""), "id_token"))
	if claims["auth_time"] != float64(clk.Now().Unix()) || claims["sid"] != sid {
		t.Errorf("after prompt=login: auth_time %v, sid %v", claims["auth_time"], claims["sid"])
	}
	clk.Turn(2 * time.Hour)
	if !shows(b, nil) {
		t.Error("the session outlived SessionLife")
	}
}

// With an id_token_hint only that person will do.
func TestIDTokenHint(t *testing.T) {
	s := start(t, Options{})
	b := s.NewBrowser()
	hint := text(t, tokens(t, s, nil), "id_token")
	authorizeAs(t, b, "grace", authURL(s, nil))
	got := authorizeAs(t, b, "", authURL(s, with{"prompt": "none", "id_token_hint": hint}))
	if got.Get("error") != "login_required" {
		t.Errorf("grace is signed in, ada was hinted: %v", got)
	}
	authorizeAs(t, b, "ada", authURL(s, with{"prompt": "login"}))
	s.RotateKeys() // a hint of a retired key still counts
	if got := authorizeAs(t, b, "", authURL(s, with{"prompt": "none", "id_token_hint": hint})); got.Get("code") == "" {
		t.Errorf("ada is signed in and was hinted: %v", got)
	}
}

func TestAutoLogin(t *testing.T) {
	s := start(t, Options{AutoLogin: "grace"})
	sub := func(r reply) any {
		t.Helper()
		code := queryOf(t, redirectOf(t, r)).Get("code")
		return claimsOf(t, text(t, exchange(t, s, code, nil).want(t, 200, ""), "id_token"))["sub"]
	}
	for _, prompt := range []string{"-", "login", "consent", "select_account"} {
		if got := sub(get(t, authURL(s, with{"prompt": prompt}))); got != "dev-2b58e4d7-grace" {
			t.Errorf("prompt %s: signed in %v", prompt, got)
		}
	}
	if err := s.SetAutoLogin("dev-c4961fa2-linus"); err != nil {
		t.Fatal(err)
	}
	if got := sub(get(t, authURL(s, nil))); got != "dev-c4961fa2-linus" {
		t.Errorf("after SetAutoLogin: %v", got)
	}
	// prompt=none shows no page either way, so there is nobody to click.
	if to := redirectOf(t, get(t, authURL(s, with{"prompt": "none"}))); !contains(to, "login_required") {
		t.Errorf("prompt none: %s", to)
	}
	if err := s.SetAutoLogin("nobody"); err == nil {
		t.Error("SetAutoLogin took a stranger")
	}
	if err := s.SetAutoLogin(""); err != nil {
		t.Fatal(err)
	}
	if r := get(t, authURL(s, nil)); r.status != http.StatusOK {
		t.Errorf("without auto-login: %d, want the page", r.status)
	}
}

// A page counts once, and another site cannot click.
func TestInteraction(t *testing.T) {
	clk := newClock()
	s := start(t, Options{Now: clk.Now})
	b := s.NewBrowser()
	open := func() url.Values {
		t.Helper()
		p, err := b.get(t.Context(), authURL(s, nil))
		if err != nil || p.interaction() == "" {
			t.Fatalf("no page: %v", err)
		}
		return s.click(p.interaction(), "ada")
	}
	login := s.URL() + "/-/login"
	form := open()
	if r := post(t, login, form, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }); r.status != http.StatusForbidden {
		t.Errorf("a click from another site: %d", r.status)
	}
	if r := post(t, login, form); r.status != http.StatusSeeOther {
		t.Errorf("the first click: %d %s", r.status, r.raw)
	}
	if r := post(t, login, form); r.status != http.StatusBadRequest {
		t.Errorf("the second click: %d", r.status)
	}
	form = open()
	form.Set("user", "somebody-unknown")
	if r := post(t, login, form); r.status != http.StatusBadRequest {
		t.Errorf("an unknown user: %d", r.status)
	}
	form = open()
	clk.Turn(11 * time.Minute)
	if r := post(t, login, form); r.status != http.StatusBadRequest {
		t.Errorf("an old page: %d", r.status)
	}
	if r := get(t, login); r.status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", r.status)
	}
}

// Consent names the one who is signed in, and is void once somebody else is.
func TestConsentPage(t *testing.T) {
	s := start(t, Options{})
	b := s.NewBrowser()
	authorizeAs(t, b, "ada", authURL(s, nil))
	p, err := b.get(t.Context(), authURL(s, with{"prompt": "consent"}))
	if err != nil {
		t.Fatal(err)
	}
	if !contains(p.body, "Continue as Ada") || contains(p.body, "Grace") {
		t.Errorf("consent page:\n%s", p.body)
	}
	authorizeAs(t, b, "grace", authURL(s, with{"prompt": "login"}))
	late, err := b.post(t.Context(), s.click(p.interaction(), "ada"))
	if err != nil {
		t.Fatal(err)
	}
	if late.status != http.StatusBadRequest {
		t.Errorf("ada's consent while grace is signed in: %d", late.status)
	}
}

// The session belongs to one realm: Keycloak's is not GitHub's.
func TestSessionsPerRealm(t *testing.T) {
	s := start(t, Options{})
	b := s.NewBrowser()
	authorizeAs(t, b, "ada", authURL(s, nil))
	for _, path := range []string{"/realms/one/protocol/openid-connect/auth", "/login/oauth/authorize", "/oauth2/v1/authorize"} {
		p, err := b.get(t.Context(), s.URL()+path+"?"+authParams(nil).Encode())
		if err != nil {
			t.Fatal(err)
		}
		if p.interaction() == "" {
			t.Errorf("%s: signed in without being asked", path)
		}
	}
	authorizeAs(t, b, "ada", s.URL()+"/realms/one/protocol/openid-connect/auth?"+authParams(nil).Encode())
	for realm, asked := range map[string]bool{"one": false, "two": true} {
		p, err := b.get(t.Context(), s.URL()+"/realms/"+realm+"/protocol/openid-connect/auth?"+authParams(nil).Encode())
		if err != nil {
			t.Fatal(err)
		}
		if got := p.interaction() != ""; got != asked {
			t.Errorf("realm %s: asked = %v, want %v", realm, got, asked)
		}
	}
}

func TestPages(t *testing.T) {
	s := start(t, Options{})
	r := get(t, authURL(s, with{"login_hint": "LINUS@example.net"}))
	page := string(r.raw)
	var order []string
	for _, name := range []string{"Ada", "Grace", "Linus"} {
		if at := strings.Index(page, name); at >= 0 {
			order = append(order, name)
		}
	}
	if diff := cmp.Diff([]string{"Ada", "Grace", "Linus"}, order); diff != "" {
		t.Errorf("people on the page (-want +got):\n%s", diff)
	}
	if strings.Index(page, "Linus") > strings.Index(page, "Ada") || !contains(page, "autofocus") {
		t.Errorf("login_hint did not put Linus first:\n%s", page)
	}
	if contains(page, "<script") || contains(page, "style=") {
		t.Errorf("the page has scripts or inline styles")
	}
	csp := r.header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"} {
		if !contains(csp, want) {
			t.Errorf("policy %q lacks %s", csp, want)
		}
	}
	if r.header.Get("Cache-Control") != "no-store" || r.header.Get("Referrer-Policy") != "strict-origin" {
		t.Errorf("headers of the page: %v", r.header)
	}
	if r := get(t, s.URL()+"/"); r.status != http.StatusOK || !contains(string(r.raw), "/.well-known/openid-configuration") {
		t.Errorf("home: %d", r.status)
	}
	// Without an icon of their own, browsers ask for /favicon.ico and complain that there is none.
	if r := get(t, s.URL()+"/-/icon.svg"); r.status != http.StatusOK || r.header.Get("Content-Type") != "image/svg+xml" || !contains(page, "/-/icon.svg") {
		t.Errorf("icon: %d %v", r.status, r.header)
	}
	if r := get(t, s.URL()+"/-/style.css"); r.status != http.StatusOK || r.header.Get("Content-Type") != "text/css; charset=utf-8" || !contains(string(r.raw), "light dark") {
		t.Errorf("style sheet: %d %v", r.status, r.header)
	}
	if r := get(t, s.URL()+"/-/avatar/ada"); r.header.Get("Content-Type") != "image/svg+xml" || !contains(string(r.raw), ">AQ<") {
		t.Errorf("avatar: %d %s", r.status, r.raw)
	}
	if r := get(t, s.URL()+"/-/avatar/nobody"); r.status != http.StatusNotFound {
		t.Errorf("avatar of nobody: %d", r.status)
	}
}

// The cookie cannot be read by scripts, nor sent along by other sites' forms.
func TestSessionCookie(t *testing.T) {
	s := start(t, Options{AutoLogin: "ada"})
	cookie := get(t, authURL(s, nil)).header.Get("Set-Cookie")
	for _, want := range []string{"devidp_", "HttpOnly", "SameSite=Lax", "Path=/"} {
		if !contains(cookie, want) {
			t.Errorf("cookie %q lacks %s", cookie, want)
		}
	}
	if contains(cookie, "dev-7f3a91c0-ada") {
		t.Error("the cookie tells who it is")
	}
}
