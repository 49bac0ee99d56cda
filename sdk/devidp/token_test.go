package devidp

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTokenAnswer(t *testing.T) {
	s := start(t, Options{})
	r := exchange(t, s, codeOf(t, s, nil), nil)
	body := r.want(t, http.StatusOK, "")
	if diff := cmp.Diff([]string{"access_token", "expires_in", "id_token", "scope", "token_type"}, names(body)); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	if body["token_type"] != "Bearer" || body["expires_in"] != 3600.0 || body["scope"] != "openid profile email" {
		t.Errorf("answer %v", body)
	}
	if r.header.Get("Cache-Control") != "no-store" || r.header.Get("Content-Type") != "application/json" {
		t.Errorf("headers %v", r.header)
	}
	claims := claimsOf(t, text(t, body, "id_token"))
	if claims["at_hash"] != halfHash("ES256", text(t, body, "access_token")) {
		t.Errorf("at_hash %v does not fit the access token", claims["at_hash"])
	}
}

// RFC 6749 section 2.3.1: by header or body, but in one way only.
func TestClientAuthentication(t *testing.T) {
	s := start(t, Options{Clients: []Client{
		{ID: "demo", Secret: "demo-secret"}, {ID: "odd id:+", Secret: "s%c r&t+"}, {ID: "public"},
	}})
	oddAuth := with{"client_id": "odd id:+"}
	for name, tt := range map[string]struct {
		auth   with // of the authorization request
		change with // of the token request
		header func(*http.Request)
		status int
		code   string
	}{
		"post":                    {nil, nil, nil, 200, ""},
		"basic":                   {nil, with{"client_id": "-", "client_secret": "-"}, basic("demo", "demo-secret"), 200, ""},
		"basic and client_id":     {nil, with{"client_secret": "-"}, basic("demo", "demo-secret"), 200, ""},
		"basic, encoded":          {oddAuth, with{"client_id": "-", "client_secret": "-"}, basic("odd id:+", "s%c r&t+"), 200, ""},
		"post, odd":               {oddAuth, with{"client_id": "odd id:+", "client_secret": "s%c r&t+"}, nil, 200, ""},
		"none":                    {with{"client_id": "public"}, with{"client_id": "public", "client_secret": "-"}, nil, 200, ""},
		"basic and post":          {nil, nil, basic("demo", "demo-secret"), 400, "invalid_request"},
		"basic, another id":       {nil, with{"client_id": "public", "client_secret": "-"}, basic("demo", "demo-secret"), 400, "invalid_request"},
		"basic, bad encoding":     {nil, with{"client_id": "-", "client_secret": "-"}, func(r *http.Request) { r.SetBasicAuth("%zz", "x") }, 400, "invalid_request"},
		"basic, wrong":            {nil, with{"client_id": "-", "client_secret": "-"}, basic("demo", "wrong"), 401, "invalid_client"},
		"post, wrong":             {nil, with{"client_secret": "wrong"}, nil, 401, "invalid_client"},
		"post, no secret":         {nil, with{"client_secret": "-"}, nil, 401, "invalid_client"},
		"public with a secret":    {with{"client_id": "public"}, with{"client_id": "public", "client_secret": "x"}, nil, 401, "invalid_client"},
		"unknown":                 {nil, with{"client_id": "nobody"}, nil, 401, "invalid_client"},
		"unknown, empty":          {nil, with{"client_id": "-", "client_secret": "-"}, nil, 401, "invalid_client"},
		"bearer as client":        {nil, nil, bearing("Bearer", "x"), 401, "invalid_client"},
		"code of another client":  {oddAuth, nil, nil, 400, "invalid_grant"},
		"public takes other code": {nil, with{"client_id": "public", "client_secret": "-"}, nil, 400, "invalid_grant"},
	} {
		t.Run(name, func(t *testing.T) {
			header := tt.header
			if header == nil {
				header = func(*http.Request) {}
			}
			r := post(t, s.EndpointURL(EndpointToken), tokenForm(codeOf(t, s, tt.auth), tt.change), header)
			r.want(t, tt.status, tt.code)
			if challenge := r.header.Get("WWW-Authenticate"); (challenge != "") != (name == "basic, wrong") {
				t.Errorf("WWW-Authenticate %q", challenge)
			}
		})
	}
}

