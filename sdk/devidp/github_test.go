package devidp

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// githubCode signs somebody in the GitHub way: without response_type and nonce.
func githubCode(t *testing.T, s *Server, who string, change with) string {
	t.Helper()
	params := change.over(with{"client_id": "demo", "redirect_uri": callbackURI, "scope": "read:user user:email read:org", "state": "st"})
	got := authorizeAs(t, s.NewBrowser(), who, s.EndpointURL(EndpointGitHubAuthorize)+"?"+params.Encode())
	if got.Get("code") == "" || got.Get("state") != "st" || got.Has("iss") {
		t.Fatalf("GitHub's redirect: %v", got)
	}
	return got.Get("code")
}

func githubForm(code string, change with) url.Values {
	return change.over(with{"client_id": "demo", "client_secret": "demo-secret", "code": code})
}

func accept(kind string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Accept", kind) }
}

func githubAccess(t *testing.T, s *Server, who string, change with) string {
	t.Helper()
	r := post(t, s.EndpointURL(EndpointGitHubToken), githubForm(githubCode(t, s, who, change), nil), accept("application/json"))
	return text(t, r.want(t, http.StatusOK, ""), "access_token")
}

func TestGitHubToken(t *testing.T) {
	s := start(t, Options{})
	at := s.EndpointURL(EndpointGitHubToken)
	r := post(t, at, githubForm(githubCode(t, s, "ada", nil), nil))
	form, err := url.ParseQuery(string(r.raw))
	if err != nil || !strings.HasPrefix(r.header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		t.Fatalf("the default is a form: %v, %v", r.header, err)
	}
	if !strings.HasPrefix(form.Get("access_token"), "gho_") || form.Get("scope") != "read:user,user:email,read:org" || form.Get("token_type") != "bearer" {
		t.Errorf("answer %v", form)
	}
	if form.Has("expires_in") || form.Has("id_token") || form.Has("refresh_token") {
		t.Errorf("GitHub says less than %v", form)
	}
	// The parameters may come by query or as JSON, too.
	byQuery := post(t, at+"?"+githubForm(githubCode(t, s, "ada", nil), nil).Encode(), nil, accept("application/json"))
	byQuery.want(t, http.StatusOK, "")
	members, err := json.Marshal(map[string]string{"client_id": "demo", "client_secret": "demo-secret", "code": githubCode(t, s, "ada", nil)})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, at, strings.NewReader(string(members)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("Accept", "application/json")
	do(t, req).want(t, http.StatusOK, "")
	pkce := githubCode(t, s, "ada", with{"code_challenge": challengeOf(verifier), "code_challenge_method": "S256"})
	post(t, at, githubForm(pkce, with{"code_verifier": verifier, "redirect_uri": callbackURI}), accept("application/json")).want(t, http.StatusOK, "")
}

// GitHub's errors come under status 200.
func TestGitHubTokenErrors(t *testing.T) {
	s := start(t, Options{})
	at := s.EndpointURL(EndpointGitHubToken)
	challenge := with{"code_challenge": challengeOf(verifier), "code_challenge_method": "S256"}
	for name, tt := range map[string]struct {
		auth, change with
		code         string
	}{
		"unknown client": {nil, with{"client_id": "nobody"}, "incorrect_client_credentials"},
		"wrong secret":   {nil, with{"client_secret": "wrong"}, "incorrect_client_credentials"},
		"unknown code":   {nil, with{"code": "made-up"}, "bad_verification_code"},
		"no code":        {nil, with{"code": "-"}, "bad_verification_code"},
		"redirect_uri":   {nil, with{"redirect_uri": "http://127.0.0.1:9/other"}, "redirect_uri_mismatch"},
		"no verifier":    {challenge, nil, "bad_verification_code"},
		"wrong verifier": {challenge, with{"code_verifier": strings.Repeat("w", 43)}, "bad_verification_code"},
		"grant":          {nil, with{"grant_type": "password"}, "unsupported_grant_type"},
	} {
		t.Run(name, func(t *testing.T) {
			form := githubForm(githubCode(t, s, "ada", tt.auth), tt.change)
			body := post(t, at, form, accept("application/json")).want(t, http.StatusOK, tt.code)
			if body["access_token"] != nil || body["error_description"] == "" || !strings.HasPrefix(body["error_uri"].(string), "https://docs.github.com/") {
				t.Errorf("answer %v", body)
			}
		})
	}
	code := githubCode(t, s, "ada", nil)
	post(t, at, githubForm(code, nil), accept("application/json")).want(t, http.StatusOK, "")
	again := post(t, at, githubForm(code, nil))
	if form, err := url.ParseQuery(string(again.raw)); err != nil || form.Get("error") != "bad_verification_code" || again.status != http.StatusOK {
		t.Errorf("a code used twice: %d %s", again.status, again.raw)
	}
	if r := get(t, at); r.status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", r.status)
	}
}

