package sdk_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/sdk"
)

func TestCheckSettings(t *testing.T) {
	typ := sdk.Type{Name: "acme", Settings: []sdk.Setting{
		{Name: "client_id", Env: "OAUTH_ACME_CLIENT_ID", Required: true},
		{Name: "client_secret", Env: "OAUTH_ACME_CLIENT_SECRET", Required: true, Secret: true},
		{Name: "base_url", Default: "https://acme.example", Pattern: `https?://\S+`, Help: "Origin of Acme."},
		{Name: "tenant", Pattern: "a|b"},
		{Name: "nameless", Required: true, Default: "x"},
	}}
	good := func(more ...string) map[string]string {
		out := map[string]string{"client_id": "id", "client_secret": "s"}
		for i := 0; i < len(more); i += 2 {
			out[more[i]] = more[i+1]
		}
		return out
	}
	filled := map[string]string{"client_id": "id", "client_secret": "s", "base_url": "https://acme.example", "nameless": "x"}
	for _, test := range []struct {
		name   string
		values map[string]string
		want   map[string]string
		faults []string
	}{
		{name: "defaults are filled in, unset ones stay away", values: good(), want: filled},
		{name: "an empty value is an unset one", values: good("base_url", "", "tenant", ""), want: filled},
		{
			name: "every missing one at once, with its environment name", values: nil,
			want: map[string]string{"base_url": "https://acme.example", "nameless": "x"},
			faults: []string{
				"client_id is not set; set it, or OAUTH_ACME_CLIENT_ID in the environment",
				"client_secret is not set; set it, or OAUTH_ACME_CLIENT_SECRET in the environment, or client_secret_file",
			},
		},
		{
			name: "malformed, with the help for it", values: good("base_url", "acme.example"),
			want: with(filled, "base_url", "acme.example"), faults: []string{"base_url is malformed; Origin of Acme."},
		},
		{
			name: "the pattern holds for the whole value, also with alternatives", values: good("tenant", "ab"),
			want: with(filled, "tenant", "ab"), faults: []string{"tenant is malformed"},
		},
		{
			name: "a line break does not end the value", values: good("tenant", "a\n"),
			want: with(filled, "tenant", "a\n"), faults: []string{"tenant is malformed"},
		},
		{
			name: "unknown ones, in order", values: good("zeta", "1", "alpha", "", "mid", "2"), want: filled,
			faults: []string{
				"alpha is not a setting of type acme; remove it; the settings are client_id, client_secret, base_url, tenant, nameless",
				"mid is not a setting of type acme; remove it; the settings are client_id, client_secret, base_url, tenant, nameless",
				"zeta is not a setting of type acme; remove it; the settings are client_id, client_secret, base_url, tenant, nameless",
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, found := typ.CheckSettings(test.values)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("settings (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.faults, lines(found)); diff != "" {
				t.Errorf("diagnostics (-want +got):\n%s", diff)
			}
			for _, d := range found {
				if d.Severity != sdk.SeverityError {
					t.Errorf("%s: severity %v, want error", d, d.Severity)
				}
			}
		})
	}
}

// A pattern that does not compile is the author's fault; the operator must not be left guessing.
func TestCheckSettingsBrokenPattern(t *testing.T) {
	typ := sdk.Type{Name: "acme", Settings: []sdk.Setting{{Name: "realm", Pattern: "("}}}
	_, found := typ.CheckSettings(map[string]string{"realm": "x"})
	want := []string{"realm has a pattern that does not compile; tell the plugin's author"}
	if diff := cmp.Diff(want, lines(found)); diff != "" {
		t.Errorf("diagnostics (-want +got):\n%s", diff)
	}
}

// Values never appear in diagnostics: a secret in the wrong place would be printed.
func TestCheckSettingsKeepsValuesToItself(t *testing.T) {
	typ := sdk.Type{Name: "acme", Settings: []sdk.Setting{{Name: "realm", Pattern: "[a-z]+"}}}
	_, found := typ.CheckSettings(map[string]string{"realm": "Hunter2", "misplaced": "Hunter2"})
	if len(found) != 2 {
		t.Fatalf("got %v, want a malformed and an unknown setting", lines(found))
	}
	if text := strings.Join(lines(found), "\n"); strings.Contains(text, "Hunter2") {
		t.Errorf("a value is in the diagnostics: %s", text)
	}
}

func TestClientSettings(t *testing.T) {
	_, found := sdk.Type{Name: "acme", Settings: sdk.ClientSettings("OAUTH_ACME")}.CheckSettings(nil)
	want := []string{
		"client_id is not set; set it, or OAUTH_ACME_CLIENT_ID in the environment",
		"client_secret is not set; set it, or OAUTH_ACME_CLIENT_SECRET in the environment, or client_secret_file",
	}
	if diff := cmp.Diff(want, lines(found)); diff != "" {
		t.Errorf("diagnostics (-want +got):\n%s", diff)
	}
}

func TestConfigBool(t *testing.T) {
	for value, want := range map[string]bool{
		"true": true, "TRUE": true, "1": true, "yes": true, "on": true, "On": true,
		"": false, "false": false, "0": false, "no": false, "off": false, "enabled": false, " true": false,
	} {
		c := sdk.Config{Settings: map[string]string{"flag": value}}
		if got := c.Bool("flag"); got != want {
			t.Errorf("Bool of %q = %v, want %v", value, got, want)
		}
	}
	if (sdk.Config{}).Bool("flag") {
		t.Error("Bool of a setting that is not there = true")
	}
}

func TestDiagnosticString(t *testing.T) {
	for _, test := range []struct {
		d    sdk.Diagnostic
		want string
	}{
		{sdk.Diagnostic{Summary: "the clock is wrong"}, "the clock is wrong"},
		{sdk.Diagnostic{Setting: "issuer", Summary: "is no URL"}, "issuer is no URL"},
		{sdk.Diagnostic{Setting: "issuer", Summary: "is no URL", Detail: "write https://…"}, "issuer is no URL; write https://…"},
	} {
		if got := test.d.String(); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
	for severity, want := range map[sdk.Severity]string{
		sdk.SeverityOK: "ok", sdk.SeverityWarning: "warning", sdk.SeverityError: "error", 0: "error", 99: "error",
	} {
		if got := severity.String(); got != want {
			t.Errorf("severity %d = %q, want %q", int(severity), got, want)
		}
	}
}

func lines(found []sdk.Diagnostic) []string {
	var out []string
	for _, d := range found {
		out = append(out, d.String())
	}
	return out
}

func with(base map[string]string, name, value string) map[string]string {
	out := map[string]string{name: value}
	for k, v := range base {
		if k != name {
			out[k] = v
		}
	}
	return out
}