func TestTokenRequestErrors(t *testing.T) {
	s := start(t, Options{})
	for name, tt := range map[string]struct {
		change with
		code   string
	}{
		"no grant_type":      {with{"grant_type": "-"}, "invalid_request"},
		"unknown grant_type": {with{"grant_type": "client_credentials"}, "unsupported_grant_type"},
		"no code":            {with{"code": "-"}, "invalid_request"},
		"unknown code":       {with{"code": "made-up"}, "invalid_grant"},
		"no redirect_uri":    {with{"redirect_uri": "-"}, "invalid_grant"},
		"other redirect_uri": {with{"redirect_uri": callbackURI + "/"}, "invalid_grant"},
		"no verifier":        {with{"code_verifier": "-"}, "invalid_grant"},
		"wrong verifier":     {with{"code_verifier": strings.Repeat("w", 43)}, "invalid_grant"},
		"short verifier":     {with{"code_verifier": "short"}, "invalid_grant"},
		"the challenge":      {with{"code_verifier": challengeOf(verifier)}, "invalid_grant"},
		"no refresh_token":   {with{"grant_type": "refresh_token"}, "invalid_request"},
		"unknown refresh":    {with{"grant_type": "refresh_token", "refresh_token": "x"}, "invalid_grant"},
	} {
		t.Run(name, func(t *testing.T) {
			exchange(t, s, codeOf(t, s, nil), tt.change).want(t, http.StatusBadRequest, tt.code)
		})
	}
	at := s.EndpointURL(EndpointToken)
	if r := get(t, at); r.status != http.StatusMethodNotAllowed || r.header.Get("Allow") != "POST" {
		t.Errorf("GET: %d, Allow %q", r.status, r.header.Get("Allow"))
	}
	form := tokenForm(codeOf(t, s, nil), nil)
	form.Add("client_id", "demo")
	post(t, at, form).want(t, http.StatusBadRequest, "invalid_request")
	asJSON := func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }
	post(t, at, form, asJSON).want(t, http.StatusBadRequest, "invalid_request")
	charset := func(r *http.Request) {
		r.Header.Set("Content-Type", "Application/X-WWW-Form-Urlencoded; charset=utf-8")
	}
	post(t, at, tokenForm(codeOf(t, s, nil), nil), charset).want(t, http.StatusOK, "")
}

// A verifier for a code that was asked without a challenge: somebody took the challenge away.
func TestPKCEDowngrade(t *testing.T) {
	s := start(t, Options{})
	without := with{"code_challenge": "-", "code_challenge_method": "-"}
	exchange(t, s, codeOf(t, s, without), nil).want(t, http.StatusBadRequest, "invalid_grant")
	exchange(t, s, codeOf(t, s, without), with{"code_verifier": "-"}).want(t, http.StatusOK, "")
}

func TestCodeIsForOneUse(t *testing.T) {
	s := start(t, Options{})
	code := codeOf(t, s, with{"scope": "openid offline_access"})
	body := exchange(t, s, code, nil).want(t, http.StatusOK, "")
	exchange(t, s, code, nil).want(t, http.StatusBadRequest, "invalid_grant")
	// The second use is an attack: what the first one brought is revoked.
	if r := userinfo(t, s, text(t, body, "access_token")); r.status != http.StatusUnauthorized {
		t.Errorf("the access token survived: %d", r.status)
	}
	refresh(t, s, text(t, body, "refresh_token"), nil).want(t, http.StatusBadRequest, "invalid_grant")
	if got := s.Stats(); got.CodesReused != 1 || got.Codes != 1 || got.Tokens != 1 {
		t.Errorf("stats %+v", got)
	}
}

// Of many at once exactly one gets the tokens.
func TestCodeRace(t *testing.T) {
	s := start(t, Options{})
	code := codeOf(t, s, nil)
	statuses := make([]int, 20)
	var wg sync.WaitGroup
	for i := range statuses {
		wg.Go(func() {
			if r, err := try(request(t, http.MethodPost, s.EndpointURL(EndpointToken), tokenForm(code, nil))); err == nil {
				statuses[i] = r.status
			}
		})
	}
	wg.Wait()
	won := 0
	for _, status := range statuses {
		if status == http.StatusOK {
			won++
		}
	}
	// The winner may find its tokens revoked, but there is never a second one.
	if won != 1 {
		t.Errorf("%d of %d exchanges won: %v", won, len(statuses), statuses)
	}
}

