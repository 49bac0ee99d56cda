package providertest

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/authd/authd/sdk"
)

// CheckREADME holds a plugin's README.md, in the directory of the test, against the one type that it serves: the table
// has a row for each setting, as the manifest says it, and the callback URL, the identifier and every scope are named.
func CheckREADME(t *testing.T, kind sdk.Type) {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	CheckSection(t, string(text), kind, "/auth/oauth/"+kind.Name+"/callback")
}

// CheckSection is CheckREADME for what a README has about one of several types. Path is what authd has for it: where
// the identity provider sends people back, or the form that they fill in.
func CheckSection(t *testing.T, section string, kind sdk.Type, path string) {
	t.Helper()
	if rows := strings.Count(section, "| `OAUTH_"); rows != len(kind.Settings) {
		t.Errorf("the README has %d settings of %s, the type has %d", rows, kind.Name, len(kind.Settings))
	}
	for _, s := range kind.Settings {
		required, standard := "no", ""
		if s.Required {
			required = "yes"
		}
		if s.Default != "" {
			standard = "`" + s.Default + "`"
		}
		row := fmt.Sprintf("| `%s` | `%s` | %s | %s | %s |", s.Name, s.Env, required, standard, s.Help)
		if !strings.Contains(section, row) {
			t.Errorf("the README lacks the row of %s\n%s", kind.Name, row)
		}
	}
	for _, needed := range append([]string{path, "`" + kind.Identifier + "` by default"}, kind.Scopes...) {
		if !strings.Contains(section, needed) {
			t.Errorf("what the README says of %s does not name %q", kind.Name, needed)
		}
	}
}
