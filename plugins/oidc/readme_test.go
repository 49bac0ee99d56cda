package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// sectionOf is what the README has about a type: from its heading to the next one of that rank.
func sectionOf(readme, name, label string) (string, bool) {
	heading := "\n# " + label + " (`" + name + "`)\n"
	if name == "oidc" {
		heading = "\n# " + label + "\n"
	}
	_, text, found := strings.Cut("\n"+readme, heading)
	text, _, _ = strings.Cut(text, "\n# ")
	return text, found
}

// Each type has a section, whose table is the manifest's, and whose callback URL is the one that authd uses.
func TestREADME(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := 0
	for _, kind := range types() {
		readme, found := sectionOf(string(text), kind.Name, kind.Label)
		if !found {
			t.Errorf("the README has no section about %s", kind.Name)
			continue
		}
		sections++
		if rows := strings.Count(readme, "| `OAUTH_"); rows != len(kind.Settings) {
			t.Errorf("%s: the README has %d settings, the type has %d", kind.Name, rows, len(kind.Settings))
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
				t.Errorf("%s: the README lacks the row\n%s", kind.Name, row)
			}
		}
		for _, needed := range append([]string{"/auth/oauth/" + kind.Name + "/callback", "`" + kind.Identifier + "` by default"}, kind.Scopes...) {
			if !strings.Contains(readme, needed) {
				t.Errorf("%s: the README does not name %q", kind.Name, needed)
			}
		}
	}
	if headings := strings.Count("\n"+string(text), "\n# "); headings != sections {
		t.Errorf("the README has %d sections, the plugin %d types", headings, sections)
	}
}
