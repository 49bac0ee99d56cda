package main

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/providertest"
)

// bitbucketIDP makes the developer identity provider look like Bitbucket. It has no list of addresses, which is what
// a consumer without that permission sees.
func bitbucketIDP() devidp.Options {
	return devidp.Options{Mounts: []devidp.Mount{{
		Name: "bitbucket", Issuer: "/bitbucket",
		Paths: map[string]string{
			devidp.EndpointAuthorize: "/site/oauth2/authorize", devidp.EndpointToken: "/site/oauth2/access_token", devidp.EndpointUserInfo: "/2.0/user",
		},
		Claims: func(in devidp.ClaimsInput) map[string]any {
			return map[string]any{
				"type": "user", "uuid": fmt.Sprintf("{00000000-0000-0000-0000-%012x}", in.User.GitHubID%(1<<40)), "username": in.User.Username,
				"display_name": in.User.Name, "sub": nil, "name": nil, "preferred_username": nil, "email": nil, "email_verified": nil, "groups": nil,
			}
		},
	}}}
}

func TestBitbucket(t *testing.T) {
	providertest.Run(t, providertest.Harness{Type: bitbucketType(), IDP: bitbucketIDP(), Settings: func(idp *devidp.Server) map[string]string {
		return map[string]string{"client_id": "demo", "client_secret": "demo-secret", "base_url": idp.URL() + "/", "api_url": idp.URL() + "/2.0/"}
	}})
}

// Sources: https://developer.atlassian.com/cloud/bitbucket/rest/api-group-users/ (GET /user, GET /user/emails) and
// https://developer.atlassian.com/cloud/bitbucket/rest/api-group-workspaces/ (GET /user/workspaces, which took the
// place of /user/permissions/workspaces by CHANGE-3022).
const (
	bitbucketUser = `{"type":"user","uuid":"{470c176d-3574-44ea-bb41-89e8638bcca4}","account_id":"557058:a1","username":"evzijst","nickname":"evzijst",
		"display_name":"Erik van Zijst","has_2fa_enabled":null,"links":{"avatar":{"href":"https://avatar-management.example.net/e.png"}}}`
	bitbucketEmails = `{"pagelen":10,"page":1,"size":2,"values":[
		{"type":"email","email":"second@example.org","is_primary":false,"is_confirmed":true},
		{"type":"email","email":"erik@example.org","is_primary":true,"is_confirmed":true}]}`
	bitbucketWorkspaces = `{"pagelen":100,"page":1,"next":"{{url}}/2.0/user/workspaces?pagelen=100&page=2","values":[
		{"type":"workspace_access","administrator":true,"workspace":{"type":"workspace_base","uuid":"{a15fb181-db1f-48f7-b41f-e1eff06929d6}","slug":"bbworkspace1"}},
		{"type":"workspace_access","administrator":false,"workspace":{"type":"workspace_base","slug":7}}]}`
	bitbucketWorkspaces2 = `{"pagelen":100,"page":2,"values":[{"type":"workspace_access","administrator":false,"workspace":{"slug":"two"}}]}`
)

func bitbucketWith(t *testing.T, over map[string]string, answers map[string]answer) (*vendor, sdk.Provider) {
	t.Helper()
	v := newVendor(t, answers)
	good := map[string]string{"client_id": "c", "client_secret": "s", "base_url": v.URL, "api_url": v.URL + "/2.0"}
	return v, mustConfigure(t, bitbucketType(), with(good, over))
}

// Threats 16, 34: the uuid, and the primary address if it is confirmed. The token is in no URL.
func TestBitbucketUser(t *testing.T) {
	v, p := bitbucketWith(t, map[string]string{"groups": "workspaces"}, map[string]answer{
		"/2.0/user": {body: bitbucketUser}, "/2.0/user/emails": {body: bitbucketEmails},
		"/2.0/user/workspaces?pagelen=100": {body: bitbucketWorkspaces}, "/2.0/user/workspaces?pagelen=100&page=2": {body: bitbucketWorkspaces2},
	})
	u, err := p.GetUserInfo(t.Context(), bearer())
	if err != nil {
		t.Fatal(err)
	}
	yes := true
	want := &sdk.User{
		Sub: "{470c176d-3574-44ea-bb41-89e8638bcca4}", PreferredUsername: "evzijst", Name: "Erik van Zijst",
		Email: "erik@example.org", EmailVerified: &yes, Groups: []string{"bbworkspace1", "two"},
		Picture: "https://avatar-management.example.net/e.png", Claims: u.Claims,
	}
	if diff := cmp.Diff(u, want); diff != "" {
		t.Errorf("user (got -, want +):\n%s", diff)
	}
	var claims struct {
		AccountID string `json:"account_id"`
		Emails    []struct{ Email string }
	}
	if err := json.Unmarshal(u.Claims, &claims); err != nil || claims.AccountID != "557058:a1" || len(claims.Emails) != 2 {
		t.Errorf("got claims %s, error %v; want all of /user and the addresses", u.Claims, err)
	}
	if n := len(v.requests()); n != 4 {
		t.Errorf("got %d requests, want 4", n)
	}
	for _, r := range v.requests() {
		if r.Header.Get("Authorization") != "Bearer the-access-token" || r.URL.Query().Has("access_token") {
			t.Errorf("%s: got headers %v, query %q", r.URL.Path, r.Header, r.URL.RawQuery)
		}
	}
}

