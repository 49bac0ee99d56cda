package config

import (
	"strings"
	"testing"
)

func TestProviderTables(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*ProviderTable)
		want   string
	}{
		{"as it is", func(*ProviderTable) {}, ""},
		{"no type", func(p *ProviderTable) { p.Type = "" }, ""},
		{"longest id", func(p *ProviderTable) { p.ID = strings.Repeat("a", 32) }, ""},
		{"no id", func(p *ProviderTable) { p.ID = "" }, "providers[0].id: is not set"},
		{"id too long", func(p *ProviderTable) { p.ID = strings.Repeat("a", 33) }, "can't stand in a URL"},
		{"id with a slash", func(p *ProviderTable) { p.ID = "a/b" }, "can't stand in a URL"},
		{"id of dots", func(p *ProviderTable) { p.ID = ".." }, "can't stand in a URL"},
		{"id with a digit first", func(p *ProviderTable) { p.ID = "0auth" }, "can't stand in a URL"},
		{"id with a line end", func(p *ProviderTable) { p.ID = "a\n" }, "can't stand in a URL"},
		{"type with a slash", func(p *ProviderTable) { p.Type = "../evil" }, "is not the name of a type"},
		{"identifier", func(p *ProviderTable) { p.Identifier = "email" }, ""},
		{"unknown identifier", func(p *ProviderTable) { p.Identifier = "login" }, `"login" is not possible here`},
		{"prompt none", func(p *ProviderTable) { p.Prompt = "none" }, "nobody could sign in"},
		{"scopes in one string", func(p *ProviderTable) { p.Scopes = []string{"openid email"} }, "has an element that is not one scope"},
		{"empty scope", func(p *ProviderTable) { p.Scopes = []string{""} }, "has an element that is not one scope"},
		{"scope that is a URL", func(p *ProviderTable) { p.Scopes = []string{"https://www.googleapis.com/auth/userinfo.email"} }, ""},
		{"setting's name", func(p *ProviderTable) { p.Settings = map[string]string{"Client-ID": "x"} }, "is not a name for a setting"},
	} {
		expect(t, test.name, spoiled(func(c *Config) {
			p := ProviderTable{ID: "github", Type: "github"}
			test.change(&p)
			c.Providers = []ProviderTable{p}
		}), test.want)
	}
}

func TestProviderIDsAreUnique(t *testing.T) {
	got := spoiled(func(c *Config) {
		c.Providers = []ProviderTable{{ID: "a"}, {ID: "b"}, {ID: "a"}, {ID: "a", Type: "b"}}
	})
	want := `providers[2].id: "a" is also the id of providers[0] providers[3].id: "a" is also the id of providers[0]`
	if strings.Join(got, " ") != want {
		t.Errorf("got %q", got)
	}
}

// The parameters on which the safety of a login rests can't be set from the configuration.
func TestAuthorizeParamsAreAuthds(t *testing.T) {
	for name, refused := range map[string]bool{
		"hd": false, "access_type": false, "audience": false, "statement": false, "response_mode": false,
		"state": true, "nonce": true, "redirect_uri": true, "client_id": true, "response_type": true, "code_challenge": true,
		"code_challenge_method": true, "State": true, " state": true, "request": true, "request_uri": true, "": true,
	} {
		got := spoiled(func(c *Config) {
			c.Providers = []ProviderTable{{ID: "a", AuthorizeParams: map[string]string{name: "x"}}}
		})
		if (len(got) > 0) != refused {
			t.Errorf("authorize_params %q: %q", name, got)
		}
	}
}

// Which fields a mapping may replace is known without compiling it; who somebody is stays with the provider.
func TestClaimsNameFields(t *testing.T) {
	for name, want := range map[string]string{
		"email": "", "email_verified": "", "groups": "", "name": "", "preferred_username": "",
		"sub":     "providers[0].claims.sub: can't be mapped: who somebody is stays with the provider",
		"picture": "providers[0].claims.picture: is not a field that can be mapped",
		"Email":   "providers[0].claims.Email: is not a field that can be mapped",
	} {
		got := strings.Join(spoiled(func(c *Config) {
			c.Providers = []ProviderTable{{ID: "a", Claims: map[string]string{name: "claims.x"}}}
		}), " ")
		if got != want {
			t.Errorf("claims.%s: got %q, want %q", name, got, want)
		}
	}
	got := spoiled(func(c *Config) { c.Providers = []ProviderTable{{ID: "a", Claims: map[string]string{"name": " "}}} })
	if len(got) != 1 || got[0] != "providers[0].claims.name: is empty" {
		t.Errorf("an empty expression: %q", got)
	}
}

