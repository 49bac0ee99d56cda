package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/authd/authd/sdk"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// types are what the plugins of these tests serve, with the environment names that Chainlit gave them.
func types() []sdk.Type {
	return []sdk.Type{
		{
			Name: "aws-cognito", Label: "Amazon Cognito", Scopes: []string{"openid", "profile", "email"},
			Settings: append(sdk.ClientSettings("OAUTH_COGNITO"),
				sdk.Setting{Name: "domain", Env: "OAUTH_COGNITO_DOMAIN", Required: true},
				sdk.Setting{Name: "scope", Env: "OAUTH_COGNITO_SCOPE"}),
		},
		{Name: "descope", Label: "Descope", Prompts: []string{"login"}, Settings: sdk.ClientSettings("OAUTH_DESCOPE")},
		{
			Name: "github", Label: "GitHub", Icon: "<svg/>", Scopes: []string{"read:user", "user:email"}, Identifier: "preferred_username",
			Settings: append(sdk.ClientSettings("OAUTH_GITHUB"), sdk.Setting{Name: "auth_url", Env: "OAUTH_GITHUB_AUTH_URL", Default: "https://github.com/login/oauth/authorize"}),
		},
		{
			Name: "keycloak", Label: "Keycloak", Identifier: "email",
			Settings: append(sdk.ClientSettings("OAUTH_KEYCLOAK"),
				sdk.Setting{Name: "realm", Env: "OAUTH_KEYCLOAK_REALM", Required: true},
				sdk.Setting{Name: "base_url", Env: "OAUTH_KEYCLOAK_BASE_URL", Required: true, Pattern: "https?://.+", Help: "Write it like https://keycloak.example.com."},
				sdk.Setting{Name: "name", Env: "OAUTH_KEYCLOAK_NAME"}),
		},
		{Name: "open", Label: "Open", Settings: []sdk.Setting{{Name: "greeting", Env: "OAUTH_OPEN_GREETING"}}},
	}
}

func github(more ...string) []string {
	return append([]string{"OAUTH_GITHUB_CLIENT_ID=gh-id", "OAUTH_GITHUB_CLIENT_SECRET=gh-secret"}, more...)
}

func keycloak(more ...string) []string {
	return append([]string{
		"OAUTH_KEYCLOAK_CLIENT_ID=kc-id", "OAUTH_KEYCLOAK_CLIENT_SECRET=kc-secret",
		"OAUTH_KEYCLOAK_REALM=main", "OAUTH_KEYCLOAK_BASE_URL=https://keycloak.example.com",
	}, more...)
}

// resolve loads a document and resolves it with the same environment.
func resolve(t *testing.T, document string, environ ...string) []Provider {
	t.Helper()
	return load(t, minimal+document, environ...).Resolve(types(), environ)
}

func ids(providers []Provider) string {
	var ids []string
	for _, p := range providers {
		ids = append(ids, p.ID)
	}
	return strings.Join(ids, " ")
}

func problems(p Provider) []string {
	var lines []string
	for _, d := range p.Problems {
		lines = append(lines, d.String())
	}
	return lines
}

func TestTableResolves(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "icon.svg"), "<svg>mine</svg>", 0o644)
	write(t, filepath.Join(dir, "ca.pem"), "PEM", 0o644)
	write(t, filepath.Join(dir, "secret"), "from-file\n", 0o600)
	got := resolve(t, `[[providers]]
id = "corp"
type = "keycloak"
label = "Our SSO"
icon = "`+dir+`/icon.svg"
scopes = ["openid"]
prompt = "login"
authorize_params = { kc_idp_hint = "ad" }
identifier = "sub"
allow = 'claims.hd == "example.org"'
required = true
callback_path = "/oauth2callback"
insecure_http = true
ca_file = "`+dir+`/ca.pem"
client_id = "id"
client_secret_file = "`+dir+`/secret"
realm = "main"
base_url = "https://keycloak.example.com"
[providers.claims]
groups = "claims.roles"
name = 'claims.given + " " + claims.family'
`, "OAUTH_PROMPT=consent", "OAUTH_CORP_PROMPT=select_account")
	want := []Provider{{
		ID: "corp", Type: "keycloak", Label: "Our SSO", Icon: "<svg>mine</svg>",
		Settings:     map[string]string{"client_id": "id", "client_secret": "from-file", "realm": "main", "base_url": "https://keycloak.example.com"},
		SecretValues: []string{"from-file"}, Scopes: []string{"openid"}, Prompt: "login", AuthorizeParams: map[string]string{"kc_idp_hint": "ad"},
		Identifier: "sub", Allow: `claims.hd == "example.org"`, Required: true, CallbackPath: "/oauth2callback", InsecureHTTP: true,
		CAPEM: []byte("PEM"), Origin: "authd.toml:3",
		Claims: map[string]string{"groups": "claims.roles", "name": `claims.given + " " + claims.family`},
	}}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("Resolve (-want +got):\n%s", diff)
	}
}

