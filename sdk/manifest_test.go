package sdk_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/authd/authd/sdk"
)

func manifests() *rapid.Generator[*sdk.Manifest] {
	setting := rapid.Custom(func(t *rapid.T) sdk.Setting {
		return sdk.Setting{
			Name: texts().Draw(t, "name"), Env: texts().Draw(t, "env"), Required: rapid.Bool().Draw(t, "required"),
			Secret: rapid.Bool().Draw(t, "secret"), Default: texts().Draw(t, "default"), Pattern: texts().Draw(t, "pattern"), Help: texts().Draw(t, "help"),
		}
	})
	typ := rapid.Custom(func(t *rapid.T) sdk.Type {
		return sdk.Type{
			Name: texts().Draw(t, "name"), Label: texts().Draw(t, "label"), DocsURL: texts().Draw(t, "docs"), Icon: texts().Draw(t, "icon"),
			Settings: rapid.SliceOfN(setting, 0, 3).Draw(t, "settings"), Scopes: lists().Draw(t, "scopes"),
			Identifier: texts().Draw(t, "identifier"), Prompts: lists().Draw(t, "prompts"), Development: rapid.Bool().Draw(t, "development"),
		}
	})
	return rapid.Custom(func(t *rapid.T) *sdk.Manifest {
		return &sdk.Manifest{ProtocolMinor: rapid.Uint32().Draw(t, "minor"), Version: texts().Draw(t, "version"), Types: rapid.SliceOfN(typ, 0, 3).Draw(t, "types")}
	})
}

// TestManifestJSON: what -describe prints reads back as it was, and is the same text each time.
func TestManifestJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := manifests().Draw(t, "manifest")
		text, err := m.JSON()
		if err != nil {
			t.Fatal(err)
		}
		if again, err := m.JSON(); err != nil || !bytes.Equal(text, again) {
			t.Fatalf("the text varies (%v):\n%s\n%s", err, text, again)
		}
		got, err := sdk.ParseManifest(text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(m, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("manifest (-printed +parsed):\n%s", diff)
		}
	})
}

// TestManifestCrossesTheWire: Describe answers what was served, whatever the texts are.
func TestManifestCrossesTheWire(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := manifests().Draw(rt, "manifest")
		got, err := connect(t, m.Types...).Describe(t.Context())
		if err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(m.Types, got.Types, cmpopts.EquateEmpty()); diff != "" {
			rt.Fatalf("types (-served +described):\n%s", diff)
		}
	})
}

// TestManifestNames: the JSON has the names of the proto file, as every other language would print them.
func TestManifestNames(t *testing.T) {
	text, err := (&sdk.Manifest{ProtocolMinor: 3, Version: "v1", Types: []sdk.Type{acmeType()}}).JSON()
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Minor int `json:"protocol_minor"`
		Types []struct {
			Icon     string `json:"icon_svg"`
			Docs     string `json:"documentation_url"`
			Settings []struct {
				Default string `json:"default_value"`
			}
		}
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.Minor != 3 || got.Types[0].Icon != acmeType().Icon || got.Types[0].Docs != acmeType().DocsURL || got.Types[0].Settings[2].Default != "https://acme.example" {
		t.Errorf("got %+v from\n%s", got, text)
	}
}

func TestManifestType(t *testing.T) {
	m := sdk.Manifest{Types: []sdk.Type{{Name: "a"}, {Name: "b", Label: "B"}}}
	if got, ok := m.Type("b"); !ok || got.Label != "B" {
		t.Errorf("Type(b) = %+v, %v", got, ok)
	}
	if got, ok := m.Type("c"); ok {
		t.Errorf("Type(c) = %+v, want none", got)
	}
}

func TestParseManifestRefuses(t *testing.T) {
	for _, text := range []string{"", "null", "[]", "{", `{"types":{}}`, `{"version":7}`, `{} {}`, "authd-provider-acme v1"} {
		m, err := sdk.ParseManifest([]byte(text))
		if err == nil {
			t.Errorf("%q: parsed as %+v", text, m)
		} else if !strings.Contains(err.Error(), "manifest") {
			t.Errorf("%q: %v does not say what was read", text, err)
		}
	}
}

// TestParseManifestOfTheFuture: a newer plugin's additions are ignored.
func TestParseManifestOfTheFuture(t *testing.T) {
	got, err := sdk.ParseManifest([]byte(`{"protocol_minor":9,"types":[{"name":"acme","colour":"red","settings":[{"name":"x","unit":"s"}]}],"more":[1]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := &sdk.Manifest{ProtocolMinor: 9, Types: []sdk.Type{{Name: "acme", Settings: []sdk.Setting{{Name: "x"}}}}}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("manifest (-want +got):\n%s", diff)
	}
}

// FuzzParseManifest: a plugin is asked before it is trusted, so whatever it prints must be read or refused, and what
// was read once must read the same again.
func FuzzParseManifest(f *testing.F) {
	seed, err := (&sdk.Manifest{ProtocolMinor: 1, Version: "v1", Types: []sdk.Type{acmeType()}}).JSON()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte(`{"types":[{"name":"a","settings":[{"name":"b","required":true}]}]}`))
	f.Add([]byte(`{"protocolMinor":4294967295,"types":[null,{}]}`))
	f.Add([]byte(`{"version":"\ud800"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := sdk.ParseManifest(text)
		if err != nil {
			return
		}
		printed, err := m.JSON()
		if err != nil {
			t.Fatalf("%q was parsed, but does not print: %v", text, err)
		}
		again, err := sdk.ParseManifest(printed)
		if err != nil {
			t.Fatalf("%q prints as %s, which does not parse: %v", text, printed, err)
		}
		if diff := cmp.Diff(m, again, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("parse, print, parse changed it:\n%s", diff)
		}
	})
}
