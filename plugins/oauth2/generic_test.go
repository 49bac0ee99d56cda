package main

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/providertest"
)

func genericAt(idp *devidp.Server) map[string]string {
	return map[string]string{
		"client_id": "demo", "client_secret": "demo-secret",
		"auth_url":      idp.EndpointURL(devidp.EndpointAuthorize),
		"token_url":     idp.EndpointURL(devidp.EndpointToken),
		"user_info_url": idp.EndpointURL(devidp.EndpointUserInfo),
	}
}

func TestGeneric(t *testing.T) {
	providertest.Run(t, providertest.Harness{Type: genericType(), Settings: genericAt})
}

func TestGenericWithBasicAndLogout(t *testing.T) {
	providertest.Run(t, providertest.Harness{Type: genericType(), Settings: func(idp *devidp.Server) map[string]string {
		return with(genericAt(idp), map[string]string{
			"token_endpoint_auth_method": "client_secret_basic", "logout_url": idp.EndpointURL(devidp.EndpointEndSession),
		})
	}})
}

// The names are Chainlit's, to the letter.
func TestGenericEnvironment(t *testing.T) {
	names := map[string]string{}
	for _, s := range genericType().Settings {
		names[s.Name] = s.Env
	}
	for setting, want := range map[string]string{
		"client_id": "OAUTH_GENERIC_CLIENT_ID", "client_secret": "OAUTH_GENERIC_CLIENT_SECRET", "auth_url": "OAUTH_GENERIC_AUTH_URL",
		"token_url": "OAUTH_GENERIC_TOKEN_URL", "user_info_url": "OAUTH_GENERIC_USER_INFO_URL", "scope": "OAUTH_GENERIC_SCOPES",
		"name": "OAUTH_GENERIC_NAME", "user_identifier": "OAUTH_GENERIC_USER_IDENTIFIER",
	} {
		if names[setting] != want {
			t.Errorf("%s has the environment name %q, want %q", setting, names[setting], want)
		}
	}
}

// goodGeneric has every required setting.
func goodGeneric() map[string]string {
	return map[string]string{
		"client_id": "c", "client_secret": "s", "auth_url": "https://idp.example.com/authorize",
		"token_url": "https://idp.example.com/token", "user_info_url": "https://idp.example.com/me",
	}
}

func TestGenericMistakes(t *testing.T) {
	checkMistakes(t, genericType(), goodGeneric(), map[string]mistake{
		"no scheme":              {map[string]string{"auth_url": "idp.example.com/authorize"}, []string{"auth_url", "beginning with https://"}},
		"no scheme in token_url": {map[string]string{"token_url": "idp.example.com/token"}, []string{"token_url", "beginning with https://"}},
		"a fragment":             {map[string]string{"user_info_url": "https://idp.example.com/me#"}, []string{"user_info_url", "beginning with https://"}},
		"not encrypted":          {map[string]string{"token_url": "http://idp.example.com/token"}, []string{"token_url", "use https, or set insecure_http"}},
		"a user name":            {map[string]string{"token_url": "https://c:s@idp.example.com/token"}, []string{"token_url", "take it out"}},
		"no host":                {map[string]string{"token_url": "https:///token"}, []string{"token_url", "names no host"}},
		"no secret":              {map[string]string{"client_secret": ""}, []string{"client_secret is not set", "OAUTH_GENERIC_CLIENT_SECRET", `token_endpoint_auth_method = "none"`}},
		"no client":              {map[string]string{"client_id": ""}, []string{"client_id is not set", "OAUTH_GENERIC_CLIENT_ID"}},
		"no userinfo":            {map[string]string{"user_info_url": ""}, []string{"user_info_url is not set", "OAUTH_GENERIC_USER_INFO_URL"}},
		"unknown method":         {map[string]string{"token_endpoint_auth_method": "basic"}, []string{"token_endpoint_auth_method", "client_secret_basic, or none"}},
		"a blank in a path":      {map[string]string{"id_path": "sub, id"}, []string{"id_path", "parted by commas"}},
		"logout elsewhere":       {map[string]string{"logout_url": "https://other.example.com/logout"}, []string{"logout_url is on other.example.com", "server of auth_url"}},
		"logout not encrypted":   {map[string]string{"logout_url": "http://idp.example.com/logout"}, []string{"logout_url", "use https"}},
		"logout without scheme":  {map[string]string{"logout_url": "/logout"}, []string{"logout_url", "beginning with https://"}},
		"Panel's name":           {map[string]string{"authorize_url": "https://idp.example.com/authorize"}, []string{"authorize_url is not a setting of type generic", "auth_url"}},
	})
}