func TestCallbackPath(t *testing.T) {
	for path, want := range map[string]string{
		"":                               "/auth/oauth/corp/callback",
		"/auth/oauth/{id}/callback":      "/auth/oauth/corp/callback",
		"/auth/oauth/corp/callback":      "/auth/oauth/corp/callback",
		"/auth/providers/{id}/callback":  "/auth/providers/corp/callback",
		"/auth/providers/corp/callback":  "/auth/providers/corp/callback",
		"/auth/oidc/callback":            "/auth/oidc/callback",
		"/oauth2callback":                "/oauth2callback",
		"/oauth2/callback":               "/oauth2/callback",
		"/auth/oauth/other/callback":     "",
		"/callback":                      "",
		"https://example.com/auth/oidc":  "",
		"/auth/oauth/corp/callback/":     "",
		"oauth2callback":                 "",
		"/auth/oauth/corp/../x/callback": "",
	} {
		got, ok := callbackPath(path, "corp")
		if got != want || ok != (want != "") {
			t.Errorf("callbackPath(%q) = %q, %v, want %q", path, got, ok, want)
		}
		fault := ""
		if want == "" {
			fault = "is not a path that authd answers"
		}
		expect(t, path, spoiled(func(c *Config) { c.Providers = []ProviderTable{{ID: "corp", CallbackPath: path}} }), fault)
	}
}

func TestClients(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*Client)
		want   string
	}{
		{"as it is", func(*Client) {}, ""},
		{"public with PKCE", func(c *Client) { c.Secret = "" }, ""},
		{"confidential without PKCE", func(c *Client) { c.RequirePKCE = false }, ""},
		{"public without PKCE", func(c *Client) { c.Secret, c.RequirePKCE = "", false }, "is off for a client without a secret"},
		{"no id", func(c *Client) { c.ID = "" }, "clients[0].id: is not set"},
		{"id with a space", func(c *Client) { c.ID = "a b" }, "can't be a client_id"},
		{"id beyond ASCII", func(c *Client) { c.ID = "ä" }, "can't be a client_id"},
		{"long id", func(c *Client) { c.ID = strings.Repeat("a", 129) }, "can't be a client_id"},
		{"short secret", func(c *Client) { c.Secret = "0123456789abcde" }, "has 15 bytes, fewer than 16"},
		{"no redirect URI", func(c *Client) { c.RedirectURIs = nil }, "clients[0].redirect_uris: is not set"},
	} {
		expect(t, test.name, spoiled(func(c *Config) {
			client := Client{ID: "a", Secret: "0123456789abcdef", RedirectURIs: []string{"https://a.example.com/cb"}, RequirePKCE: true}
			test.change(&client)
			c.Clients = []Client{client}
		}), test.want)
	}
	client := Client{ID: "a", RequirePKCE: true, RedirectURIs: []string{"https://a.example.com/"}}
	expect(t, "twice", spoiled(func(c *Config) { c.Clients = []Client{client, client} }), "is the id of another client")
}

func TestRedirectURIs(t *testing.T) {
	for _, test := range []struct {
		uri    string
		public bool
		want   string
	}{
		{"https://app.example.com/cb", false, ""},
		{"https://app.example.com/cb?tenant=1", false, ""},
		{"http://127.0.0.1:8501/cb", false, ""},
		{"http://localhost/cb", true, ""},
		{"com.example.app:/cb", true, ""},
		{"com.example.app:/cb", false, "has a scheme that any program may claim"},
		{"myapp:/cb", true, "has a scheme that any program may claim"},
		{"javascript:alert(1)", true, "has a scheme that any program may claim"},
		{"http://app.example.com/cb", false, "in clear over the network"},
		{"https:///cb", false, "in clear over the network"},
		{"https://app.example.com/cb#x", false, "has a fragment"},
		{"https://app.example.com/cb#", false, "has a fragment"},
		{"https://*.example.com/cb", false, "has a wildcard"},
		{"https://me@app.example.com/cb", false, "holds a user name"},
		{"/cb", false, "is not an absolute URL"},
		{"", false, "is not an absolute URL"},
		{"https://app.example.com/%zz", false, "is not an absolute URL"},
	} {
		p := checkRedirectURI(test.uri, test.public)
		if (test.want == "") != (p == problem{}) || !strings.Contains(p.summary, test.want) {
			t.Errorf("checkRedirectURI(%q, %v) = %+v, want %q", test.uri, test.public, p, test.want)
		}
	}
}
