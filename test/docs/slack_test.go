package docs

import (
	"context"
	"maps"
	"net/url"
	"testing"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/oauth2"
	"github.com/authd/authd/sdk/oidc"
	"github.com/authd/authd/sdk/providertest"
)

// What stands between "begin" and "end" is in the page about a further provider.

// begin type

// slackType is one workspace of Slack.
func slackType() sdk.Type {
	const env = "OAUTH_SLACK"
	return sdk.Type{
		Name: "slack", Label: "Slack", DocsURL: "https://api.slack.com/apps",
		Scopes: []string{"openid", "profile", "email"}, Identifier: "email",
		Settings: append(sdk.ClientSettings(env),
			sdk.Setting{
				Name: "team_id", Env: env + "_TEAM_ID", Required: true, Pattern: `[TE][A-Z0-9]+`,
				Help: "ID of the workspace whose members may sign in, e.g. T0123ABCD.",
			},
			sdk.Setting{
				Name: "issuer", Env: env + "_ISSUER", Default: "https://slack.com", Pattern: `https?://[^\s?#]+`,
				Help: "Issuer identifier; another one only where something stands in for Slack.",
			}),
		New: newSlack,
	}
}

func newSlack(ctx context.Context, cfg sdk.Config) (sdk.Provider, error) {
	config := oidc.FromSettings(cfg)
	config.Issuer = cfg.Settings["issuer"]
	config.Params = url.Values{"team": {cfg.Settings["team_id"]}} // only shapes Slack's page
	config.Map = ofWorkspace(cfg.Settings["team_id"])
	return oidc.New(ctx, cfg, config)
}

// ofWorkspace lets in whom the ID token says to be of the workspace: whoever changes the URL signs in to another one.
func ofWorkspace(team string) func(oauth2.Object, *sdk.User) error {
	return func(claims oauth2.Object, _ *sdk.User) error {
		if said := claims.String("https://slack.com/team_id"); said != team {
			return sdk.UserErrorf("access_denied", "the account is of the Slack workspace %.40q, not of the one in team_id", said)
		}
		return nil
	}
}

// end type

// begin test

// slackMount answers as Slack does, by https://slack.com/.well-known/openid-configuration.
func slackMount() devidp.Mount {
	return devidp.Mount{
		Name: "slack", Prefix: "/stand-in/slack",
		Paths: map[string]string{
			devidp.EndpointDiscovery: "/.well-known/openid-configuration", devidp.EndpointAuthorize: "/openid/connect/authorize",
			devidp.EndpointToken: "/api/openid.connect.token", devidp.EndpointUserInfo: "/api/openid.connect.userInfo",
			devidp.EndpointJWKS: "/openid/connect/keys",
		},
		Claims: func(devidp.ClaimsInput) map[string]any {
			return map[string]any{"preferred_username": nil, "groups": nil} // Slack has neither
		},
	}
}

// inWorkspace makes a made-up person a member.
func inWorkspace(team string) func(*devidp.User) {
	return func(u *devidp.User) {
		claims := map[string]any{"https://slack.com/team_id": team}
		maps.Copy(claims, u.Claims)
		u.Claims = claims
	}
}

func TestSlack(t *testing.T) {
	providertest.Run(t, providertest.Harness{
		Type: slackType(), IDP: devidp.Options{Mounts: []devidp.Mount{slackMount()}}, Person: inWorkspace("T0123ABCD"),
		Settings: func(idp *devidp.Server) map[string]string {
			return map[string]string{
				"issuer": idp.URL() + "/stand-in/slack", "client_id": "demo", "client_secret": "demo-secret", "team_id": "T0123ABCD",
			}
		},
	})
}

func TestSlackOtherWorkspace(t *testing.T) {
	var u sdk.User
	for team, in := range map[string]bool{`"T0123ABCD"`: true, `"T0000EVIL"`: false, `""`: false, `null`: false, `["T0123ABCD"]`: false} {
		claims, err := oauth2.ParseObject([]byte(`{"https://slack.com/team_id":` + team + `}`))
		if err != nil {
			t.Fatal(err)
		}
		if err := ofWorkspace("T0123ABCD")(claims, &u); (err == nil) != in {
			t.Errorf("team %s: error %v", team, err)
		}
	}
}

// end test
