package main

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/oauth2"
)

// discordType is Discord. A user is told by the snowflake: a name can be changed, and then taken by somebody else.
func discordType() sdk.Type {
	const env = "OAUTH_DISCORD"
	return sdk.Type{
		Name: "discord", Label: "Discord", DocsURL: "https://discord.com/developers/applications",
		Scopes: []string{"identify", "email"}, Identifier: "preferred_username", Prompts: []string{"consent", "none"},
		Settings: append(sdk.ClientSettings(env),
			settingIn(env, "base_url", "https://discord.com", site, "Address of the site where people sign in, beginning with https://."),
			settingIn(env, "api_url", "https://discord.com/api", site, "Address of the API, beginning with https://; a version may follow, as in https://discord.com/api/v10."),
			settingIn(env, "groups", "none", "none|guilds", "What becomes a group: none, or guilds (the id of each server that the person is in). Asks for the scope guilds.")),
		New: newDiscord,
	}
}

// discord is one configured Discord.
type discord struct {
	config sdk.Config
	api    string
}

func newDiscord(_ context.Context, cfg sdk.Config) (sdk.Provider, error) {
	base, api, err := sites(cfg)
	if err != nil {
		return nil, err
	}
	d := &discord{config: cfg, api: api}
	config := oauth2.Config{AuthStyle: oauth2.AuthBasic, Map: d.user, Endpoint: oauth2.Endpoint{
		Authorize: base + "/oauth2/authorize",
		Token:     api + "/oauth2/token", UserInfo: api + "/users/@me", Revoke: api + "/oauth2/token/revoke",
	}}
	if cfg.Settings["groups"] == "guilds" {
		config.Scopes = []string{"guilds"}
	}
	return oauth2.New(cfg, config)
}

var (
	snowflake  = regexp.MustCompile(`\A[1-9][0-9]{0,19}\z`)
	avatarHash = regexp.MustCompile(`\A[0-9a-z_]+\z`)
)

// user maps /users/@me. Without the scope email there is no address.
func (d *discord) user(ctx context.Context, c *oauth2.Client, raw json.RawMessage, t *sdk.Token) (*sdk.User, error) {
	me, err := oauth2.ParseObject(raw)
	if err != nil {
		return nil, sdk.UpstreamErrorf("Discord's user: %w", err)
	}
	u := &sdk.User{
		Sub: me.String("id"), PreferredUsername: me.String("username"), Name: me.String("global_name"),
		Email: me.String("email"), Locale: me.String("locale"),
	}
	if !snowflake.MatchString(u.Sub) {
		return nil, sdk.UpstreamErrorf("Discord's user has no snowflake as id")
	}
	if number := me.String("discriminator"); number != "" && number != "0" {
		u.PreferredUsername += "#" + number // an old account, whose name is its own only with the number
	}
	if u.Email != "" {
		u.EmailVerified = me.Bool("verified")
	}
	if hash := me.String("avatar"); avatarHash.MatchString(hash) {
		u.Picture = "https://cdn.discordapp.com/avatars/" + u.Sub + "/" + hash + ".png"
	}
	guilds, err := d.guilds(ctx, c, t)
	if guilds != nil {
		me.Set("guilds", guilds)
	}
	for _, guild := range guilds {
		if id := guild.String("id"); snowflake.MatchString(id) {
			u.Groups = append(u.Groups, id)
		}
	}
	u.Claims = me.JSON()
	return u, err
}

// guilds are the servers that the person is in, if the operator wants them as groups; nobody may be in more than the
// 200 of one answer. What the token may not see counts as none.
func (d *discord) guilds(ctx context.Context, c *oauth2.Client, t *sdk.Token) ([]oauth2.Object, error) {
	if d.config.Settings["groups"] != "guilds" {
		return nil, nil
	}
	raw, err := c.GetJSON(ctx, d.api+"/users/@me/guilds", t)
	if status := oauth2.StatusOf(err); status == http.StatusForbidden || status == http.StatusUnauthorized {
		d.config.Log.Warn("Discord does not show the guilds to the token; let it have the scope guilds", "status", status)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	guilds, err := oauth2.ParseList(raw)
	if err != nil {
		return nil, sdk.UpstreamErrorf("Discord's guilds: %w", err)
	}
	return guilds, nil
}
