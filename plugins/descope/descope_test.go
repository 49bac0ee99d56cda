package main

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/providertest"
)

// settingsAt points the type at the developer identity provider, whose client's id does for the project's.
func settingsAt(idp *devidp.Server) map[string]string {
	return map[string]string{"base_url": idp.URL(), "client_id": "demo", "client_secret": "demo-secret"}
}

func TestProvider(t *testing.T) {
	providertest.Run(t, providertest.Harness{Type: descopeType(), Settings: settingsAt})
}

func startIDP(t *testing.T, clients ...devidp.Client) *devidp.Server {
	t.Helper()
	return providertest.StartIDP(t, devidp.Options{SigningAlg: "ES256", Clients: clients})
}

func TestIssuer(t *testing.T) {
	idp := startIDP(t, devidp.Client{ID: "P2project", Secret: "key"}, devidp.Client{ID: "dGhlLWFwcA==", Secret: "s"})
	tests := map[string]map[string]string{
		"the default application": {"client_id": "P2project"},
		"another application":     {"client_id": "dGhlLWFwcA==", "project_id": "P2project"},
	}
	for name, values := range tests {
		values["client_secret"], values["base_url"] = "s", idp.URL()+"/"
		p, err := providertest.Configure(t, descopeType(), values, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, want := p.(sdk.OpenID).Metadata().Issuer, idp.URL()+"/P2project"; got != want {
			t.Errorf("%s: got issuer %q, want %q", name, got, want)
		}
	}
	unknown := map[string]string{"client_id": "P2nobody", "client_secret": "s", "base_url": idp.URL()}
	_, err := providertest.Configure(t, descopeType(), unknown, nil)
	var typed *sdk.Error
	if !errors.As(err, &typed) || typed.HTTPStatus != 404 {
		t.Errorf("an unknown project: got %v, want Descope's 404", err)
	}
}

// What people get wrong most, and what they are told: the setting, and how to mend it.
func TestMistakes(t *testing.T) {
	idp := startIDP(t, devidp.Client{ID: "P2project", Secret: "key"})
	right := map[string]string{"client_id": "P2project", "client_secret": "key", "base_url": idp.URL()}
	for name, test := range map[string]struct {
		set           map[string]string
		setting, says string
	}{
		"no client":       {map[string]string{"client_id": ""}, "client_id", "OAUTH_DESCOPE_CLIENT_ID"},
		"no access key":   {map[string]string{"client_secret": ""}, "client_secret", "OAUTH_DESCOPE_CLIENT_SECRET"},
		"no such project": {map[string]string{"client_id": "P2nobody"}, "client_id", "copy the Project ID"},
		"wrong project":   {map[string]string{"project_id": "P2nobody"}, "project_id", "copy the Project ID"},
		"a project's URL": {map[string]string{"project_id": "https://api.descope.com/P2project"}, "project_id", "the issuer ends in it"},
		"no scheme":       {map[string]string{"base_url": "api.descope.com"}, "base_url", "Address of Descope's API"},
		"not encrypted":   {map[string]string{"base_url": "http://api.descope.com"}, "base_url", "https"},
		"the issuer":      {map[string]string{"base_url": idp.URL() + "/P2project"}, "base_url", "where there is no discovery document"},
	} {
		t.Run(name, func(t *testing.T) {
			providertest.CheckMistake(t, descopeType(), right, test.set, test.setting, test.says)
		})
	}
}

// The manifest says what an operator needs: Chainlit's names, Descope's address, the one prompt that works.
func TestManifest(t *testing.T) {
	kind := descopeType()
	settings, faults := kind.CheckSettings(map[string]string{"client_id": "P2", "client_secret": "key"})
	if len(faults) > 0 || settings["base_url"] != "https://api.descope.com" {
		t.Errorf("got settings %v, faults %v; want Descope's address by default", settings, faults)
	}
	if kind.Settings[0].Env != "OAUTH_DESCOPE_CLIENT_ID" || kind.Settings[1].Env != "OAUTH_DESCOPE_CLIENT_SECRET" || !kind.Settings[1].Secret {
		t.Errorf("got settings %+v, want Chainlit's names first", kind.Settings[:2])
	}
	if diff := cmp.Diff(kind.Prompts, []string{"login"}); diff != "" {
		t.Errorf("prompts (got -, want +):\n%s", diff)
	}
}
