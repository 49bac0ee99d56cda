package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/oauth2"
	"github.com/authd/authd/sdk/oidc"
)

const (
	// groupsPerPage and maxGroupPages bound what is asked of Microsoft Graph about one login. A page may hold roles and
	// administrative units beside groups.
	groupsPerPage, maxGroupPages = "999", 3
	// maxGraphGroups is how many groups authd keeps of a person.
	maxGraphGroups = 1000
	// maxPhoto bounds the photo, in bytes: each session keeps it.
	maxPhoto = 6 << 10
)

// graphClaims are the properties of a user that become claims. The list is fixed, so that none can stand for a claim of
// the ID token.
var graphClaims = [...]string{
	"userPrincipalName", "displayName", "givenName", "surname", "mail", "jobTitle", "department", "companyName",
	"officeLocation", "employeeId", "preferredLanguage", "businessPhones", "mobilePhone",
}

func graphSettings(env string) []sdk.Setting {
	return []sdk.Setting{
		{
			Name: "graph", Env: env + "_GRAPH", Default: "false", Pattern: "true|false",
			Help: "Whether to ask Microsoft Graph about the user too (true or false): job title, office and more become claims, and more than 200 groups are fetched. Asks for the scope User.Read.",
		},
		{
			Name: "graph_photo", Env: env + "_GRAPH_PHOTO", Default: "false", Pattern: "true|false",
			Help: "Whether the claim picture becomes the photo of Microsoft Graph, a data: URI of up to 8 KiB (true or false); needs graph.",
		},
		{
			Name: "graph_url", Env: env + "_GRAPH_URL", Default: "https://graph.microsoft.com/v1.0", Pattern: `https?://[^\s?#]+`,
			Help: "Address of Microsoft Graph with its version, e.g. https://graph.microsoft.us/v1.0 for the cloud of the US government.",
		},
	}
}

// withGraph lets Microsoft Graph be asked, if the settings want it.
func withGraph(config *oidc.Config, cfg sdk.Config) error {
	g := graph{url: strings.TrimRight(cfg.Settings["graph_url"], "/"), photo: cfg.Bool("graph_photo"), groups: cfg.Settings["groups_claim"], config: cfg}
	if !cfg.Bool("graph") {
		if g.photo {
			return sdk.ConfigErrorf("graph_photo", "is true, but Microsoft Graph is not asked; set graph to true, too")
		}
		return nil
	}
	if err := oauth2.ValidateEndpoint(g.url, cfg.InsecureHTTP); err != nil {
		return sdk.ConfigErrorf("graph_url", "%v", err)
	}
	if !slices.ContainsFunc(cfg.Scopes, func(scope string) bool { return strings.HasSuffix(scope, "/User.Read") }) {
		config.Scopes = append(config.Scopes, "User.Read")
	}
	config.Extend = g.extend
	return nil
}

// graph is Microsoft Graph, asked with the access token of the user.
type graph struct {
	url    string
	photo  bool
	groups string // the claim that groups are in
	config sdk.Config
}

// extend adds what Graph says to the claims, and to the user where the ID token leaves it open.
func (g graph) extend(ctx context.Context, c *oauth2.Client, t *sdk.Token, claims oauth2.Object, u *sdk.User) error {
	me, err := g.me(ctx, c, t, claims.String("oid"))
	if err != nil {
		return err
	}
	for _, name := range graphClaims {
		if me.Has(name) && string(me[name]) != "null" && !claims.Has(name) {
			claims[name] = me[name]
		}
	}
	for to, name := range map[*string]string{&u.Name: "displayName", &u.GivenName: "givenName", &u.FamilyName: "surname", &u.Locale: "preferredLanguage"} {
		if *to == "" {
			*to = me.String(name)
		}
	}
	if upn := me.String("userPrincipalName"); upn != "" {
		u.PreferredUsername = upn // the ID token's is whatever the person typed
	}
	if mail := me.String("mail"); u.Email == "" && mail != "" {
		u.Email, u.EmailVerified = mail, nil // xms_edov is about the address of the ID token
	}
	if g.photo {
		if uri := g.picture(ctx, c, t); uri != "" {
			claims.Set("picture", uri)
		}
	}
	if g.groups != "groups" || !overage(claims, g.groups) {
		return nil
	}
	u.Groups, err = g.memberships(ctx, c, t, u.Sub)
	return err
}