// A mistake does not burn the code, and a stranger's try neither.
func TestCodeSurvivesMistakes(t *testing.T) {
	s := start(t, Options{Clients: []Client{{ID: "demo", Secret: "demo-secret"}, {ID: "other", Secret: "x"}}})
	code := codeOf(t, s, nil)
	exchange(t, s, code, with{"client_id": "other", "client_secret": "x"}).want(t, http.StatusBadRequest, "invalid_grant")
	exchange(t, s, code, with{"code_verifier": strings.Repeat("w", 43)}).want(t, http.StatusBadRequest, "invalid_grant")
	exchange(t, s, code, nil).want(t, http.StatusOK, "")
}

func TestCodeExpires(t *testing.T) {
	clk := newClock()
	s := start(t, Options{Now: clk.Now})
	code := codeOf(t, s, nil)
	clk.Turn(61 * time.Second)
	exchange(t, s, code, nil).want(t, http.StatusBadRequest, "invalid_grant")
	code = codeOf(t, s, nil)
	clk.Turn(59 * time.Second)
	exchange(t, s, code, nil).want(t, http.StatusOK, "")
}

func TestRefreshRotation(t *testing.T) {
	s := start(t, Options{})
	first := tokens(t, s, with{"scope": "openid email offline_access"})
	old := text(t, first, "refresh_token")
	second := refresh(t, s, old, nil).want(t, http.StatusOK, "")
	next := text(t, second, "refresh_token")
	if next == old || second["access_token"] == first["access_token"] {
		t.Error("the refresh gave out old tokens")
	}
	before, after := claimsOf(t, text(t, first, "id_token")), claimsOf(t, text(t, second, "id_token"))
	for _, name := range []string{"iss", "sub", "aud", "auth_time", "sid"} {
		if before[name] != after[name] {
			t.Errorf("%s was %v, is %v after the refresh", name, before[name], after[name])
		}
	}
	if after["nonce"] != nil {
		t.Error("a refreshed ID token carries a nonce")
	}
	// The old one again: its whole family falls (RFC 9700 section 4.14.2).
	refresh(t, s, old, nil).want(t, http.StatusBadRequest, "invalid_grant")
	refresh(t, s, next, nil).want(t, http.StatusBadRequest, "invalid_grant")
	if r := userinfo(t, s, text(t, second, "access_token")); r.status != http.StatusUnauthorized {
		t.Errorf("the access token survived the reuse: %d", r.status)
	}
	if got := s.Stats(); got.RefreshReused != 1 || got.RefreshAnswers != 1 {
		t.Errorf("stats %+v", got)
	}
}

func TestRefreshNeedsItsClient(t *testing.T) {
	s := start(t, Options{Clients: []Client{{ID: "demo", Secret: "demo-secret"}, {ID: "other", Secret: "x"}}})
	token := text(t, tokens(t, s, with{"scope": "openid offline_access"}), "refresh_token")
	refresh(t, s, token, with{"client_id": "other", "client_secret": "x"}).want(t, http.StatusBadRequest, "invalid_grant")
	refresh(t, s, token, with{"client_secret": "wrong"}).want(t, http.StatusUnauthorized, "invalid_client")
	refresh(t, s, token, nil).want(t, http.StatusOK, "")
}

// A narrower scope holds for the access token; the next refresh token is as good as the old (RFC 6749 section 6).
func TestRefreshScope(t *testing.T) {
	s := start(t, Options{})
	token := text(t, tokens(t, s, with{"scope": "openid email offline_access"}), "refresh_token")
	refresh(t, s, token, with{"scope": "openid profile"}).want(t, http.StatusBadRequest, "invalid_scope")
	narrow := refresh(t, s, token, with{"scope": "openid"}).want(t, http.StatusOK, "")
	if narrow["scope"] != "openid" || claimsOf(t, text(t, narrow, "id_token"))["email"] != nil {
		t.Errorf("narrowed answer %v", narrow)
	}
	wide := refresh(t, s, text(t, narrow, "refresh_token"), nil).want(t, http.StatusOK, "")
	if wide["scope"] != "openid email offline_access" {
		t.Errorf("scope after narrowing once: %v", wide["scope"])
	}
}

