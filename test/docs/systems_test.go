package docs

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/internal/config"
	"github.com/authd/authd/internal/config/importer"
)

// systemRow is a provider of one of the four systems as its own users write it, and what authd makes of it.
type systemRow struct {
	from, file, document string
	want                 string // id, type, identifier and path of the callback
	label                string // empty: not looked at
	settings             map[string]string
	scopes               []string
}

// panelRow is a provider of Panel 1.10, with the variables that all have and its own.
func panelRow(provider, want string, settings map[string]string, more ...string) systemRow {
	lines := append([]string{"PANEL_OAUTH_PROVIDER=" + provider, "PANEL_OAUTH_KEY=key", "PANEL_OAUTH_SECRET=hush"}, more...)
	return systemRow{from: "panel", file: "panel.env", document: strings.Join(lines, "\n") + "\n", want: want, settings: settings}
}

func panelRows() []systemRow {
	urls := []string{
		"PANEL_OAUTH_AUTHORIZE_URL=https://id.example.com/authorize", "PANEL_OAUTH_TOKEN_URL=https://id.example.com/token",
		"PANEL_OAUTH_USER_URL=https://id.example.com/me",
	}
	const tenant = "AAD_TENANT_ID=99999999-2222-3333-4444-555555555555"
	public := panelRow("auth_code", "code code preferred_username /auth/oauth/code/callback", map[string]string{"user_url": "https://id.example.com/me", "user_key": "email"}, urls...)
	public.document = strings.Replace(public.document, "PANEL_OAUTH_SECRET=hush\n", "", 1)
	return []systemRow{
		panelRow("github", "github github preferred_username /auth/oauth/github/callback", nil),
		panelRow("gitlab", "gitlab gitlab preferred_username /auth/oauth/gitlab/callback", map[string]string{"domain": "gitlab.com"}),
		panelRow("gitlab", "gitlab gitlab preferred_username /auth/oauth/gitlab/callback", map[string]string{"domain": "git.example.com"},
			"PANEL_OAUTH_EXTRA_PARAMS={'url': 'git.example.com'}"),
		panelRow("google", "google google email /auth/oauth/google/callback", nil),
		panelRow("azure", "azure-ad azure-ad preferred_username /auth/oauth/azure-ad/callback", map[string]string{"tenant_id": "99999999-2222-3333-4444-555555555555"}, tenant),
		panelRow("azurev2", "azure-ad azure-ad preferred_username /auth/oauth/azure-ad/callback", map[string]string{"tenant_id": "99999999-2222-3333-4444-555555555555"}, tenant),
		panelRow("okta", "okta okta email /auth/oauth/okta/callback", map[string]string{"domain": "acme.okta.com", "authorization_server_id": "default"},
			"PANEL_OAUTH_EXTRA_PARAMS={'url': 'acme.okta.com'}"),
		panelRow("okta", "okta okta email /auth/oauth/okta/callback", map[string]string{"authorization_server_id": "false"},
			"PANEL_OAUTH_EXTRA_PARAMS={'url': 'acme.okta.com', 'server': ''}"),
		panelRow("auth0", "auth0 auth0 email /auth/oauth/auth0/callback", map[string]string{"domain": "acme.auth0.com"}, "PANEL_OAUTH_EXTRA_PARAMS={'subdomain': 'acme'}"),
		panelRow("bitbucket", "bitbucket bitbucket preferred_username /auth/oauth/bitbucket/callback", nil),
		panelRow("generic", "generic generic preferred_username /auth/oauth/generic/callback",
			map[string]string{"auth_url": "https://id.example.com/authorize", "user_identifier": "email"}, urls...),
		public,
		panelRow("password", "password password preferred_username /auth/oauth/password/callback",
			map[string]string{"token_url": "https://id.example.com/token", "user_key": "upn"}, append(urls, "PANEL_USER_KEY=upn")...),
	}
}

func streamlitRows() []systemRow {
	const shared = "[auth]\nredirect_uri = \"https://app.example.com/oauth2callback\"\ncookie_secret = \"hush\"\n"
	const client = "client_id = \"app\"\nclient_secret = \"hush\"\nserver_metadata_url = \"https://id.example.com/.well-known/openid-configuration\"\n"
	row := func(document, want string) systemRow {
		return systemRow{from: "streamlit", file: "secrets.toml", document: document, want: want, settings: map[string]string{"issuer": "https://id.example.com"}}
	}
	public := row(shared+"[auth.app]\n"+strings.Replace(client, "hush", "", 1), "app oidc preferred_username /oauth2callback")
	asks := row(shared+"[auth.app]\n"+client+"client_kwargs = { scope = \"openid email\" }\n", "app oidc preferred_username /oauth2callback")
	asks.scopes = []string{"openid", "email"}
	return []systemRow{
		row(shared+client, "oidc oidc preferred_username /oauth2callback"),
		row(shared+"[auth.auth0]\n"+client, "auth0 oidc preferred_username /oauth2callback"),
		public, asks,
	}
}

// chattoRow is a provider of Chatto in chatto.toml.
func chattoRow(typ, more, want string, scopes ...string) systemRow {
	label := map[string]string{"oidc": "OpenID Connect", "github": "GitHub", "gitlab": "GitLab", "google": "Google", "discord": "Discord"}[typ]
	return systemRow{
		from: "chatto", file: "chatto.toml", want: want, scopes: scopes, label: label,
		document: fmt.Sprintf("[[auth.providers]]\nid = \"main\"\ntype = %q\nclient_id = \"id\"\nclient_secret = \"hush\"\n%s", typ, more),
	}
}

