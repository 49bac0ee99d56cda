package main

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

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

func makeProvider(t *testing.T, values map[string]string) (sdk.Provider, error) {
	t.Helper()
	settings, faults := descopeType().CheckSettings(values)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	client, err := sdk.NewHTTPClient(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	return newProvider(t.Context(), sdk.Config{Type: "descope", ID: "descope", Settings: settings, HTTP: client, Log: hclog.NewNullLogger()})
}

func TestIssuer(t *testing.T) {
	idp, err := devidp.Start(devidp.Options{SigningAlg: "ES256", Clients: []devidp.Client{{ID: "P2project", Secret: "key"}, {ID: "dGhlLWFwcA==", Secret: "s"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = idp.Close() })
	tests := map[string]map[string]string{
		"the default application": {"client_id": "P2project"},
		"another application":     {"client_id": "dGhlLWFwcA==", "project_id": "P2project"},
	}
	for name, values := range tests {
		values["client_secret"], values["base_url"] = "s", idp.URL()+"/"
		p, err := makeProvider(t, values)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, want := p.(sdk.OpenID).Metadata().Issuer, idp.URL()+"/P2project"; got != want {
			t.Errorf("%s: got issuer %q, want %q", name, got, want)
		}
	}
	_, err = makeProvider(t, map[string]string{"client_id": "P2nobody", "client_secret": "s", "base_url": idp.URL()})
	var typed *sdk.Error
	if !errors.As(err, &typed) || typed.HTTPStatus != 404 {
		t.Errorf("an unknown project: got %v, want Descope's 404", err)
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
