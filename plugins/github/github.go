package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/oauth2"
)

// The endpoints of github.com, and what its API is asked for.
const (
	authURL     = "https://github.com/login/oauth/authorize"
	tokenURL    = "https://github.com/login/oauth/access_token"
	userInfoURL = "https://api.github.com/user"
	accept      = "application/vnd.github+json"
)

// githubType is GitHub. A user is told by the numeric id: a login name can be changed, and then taken by somebody else.
func githubType() sdk.Type {
	return sdk.Type{
		Name: "github", Label: "GitHub", DocsURL: "https://github.com/settings/developers",
		Scopes: []string{"read:user", "user:email"}, Identifier: "preferred_username", Prompts: []string{"select_account"},
		Settings: append(sdk.ClientSettings("OAUTH_GITHUB"),
			setting("enterprise_url", "", `https?://[^/?#]+/?`, "Address of a GitHub Enterprise server, or of a company's ghe.com; the three URLs below then follow from it."),
			setting("auth_url", authURL, "", "Authorization endpoint."),
			setting("token_url", tokenURL, "", "Token endpoint."),
			setting("user_info_url", userInfoURL, "", "The API's address of the signed-in user."),
			setting("groups", "none", "none|orgs|teams", "What becomes a group: none, orgs (organization), or teams (organization and organization:team). Asks for the scope read:org.")),
		New: newProvider,
	}
}

func setting(name, standard, pattern, help string) sdk.Setting {
	return sdk.Setting{Name: name, Env: "OAUTH_GITHUB_" + strings.ToUpper(name), Default: standard, Pattern: pattern, Help: help}
}

func newProvider(_ context.Context, cfg sdk.Config) (sdk.Provider, error) {
	if server := cfg.Settings["enterprise_url"]; server != "" {
		if err := oauth2.ValidateEndpoint(server, cfg.InsecureHTTP); err != nil {
			return nil, sdk.ConfigErrorf("enterprise_url", "%v", err)
		}
	}
	endpoint := endpoints(cfg.Settings)
	g := &github{config: cfg, userURL: endpoint.UserInfo}
	config := oauth2.Config{
		AuthStyle: oauth2.AuthPost, Endpoint: endpoint, LoginHintParam: "login",
		Header: http.Header{"Accept": {accept}}, Map: g.user,
		ErrorCodes: map[string]string{
			"bad_verification_code":        "invalid_grant",
			"bad_refresh_token":            "invalid_grant",
			"unverified_user_email":        "access_denied",
			"incorrect_client_credentials": "invalid_client",
			"application_suspended":        "unauthorized_client",
		},
	}
	if cfg.Settings["groups"] != "none" {
		config.Scopes = []string{"read:org"}
	}
	if api, found := strings.CutSuffix(endpoint.UserInfo, "/user"); found {
		g.api, config.Revoke = api, g.revoke
	}
	return oauth2.New(cfg, config)
}

// github is one configured GitHub.
type github struct {
	config       sdk.Config
	userURL, api string // api is empty when it can't be told
}

// endpoints derives the URLs of an Enterprise server, except those that the operator has set.
func endpoints(s map[string]string) oauth2.Endpoint {
	web := strings.TrimSuffix(s["enterprise_url"], "/")
	api := web + "/api/v3"
	if scheme, host, _ := strings.Cut(web, "://"); strings.HasSuffix(host, ".ghe.com") {
		api = scheme + "://api." + host
	}
	choose := func(set, standard, derived string) string {
		if web == "" || set != standard {
			return set
		}
		return derived
	}
	return oauth2.Endpoint{
		Authorize: choose(s["auth_url"], authURL, web+"/login/oauth/authorize"),
		Token:     choose(s["token_url"], tokenURL, web+"/login/oauth/access_token"),
		UserInfo:  choose(s["user_info_url"], userInfoURL, api+"/user"),
	}
}

// user maps /user, and adds what the scopes allow to know.
func (g *github) user(ctx context.Context, c *oauth2.Client, raw json.RawMessage, t *sdk.Token) (*sdk.User, error) {
	me, err := oauth2.ParseObject(raw)
	if err != nil {
		return nil, sdk.UpstreamErrorf("GitHub's user: %w", err)
	}
	id, ok := me.Int("id")
	if !ok || id <= 0 {
		return nil, sdk.UpstreamErrorf("GitHub's user has no numeric id")
	}
	u := &sdk.User{
		Sub: strconv.FormatInt(id, 10), PreferredUsername: me.String("login"), Name: me.String("name"),
		Email: me.String("email"), Picture: me.String("avatar_url"),
	}
	if err := errors.Join(g.addEmail(ctx, c, t, me, u), g.addGroups(ctx, c, t, u)); err != nil {
		return nil, err
	}
	u.Claims = me.JSON()
	return u, nil
}

// addEmail takes the primary address and whether it is verified. The one in /user is what the person shows in public,
// which says nothing about either.
func (g *github) addEmail(ctx context.Context, c *oauth2.Client, t *sdk.Token, me oauth2.Object, u *sdk.User) error {
	if !granted(t, "user:email", "user") {
		return nil
	}
	emails, err := g.list(ctx, c, t, "/emails")
	if err != nil || emails == nil {
		return err
	}
	me.Set("emails", emails)
	for _, one := range emails {
		if primary := one.Bool("primary"); primary != nil && *primary {
			u.Email, u.EmailVerified = one.String("email"), one.Bool("verified")
		}
	}
	return nil
}

// addGroups asks for organizations and teams, if the operator wants them as groups.
func (g *github) addGroups(ctx context.Context, c *oauth2.Client, t *sdk.Token, u *sdk.User) error {
	groups := g.config.Settings["groups"]
	if groups == "none" {
		return nil
	}
	orgs, err := g.list(ctx, c, t, "/orgs")
	for _, org := range orgs {
		if name := org.String("login"); name != "" {
			u.Groups = append(u.Groups, name)
		}
	}
	if err != nil || groups == "orgs" {
		return err
	}
	teams, err := g.list(ctx, c, t, "/teams")
	for _, team := range teams {
		if org, name := team.Object("organization").String("login"), team.String("slug"); org != "" && name != "" {
			u.Groups = append(u.Groups, org+":"+name)
		}
	}
	return err
}

// list reads a list below the user's address, page by page. What the token may not see counts as an empty list, nil.
func (g *github) list(ctx context.Context, c *oauth2.Client, t *sdk.Token, path string) ([]oauth2.Object, error) {
	const perPage, maxPages = 100, 10
	all := []oauth2.Object{}
	for page := 1; page <= maxPages && len(all) == (page-1)*perPage; page++ { // while the pages are full
		query := url.Values{"per_page": {strconv.Itoa(perPage)}, "page": {strconv.Itoa(page)}}
		raw, err := c.GetJSON(ctx, g.userURL+path+"?"+query.Encode(), t)
		if status := oauth2.StatusOf(err); status == http.StatusForbidden || status == http.StatusNotFound {
			g.config.Log.Warn("GitHub does not show this to the token; look at its scopes", "list", path, "status", status)
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		some, err := oauth2.ParseList(raw)
		if err != nil {
			return nil, sdk.UpstreamErrorf("GitHub's %s: %w", path, err)
		}
		all = append(all, some...)
	}
	return all, nil
}

// granted tells whether the token has one of the scopes, or may have: GitHub Apps name none.
func granted(t *sdk.Token, anyOf ...string) bool {
	return t.Scope == nil || slices.ContainsFunc(t.Scope, func(scope string) bool { return slices.Contains(anyOf, scope) })
}