func chattoRows() []systemRow {
	const issuer = "issuer_url = \"https://id.example.com\"\n"
	const at = " /auth/providers/main/callback"
	rows := []systemRow{
		chattoRow("oidc", issuer+"scopes = [\"groups\"]", "main oidc preferred_username"+at, "openid", "groups"),
		chattoRow("oidc", issuer+"request_email = true", "main oidc preferred_username"+at, "openid", "profile", "email"),
		chattoRow("oidc", issuer+"request_email = false", "main oidc preferred_username"+at, "openid", "profile"),
		chattoRow("github", "request_email = true", "main github preferred_username"+at, "read:user", "user:email"),
		chattoRow("gitlab", "scopes = [\"read_user\"]", "main gitlab email"+at, "openid", "read_user"),
		chattoRow("google", "request_email = true", "main google email"+at, "openid", "profile", "email"),
		chattoRow("discord", "request_email = true", "main discord preferred_username"+at, "identify", "email"),
		chattoRow("discord", "request_email = false", "main discord preferred_username"+at, "identify"),
	}
	labelled := chattoRow("oidc", issuer+"label = \"Staff\"", "main oidc preferred_username"+at)
	labelled.label = "Staff"
	return append(rows, labelled, systemRow{
		label: "Chatto Hub", from: "chatto", file: "chatto.env", want: "oidc oidc preferred_username /auth/oidc/callback", settings: map[string]string{"issuer": "https://id.example.com"},
		document: "CHATTO_AUTH_OIDC_ENABLED=true\nCHATTO_AUTH_OIDC_ISSUER_URL=https://id.example.com\nCHATTO_AUTH_OIDC_CLIENT_ID=id\nCHATTO_AUTH_OIDC_CLIENT_SECRET=hush\n",
	}, systemRow{
		from: "chatto", file: "chatto.env", want: "hub gitlab email /auth/providers/hub/callback",
		document: "CHATTO_AUTH_PROVIDERS_0_ID=hub\nCHATTO_AUTH_PROVIDERS_0_TYPE=gitlab\nCHATTO_AUTH_PROVIDERS_0_CLIENT_ID=id\nCHATTO_AUTH_PROVIDERS_0_CLIENT_SECRET=hush\n",
	})
}

// chainlitImports are the rows of Chainlit as .env files, with all names that it reads.
func chainlitImports() []systemRow {
	var rows []systemRow
	for _, row := range chainlitRows() {
		id := row.id
		for name, value := range row.optional {
			if strings.HasSuffix(name, "_NAME") {
				id = value
			}
		}
		imported := systemRow{
			from: "chainlit", file: ".env", want: fmt.Sprintf("%s %s %s /auth/oauth/%s/callback", id, row.id, row.identifier, id),
			document: strings.Join(append(row.required.environ(), row.optional.environ()...), "\n") + "\n",
		}
		if strings.HasPrefix(row.id, "azure-ad") { // so that people are called what Chainlit calls them
			imported.settings = map[string]string{"graph": "true"}
		}
		rows = append(rows, imported)
	}
	return rows
}

// TestFourSystems: whatever provider Chainlit, Panel, Streamlit or Chatto has, what is imported of it is one that a
// plugin serves, in which "authd config check" finds no fault.
func TestFourSystems(t *testing.T) {
	all := types(t)
	for _, row := range slices.Concat(chainlitImports(), panelRows(), streamlitRows(), chattoRows()) {
		result, err := importer.Import(row.from, importer.Source{File: row.file, Document: []byte(row.document)})
		if err != nil {
			t.Errorf("%s: %v\n%s", row.from, err, row.document)
			continue
		}
		cfg := load(t, string(result.TOML(true)), nil)
		providers := cfg.Resolve(all, nil)
		if faults := cfg.ProviderFaults(providers); len(faults) > 0 || len(providers) != 1 {
			t.Errorf("%s: %d providers, faults %v\n%s", row.from, len(providers), faults, result.TOML(true))
			continue
		}
		row.check(t, providers[0])
	}
}

func (row systemRow) check(t *testing.T, p config.Provider) {
	t.Helper()
	if got := fmt.Sprintf("%s %s %s %s", p.ID, p.Type, p.Identifier, p.CallbackPath); got != row.want {
		t.Errorf("%s: got %q, want %q\n%s", row.from, got, row.want, row.document)
	}
	if row.label != "" && p.Label != row.label {
		t.Errorf("%s: the label is %q, want %q\n%s", row.from, p.Label, row.label, row.document)
	}
	for name, want := range row.settings {
		if p.Settings[name] != want {
			t.Errorf("%s: %s is %q, want %q\n%s", row.from, name, p.Settings[name], want, row.document)
		}
	}
	if len(row.scopes) > 0 && !cmp.Equal(p.Scopes, row.scopes) {
		t.Errorf("%s: the scopes are %q, want %q\n%s", row.from, p.Scopes, row.scopes, row.document)
	}
	for _, warning := range p.Warnings {
		t.Errorf("%s: %s\n%s", row.from, warning, row.document)
	}
}

// Panel's pam is the one provider of the four systems that authd has no type for; the note says what to use.
func TestOnlyPAMIsLeft(t *testing.T) {
	result, err := importer.Import("panel", importer.Source{File: "panel.env", Document: []byte("PANEL_OAUTH_PROVIDER=pam\n")})
	if err != nil || result.Providers() != 0 {
		t.Fatalf("%d providers, error %v", result.Providers(), err)
	}
	if len(result.Notes) != 1 || !strings.Contains(result.Notes[0].String(), "use type users") {
		t.Errorf("the notes are %v", result.Notes)
	}
}
