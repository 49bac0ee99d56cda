package main

import (
	"encoding/json"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/providertest"
)

// discordIDP makes the developer identity provider look like Discord: its paths, and the fields of its user object.
func discordIDP() devidp.Options {
	return devidp.Options{Mounts: []devidp.Mount{{
		Name: "discord", Issuer: "/discord",
		Paths: map[string]string{
			devidp.EndpointAuthorize: "/oauth2/authorize", devidp.EndpointToken: "/api/oauth2/token",
			devidp.EndpointRevoke: "/api/oauth2/token/revoke", devidp.EndpointUserInfo: "/api/users/@me",
		},
		Claims: func(in devidp.ClaimsInput) map[string]any {
			claims := map[string]any{
				"id": strconv.FormatInt(in.User.GitHubID, 10), "username": in.User.Username, "global_name": in.User.Name,
				"discriminator": "0", "email": in.User.Email, "verified": in.User.EmailVerified,
				"sub": nil, "name": nil, "preferred_username": nil, "email_verified": nil, "groups": nil,
			}
			if said, ok := in.User.Claims["email_verified"]; ok && said == nil {
				claims["verified"] = nil
			}
			return claims
		},
	}}}
}

func TestDiscord(t *testing.T) {
	providertest.Run(t, providertest.Harness{Type: discordType(), IDP: discordIDP(), Settings: func(idp *devidp.Server) map[string]string {
		return map[string]string{"client_id": "demo", "client_secret": "demo-secret", "base_url": idp.URL() + "/", "api_url": idp.URL() + "/api/"}
	}})
}

// Source: https://discord.com/developers/docs/resources/user#user-object, "Example User", with the fields that the
// scope email adds.
const discordUser = `{
	"id": "80351110224678912", "username": "nelly", "discriminator": "0", "global_name": "Nelly O'Brien",
	"avatar": "8342729096ea3675442027381ff50dfe", "verified": true, "email": "nelly@example.org", "flags": 64,
	"banner": null, "accent_color": 16711680, "premium_type": 1, "public_flags": 64, "locale": "en-US", "mfa_enabled": true
}`

// Source: https://discord.com/developers/docs/resources/user#get-current-user-guilds, "Example Partial Guild".
const discordGuilds = `[
	{"id": "80351110224678912", "name": "1337 Krew", "icon": "8342729096ea3675442027381ff50dfe", "owner": true, "permissions": "36953089", "features": ["COMMUNITY"]},
	{"id": "197038439483310086", "name": "1337 Krew", "icon": null, "owner": false, "permissions": "0", "features": []},
	{"id": 197038439483310087, "name": "no text as id"}
]`

func discordWith(t *testing.T, over map[string]string, answers map[string]answer) (*vendor, sdk.Provider) {
	t.Helper()
	v := newVendor(t, answers)
	good := map[string]string{"client_id": "c", "client_secret": "s", "base_url": v.URL, "api_url": v.URL + "/api"}
	return v, mustConfigure(t, discordType(), with(good, over))
}

// Threats 16, 34, 36: the snowflake, the verified flag, guilds by their ids.
func TestDiscordUser(t *testing.T) {
	v, p := discordWith(t, map[string]string{"groups": "guilds"}, map[string]answer{
		"/api/users/@me": {body: discordUser}, "/api/users/@me/guilds": {body: discordGuilds},
	})
	u, err := p.GetUserInfo(t.Context(), bearer())
	if err != nil {
		t.Fatal(err)
	}
	yes := true
	want := &sdk.User{
		Sub: "80351110224678912", PreferredUsername: "nelly", Name: "Nelly O'Brien", Email: "nelly@example.org", EmailVerified: &yes,
		Picture: "https://cdn.discordapp.com/avatars/80351110224678912/8342729096ea3675442027381ff50dfe.png", Locale: "en-US",
		Groups: []string{"80351110224678912", "197038439483310086"}, Claims: u.Claims,
	}
	if diff := cmp.Diff(u, want); diff != "" {
		t.Errorf("user (got -, want +):\n%s", diff)
	}
	var claims struct {
		Premium int `json:"premium_type"`
		Guilds  []struct{ Name string }
	}
	if err := json.Unmarshal(u.Claims, &claims); err != nil || claims.Premium != 1 || len(claims.Guilds) != 3 {
		t.Errorf("got claims %s, error %v; want all of the user, and the guilds", u.Claims, err)
	}
	for _, r := range v.requests() {
		if r.Header.Get("Authorization") != "Bearer the-access-token" || r.URL.RawQuery != "" {
			t.Errorf("%s: got headers %v, query %q", r.URL.Path, r.Header, r.URL.RawQuery)
		}
	}
	params, err := p.AuthorizeParams(t.Context(), sdk.AuthorizeRequest{})
	if err != nil || params.Params.Get("scope") != "identify email guilds" {
		t.Errorf("got scope %q, error %v", params.Params.Get("scope"), err)
	}
}