func TestTypeFillsTheRest(t *testing.T) {
	got := resolve(t, "[[providers]]\nid = \"github\"\nclient_id = \"id\"\nclient_secret = \"s\"\n")
	want := []Provider{{
		ID: "github", Type: "github", Label: "GitHub", Icon: "<svg/>",
		Settings:     map[string]string{"client_id": "id", "client_secret": "s", "auth_url": "https://github.com/login/oauth/authorize"},
		SecretValues: []string{"s"}, Scopes: []string{"read:user", "user:email"}, Identifier: "preferred_username",
		CallbackPath: "/auth/oauth/github/callback", Origin: "authd.toml:3",
	}}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("Resolve (-want +got):\n%s", diff)
	}
}

// A provider is switched on by the environment alone, under Chainlit's own names.
func TestEnvironmentSwitchesOn(t *testing.T) {
	got := resolve(t, "", append(github(), keycloak()...)...)
	if ids(got) != "github keycloak" {
		t.Fatalf("providers %q", ids(got))
	}
	want := Provider{
		ID: "keycloak", Type: "keycloak", Label: "Keycloak", Identifier: "email", CallbackPath: "/auth/oauth/keycloak/callback",
		Settings:     map[string]string{"client_id": "kc-id", "client_secret": "kc-secret", "realm": "main", "base_url": "https://keycloak.example.com"},
		SecretValues: []string{"kc-secret"}, Origin: "environment",
	}
	if diff := cmp.Diff(want, got[1], cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("keycloak (-want +got):\n%s", diff)
	}
	for name, environ := range map[string][]string{
		"nothing":                             nil,
		"half":                                github()[:1],
		"empty counts as unset":               {"OAUTH_GITHUB_CLIENT_ID=gh-id", "OAUTH_GITHUB_CLIENT_SECRET="},
		"a type that requires nothing":        {"OAUTH_OPEN_GREETING=hello"},
		"a type that no plugin serves":        {"OAUTH_OKTA_CLIENT_ID=a", "OAUTH_OKTA_CLIENT_SECRET=b"},
		"names of the id, not of the type":    {"OAUTH_AWS_COGNITO_CLIENT_ID=a", "OAUTH_AWS_COGNITO_CLIENT_SECRET=b", "OAUTH_AWS_COGNITO_DOMAIN=c"},
		"the secret's file, but no client id": {"OAUTH_GITHUB_CLIENT_SECRET_FILE=/run/secret"},
	} {
		if got := resolve(t, "", environ...); len(got) != 0 {
			t.Errorf("%s: %q is on", name, ids(got))
		}
	}
}

// Tables come first, then the environment's in the order of the types; a table stands in for the environment.
func TestOrder(t *testing.T) {
	got := resolve(t, "[[providers]]\nid = \"zeta\"\ntype = \"github\"\n[[providers]]\nid = \"keycloak\"\n", append(github(), keycloak()...)...)
	if ids(got) != "zeta keycloak github" {
		t.Errorf("providers %q", ids(got))
	}
	if got[1].Settings["client_id"] != "kc-id" || got[1].Origin != "authd.toml:6" || len(got[1].Problems) > 0 {
		t.Errorf("the table was not filled from the environment: %+v", got[1])
	}
}

func TestTableWinsOverEnvironment(t *testing.T) {
	got := resolve(t, "[[providers]]\nid = \"github\"\nclient_id = \"mine\"\n", github()...)
	if got[0].Settings["client_id"] != "mine" || got[0].Settings["client_secret"] != "gh-secret" {
		t.Errorf("settings %v", got[0].Settings)
	}
}

