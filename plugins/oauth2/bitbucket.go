package main

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/oauth2"
)

// bitbucketType is Bitbucket Cloud. A user is told by the uuid: a username can be changed, and then taken by somebody
// else, and not every account has an Atlassian account_id.
func bitbucketType() sdk.Type {
	const env = "OAUTH_BITBUCKET"
	return sdk.Type{
		Name: "bitbucket", Label: "Bitbucket", DocsURL: "https://support.atlassian.com/bitbucket-cloud/docs/use-oauth-on-bitbucket-cloud/",
		Scopes: []string{"account", "email"}, Identifier: "preferred_username",
		Settings: append(sdk.ClientSettings(env),
			settingIn(env, "base_url", "https://bitbucket.org", site, "Address of the site where people sign in, beginning with https://."),
			settingIn(env, "api_url", "https://api.bitbucket.org/2.0", site, "Address of the API with its version, beginning with https://."),
			settingIn(env, "groups", "none", "none|workspaces", "What becomes a group: none, or workspaces (the slug of each workspace that the person may enter).")),
		New: newBitbucket,
	}
}

// bitbucket is one configured Bitbucket.
type bitbucket struct {
	config sdk.Config
	api    string
}

func newBitbucket(_ context.Context, cfg sdk.Config) (sdk.Provider, error) {
	base, api, err := sites(cfg)
	if err != nil {
		return nil, err
	}
	b := &bitbucket{config: cfg, api: api}
	return oauth2.New(cfg, oauth2.Config{AuthStyle: oauth2.AuthBasic, Map: b.user, Endpoint: oauth2.Endpoint{
		Authorize: base + "/site/oauth2/authorize", Token: base + "/site/oauth2/access_token", UserInfo: api + "/user",
	}})
}

var uuid = regexp.MustCompile(`\A\{[0-9a-f-]{36}\}\z`)

// user maps /user, and adds what the scopes of the consumer allow to know.
func (b *bitbucket) user(ctx context.Context, c *oauth2.Client, raw json.RawMessage, t *sdk.Token) (*sdk.User, error) {
	me, err := oauth2.ParseObject(raw)
	if err != nil {
		return nil, sdk.UpstreamErrorf("Bitbucket's user: %w", err)
	}
	u := &sdk.User{
		Sub: me.String("uuid"), PreferredUsername: me.String("username"), Name: me.String("display_name"),
		Picture: me.Object("links").Object("avatar").String("href"),
	}
	if !uuid.MatchString(u.Sub) {
		return nil, sdk.UpstreamErrorf("Bitbucket's user has no uuid")
	}
	emails, err := b.list(ctx, c, t, "/user/emails")
	if err != nil {
		return nil, err
	}
	for _, one := range emails {
		if primary := one.Bool("is_primary"); primary != nil && *primary {
			u.Email, u.EmailVerified = one.String("email"), one.Bool("is_confirmed")
		}
	}
	me.Set("emails", emails)
	if b.config.Settings["groups"] == "workspaces" {
		workspaces, err := b.list(ctx, c, t, "/user/workspaces")
		if err != nil {
			return nil, err
		}
		for _, one := range workspaces {
			if slug := one.Object("workspace").String("slug"); slug != "" {
				u.Groups = append(u.Groups, slug)
			}
		}
	}
	u.Claims = me.JSON()
	return u, nil
}

// list reads a list of the API, page by page. What the token may not see counts as an empty list.
func (b *bitbucket) list(ctx context.Context, c *oauth2.Client, t *sdk.Token, path string) ([]oauth2.Object, error) {
	const maxPages = 10
	all := []oauth2.Object{}
	next := b.api + path + "?pagelen=100"
	for range maxPages {
		raw, err := c.GetJSON(ctx, next, t)
		if status := oauth2.StatusOf(err); status == http.StatusForbidden || status == http.StatusNotFound {
			b.config.Log.Warn("Bitbucket does not show this to the token; tick Account: Email and Read at the OAuth consumer", "list", path, "status", status)
			return []oauth2.Object{}, nil
		}
		if err != nil {
			return nil, err
		}
		page, err := oauth2.ParseObject(raw)
		var some []oauth2.Object
		if err == nil {
			some, err = oauth2.ParseList(page["values"])
		}
		if err != nil {
			return nil, sdk.UpstreamErrorf("Bitbucket's %s: %w", path, err)
		}
		all = append(all, some...)
		if next = page.String("next"); next == "" {
			return all, nil
		}
		if !strings.HasPrefix(next, b.api+path+"?") { // the token goes nowhere else
			return nil, sdk.UpstreamErrorf("Bitbucket's %s: the next page is at another address", path)
		}
	}
	return all, nil
}
