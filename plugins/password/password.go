package main

import (
	"context"
	"strings"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/oauth2"
)

const env = "OAUTH_PASSWORD"

// passwordType is the password grant (RFC 6749 section 4.3) of any OAuth 2.0 server. RFC 9700 section 2.4 forbids it
// for anything that counts, so the type says at each turn what it is for.
func passwordType() sdk.Type {
	client := sdk.ClientSettings(env)
	client[1].Required = false // a public client has none
	endpoint := func(name, help string) sdk.Setting {
		return sdk.Setting{
			Name: name, Env: env + "_" + strings.ToUpper(name), Required: true, Pattern: `https?://[^\s#]+`,
			Help: help + ", beginning with https:// and to the last slash as the identity provider has it.",
		}
	}
	return sdk.Type{
		Name: "password", Label: "Password (for development)", DocsURL: "https://www.rfc-editor.org/rfc/rfc6749#section-4.3",
		Scopes: []string{"openid", "profile", "email"}, Identifier: "preferred_username", Development: true,
		Settings: append(
			client,
			endpoint("token_url", "Token endpoint, which must take grant_type=password"),
			endpoint("user_info_url", "Address that says who a token belongs to"),
			sdk.Setting{
				Name: "token_endpoint_auth_method", Env: env + "_TOKEN_ENDPOINT_AUTH_METHOD", Default: string(oauth2.AuthPost), Pattern: "client_secret_post|client_secret_basic",
				Help: "How the client shows its secret at the token endpoint: client_secret_post or client_secret_basic.",
			},
			sdk.Setting{
				Name: "user_key", Env: env + "_USER_KEY", Default: "email", Pattern: `\S+`,
				Help: "Member of userinfo that becomes preferred_username, by which applications call the person.",
			}),
		New: newPassword,
	}
}

func newPassword(_ context.Context, cfg sdk.Config) (sdk.Provider, error) {
	s := cfg.Settings
	style := oauth2.AuthStyle(s["token_endpoint_auth_method"])
	if s["client_secret"] == "" {
		style = oauth2.AuthNone
	}
	made, err := oauth2.New(cfg, oauth2.Config{
		AuthStyle: style, Password: true, Map: mapping{userKey: s["user_key"]}.user,
		Endpoint: oauth2.Endpoint{Token: s["token_url"], UserInfo: s["user_info_url"]},
	})
	if err != nil {
		return nil, err
	}
	cfg.Log.Warn("this provider is for development: it sees people's passwords; use a provider with a sign-in page of its own where that matters", "token_url", s["token_url"])
	return &password{engine: made.(engine), userInfo: s["user_info_url"], client: &oauth2.Client{
		HTTP: cfg.HTTP, ID: s["client_id"], Secret: s["client_secret"], AuthStyle: style, TokenURL: s["token_url"], InsecureHTTP: cfg.InsecureHTTP,
	}}, nil
}

// engine is what oauth2.New makes of a Config with Password.
type engine interface {
	sdk.Provider
	sdk.Refresher
	sdk.PasswordLogin
}

// password is one configured provider.
type password struct {
	engine
	client   *oauth2.Client // for Check
	userInfo string
}

// PasswordLogin implements sdk.PasswordLogin. What can't be right is not sent: some servers answer it as a fault of
// the client's, and some count it towards a lock.
func (p *password) PasswordLogin(ctx context.Context, in sdk.Credentials) (*sdk.Token, error) {
	if in.Username == "" || in.Password == "" {
		return nil, sdk.UserErrorf("invalid_grant", "user name or password is empty")
	}
	return p.engine.PasswordLogin(ctx, in)
}
