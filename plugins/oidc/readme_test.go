package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// The README's table is the manifest's, and the callback URL the one that authd uses.
func TestREADME(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme, kind := string(text), oidcType()
	rows := strings.Count(readme, "| `OAUTH_")
	if rows != len(kind.Settings) {
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
