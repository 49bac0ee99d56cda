package docs

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/internal/config"
)

// env is a part of the environment. :: name → value
type env map[string]string

func (e env) environ(more ...string) []string {
	list := slices.Clone(more)
	for _, name := range slices.Sorted(maps.Keys(e)) {
		list = append(list, name+"="+e[name])
	}
	return list
}

// chainlitRow is a provider of Chainlit 2.11 with every name of the environment that it reads.
type chainlitRow struct {
	id         string
	required   env // without any one of which it is off, and which alone switch it on
	optional   env
	prompt     string // the name of its prompt; OAUTH_COGNITO_PROMPT besides counts for Cognito
	identifier string
}

func chainlitRows() []chainlitRow {
	client := func(prefix string, more env) env {
		all := env{"OAUTH_" + prefix + "_CLIENT_ID": "id", "OAUTH_" + prefix + "_CLIENT_SECRET": "hush"}
		maps.Copy(all, more)
		return all
	}
	const tenant = "99999999-2222-3333-4444-555555555555"
	return []chainlitRow{
		{
			id: "github", required: client("GITHUB", nil), prompt: "OAUTH_GITHUB_PROMPT", identifier: "preferred_username",
			optional: env{
				"OAUTH_GITHUB_AUTH_URL":      "https://ghe.example.com/login/oauth/authorize",
				"OAUTH_GITHUB_TOKEN_URL":     "https://ghe.example.com/login/oauth/access_token",
				"OAUTH_GITHUB_USER_INFO_URL": "https://ghe.example.com/api/v3/user",
			},
		},
		{id: "google", required: client("GOOGLE", nil), prompt: "OAUTH_GOOGLE_PROMPT", identifier: "email"},
		{
			id: "azure-ad", required: client("AZURE_AD", env{"OAUTH_AZURE_AD_TENANT_ID": tenant}), prompt: "OAUTH_AZURE_AD_PROMPT",
			identifier: "preferred_username",
			optional: env{
				"OAUTH_AZURE_AD_ENABLE_SINGLE_TENANT": "true", "OAUTH_AZURE_AD_SCOPES": "https://graph.microsoft.com/User.Read offline_access",
			},
		},
		{
			id: "azure-ad-hybrid", required: client("AZURE_AD_HYBRID", env{"OAUTH_AZURE_AD_HYBRID_TENANT_ID": tenant}),
			prompt: "OAUTH_AZURE_AD_HYBRID_PROMPT", identifier: "preferred_username",
			optional: env{
				"OAUTH_AZURE_AD_HYBRID_ENABLE_SINGLE_TENANT": "true",
				"OAUTH_AZURE_AD_HYBRID_SCOPES":               "https://graph.microsoft.com/User.Read https://graph.microsoft.com/openid offline_access",
			},
		},
		{
			id: "okta", required: client("OKTA", env{"OAUTH_OKTA_DOMAIN": "https://acme.okta.com"}), prompt: "OAUTH_OKTA_PROMPT", identifier: "email",
			optional: env{"OAUTH_OKTA_AUTHORIZATION_SERVER_ID": "false"},
		},
		{
			id: "auth0", required: client("AUTH0", env{"OAUTH_AUTH0_DOMAIN": "login.example.com"}), prompt: "OAUTH_AUTH0_PROMPT", identifier: "email",
			optional: env{"OAUTH_AUTH0_ORIGINAL_DOMAIN": "example.eu.auth0.com"},
		},
		{id: "descope", required: client("DESCOPE", nil), prompt: "OAUTH_DESCOPE_PROMPT", identifier: "email"},
		{
			id: "aws-cognito", required: client("COGNITO", env{"OAUTH_COGNITO_DOMAIN": "acme.auth.eu-west-1.amazoncognito.com"}),
			prompt: "OAUTH_AWS_COGNITO_PROMPT", identifier: "email", optional: env{"OAUTH_COGNITO_SCOPE": "openid profile email"},
		},
		{id: "gitlab", required: client("GITLAB", env{"OAUTH_GITLAB_DOMAIN": "gitlab.example.com"}), prompt: "OAUTH_GITLAB_PROMPT", identifier: "email"},
		{
			id: "keycloak", required: client("KEYCLOAK", env{"OAUTH_KEYCLOAK_REALM": "main", "OAUTH_KEYCLOAK_BASE_URL": "https://sso.example.com"}),
			prompt: "OAUTH_KEYCLOAK_PROMPT", identifier: "email", optional: env{"OAUTH_KEYCLOAK_NAME": "staff"},
		},
		{
			id: "generic",
			required: client("GENERIC", env{
				"OAUTH_GENERIC_AUTH_URL": "https://id.example.com/authorize", "OAUTH_GENERIC_TOKEN_URL": "https://id.example.com/token",
				"OAUTH_GENERIC_USER_INFO_URL": "https://id.example.com/me", "OAUTH_GENERIC_SCOPES": "openid email",
			}),
			prompt: "OAUTH_GENERIC_PROMPT", identifier: "preferred_username",
			optional: env{"OAUTH_GENERIC_NAME": "example", "OAUTH_GENERIC_USER_IDENTIFIER": "login"},
		},
	}
}

