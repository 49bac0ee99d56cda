package main

import (
	"os"
	"strings"
	"testing"

	"github.com/authd/authd/sdk"
	"github.com/authd/authd/sdk/providertest"
)

// The tables of the README are the manifests', and the callback URLs the ones that authd uses.
func TestREADME(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme, rows := string(text), 0
	for _, kind := range []sdk.Type{genericType(), codeType(), discordType(), bitbucketType()} {
		rows += len(kind.Settings)
		_, section, _ := strings.Cut(readme, "\n## `"+kind.Name+"`")
		section, _, _ = strings.Cut(section, "\n## `")
		providertest.CheckSection(t, section, kind, "/auth/oauth/"+kind.Name+"/callback")
	}
	if got := strings.Count(readme, "| `OAUTH_"); got != rows {
		t.Errorf("the README has %d settings, the types have %d", got, rows)
	}
}