// A slash at the end belongs to the address: an identity provider may know only the one with it.
func TestGenericKeepsTheSlash(t *testing.T) {
	p := mustConfigure(t, genericType(), with(goodGeneric(), map[string]string{"auth_url": "https://idp.example.com/authorize/"}))
	got, err := p.AuthorizeParams(t.Context(), sdk.AuthorizeRequest{})
	if err != nil || got.Endpoint != "https://idp.example.com/authorize/" {
		t.Errorf("got %q, error %v", got.Endpoint, err)
	}
}

// userOf maps one answer of userinfo.
func userOf(t *testing.T, over map[string]string, userinfo string) (*sdk.User, error) {
	t.Helper()
	v := newVendor(t, map[string]answer{"/me": {body: userinfo}})
	settings := with(goodGeneric(), map[string]string{"user_info_url": v.URL + "/me"})
	return mustConfigure(t, genericType(), with(settings, over)).GetUserInfo(t.Context(), bearer())
}

// Threats 16, 31: an id is a text or a whole number, with each of its digits, and nothing else is made into one.
func TestGenericID(t *testing.T) {
	tests := map[string]struct {
		path, userinfo, want string // want "" means refused
	}{
		"sub":                      {"", `{"sub":"Ada","id":7}`, "Ada"},
		"case stays":               {"", `{"sub":"ADA"}`, "ADA"},
		"id":                       {"", `{"id":"7f"}`, "7f"},
		"null is not there":        {"", `{"sub":null,"id":7}`, "7"},
		"above 2^53":               {"", `{"id":9007199254740993}`, "9007199254740993"},
		"above 2^64":               {"", `{"id":99999999999999999999999}`, "99999999999999999999999"},
		"path":                     {"data.user.id", `{"data":{"user":{"id":42}},"sub":"x"}`, "42"},
		"name with dots":           {"https://example.com/id", `{"https://example.com/id":"7"}`, "7"},
		"second of two paths":      {"uid,data.id", `{"data":{"id":"7"}}`, "7"},
		"zero":                     {"", `{"id":0}`, ""},
		"negative":                 {"", `{"id":-1}`, ""},
		"fraction":                 {"", `{"id":1.5}`, ""},
		"exponent":                 {"", `{"id":1e3}`, ""},
		"boolean":                  {"", `{"sub":true}`, ""},
		"object":                   {"", `{"sub":{"id":"x"}}`, ""},
		"list":                     {"", `{"sub":["x"]}`, ""},
		"empty":                    {"", `{"sub":""}`, ""},
		"not there":                {"", `{"login":"ada"}`, ""},
		"unusable, but id is good": {"", `{"sub":false,"id":"x"}`, ""},
		"wrong case of the name":   {"", `{"Sub":"x"}`, ""},
		"control character":        {"", `{"sub":"a\u0000b"}`, ""},
		"too long":                 {"", `{"sub":"` + strings.Repeat("a", 256) + `"}`, ""},
		"an address":               {"email", `{"email":"ada@example.org"}`, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			over := map[string]string{}
			if test.path != "" {
				over["id_path"] = test.path
			}
			u, err := userOf(t, over, test.userinfo)
			if test.want == "" {
				wantUpstream(t, err, "id_path")
			} else if err != nil || u.Sub != test.want {
				t.Errorf("got %+v, error %v; want sub %q", u, err, test.want)
			}
		})
	}
}

// Threat 28: what two readers may understand differently is refused.
func TestGenericRefusesTricks(t *testing.T) {
	for _, userinfo := range []string{`{"sub":"a","sub":"b"}`, `{"sub":"a","SUB":"b"}`, `[{"sub":"a"}]`, `"a"`, `{"sub":"a"} {}`} {
		_, err := userOf(t, nil, userinfo)
		wantUpstream(t, err, "JSON")
	}
}