// me is the user, who must be the one of the ID token.
func (g graph) me(ctx context.Context, c *oauth2.Client, t *sdk.Token, oid string) (oauth2.Object, error) {
	raw, err := c.GetJSON(ctx, g.url+"/me?$select=id,"+strings.Join(graphClaims[:], ","), t)
	if status := oauth2.StatusOf(err); status == http.StatusUnauthorized || status == http.StatusForbidden {
		return nil, sdk.ConfigErrorf("graph", "is true, but Microsoft Graph refuses the access token (HTTP %d); give the application the delegated permission User.Read of Microsoft Graph, and ask for no scope of another API", status)
	}
	if err != nil {
		return nil, err
	}
	me, err := oauth2.ParseObject(raw)
	if err != nil {
		return nil, sdk.UpstreamErrorf("Microsoft Graph's user: %w", err)
	}
	if id := me.String("id"); id == "" || !strings.EqualFold(id, oid) {
		return nil, sdk.UpstreamErrorf("Microsoft Graph's user is not the one of the ID token: its id is not the claim oid")
	}
	return me, nil
}

// memberships are the ids of the groups that the user is in, directly or through others. What Graph does not show to
// the token, and more than authd keeps, counts as none: no rule is to be decided on a part of them.
func (g graph) memberships(ctx context.Context, c *oauth2.Client, t *sdk.Token, sub string) ([]string, error) {
	var ids []string
	next := g.url + "/me/transitiveMemberOf?$select=id&$top=" + groupsPerPage
	for page := 1; next != "" && page <= maxGroupPages && len(ids) <= maxGraphGroups; page++ {
		raw, err := c.GetJSON(ctx, next, t)
		if status := oauth2.StatusOf(err); status == http.StatusForbidden {
			g.config.Log.Warn("Microsoft Graph does not show the groups to the token, so none counts; consent to the permission User.Read or GroupMember.Read.All", "sub", sub, "status", status)
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		some, more, err := groupPage(raw)
		if err != nil {
			return nil, err
		}
		// The access token goes there.
		if more != "" && !strings.HasPrefix(more, g.url+"/") {
			return nil, sdk.UpstreamErrorf("Microsoft Graph's groups: the next page is at another address than graph_url")
		}
		ids, next = append(ids, some...), more
	}
	if next != "" || len(ids) > maxGraphGroups {
		g.config.Log.Warn("the user is in more groups than authd keeps, so none counts; emit only groups assigned to the application, or use app roles and groups_claim = \"roles\"", "sub", sub)
		return nil, nil
	}
	return ids, nil
}

// groupPage reads one page: the groups on it and where the next one is.
func groupPage(raw json.RawMessage) (ids []string, next string, err error) {
	page, err := oauth2.ParseObject(raw)
	if err != nil {
		return nil, "", sdk.UpstreamErrorf("Microsoft Graph's groups: %w", err)
	}
	items, err := oauth2.ParseList(page["value"])
	if err != nil {
		return nil, "", sdk.UpstreamErrorf("Microsoft Graph's groups: %w", err)
	}
	for _, item := range items {
		if id := item.String("id"); item.String("@odata.type") == "#microsoft.graph.group" && guid.MatchString(id) {
			ids = append(ids, id)
		}
	}
	return ids, page.String("@odata.nextLink"), nil
}

// picture is the photo as a data: URI; "" when there is none, it is too large or it can't be had, which keeps nobody out.
func (g graph) picture(ctx context.Context, c *oauth2.Client, t *sdk.Token) string {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, g.url+"/me/photos/48x48/$value", nil)
	if err != nil {
		return ""
	}
	r.Header.Set("Authorization", "Bearer "+t.AccessToken)
	a, err := c.Send("photo", r)
	if err != nil || a.Status != http.StatusOK || len(a.Body) > maxPhoto {
		return ""
	}
	kind := http.DetectContentType(a.Body)
	if kind != "image/jpeg" && kind != "image/png" {
		return ""
	}
	return "data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(a.Body)
}