// TestChainlitNames: each provider of Chainlit is on with exactly the names that Chainlit asks for, and reads every other
// one that Chainlit reads.
func TestChainlitNames(t *testing.T) {
	all := types(t)
	for _, row := range chainlitRows() {
		t.Run(row.id, func(t *testing.T) {
			only := one(t, resolve(t, all, "", row.required.environ()))
			if only.ID != row.id || only.Type != row.id || only.Identifier != row.identifier || only.CallbackPath != "/auth/oauth/"+row.id+"/callback" {
				t.Errorf("got the provider %s of type %s with the identifier %s at %s", only.ID, only.Type, only.Identifier, only.CallbackPath)
			}
			row.holds(t, only, row.required)

			whole := maps.Clone(row.required)
			maps.Copy(whole, row.optional)
			full := one(t, resolve(t, all, "", whole.environ()))
			row.holds(t, full, whole)
			if cfg := load(t, "", whole.environ()); len(cfg.EnvironmentWarnings(all, whole.environ())) > 0 {
				t.Errorf("warnings: %q", cfg.EnvironmentWarnings(all, whole.environ()))
			}
			row.prompts(t, full.ID)
		})
	}
}

func one(t *testing.T, providers []config.Provider) config.Provider {
	t.Helper()
	if len(providers) != 1 {
		t.Fatalf("%d providers are on, want one", len(providers))
	}
	if len(providers[0].Problems) > 0 {
		t.Fatalf("%s can't be run: %v", providers[0].ID, providers[0].Problems)
	}
	return providers[0]
}

// holds asserts that each value of the environment has become one of the provider's.
func (row chainlitRow) holds(t *testing.T, p config.Provider, said env) {
	t.Helper()
	values := slices.Collect(maps.Values(p.Settings))
	for name, value := range said {
		isScopes := strings.HasSuffix(name, "_SCOPES") || strings.HasSuffix(name, "_SCOPE")
		if isScopes && !cmp.Equal(p.Scopes, strings.Fields(value)) || !isScopes && !slices.Contains(values, value) {
			t.Errorf("%s=%s is nowhere in the settings %q and scopes %q", name, value, p.Settings, p.Scopes)
		}
	}
}

// prompts asserts that both ways to write a provider's prompt count, before the one for all, and the general one else.
func (row chainlitRow) prompts(t *testing.T, renamed string) {
	t.Helper()
	all := types(t)
	whole := maps.Clone(row.required)
	maps.Copy(whole, row.optional)
	names := []string{row.prompt, "OAUTH_" + strings.ToUpper(strings.ReplaceAll(renamed, "-", "_")) + "_PROMPT"}
	if row.id == "aws-cognito" {
		names = append(names, "OAUTH_COGNITO_PROMPT")
	}
	for _, name := range names {
		if got := one(t, resolve(t, all, "", whole.environ("OAUTH_PROMPT=consent", name+"=login"))).Prompt; got != "login" {
			t.Errorf("with %s=login the prompt is %q", name, got)
		}
	}
	if got := one(t, resolve(t, all, "", whole.environ("OAUTH_PROMPT=consent"))).Prompt; got != "consent" {
		t.Errorf("with OAUTH_PROMPT=consent the prompt is %q", got)
	}
	if got := one(t, resolve(t, all, "", whole.environ())).Prompt; got != "" {
		t.Errorf("without a prompt %q is sent; Chainlit sends none", got)
	}
}

// TestChainlitNeeds: without any one of the names that Chainlit needs the provider is off, as at Chainlit, except for
// those that authd has a default for or can do without.
func TestChainlitNeeds(t *testing.T) {
	all := types(t)
	dispensable := []string{
		"OAUTH_GENERIC_SCOPES", "OAUTH_GENERIC_CLIENT_SECRET", "OAUTH_GITLAB_DOMAIN", "OAUTH_GITLAB_CLIENT_SECRET", "OAUTH_OKTA_CLIENT_SECRET",
		"OAUTH_AUTH0_CLIENT_SECRET", "OAUTH_COGNITO_CLIENT_SECRET", "OAUTH_KEYCLOAK_CLIENT_SECRET",
	}
	for _, row := range chainlitRows() {
		for name := range row.required {
			rest := maps.Clone(row.required)
			delete(rest, name)
			on := len(resolve(t, all, "", rest.environ())) > 0
			if want := slices.Contains(dispensable, name); on != want {
				t.Errorf("%s without %s: on is %t, want %t", row.id, name, on, want)
			}
		}
	}
}

// TestChainlitTogether: all of Chainlit's providers at once, with the address that Chainlit was told.
func TestChainlitTogether(t *testing.T) {
	environ := []string{"CHAINLIT_URL=https://chat.example.com", "CHAINLIT_AUTH_SECRET=hush", "CHAINLIT_COOKIE_SAMESITE=lax"}
	var want []string
	for _, row := range chainlitRows() {
		environ = append(environ, row.required.environ()...)
		want = append(want, row.id)
	}
	cfg := load(t, "", environ)
	if cfg.Server.PublicURL != "https://chat.example.com" {
		t.Errorf("with CHAINLIT_URL the public URL is %s", cfg.Server.PublicURL)
	}
	var got []string
	providers := cfg.Resolve(types(t), environ)
	for _, p := range providers {
		got = append(got, p.ID)
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the providers (-want +got):\n%s", diff)
	}
	if faults := cfg.ProviderFaults(providers); len(faults) > 0 {
		t.Errorf("faults: %v", faults)
	}
}
