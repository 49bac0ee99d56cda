package main

import (
	"os"
	"strings"
	"testing"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/providertest"
)

// The tables of the README are the manifests', and the addresses of the forms the ones that authd has.
func TestREADME(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme, rows := string(text), 0
	for _, kind := range []sdk.Type{passwordType(), usersType()} {
		rows += len(kind.Settings)
		_, section, _ := strings.Cut(readme, "\n## `"+kind.Name+"`")
		section, _, _ = strings.Cut(section, "\n## `")
		providertest.CheckSection(t, section, kind, "/auth/password/"+kind.Name)
		if strings.Contains(section, "for development") != (kind.Name == "password") {
			t.Errorf("the section of %s says the wrong thing about what it is for", kind.Name)
		}
	}
	if got := strings.Count(readme, "| `OAUTH_"); got != rows {
		t.Errorf("the README has %d settings, the types have %d", got, rows)
	}
}