func TestBitbucketEmail(t *testing.T) {
	no := false
	tests := map[string]struct {
		emails   answer
		email    string
		verified *bool
		fails    string
	}{
		"not confirmed":           {answer{200, `{"values":[{"email":"a@example.org","is_primary":true,"is_confirmed":false}]}`}, "a@example.org", &no, ""},
		"confirmed is a text":     {answer{200, `{"values":[{"email":"a@example.org","is_primary":true,"is_confirmed":"true"}]}`}, "a@example.org", nil, ""},
		"no primary":              {answer{200, `{"values":[{"email":"a@example.org","is_primary":false,"is_confirmed":true}]}`}, "", nil, ""},
		"none":                    {answer{200, `{"values":[]}`}, "", nil, ""},
		"permission not ticked":   {answer{403, `{"type":"error","error":{"message":"Your credentials lack one or more required privilege scopes.","detail":{"required":["email"],"granted":["account"]}}}`}, "", nil, ""},
		"gone":                    {answer{410, `{"type":"error","error":{"message":"CHANGE-2770 - Functionality has been deprecated"}}`}, "", nil, "refuses the request"},
		"down":                    {answer{503, `{}`}, "", nil, "fails"},
		"no list":                 {answer{200, `{"values":{"email":"a@example.org"}}`}, "", nil, "/user/emails"},
		"no values":               {answer{200, `{}`}, "", nil, "/user/emails"},
		"next page somewhere":     {answer{200, `{"values":[],"next":"https://evil.example.com/2.0/user/emails?page=2"}`}, "", nil, "another address"},
		"next page beside it":     {answer{200, `{"values":[],"next":"{{url}}/2.0/user/emails-of-all?page=2"}`}, "", nil, "another address"},
		"next page is a user's":   {answer{200, `{"values":[],"next":"{{url}}@evil.example.com/2.0/user/emails?page=2"}`}, "", nil, "another address"},
		"the same page for ever":  {answer{200, `{"values":[],"next":"{{url}}/2.0/user/emails?page=1"}`}, "", nil, ""},
		"another member, doubled": {answer{200, `{"values":[],"values":[]}`}, "", nil, "/user/emails"},
	}
	for name, test := range tests {
		_, p := bitbucketWith(t, nil, map[string]answer{"/2.0/user": {body: bitbucketUser}, "/2.0/user/emails": test.emails})
		u, err := p.GetUserInfo(t.Context(), bearer())
		if test.fails != "" {
			wantUpstream(t, err, test.fails)
		} else if err != nil || u.Email != test.email || !cmp.Equal(u.EmailVerified, test.verified) || len(u.Groups) != 0 {
			t.Errorf("%s: got %+v, error %v", name, u, err)
		}
	}
}

// Threat 16: a username or an account_id is no id, and neither is a uuid that is none.
func TestBitbucketWithoutUUID(t *testing.T) {
	for _, me := range []string{`{"username":"evzijst","account_id":"557058:a1"}`, `{"uuid":7}`, `{"uuid":"evzijst"}`, `{"uuid":""}`, `{"type":"error"}`} {
		_, p := bitbucketWith(t, nil, map[string]answer{"/2.0/user": {body: me}, "/2.0/user/emails": {body: bitbucketEmails}})
		_, err := p.GetUserInfo(t.Context(), bearer())
		wantUpstream(t, err, "no uuid")
	}
}

func TestBitbucketMistakes(t *testing.T) {
	checkMistakes(t, bitbucketType(), map[string]string{"client_id": "c", "client_secret": "s"}, map[string]mistake{
		"no key":         {map[string]string{"client_id": ""}, []string{"client_id is not set", "OAUTH_BITBUCKET_CLIENT_ID"}},
		"no scheme":      {map[string]string{"base_url": "bitbucket.org"}, []string{"base_url", "beginning with https://"}},
		"API, no scheme": {map[string]string{"api_url": "api.bitbucket.org/2.0"}, []string{"api_url", "beginning with https://"}},
		"not encrypted":  {map[string]string{"base_url": "http://bitbucket.example.com"}, []string{"base_url can't be used", "not encrypted", "use https"}},
		"teams":          {map[string]string{"groups": "teams"}, []string{"groups is malformed", "none, or workspaces"}},
	})
	p := mustConfigure(t, bitbucketType(), map[string]string{"client_id": "c", "client_secret": "s", "base_url": "https://bitbucket.org/"})
	if got, err := p.AuthorizeParams(t.Context(), sdk.AuthorizeRequest{}); err != nil || got.Endpoint != "https://bitbucket.org/site/oauth2/authorize" {
		t.Errorf("got %q, error %v; a slash at the end does no harm", got.Endpoint, err)
	}
}
