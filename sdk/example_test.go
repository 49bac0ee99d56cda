package sdk_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/oauth2"
)

// The provider of the package's documentation, and what authd makes of its manifest before it runs.
func Example() {
	acme := Acme()
	_, faults := acme.CheckSettings(map[string]string{"client_id": "7", "base_url": "acme"})
	fmt.Println("Sign in with", acme.Label)
	for _, fault := range faults {
		fmt.Println(fault)
	}
	// Output:
	// Sign in with Acme
	// client_secret is not set; set it, or OAUTH_ACME_CLIENT_SECRET in the environment, or client_secret_file
	// base_url is malformed; Where Acme is.
}

// From here on the file is the code of doc.go.

func Acme() sdk.Type {
	return sdk.Type{
		Name:  "acme",
		Label: "Acme",
		Settings: append(sdk.ClientSettings("OAUTH_ACME"), sdk.Setting{
			Name: "base_url", Env: "OAUTH_ACME_BASE_URL", Default: "https://acme.example",
			Pattern: `https?://[^\s?#]+`, Help: "Where Acme is.",
		}),
		Scopes: []string{"profile"},
		New:    newAcme,
	}
}

func newAcme(_ context.Context, c sdk.Config) (sdk.Provider, error) {
	base := c.Settings["base_url"]
	return oauth2.New(c, oauth2.Config{
		AuthStyle: oauth2.AuthBasic,
		Endpoint:  oauth2.Endpoint{Authorize: base + "/authorize", Token: base + "/token", UserInfo: base + "/userinfo"},
		Map:       acmeUser,
	})
}

func acmeUser(_ context.Context, _ *oauth2.Client, raw json.RawMessage, _ *sdk.Token) (*sdk.User, error) {
	me, err := oauth2.ParseObject(raw)
	if err != nil {
		return nil, sdk.UpstreamErrorf("acme: userinfo: %w", err)
	}
	return &sdk.User{
		Sub:               me.String("sub"),
		PreferredUsername: me.String("preferred_username"),
		Name:              me.String("name"),
		Email:             me.String("email"),
		EmailVerified:     me.Bool("email_verified"),
	}, nil
}