func TestRefreshTokenWhen(t *testing.T) {
	clk := newClock()
	s := start(t, Options{RefreshAlways: true, RefreshTokenLife: time.Hour, Now: clk.Now})
	token := text(t, tokens(t, s, with{"scope": "openid"}), "refresh_token")
	clk.Turn(61 * time.Minute)
	refresh(t, s, token, nil).want(t, http.StatusBadRequest, "invalid_grant")
	plain := start(t, Options{})
	if body := tokens(t, plain, nil); body["refresh_token"] != nil {
		t.Error("a refresh token without offline_access")
	}
}

func TestPasswordGrant(t *testing.T) {
	s := start(t, Options{Users: append(DefaultUsers(), User{Sub: "x", Username: "no-password"})})
	ask := func(change with) reply {
		t.Helper()
		return post(t, s.EndpointURL(EndpointToken), change.over(with{
			"grant_type": "password", "username": "ada", "password": "ada-password", "scope": "openid email",
			"client_id": "demo", "client_secret": "demo-secret",
		}))
	}
	body := ask(nil).want(t, http.StatusOK, "")
	if claims := claimsOf(t, text(t, body, "id_token")); claims["sub"] != "dev-7f3a91c0-ada" || claims["sid"] != nil {
		t.Errorf("ID token of the password grant: %v", claims)
	}
	userinfo(t, s, text(t, body, "access_token")).want(t, http.StatusOK, "")
	for name, change := range map[string]with{
		"wrong password": {"password": "ada-passwore"},
		"no password":    {"password": "-"},
		"unknown user":   {"username": "nobody"},
		"no user":        {"username": "-", "password": "-"},
		"passwordless":   {"username": "no-password", "password": ""},
	} {
		t.Run(name, func(t *testing.T) { ask(change).want(t, http.StatusBadRequest, "invalid_grant") })
	}
	ask(with{"client_secret": "wrong"}).want(t, http.StatusUnauthorized, "invalid_client")
}

// What becomes of a user, becomes of their tokens.
func TestUserChanges(t *testing.T) {
	s := start(t, Options{})
	u, _ := s.User("ada")
	body := tokens(t, s, with{"scope": "openid groups offline_access"})
	u.Groups = []string{"newcomers"}
	if err := s.SetUser(u); err != nil {
		t.Fatal(err)
	}
	body = refresh(t, s, text(t, body, "refresh_token"), nil).want(t, http.StatusOK, "")
	if diff := cmp.Diff([]any{"newcomers"}, claimsOf(t, text(t, body, "id_token"))["groups"]); diff != "" {
		t.Errorf("groups after SetUser (-want +got):\n%s", diff)
	}
	pending := codeOf(t, s, nil)
	s.RevokeUser(u.Sub)
	exchange(t, s, pending, nil).want(t, http.StatusBadRequest, "invalid_grant")
	refresh(t, s, text(t, body, "refresh_token"), nil).want(t, http.StatusBadRequest, "invalid_grant")
	if r := userinfo(t, s, text(t, body, "access_token")); r.status != http.StatusUnauthorized {
		t.Errorf("userinfo after RevokeUser: %d", r.status)
	}
	b := s.NewBrowser()
	authorizeAs(t, b, "ada", authURL(s, nil))
	s.RemoveUser(u.Sub)
	if _, ok := s.User("ada"); ok {
		t.Error("ada is still there")
	}
	if p, err := b.get(t.Context(), authURL(s, nil)); err != nil || p.interaction() == "" || contains(p.body, "Ada") {
		t.Errorf("ada's session outlived her: %v", err)
	}
}

func TestSetClient(t *testing.T) {
	s := start(t, Options{})
	c := Client{ID: "late", RedirectURIs: []string{"https://late.example/cb"}}
	if err := s.SetClient(c); err != nil {
		t.Fatal(err)
	}
	change := with{"client_id": "late", "redirect_uri": "https://late.example/cb"}
	code := codeOf(t, s, change)
	change["client_secret"] = "-"
	exchange(t, s, code, change).want(t, http.StatusOK, "")
	if err := s.SetClient(Client{}); err == nil {
		t.Error("SetClient took a client without an id")
	}
}