func TestNamesOfAnotherID(t *testing.T) {
	got := resolve(t, "[[providers]]\nid = \"git-corp\"\ntype = \"github\"\n",
		"OAUTH_GIT_CORP_CLIENT_ID=a", "OAUTH_GIT_CORP_CLIENT_SECRET=b", "OAUTH_GIT_CORP_AUTH_URL=https://git.example.com/authorize", "OAUTH_GIT_CORP_PROMPT=login")
	want := map[string]string{"client_id": "a", "client_secret": "b", "auth_url": "https://git.example.com/authorize"}
	if diff := cmp.Diff(want, got[0].Settings); diff != "" || got[0].Prompt != "login" {
		t.Errorf("prompt %q, settings (-want +got):\n%s", got[0].Prompt, diff)
	}
	got = resolve(t, "[[providers]]\nid = \"git-corp\"\ntype = \"github\"\n", github()...)
	if ids(got) != "git-corp github" {
		t.Fatalf("providers %q", ids(got))
	}
	want2 := []string{
		"client_id is not set; set it, or OAUTH_GIT_CORP_CLIENT_ID in the environment",
		"client_secret is not set; set it, or OAUTH_GIT_CORP_CLIENT_SECRET in the environment, or client_secret_file",
	}
	if diff := cmp.Diff(want2, problems(got[0])); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestSecretFromFileInEnvironment(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	write(t, file, "from-file\n", 0o604)
	got := resolve(t, "", "OAUTH_GITHUB_CLIENT_ID=a", "OAUTH_GITHUB_CLIENT_SECRET_FILE="+file)
	if ids(got) != "github" || got[0].Settings["client_secret"] != "from-file" {
		t.Fatalf("providers %+v", got)
	}
	if diff := cmp.Diff([]string{file + " can be read by everybody on this machine; chmod o-r it"}, got[0].Warnings); diff != "" {
		t.Errorf("Threat 157: warnings (-want +got):\n%s", diff)
	}
}

func TestRename(t *testing.T) {
	for _, test := range []struct{ name, id, label, callback string }{
		{"corp", "corp", "corp", "/auth/oauth/corp/callback"},
		{"My SSO", "my-sso", "My SSO", "/auth/oauth/my-sso/callback"},
		{"keycloak", "keycloak", "keycloak", "/auth/oauth/keycloak/callback"},
		{"", "keycloak", "Keycloak", "/auth/oauth/keycloak/callback"},
	} {
		got := resolve(t, "", keycloak("OAUTH_KEYCLOAK_NAME="+test.name)...)
		if len(got) != 1 || got[0].ID != test.id || got[0].Label != test.label || got[0].CallbackPath != test.callback || len(got[0].Problems) > 0 {
			t.Errorf("OAUTH_KEYCLOAK_NAME=%s: %+v", test.name, got)
		}
	}
	for name, want := range map[string]string{
		"../etc": `OAUTH_KEYCLOAK_NAME "../etc" can't be an id; set it to a letter, then up to 31 letters, digits and -`,
		"1st":    `OAUTH_KEYCLOAK_NAME "1st" can't be an id; set it to a letter, then up to 31 letters, digits and -`,
		"GitHub": `OAUTH_KEYCLOAK_NAME makes the id "github", which another provider has; give this one another name`,
	} {
		got := resolve(t, "", append(github(), keycloak("OAUTH_KEYCLOAK_NAME="+name)...)...)
		if ids(got) != "github keycloak" {
			t.Fatalf("OAUTH_KEYCLOAK_NAME=%s: providers %q", name, ids(got))
		}
		if diff := cmp.Diff([]string{want}, problems(got[1])); diff != "" {
			t.Errorf("OAUTH_KEYCLOAK_NAME=%s (-want +got):\n%s", name, diff)
		}
	}
	// A table with the new id stands in for the environment, whose names it doesn't share.
	got := resolve(t, "[[providers]]\nid = \"corp\"\ntype = \"github\"\n", keycloak("OAUTH_KEYCLOAK_NAME=corp")...)
	if ids(got) != "corp" || got[0].Type != "github" {
		t.Errorf("providers %+v", got)
	}
}

func TestPromptPrecedence(t *testing.T) {
	cognito := []string{"OAUTH_COGNITO_CLIENT_ID=a", "OAUTH_COGNITO_CLIENT_SECRET=b", "OAUTH_COGNITO_DOMAIN=c"}
	for _, test := range []struct {
		name, document string
		environ        []string
		want           string
	}{
		{"nothing", "", github(), ""},
		{"global", "", append(github(), "OAUTH_PROMPT=consent"), "consent"},
		{"own over global", "", append(github(), "OAUTH_PROMPT=consent", "OAUTH_GITHUB_PROMPT=login"), "login"},
		{"table over own", "[[providers]]\nid = \"github\"\nprompt = \"select_account\"\n", append(github(), "OAUTH_GITHUB_PROMPT=login"), "select_account"},
		{"login.prompt", "[login]\nprompt = \"login\"\n", github(), "login"},
		{"renamed, by id", "", keycloak("OAUTH_KEYCLOAK_NAME=corp", "OAUTH_CORP_PROMPT=login", "OAUTH_KEYCLOAK_PROMPT=consent"), "login"},
		{"renamed, by type", "", keycloak("OAUTH_KEYCLOAK_NAME=corp", "OAUTH_KEYCLOAK_PROMPT=consent"), "consent"},
		{"Cognito, by id", "", append(cognito, "OAUTH_AWS_COGNITO_PROMPT=login", "OAUTH_COGNITO_PROMPT=consent"), "login"},
		{"Cognito, by its prefix", "", append(cognito, "OAUTH_COGNITO_PROMPT=consent"), "consent"},
		{"the type's name is not another id's", "[[providers]]\nid = \"corp\"\ntype = \"github\"\n", []string{"OAUTH_GITHUB_PROMPT=login"}, ""},
	} {
		if got := resolve(t, test.document, test.environ...); got[0].Prompt != test.want {
			t.Errorf("%s: prompt %q, want %q", test.name, got[0].Prompt, test.want)
		}
	}
	got := resolve(t, "", append(github(), "OAUTH_GITHUB_PROMPT=none")...)
	if len(got[0].Problems) != 1 || !strings.HasPrefix(got[0].Problems[0].String(), `OAUTH_GITHUB_PROMPT "none" fails for everybody`) {
		t.Errorf("prompt none: %q", problems(got[0]))
	}
	got = resolve(t, "", "OAUTH_DESCOPE_CLIENT_ID=a", "OAUTH_DESCOPE_CLIENT_SECRET=b", "OAUTH_PROMPT=login consent")
	if diff := cmp.Diff([]string{`prompt "consent" has no effect at descope, which honours only login`}, got[0].Warnings); diff != "" {
		t.Error(diff)
	}
}

// Scopes may be a key of the table or, for types that have it from Chainlit, a setting; either way both know them.
func TestScopesAsSetting(t *testing.T) {
	environ := []string{"OAUTH_COGNITO_CLIENT_ID=a", "OAUTH_COGNITO_CLIENT_SECRET=b", "OAUTH_COGNITO_DOMAIN=c"}
	for _, test := range []struct {
		name, document string
		more, scopes   []string
		setting        string
	}{
		{"type's", "", nil, []string{"openid", "profile", "email"}, ""},
		{"environment's", "", []string{"OAUTH_COGNITO_SCOPE=openid phone"}, []string{"openid", "phone"}, "openid phone"},
		{"table's", "[[providers]]\nid = \"aws-cognito\"\nscopes = [\"openid\", \"x\"]\n", []string{"OAUTH_COGNITO_SCOPE=phone"}, []string{"openid", "x"}, "openid x"},
	} {
		got := resolve(t, test.document, append(environ, test.more...)...)
		if diff := cmp.Diff(test.scopes, got[0].Scopes); diff != "" || got[0].Settings["scope"] != test.setting {
			t.Errorf("%s: setting %q, scopes (-want +got):\n%s", test.name, got[0].Settings["scope"], diff)
		}
	}
}

func TestProblems(t *testing.T) {
	for _, test := range []struct {
		name, document string
		want           []string
	}{
		{
			"nothing set", "id = \"github\"\n",
			[]string{
				"client_id is not set; set it, or OAUTH_GITHUB_CLIENT_ID in the environment",
				"client_secret is not set; set it, or OAUTH_GITHUB_CLIENT_SECRET in the environment, or client_secret_file",
			},
		},
		{
			"unknown type", "id = \"gitub\"\nclient_secret = \"hush\"\n",
			[]string{`type "gitub" is served by no plugin; did you mean "github"? Or put authd-provider-gitub into plugins; types found: aws-cognito, descope, github, keycloak, open`},
		},
		{
			"typo in a setting", "id = \"github\"\nclient_id = \"a\"\nclient_secret = \"b\"\nclient_scret = \"hush\"\n",
			[]string{`client_scret is not a setting of type github; did you mean "client_secret"? remove it; the settings are client_id, client_secret, auth_url`},
		},
		{
			"typo in a key", "id = \"github\"\nclient_id = \"a\"\nclient_secret = \"b\"\nlable = \"G\"\n",
			[]string{`lable is not a setting of type github; did you mean "label"? remove it; the settings are client_id, client_secret, auth_url`},
		},
		{
			"file for what is no secret", "id = \"github\"\nclient_id_file = \"/run/id\"\nclient_secret = \"b\"\n",
			[]string{
				"client_id is not set; set it, or OAUTH_GITHUB_CLIENT_ID in the environment",
				"client_id_file is not a setting of type github; client_id is no secret: write its value into the table",
			},
		},
		{
			"secret's file missing", "id = \"github\"\nclient_id = \"a\"\nclient_secret_file = \"/nowhere/secret\"\n",
			[]string{"client_secret_file /nowhere/secret: no such file or directory; check the path and who may read it"},
		},
		{
			"malformed", "id = \"keycloak\"\nclient_id = \"a\"\nclient_secret = \"b\"\nrealm = \"c\"\nbase_url = \"keycloak.example.com\"\n",
			[]string{"base_url is malformed; Write it like https://keycloak.example.com."},
		},
		{
			"icon and ca_file missing", "id = \"open\"\nicon = \"/nowhere/i.svg\"\nca_file = \"/nowhere/ca.pem\"\n",
			[]string{
				"icon /nowhere/i.svg: no such file or directory; check the path and who may read it",
				"ca_file /nowhere/ca.pem: no such file or directory; check the path and who may read it",
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := resolve(t, "[[providers]]\n"+test.document)
			if diff := cmp.Diff(test.want, problems(got[0])); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if strings.Contains(strings.Join(problems(got[0]), " "), "hush") {
				t.Error("Threat 154: a problem shows a value")
			}
		})
	}
}

func TestNoPluginsAtAll(t *testing.T) {
	c := load(t, minimal+"[[providers]]\nid = \"github\"\nclient_secret = \"hush\"\n", "AUTHD_SERVER_PLUGINS_DIR=a,b")
	got := c.Resolve(nil, nil)
	want := []string{`type "github" is served by no plugin; put authd-provider-github into a or b; no plugin was found there`}
	if diff := cmp.Diff(want, problems(got[0])); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"hush"}, got[0].SecretValues); diff != "" {
		t.Errorf("the settings of an unknown type count as secret (-want +got):\n%s", diff)
	}
	if got[0].Label != "github" {
		t.Errorf("Label = %q", got[0].Label)
	}
}

