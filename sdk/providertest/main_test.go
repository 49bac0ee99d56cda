package providertest

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/oauth2"
	"github.com/authd/authd/sdk/oidc"
)

// binaryName is the name under which the test binary is a plugin. What follows it says which fault the process has;
// see brokenMains.
const binaryName = "authd-provider-kit"

func TestMain(m *testing.M) {
	base := filepath.Base(os.Args[0])
	if !strings.HasPrefix(base, binaryName) {
		os.Exit(m.Run())
	}
	if broken, ok := brokenMains()[strings.TrimPrefix(base, binaryName+"-")]; ok {
		broken()
	} else {
		sdk.Serve(plainType(), openIDType())
	}
	syscall.Exit(0) // os.Exit would wait a second for late reports of the race detector
}

// link gives the test binary the name of a plugin, with or without a fault.
func link(t *testing.T, fault string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), binaryName)
	if fault != "" {
		path += "-" + fault
	}
	if err := os.Symlink(self, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// plainType is a good provider of plain OAuth 2.0.
func plainType() sdk.Type {
	url := func(name, env string) sdk.Setting {
		return sdk.Setting{Name: name, Env: "OAUTH_PLAIN_" + env, Required: true, Pattern: `https?://.+`, Help: "An endpoint."}
	}
	return sdk.Type{
		Name: "plain", Label: "Plain", Scopes: []string{"profile", "email"},
		Icon: `<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><path d="M0 0h1v1z"/></svg>`,
		Settings: append(sdk.ClientSettings("OAUTH_PLAIN"),
			url("auth_url", "AUTH_URL"), url("token_url", "TOKEN_URL"), url("user_info_url", "USER_INFO_URL"),
			sdk.Setting{Name: "revoke_url", Env: "OAUTH_PLAIN_REVOKE_URL", Help: "Revocation endpoint."}),
		New: func(_ context.Context, c sdk.Config) (sdk.Provider, error) { return plainProvider(c, nil) },
	}
}

// plainProvider makes the provider of plainType, with something about it changed.
func plainProvider(c sdk.Config, change func(*oauth2.Config)) (sdk.Provider, error) {
	config := oauth2.Config{
		AuthStyle: oauth2.AuthBasic,
		Endpoint: oauth2.Endpoint{
			Authorize: c.Settings["auth_url"], Token: c.Settings["token_url"],
			UserInfo: c.Settings["user_info_url"], Revoke: c.Settings["revoke_url"],
		},
		Map: mapUser,
	}
	if change != nil {
		change(&config)
	}
	return oauth2.New(c, config)
}

func plainHarness(typ sdk.Type) Harness {
	return Harness{Type: typ, IDP: devidp.Options{SigningAlg: "ES256"}, Settings: func(idp *devidp.Server) map[string]string {
		return map[string]string{
			"client_id": "demo", "client_secret": "demo-secret", "auth_url": idp.EndpointURL(devidp.EndpointAuthorize),
			"token_url": idp.EndpointURL(devidp.EndpointToken), "user_info_url": idp.EndpointURL(devidp.EndpointUserInfo),
			"revoke_url": idp.EndpointURL(devidp.EndpointRevoke),
		}
	}}
}

// openIDType is a good OpenID provider.
func openIDType() sdk.Type {
	return sdk.Type{
		Name: "openid", Label: "OpenID", Scopes: []string{"openid", "profile", "email"}, DocsURL: "https://openid.net/",
		Settings: append([]sdk.Setting{{Name: "issuer", Env: "OAUTH_OPENID_ISSUER", Required: true, Help: "Issuer identifier."}}, oidc.Settings("OAUTH_OPENID")...),
		New:      openIDProvider,
	}
}

func openIDProvider(ctx context.Context, c sdk.Config) (sdk.Provider, error) {
	config := oidc.FromSettings(c)
	config.Issuer = c.Settings["issuer"]
	return oidc.New(ctx, c, config)
}

func openIDHarness(typ sdk.Type) Harness {
	return Harness{Type: typ, IDP: devidp.Options{SigningAlg: "ES256"}, Settings: func(idp *devidp.Server) map[string]string {
		return map[string]string{"issuer": idp.Issuer(), "client_id": "demo", "client_secret": "demo-secret"}
	}}
}

// passwordType is a good provider with a password form, against the password grant.
func passwordType() sdk.Type {
	typ := plainType()
	typ.Name = "password"
	typ.New = func(_ context.Context, c sdk.Config) (sdk.Provider, error) {
		return plainProvider(c, func(o *oauth2.Config) { o.Password = true })
	}
	return typ
}

func mapUser(_ context.Context, _ *oauth2.Client, raw json.RawMessage, _ *sdk.Token) (*sdk.User, error) {
	me, err := oauth2.ParseObject(raw)
	if err != nil {
		return nil, sdk.UpstreamErrorf("userinfo: %w", err)
	}
	return &sdk.User{
		Sub: me.String("sub"), PreferredUsername: me.String("preferred_username"), Name: me.String("name"),
		Email: me.String("email"), EmailVerified: me.Bool("email_verified"), Groups: me.Strings("groups"),
	}, nil
}