// What has expired is forgotten, so that a long test does not grow.
func TestSweep(t *testing.T) {
	clk := newClock()
	g := newGrants(clk.Now)
	live := &grant{family: &family{}}
	for range 300 {
		g.addCode(&code{grant: live, expires: clk.Now().Add(time.Minute)})
		g.addAccess(randomID(), live, time.Minute)
		g.addRefresh(live, time.Minute)
		g.addPending(&pending{expires: clk.Now().Add(time.Minute)})
		g.addSession(session{expires: clk.Now().Add(time.Minute)})
	}
	clk.Turn(time.Hour)
	for range 256 {
		g.addAccess(randomID(), live, time.Minute)
	}
	for name, n := range map[string]int{
		"codes": len(g.codes), "access": len(g.access) - 256, "refresh": len(g.refresh), "pending": len(g.pending), "sessions": len(g.sessions),
	} {
		if n > 0 {
			t.Errorf("%d expired %s are still kept", n, name)
		}
	}
}

func TestBrokenBodies(t *testing.T) {
	s := start(t, Options{})
	at := s.EndpointURL(EndpointToken)
	for name, body := range map[string]string{"encoding": "a=%zz", "size": "a=" + strings.Repeat("x", maxRequestBody)} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, at, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if r := do(t, req); r.status != http.StatusBadRequest {
			t.Errorf("%s: %d", name, r.status)
		}
	}
	if r := get(t, s.EndpointURL(EndpointAuthorize)+"?a=%zz"); r.status != http.StatusBadRequest {
		t.Errorf("query: %d", r.status)
	}
}

// Requests tell what clients really sent.
func TestRequests(t *testing.T) {
	s := start(t, Options{})
	code := codeOf(t, s, nil)
	exchange(t, s, code, nil)
	post(t, s.EndpointURL(EndpointToken), tokenForm("x", with{"client_id": "-", "client_secret": "-"}), basic("de mo", "s"))
	post(t, s.EndpointURL(EndpointToken), tokenForm("y", with{"client_secret": "-"}))
	got := s.Requests(EndpointToken)
	if len(got) != 3 || s.RequestCount(EndpointToken) != 3 {
		t.Fatalf("%d requests, count %d", len(got), s.RequestCount(EndpointToken))
	}
	if diff := cmp.Diff(tokenForm(code, nil), got[0].Form); diff != "" {
		t.Errorf("form (-want +got):\n%s", diff)
	}
	if got[0].Method != http.MethodPost || got[0].Path != "/token" || got[0].Header.Get("Content-Type") == "" ||
		string(got[0].Body) != tokenForm(code, nil).Encode() || "http://"+got[0].Host != s.URL() {
		t.Errorf("request %+v", got[0])
	}
	for i, want := range []struct{ id, style string }{{"demo", "client_secret_post"}, {"de mo", "client_secret_basic"}, {"demo", "none"}} {
		if got[i].ClientID != want.id || got[i].AuthStyle != want.style {
			t.Errorf("request %d by %q with %s, want %v", i, got[i].ClientID, got[i].AuthStyle, want)
		}
	}
	auth := s.Requests(EndpointAuthorize)
	if diff := cmp.Diff(authParams(nil), auth[0].Query); diff != "" {
		t.Errorf("authorization request (-want +got):\n%s", diff)
	}
	// It is a copy: what a test does to it stays in the test.
	got[0].Form.Set("code", "changed")
	got[0].Header.Set("Content-Type", "changed")
	if again := s.Requests(EndpointToken)[0]; again.Form.Get("code") != code || again.Header.Get("Content-Type") == "changed" {
		t.Error("Requests gave out its own memory")
	}
	s.ForgetRequests()
	if len(s.Requests(EndpointToken)) != 0 || s.RequestCount(EndpointToken) != 0 {
		t.Error("ForgetRequests forgot nothing")
	}
}

func TestRequestsAreBounded(t *testing.T) {
	rec := newRecorder()
	for i := range keptRequests + 10 {
		r := request(t, http.MethodGet, "http://127.0.0.1/?"+url.Values{"n": {strings.Repeat("i", i%7+1)}}.Encode(), nil)
		c := &call{endpoint: EndpointUserInfo, r: r}
		rec.add(c)
	}
	if got := len(rec.list(EndpointUserInfo)); got != keptRequests {
		t.Errorf("%d requests are kept, want %d", got, keptRequests)
	}
	if got := rec.counts[EndpointUserInfo]; got != keptRequests+10 {
		t.Errorf("count %d", got)
	}
}
