// Command authd-provider-acme lets people sign in with Acme, a company that is made up. Acme speaks OAuth 2.0 and has an
// API of its own that says who somebody is; what differs from every other provider is in this file, and nothing else.
package main

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/oauth2"
)

func main() { sdk.Serve(acme()) }

// acme is what authd reads before it runs anything: what to show to people, and what to ask of the operator.
func acme() sdk.Type {
	return sdk.Type{
		Name:    "acme",
		Label:   "Acme",
		DocsURL: "https://acme.example/developers/apps",
		Icon:    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><path fill="#b3261e" d="M12 2 2 22h5l5-11 5 11h5z"/></svg>`,
		Settings: append(sdk.ClientSettings("OAUTH_ACME"), sdk.Setting{
			Name: "base_url", Env: "OAUTH_ACME_BASE_URL", Default: "https://acme.example", Pattern: `https?://[^\s?#]+`,
			Help: "Where Acme is, without a slash at the end.",
		}),
		Scopes: []string{"profile", "teams"},
		New:    newProvider,
	}
}

// newProvider gets settings that were checked already.
func newProvider(_ context.Context, c sdk.Config) (sdk.Provider, error) {
	base := strings.TrimSuffix(c.Settings["base_url"], "/")
	return oauth2.New(c, oauth2.Config{
		AuthStyle: oauth2.AuthPost,
		Endpoint: oauth2.Endpoint{
			Authorize: base + "/oauth/authorize",
			Token:     base + "/oauth/token",
			UserInfo:  base + "/api/me",
		},
		Map: user,
	})
}

// user turns what Acme's /api/me says into a user.
func user(_ context.Context, _ *oauth2.Client, raw json.RawMessage, _ *sdk.Token) (*sdk.User, error) {
	me, err := oauth2.ParseObject(raw)
	if err != nil {
		return nil, sdk.UpstreamErrorf("acme: /api/me: %w", err)
	}
	id, ok := me.Int("id") // not the login name: at Acme that can be changed, and given to somebody else
	if !ok {
		return nil, sdk.UpstreamErrorf("acme: /api/me names nobody")
	}
	if status := me.String("status"); status == "left" {
		return nil, sdk.UserErrorf("access_denied", "acme: user %d has left the company", id)
	}
	return &sdk.User{
		Sub:               strconv.FormatInt(id, 10),
		PreferredUsername: me.String("login"),
		Name:              me.String("display_name"),
		Email:             me.String("mail"),
		EmailVerified:     me.Bool("mail_confirmed"), // nil when Acme does not say
		Groups:            me.Strings("teams"),
	}, nil
}