// Threat 34: only the boolean true at the verified path makes an address verified, and only a verified one may name
// the person to applications.
func TestGenericEmail(t *testing.T) {
	yes, no := true, false
	tests := map[string]struct {
		over     map[string]string
		userinfo string
		verified *bool
		username string
	}{
		"verified":             {nil, `{"sub":"1","email":"a@example.org","email_verified":true}`, &yes, "a@example.org"},
		"not verified":         {nil, `{"sub":"1","email":"a@example.org","email_verified":false}`, &no, ""},
		"not said":             {nil, `{"sub":"1","email":"a@example.org"}`, nil, ""},
		"a text":               {nil, `{"sub":"1","email":"a@example.org","email_verified":"true"}`, nil, ""},
		"a number":             {nil, `{"sub":"1","email":"a@example.org","email_verified":1}`, nil, ""},
		"in other letters":     {map[string]string{"user_identifier": "login"}, `{"sub":"1","email":"a@example.org","login":"A@Example.org"}`, nil, ""},
		"another name":         {map[string]string{"user_identifier": "login"}, `{"sub":"1","email":"a@example.org","login":"ada"}`, nil, "ada"},
		"another verified one": {map[string]string{"email_verified_path": "mail.confirmed"}, `{"sub":"1","email":"a@example.org","email_verified":true,"mail":{"confirmed":false}}`, &no, ""},
	}
	for name, test := range tests {
		u, err := userOf(t, test.over, test.userinfo)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(u.EmailVerified, test.verified); diff != "" || u.Email != "a@example.org" || u.PreferredUsername != test.username {
			t.Errorf("%s: got %q, user name %q, want %q; verified (got -, want +):\n%s", name, u.Email, u.PreferredUsername, test.username, diff)
		}
	}
	if u, err := userOf(t, nil, `{"sub":"1","email_verified":true}`); err != nil || u.EmailVerified != nil {
		t.Errorf("got %+v, error %v; without an address nothing is verified", u, err)
	}
}

// Threats 31, 36: groups stay whole, and what is no text is none.
func TestGenericPaths(t *testing.T) {
	const userinfo = `{"data":{"uid":9007199254740993,"display":"O'Brien","mail":"o@example.org","ok":true,"nick":77,
		"teams":["a,b","c",7,null,{"d":1}]},"picture":"https://idp.example.com/o.png"}`
	u, err := userOf(t, map[string]string{
		"id_path": "data.uid", "name_path": "data.display", "email_path": "data.mail", "email_verified_path": "data.ok",
		"groups_path": "data.teams", "user_identifier": "data.nick",
	}, userinfo)
	if err != nil {
		t.Fatal(err)
	}
	yes := true
	want := &sdk.User{
		Sub: "9007199254740993", PreferredUsername: "77", Name: "O'Brien", Email: "o@example.org", EmailVerified: &yes,
		Groups: []string{"a,b", "c"}, Picture: "https://idp.example.com/o.png", Claims: []byte(userinfo),
	}
	if diff := cmp.Diff(u, want); diff != "" {
		t.Errorf("user (got -, want +):\n%s", diff)
	}
	if u, err := userOf(t, nil, `{"sub":"1","groups":"admins","name":7.5,"email":["x"]}`); err != nil || !cmp.Equal(u.Groups, []string{"admins"}) || u.Name != "" || u.Email != "" {
		t.Errorf("got %+v, error %v", u, err)
	}
}

// What the token may not see, e.g. because a scope is missing, is no user.
func TestGenericRefused(t *testing.T) {
	v := newVendor(t, map[string]answer{"/me": {403, `{"error":"insufficient_scope"}`}})
	p := mustConfigure(t, genericType(), with(goodGeneric(), map[string]string{"user_info_url": v.URL + "/me"}))
	_, err := p.GetUserInfo(t.Context(), bearer())
	wantUpstream(t, err, "/me: refuses the request")
}

// A scope that the client may not ask for is the operator's to mend, and the message names the setting.
func TestGenericInvalidScope(t *testing.T) {
	v := newVendor(t, map[string]answer{"/token": {400, `{"error":"invalid_scope"}`}})
	p := mustConfigure(t, genericType(), with(goodGeneric(), map[string]string{"token_url": v.URL + "/token"}))
	_, err := p.GetToken(t.Context(), sdk.CodeExchange{Code: "c", RedirectURI: "https://auth.example.com/cb"})
	var typed *sdk.Error
	if !errors.As(err, &typed) || typed.Source != sdk.SourceConfig || !strings.Contains(err.Error(), "scopes is not accepted") {
		t.Errorf("got error %v; want source config, and the setting scopes", err)
	}
}

func TestLogout(t *testing.T) {
	p := mustConfigure(t, genericType(), with(goodGeneric(), map[string]string{"logout_url": "https://IDP.example.com:443/logout?theme=dark"}))
	to, err := p.(sdk.EndSessioner).EndSession(t.Context(), sdk.EndSessionRequest{PostLogoutRedirectURI: "https://auth.example.com/auth/logout", State: "s"})
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(to)
	want := url.Values{"theme": {"dark"}, "client_id": {"c"}, "post_logout_redirect_uri": {"https://auth.example.com/auth/logout"}, "state": {"s"}}
	if err != nil || u.Path != "/logout" || !cmp.Equal(u.Query(), want) {
		t.Errorf("got %q, error %v; want the parameters %v", to, err, want)
	}
	if _, ok := mustConfigure(t, genericType(), goodGeneric()).(sdk.EndSessioner); ok {
		t.Error("without logout_url the end of the session is announced")
	}
}
