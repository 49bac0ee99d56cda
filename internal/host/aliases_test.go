package host

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/authd/authd/sdk/devidp"
)

// chattoAndStreamlit are providers whose redirect URIs were registered for Chatto, in both its forms, and for Streamlit.
const chattoAndStreamlit = `
[[providers]]
id = "company"
type = "test"
label = "Company"
callback_path = "/auth/providers/{id}/callback"
issuer = "ISSUER"
client_id = "demo"
client_secret = "demo-secret"
[[providers]]
id = "hub"
type = "test"
label = "Chatto Hub"
callback_path = "/auth/oidc/callback"
issuer = "ISSUER"
client_id = "demo"
client_secret = "demo-secret"
[[providers]]
id = "streamlit"
type = "test"
callback_path = "/oauth2callback"
issuer = "ISSUER"
client_id = "demo"
client_secret = "demo-secret"
`

// A login begins at the addresses of the systems that authd takes over from, and ends where the redirect URI was
// registered for them.
func TestAliases(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{toml: chattoAndStreamlit})
	for _, test := range []struct{ start, provider, callback string }{
		{"/auth/providers/company", "company", "/auth/providers/company/callback"},
		{"/auth/oauth/company", "company", "/auth/providers/company/callback"},
		{"/auth/oidc", "hub", "/auth/oidc/callback"},
		{"/auth/providers/hub", "hub", "/auth/oidc/callback"},
		{"/auth/oauth/hub", "hub", "/auth/oidc/callback"},
		{"/auth/oauth/streamlit", "streamlit", "/oauth2callback"},
		{"/auth/providers/idp", "idp", "/auth/oauth/idp/callback"},
	} {
		s.idp.Clear()
		c := s.browser()
		before := len(s.idp.Requests(devidp.EndpointAuthorize))
		got := s.login(c, "ada", test.start+"?return_to=/auth/session")
		wantStatus(t, got, http.StatusOK)
		if !strings.Contains(got.body, `"provider":"`+test.provider+`"`) {
			t.Errorf("%s: signed in as %s", test.start, got.body)
		}
		want := strings.Replace(s.url, s.server.Addr(), s.server.publicURL.Host, 1) + test.callback
		if asked := s.idp.Requests(devidp.EndpointAuthorize)[before:]; len(asked) == 0 || asked[0].Query.Get("redirect_uri") != want {
			t.Errorf("%s: the identity provider was asked %v, want the redirect URI %s", test.start, asked, want)
		}
	}
}

// Chatto's /auth/oidc without a provider that has its callback is the provider of that id, else the first OpenID one.
func TestAliasOfTheOneProvider(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{id: "oidc"})
	got := s.login(s.browser(), "ada", "/auth/oidc?return_to=/auth/session")
	wantStatus(t, got, http.StatusOK)
	if !strings.Contains(got.body, `"provider":"oidc"`) {
		t.Errorf("signed in as %s", got.body)
	}
	other := newSite(t, siteOptions{})
	if got := other.login(other.browser(), "ada", "/auth/oidc?redirect=/auth/session"); !strings.Contains(got.body, `"provider":"idp"`) {
		t.Errorf("signed in as %s", got.body)
	}
	if got := other.login(other.browser(), "ada", "/auth/providers/idp?redirect=/auth/session"); !strings.Contains(got.body, `"provider":"idp"`) {
		t.Errorf("signed in as %s", got.body)
	}
}

// Threat 8: an answer counts only where the login said it would come, whichever of the paths exist.
func TestAliasesAreNotInterchangeable(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{toml: chattoAndStreamlit})
	for _, wrong := range []string{
		"/auth/providers/idp/callback", "/auth/oidc/callback", "/oauth2callback", "/oauth2/callback", "/auth/oauth/company/callback",
		"/auth/providers/company/callback",
	} {
		c := s.browser()
		back, err := url.Parse(s.authorize(c, "ada"))
		if err != nil {
			t.Fatal(err)
		}
		failsWith(t, s.get(still(c), wrong+"?"+back.RawQuery, "Accept", "application/json"), http.StatusBadRequest, "invalid_state")
		wantStatus(t, s.get(c, "/auth/check"), http.StatusUnauthorized)
	}
}

// The list that applications read names the providers by Chatto's ids and labels.
func TestAliasesKeepIDsAndLabels(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{toml: chattoAndStreamlit})
	got := s.get(s.browser(), "/auth/providers")
	wantStatus(t, got, http.StatusOK)
	for _, want := range []string{`"id":"company"`, `"label":"Company"`, `"id":"hub"`, `"label":"Chatto Hub"`} {
		if !strings.Contains(got.body, want) {
			t.Errorf("the list lacks %s: %s", want, got.body)
		}
	}
}
