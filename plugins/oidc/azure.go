package main

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/oauth2"
	"github.com/authd/authd/sdk/oidc"
)

const guidShape = `[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}`

var guid = regexp.MustCompile(`^` + guidShape + `$`)

// azureType is Microsoft Entra ID, once Azure AD, at its version 2.0 endpoints.
func azureType() sdk.Type { return entraType("azure-ad", "OAUTH_AZURE_AD", false) }

// azureHybridType is the same in the hybrid flow, as Chainlit has it under a name of its own.
func azureHybridType() sdk.Type { return entraType("azure-ad-hybrid", "OAUTH_AZURE_AD_HYBRID", true) }

func entraType(name, env string, hybrid bool) sdk.Type {
	return sdk.Type{
		Name: name, Label: "Microsoft", DocsURL: "https://learn.microsoft.com/en-us/entra/identity-platform/quickstart-register-app",
		Scopes: []string{"openid", "profile", "email", "offline_access"}, Identifier: "preferred_username",
		// Userinfo says less than the ID token, and only to tokens for Microsoft Graph.
		Settings: slices.Concat(sdk.ClientSettings(env), standard("userinfo", "false", oidc.Tuning(env)), tenantSettings(env), graphSettings(env)),
		New: func(ctx context.Context, cfg sdk.Config) (sdk.Provider, error) {
			return newEntra(ctx, cfg, hybrid)
		},
	}
}

func tenantSettings(env string) []sdk.Setting {
	return []sdk.Setting{
		{
			Name: "tenant_id", Env: env + "_TENANT_ID", Required: true, Pattern: guidShape + `|([A-Za-z0-9-]+\.)+[A-Za-z0-9-]+|common|organizations`,
			Help: "Directory (tenant) ID, a GUID, or a verified domain of the tenant such as acme.onmicrosoft.com; common or organizations need allowed_tenants.",
		},
		{
			Name: "enable_single_tenant", Env: env + "_ENABLE_SINGLE_TENANT", Default: "true", Pattern: `(?i:true|false|1|0|yes|no|on|off)`,
			Help: "Whether people of that tenant alone may sign in (true or false); false needs allowed_tenants.",
		},
		{
			Name: "allowed_tenants", Env: env + "_ALLOWED_TENANTS", Pattern: guidShape + `([ ,]+` + guidShape + `)*`,
			Help: "Tenant IDs, GUIDs parted by spaces, whose people may sign in where more tenants than one can.",
		},
		{Name: "scope", Env: env + "_SCOPES", Help: "Scopes, parted by spaces; the same as scopes. openid, profile and email are always among them."},
		{
			Name: "base_url", Env: env + "_BASE_URL", Default: "https://login.microsoftonline.com", Pattern: `https?://[^\s?#]+`,
			Help: "Address of the cloud, e.g. https://login.microsoftonline.us for that of the US government.",
		},
	}
}

func newEntra(ctx context.Context, cfg sdk.Config, hybrid bool) (sdk.Provider, error) {
	base, tenant := strings.TrimRight(cfg.Settings["base_url"], "/"), strings.ToLower(cfg.Settings["tenant_id"])
	allowed := strings.FieldsFunc(strings.ToLower(cfg.Settings["allowed_tenants"]), func(r rune) bool { return r == ' ' || r == ',' })
	config := oidc.FromSettings(cfg)
	config.Hybrid = hybrid
	config.IssuerSetting = "tenant_id"
	config.Scopes = []string{"profile", "email"} // scopes from Chainlit are those of Microsoft Graph
	config.Map = func(claims oauth2.Object, u *sdk.User) error { return entraUser(claims, u, cfg) }
	if err := withGraph(&config, cfg); err != nil {
		return nil, err
	}
	several := tenant == "common" || tenant == "organizations"
	if !several && !cfg.Bool("enable_single_tenant") {
		several, tenant = true, "common"
	}
	switch {
	case several && len(allowed) == 0:
		return nil, sdk.ConfigErrorf("allowed_tenants", "is not set, but %s lets people of every tenant sign in; list the tenant IDs that may, or set tenant_id to yours and enable_single_tenant to true", tenant)
	case !several && len(allowed) > 0:
		return nil, sdk.ConfigErrorf("allowed_tenants", "is set, but people of the tenant %s alone can sign in; take it out, or set tenant_id to organizations", tenant)
	case several:
		config.Discovery = base + "/" + tenant + "/v2.0/.well-known/openid-configuration"
		config.Issuer = base + "/{tenantid}/v2.0" // as the document itself has it
		config.IssuerOf = func(claims oauth2.Object) (string, error) { return tenantIssuer(base, claims.String("tid"), allowed) }
		config.Map = func(claims oauth2.Object, u *sdk.User) error {
			// Userinfo alone, as after a refresh without an ID token, does not say of which tenant somebody is.
			if _, err := tenantIssuer(base, claims.String("tid"), allowed); err != nil {
				return err
			}
			return entraUser(claims, u, cfg)
		}
	case guid.MatchString(tenant):
		config.Issuer = base + "/" + tenant + "/v2.0"
	default:
		config.Discovery = base + "/" + tenant + "/v2.0/.well-known/openid-configuration"
		config.IssuerPattern = regexp.MustCompile(`^` + regexp.QuoteMeta(base) + `/` + guidShape + `/v2\.0$`)
	}
	return oidc.New(ctx, cfg, config)
}

// tenantIssuer is the issuer of an allowed tenant.
func tenantIssuer(base, tid string, allowed []string) (string, error) {
	if !guid.MatchString(tid) || !slices.Contains(allowed, strings.ToLower(tid)) {
		return "", sdk.UserErrorf("access_denied", "the account is of the tenant %.40q, which is not among allowed_tenants; if its people may sign in, add it there", tid)
	}
	return base + "/" + tid + "/v2.0", nil
}

// entraUser sees to what Entra ID has its own way of saying.
func entraUser(claims oauth2.Object, u *sdk.User, cfg sdk.Config) error {
	u.EmailVerified = nil
	if !cfg.Bool("userinfo") { // whose address may be another than the one that the ID token vouches for
		u.EmailVerified = ownDomain(claims)
	}
	groups := cfg.Settings["groups_claim"]
	if !overage(claims, groups) {
		return nil
	}
	u.Groups = nil
	if !cfg.Bool("graph") || groups != "groups" {
		cfg.Log.Warn("the user has more groups than Entra ID puts into a token, so none counts; emit only groups assigned to the application, use app roles and groups_claim = \"roles\", or set graph = \"true\"", "sub", u.Sub)
	}
	return nil
}

// overage tells whether the user has more groups than the token holds: above 200 it names an address instead of them,
// from which nothing is fetched.
func overage(claims oauth2.Object, groups string) bool {
	said := claims.Bool("hasgroups")
	return claims.Object("_claim_names").Has(groups) || groups == "groups" && said != nil && *said
}

// ownDomain tells whether the owner of the e-mail address's domain was verified (xms_edov). An administrator of any
// tenant writes what they like into the address itself. Entra ID writes the claim as a boolean, a number or a text.
func ownDomain(claims oauth2.Object) *bool {
	owned := claims.Bool("xms_edov")
	number, isNumber := claims.Int("xms_edov")
	switch said := claims.String("xms_edov"); {
	case owned == nil && (isNumber && number == 1 || said == "1" || strings.EqualFold(said, "true")):
		owned = new(bool)
		*owned = true
	case owned == nil && claims.Has("xms_edov"):
		owned = new(bool)
	}
	return owned
}