// Threat 31: what is missing or of another type is left out, or refused where it is the id.
func TestDiscordShapes(t *testing.T) {
	no := false
	tests := map[string]struct {
		me       string
		username string
		verified *bool
		fails    string
	}{
		"not verified":          {`{"id":"7","username":"n","email":"n@example.org","verified":false}`, "n", &no, ""},
		"verified is a text":    {`{"id":"7","username":"n","email":"n@example.org","verified":"true"}`, "n", nil, ""},
		"no scope email":        {`{"id":"7","username":"n","global_name":null,"avatar":null,"verified":true}`, "n", nil, ""},
		"old account":           {`{"id":"7","username":"n","discriminator":"1337"}`, "n#1337", nil, ""},
		"odd avatar":            {`{"id":"7","username":"n","avatar":"../../x"}`, "n", nil, ""},
		"id is a number":        {`{"id":80351110224678912}`, "", nil, "snowflake"},
		"no id":                 {`{"username":"n"}`, "", nil, "snowflake"},
		"id is no number":       {`{"id":"me"}`, "", nil, "snowflake"},
		"id twice":              {`{"id":"7","id":"8"}`, "", nil, "JSON"},
		"a message, not a user": {`{"message":"401: Unauthorized","code":0}`, "", nil, "snowflake"},
	}
	for name, test := range tests {
		_, p := discordWith(t, nil, map[string]answer{"/api/users/@me": {body: test.me}})
		u, err := p.GetUserInfo(t.Context(), bearer())
		if test.fails != "" {
			wantUpstream(t, err, test.fails)
		} else if err != nil || u.PreferredUsername != test.username || !cmp.Equal(u.EmailVerified, test.verified) || u.Picture != "" || len(u.Groups) != 0 {
			t.Errorf("%s: got %+v, error %v", name, u, err)
		}
	}
}

func TestDiscordGuilds(t *testing.T) {
	tests := map[string]struct {
		guilds answer
		groups []string
		fails  string
	}{
		"scope not granted": {answer{401, `{"message":"401: Unauthorized","code":0}`}, nil, ""},
		"forbidden":         {answer{403, `{"message":"Missing Access","code":50001}`}, nil, ""},
		"none":              {answer{200, `[]`}, nil, ""},
		"busy":              {answer{429, `{"message":"You are being rate limited.","retry_after":64.57,"global":false}`}, nil, "fewer requests"},
		"no list":           {answer{200, `{"id":"1"}`}, nil, "guilds"},
	}
	for name, test := range tests {
		_, p := discordWith(t, map[string]string{"groups": "guilds"}, map[string]answer{"/api/users/@me": {body: discordUser}, "/api/users/@me/guilds": test.guilds})
		u, err := p.GetUserInfo(t.Context(), bearer())
		if test.fails != "" {
			wantUpstream(t, err, test.fails)
		} else if err != nil || !cmp.Equal(u.Groups, test.groups) {
			t.Errorf("%s: got %+v, error %v", name, u, err)
		}
	}
}

func TestDiscordMistakes(t *testing.T) {
	checkMistakes(t, discordType(), map[string]string{"client_id": "c", "client_secret": "s"}, map[string]mistake{
		"no secret":      {map[string]string{"client_secret": ""}, []string{"client_secret is not set", "OAUTH_DISCORD_CLIENT_SECRET"}},
		"no scheme":      {map[string]string{"base_url": "discord.com"}, []string{"base_url", "beginning with https://"}},
		"API, no scheme": {map[string]string{"api_url": "discord.com/api"}, []string{"api_url", "beginning with https://"}},
		"not encrypted":  {map[string]string{"api_url": "http://discord.example.com/api"}, []string{"api_url can't be used", "not encrypted", "use https"}},
		"roles":          {map[string]string{"groups": "roles"}, []string{"groups is malformed", "none, or guilds"}},
	})
	p := mustConfigure(t, discordType(), map[string]string{"client_id": "c", "client_secret": "s", "base_url": "https://discord.com/"})
	if got, err := p.AuthorizeParams(t.Context(), sdk.AuthorizeRequest{}); err != nil || got.Endpoint != "https://discord.com/oauth2/authorize" {
		t.Errorf("got %q, error %v; a slash at the end does no harm", got.Endpoint, err)
	}
}