func TestProviderFaults(t *testing.T) {
	c := load(t, minimal+"[[providers]]\nid = \"github\"\nclient_id = \"a\"\nclient_scret = \"b\"\n", keycloak("OAUTH_KEYCLOAK_NAME=//")...)
	var got []string
	for _, f := range c.ProviderFaults(c.Resolve(types(), keycloak("OAUTH_KEYCLOAK_NAME=//"))) {
		got = append(got, f.String())
	}
	want := []string{
		"authd.toml:3: provider github: client_secret is not set; set it, or OAUTH_GITHUB_CLIENT_SECRET in the environment, or client_secret_file",
		`authd.toml:6: provider github: client_scret is not a setting of type github; did you mean "client_secret"? remove it; the settings are client_id, client_secret, auth_url`,
		`provider keycloak: OAUTH_KEYCLOAK_NAME "//" can't be an id; set it to a letter, then up to 31 letters, digits and -`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEnvironmentWarnings(t *testing.T) {
	const nobody = "no provider is on, so nobody can sign in; set what a type needs, which authd plugin describe TYPE shows"
	for _, test := range []struct {
		name, document string
		environ, want  []string
	}{
		{"nothing", "", nil, []string{nobody}},
		{"all", "", github(), nil},
		{"half", "", github()[:1], []string{"provider github is off: OAUTH_GITHUB_CLIENT_ID is set, but not OAUTH_GITHUB_CLIENT_SECRET; set what is missing, or unset the rest", nobody}},
		{"most", "", keycloak()[:3], []string{"provider keycloak is off: OAUTH_KEYCLOAK_CLIENT_ID, OAUTH_KEYCLOAK_CLIENT_SECRET, OAUTH_KEYCLOAK_REALM are set, but not OAUTH_KEYCLOAK_BASE_URL; set what is missing, or unset the rest", nobody}},
		{"half, with a table", "[[providers]]\nid = \"github\"\nclient_secret = \"a\"\n", github()[:1], nil},
		{"no plugin", "", []string{"OAUTH_OKTA_CLIENT_ID=a"}, []string{"OAUTH_OKTA_CLIENT_ID is set, but no plugin and no [[providers]] table has a use for it; put the plugin into plugins; if it is there, authd plugin list tells why it is not used", nobody}},
		{"misspelt", "", []string{"OAUTH_GITHB_CLIENT_ID=a"}, []string{`OAUTH_GITHB_CLIENT_ID is set, but no plugin and no [[providers]] table has a use for it; did you mean "OAUTH_GITHUB_CLIENT_ID"? Or put the plugin into plugins; if it is there, authd plugin list tells why it is not used`, nobody}},
		{"misspelt name of its type's own", "", []string{"OAUTH_COGNTO_CLIENT_ID=a"}, []string{`OAUTH_COGNTO_CLIENT_ID is set, but no plugin and no [[providers]] table has a use for it; did you mean "OAUTH_COGNITO_CLIENT_ID"? Or put the plugin into plugins; if it is there, authd plugin list tells why it is not used`, nobody}},
		{"like one that is set", "", github("OAUTH_GITLAB_CLIENT_ID=a"), []string{"OAUTH_GITLAB_CLIENT_ID is set, but no plugin and no [[providers]] table has a use for it; put the plugin into plugins; if it is there, authd plugin list tells why it is not used"}},
		{"like the id of a table", "[[providers]]\nid = \"my-git\"\ntype = \"github\"\n", []string{"OAUTH_MI_GIT_CLIENT_ID=a"}, []string{`OAUTH_MI_GIT_CLIENT_ID is set, but no plugin and no [[providers]] table has a use for it; did you mean "OAUTH_MY_GIT_CLIENT_ID"? Or put the plugin into plugins; if it is there, authd plugin list tells why it is not used`}},
		{"a table's id", "[[providers]]\nid = \"my-git\"\ntype = \"github\"\n", []string{"OAUTH_MY_GIT_CLIENT_ID=a"}, nil},
		{"empty", "", []string{"OAUTH_OKTA_CLIENT_ID=", "OAUTH_GITHUB_CLIENT_ID="}, []string{nobody}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := load(t, minimal+test.document, test.environ...)
			if diff := cmp.Diff(test.want, c.EnvironmentWarnings(types(), test.environ), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A plugin that is there and serves nothing need not be put there.
func TestEnvironmentWarningsOfARefusedPlugin(t *testing.T) {
	for name, path := range map[string]string{"beside others": "authd-provider-my-okta", "in a directory of its own": "my-okta/authd-provider-my-okta"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, path)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			write(t, path, "#!/bin/sh\n", 0o777)
			environ := github("OAUTH_MY_OKTA_CLIENT_ID=a")
			c := load(t, minimal, append(environ, "AUTHD_SERVER_PLUGINS_DIR="+t.TempDir()+","+dir)...)
			want := []string{"OAUTH_MY_OKTA_CLIENT_ID is set, but " + path + " was refused, or does not serve type my-okta; authd plugin list tells why"}
			if diff := cmp.Diff(want, c.EnvironmentWarnings(types(), environ)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Resolve leaves the configuration as it is: it is called again on every reload.
func TestResolveChangesNothing(t *testing.T) {
	c := load(t, everything)
	want := load(t, everything)
	first := c.Resolve(types(), github())
	first[0].AuthorizeParams["state"] = "spoiled"
	first[0].Settings["client_id"] = "spoiled"
	if len(first[0].Scopes) > 0 {
		first[0].Scopes[0] = "spoiled"
	}
	if diff := cmp.Diff(want, c, values()); diff != "" {
		t.Errorf("Resolve changed the Config (-want +got):\n%s", diff)
	}
}
