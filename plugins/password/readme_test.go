package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// The README's table is the manifest's, and the form's address the one that authd has.
func TestREADME(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme, kind := string(text), passwordType()
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
	needed := []string{"/auth/password/" + kind.Name, "`" + kind.Identifier + "` by default", "for development"}
	for _, needed := range append(needed, kind.Scopes...) {
		if !strings.Contains(readme, needed) {
			t.Errorf("the README does not name %q", needed)
		}
	}
}
