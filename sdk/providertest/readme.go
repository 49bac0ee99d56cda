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
	readme := string(text)
	if rows := strings.Count(readme, "| `OAUTH_"); rows != len(kind.Settings) {
		t.Errorf("the README has %d settings, the type has %d", rows, len(kind.Settings))
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
		if !strings.Contains(readme, row) {
			t.Errorf("the README lacks the row\n%s", row)
		}
	}
	for _, needed := range append([]string{"/auth/oauth/" + kind.Name + "/callback", "`" + kind.Identifier + "` by default"}, kind.Scopes...) {
		if !strings.Contains(readme, needed) {
			t.Errorf("the README does not name %q", needed)
		}
	}
}
