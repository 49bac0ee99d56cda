package providertest

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/devidp"
)

// StartIDP runs a developer identity provider until the end of the test.
func StartIDP(t testing.TB, opt devidp.Options) *devidp.Server {
	t.Helper()
	idp, err := devidp.Start(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := idp.Close(); err != nil {
			t.Error(err)
		}
	})
	return idp
}

// Configure makes a provider in this process as a plugin's own does: the settings are checked and defaults filled in.
// What the manifest refuses is an error of source config, with a diagnostic for each fault. What the provider logs is
// dropped if log is nil.
func Configure(t testing.TB, kind sdk.Type, settings map[string]string, log hclog.Logger) (sdk.Provider, error) {
	t.Helper()
	complete, faults := kind.CheckSettings(settings)
	if len(faults) > 0 {
		return nil, &sdk.Error{Source: sdk.SourceConfig, Diagnostics: faults}
	}
	client, err := sdk.NewHTTPClient(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	if log == nil {
		log = hclog.NewNullLogger()
	}
	return kind.New(t.Context(), sdk.Config{Type: kind.Name, ID: kind.Name, Settings: complete, Scopes: kind.Scopes, HTTP: client, Log: log})
}

// CheckMistake holds a type against a mistake that people make: with set laid over settings that are right, making the
// provider fails with an error that names the setting at fault and says how to mend it.
func CheckMistake(t *testing.T, kind sdk.Type, right, set map[string]string, setting, says string) {
	t.Helper()
	values := maps.Clone(right)
	maps.Copy(values, set)
	_, err := Configure(t, kind, values, nil)
	var typed *sdk.Error
	if !errors.As(err, &typed) || typed.Source != sdk.SourceConfig && typed.Source != sdk.SourceUpstream {
		t.Errorf("got %v, want an error about the settings", err)
		return
	}
	at := func(d sdk.Diagnostic) bool { return d.Setting == setting }
	if !slices.ContainsFunc(typed.Diagnostics, at) || !strings.Contains(err.Error(), says) {
		t.Errorf("got %v, want it to name %s and say %q", err, setting, says)
	}
}