func TestGitHubUser(t *testing.T) {
	s := start(t, Options{})
	for who, want := range map[string]map[string]any{
		"ada":   {"login": "ada", "id": 1001.0, "name": "Ada Quillfeather", "email": "ada@example.org", "type": "User"},
		"linus": {"login": "linus", "id": 1003.0, "name": "Linus Fjordgren", "email": nil, "type": "User"}, // private
	} {
		token := githubAccess(t, s, who, nil)
		for _, scheme := range []string{"Bearer", "token"} {
			r := get(t, s.EndpointURL(EndpointGitHubUser), bearing(scheme, token))
			got := r.want(t, http.StatusOK, "")
			for name, value := range want {
				if has, said := got[name]; !said || has != value {
					t.Errorf("%s: %s = %v (there: %v), want %v", who, name, has, said, value)
				}
			}
			if got["avatar_url"] != s.URL()+"/-/avatar/"+who || r.header.Get("X-OAuth-Scopes") != "read:user, user:email, read:org" {
				t.Errorf("%s: avatar %v, scopes %q", who, got["avatar_url"], r.header.Get("X-OAuth-Scopes"))
			}
			if !contains(string(r.raw), `"id":100`) {
				t.Errorf("the id is no plain number: %s", r.raw)
			}
		}
	}
}

func TestGitHubRefusals(t *testing.T) {
	s := start(t, Options{})
	at := s.EndpointURL(EndpointGitHubUser)
	token := githubAccess(t, s, "ada", nil)
	oidc := text(t, tokens(t, s, nil), "access_token")
	for name, tt := range map[string]struct {
		edit    func(*http.Request)
		status  int
		message string
	}{
		"no token":      {func(*http.Request) {}, 401, "Requires authentication"},
		"bad token":     {bearing("Bearer", "gho_made-up"), 401, "Bad credentials"},
		"other scheme":  {bearing("Basic", token), 401, "Bad credentials"},
		"OpenID token":  {bearing("Bearer", oidc), 401, "Bad credentials"},
		"no User-Agent": {func(r *http.Request) { bearing("Bearer", token)(r); r.Header.Set("User-Agent", "") }, 403, "Request forbidden"},
	} {
		body := get(t, at, tt.edit)
		if message, _ := body.object(t)["message"].(string); body.status != tt.status || !strings.HasPrefix(message, tt.message) {
			t.Errorf("%s: %d %q, want %d %q", name, body.status, message, tt.status, tt.message)
		}
	}
	// And the other way round: GitHub's token says nothing to OpenID's userinfo.
	if got := userinfo(t, s, token).status; got != http.StatusUnauthorized {
		t.Errorf("GitHub's token at userinfo: %d", got)
	}
	s.RemoveUser("dev-7f3a91c0-ada")
	if r := get(t, at, bearing("Bearer", token)); r.status != http.StatusUnauthorized {
		t.Errorf("a user who is gone: %d", r.status)
	}
	if r := post(t, at, url.Values{}, bearing("Bearer", token)); r.status != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", r.status)
	}
}

func githubArray(t *testing.T, r reply) []map[string]any {
	t.Helper()
	out := []map[string]any{}
	if err := json.Unmarshal(r.raw, &out); err != nil || r.status != http.StatusOK {
		t.Fatalf("status %d, %v: %s", r.status, err, r.raw)
	}
	return out
}

func TestGitHubEmails(t *testing.T) {
	s := start(t, Options{})
	u, _ := s.User("grace")
	u.GitHubEmails = []GitHubEmail{{Email: "grace@example.net", Verified: true}, {Email: "grace@example.org", Primary: true, Verified: true}}
	if err := s.SetUser(u); err != nil {
		t.Fatal(err)
	}
	at := s.EndpointURL(EndpointGitHubEmails)
	for who, want := range map[string][]map[string]any{
		"ada":   {{"email": "ada@example.org", "primary": true, "verified": true, "visibility": "public"}},
		"linus": {{"email": "linus@example.net", "primary": true, "verified": false, "visibility": "private"}},
		"grace": {
			{"email": "grace@example.net", "primary": false, "verified": true, "visibility": nil},
			{"email": "grace@example.org", "primary": true, "verified": true, "visibility": "public"},
		},
	} {
		got := githubArray(t, get(t, at, bearing("token", githubAccess(t, s, who, nil))))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", who, diff)
		}
	}
	if r := get(t, at, bearing("token", githubAccess(t, s, "ada", with{"scope": "read:user"}))); r.status != http.StatusNotFound {
		t.Errorf("without user:email: %d, want 404", r.status)
	}
}

func TestGitHubOrgsAndTeams(t *testing.T) {
	s := start(t, Options{})
	token := githubAccess(t, s, "ada", nil)
	orgs := githubArray(t, get(t, s.EndpointURL(EndpointGitHubOrgs), bearing("Bearer", token)))
	if len(orgs) != 1 || orgs[0]["login"] != "example-org" {
		t.Errorf("orgs %v", orgs)
	}
	teams := githubArray(t, get(t, s.EndpointURL(EndpointGitHubTeams), bearing("Bearer", token)))
	if len(teams) != 1 || teams[0]["slug"] != "admins" || teams[0]["organization"].(map[string]any)["login"] != "example-org" {
		t.Errorf("teams %v", teams)
	}
	if got := string(get(t, s.EndpointURL(EndpointGitHubOrgs), bearing("Bearer", githubAccess(t, s, "linus", nil))).raw); got != "[]" {
		t.Errorf("nobody's orgs: %s, want []", got)
	}
	poor := githubAccess(t, s, "ada", with{"scope": "user:email"})
	for _, name := range []string{EndpointGitHubOrgs, EndpointGitHubTeams} {
		if r := get(t, s.EndpointURL(name), bearing("Bearer", poor)); r.status != http.StatusForbidden {
			t.Errorf("%s without read:org: %d", name, r.status)
		}
	}
}

// Lists come in pages of 30, with a Link to the next.
func TestGitHubPages(t *testing.T) {
	s := start(t, Options{})
	u, _ := s.User("ada")
	u.GitHubOrgs = nil
	for i := range 75 {
		u.GitHubOrgs = append(u.GitHubOrgs, "org-"+strconv.Itoa(i))
	}
	if err := s.SetUser(u); err != nil {
		t.Fatal(err)
	}
	token := githubAccess(t, s, "ada", nil)
	for size, want := range map[string][]int{"": {30, 30, 15}, "?per_page=50": {50, 25}, "?per_page=500": {75}} {
		var sizes []int
		var seen int
		for next := s.EndpointURL(EndpointGitHubOrgs) + size; next != ""; {
			r := get(t, next, bearing("Bearer", token))
			page := githubArray(t, r)
			for _, org := range page {
				if org["login"] != "org-"+strconv.Itoa(seen) {
					t.Fatalf("entry %d is %v", seen, org)
				}
				seen++
			}
			sizes = append(sizes, len(page))
			next, _, _ = strings.Cut(strings.TrimPrefix(r.header.Get("Link"), "<"), ">")
		}
		if diff := cmp.Diff(want, sizes); diff != "" {
			t.Errorf("%q (-want +got):\n%s", size, diff)
		}
	}
	if got := string(get(t, s.EndpointURL(EndpointGitHubOrgs)+"?page=99", bearing("Bearer", token)).raw); got != "[]" {
		t.Errorf("a page too far: %s", got)
	}
}

func TestGitHubRevoke(t *testing.T) {
	s := start(t, Options{})
	token := githubAccess(t, s, "ada", nil)
	revoke := func(app, token string, edit func(*http.Request)) int {
		t.Helper()
		body := strings.NewReader(`{"access_token":"` + token + `"}`)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, s.URL()+"/applications/"+app+"/token", body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		edit(req)
		return do(t, req).status
	}
	for name, tt := range map[string]struct {
		app, token string
		edit       func(*http.Request)
		status     int
	}{
		"wrong secret":  {"demo", token, basic("demo", "wrong"), 404},
		"another app":   {"other", token, basic("demo", "demo-secret"), 404},
		"unknown token": {"demo", "made-up", basic("demo", "demo-secret"), 422},
	} {
		if got := revoke(tt.app, tt.token, tt.edit); got != tt.status {
			t.Errorf("%s: %d, want %d", name, got, tt.status)
		}
	}
	if got := revoke("demo", token, basic("demo", "demo-secret")); got != http.StatusNoContent {
		t.Errorf("revoke: %d", got)
	}
	if r := get(t, s.EndpointURL(EndpointGitHubUser), bearing("Bearer", token)); r.status != http.StatusUnauthorized {
		t.Errorf("/user after revocation: %d", r.status)
	}
	if r := get(t, s.URL()+"/applications/demo/token"); r.status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", r.status)
	}
}

func TestGitHubIDsAreGiven(t *testing.T) {
	s := start(t, Options{Users: []User{{Sub: "a", Username: "a"}, {Sub: "b", Username: "b"}}})
	a, _ := s.User("a")
	b, _ := s.User("b")
	if a.GitHubID == 0 || b.GitHubID == 0 || a.GitHubID == b.GitHubID {
		t.Errorf("ids %d and %d", a.GitHubID, b.GitHubID)
	}
	if err := s.SetUser(User{Sub: "a", Username: "renamed"}); err != nil {
		t.Fatal(err)
	}
	if again, _ := s.User("renamed"); again.GitHubID != a.GitHubID {
		t.Errorf("a new login changed the id from %d to %d", a.GitHubID, again.GitHubID)
	}
	if r := get(t, s.EndpointURL(EndpointGitHubUser), bearing("token", githubAccess(t, s, "b", nil))).want(t, 200, ""); r["name"] != nil || r["email"] != nil {
		t.Errorf("a user without name and address: %v", r)
	}
}
