package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/authd/authd/sdk"
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
		_, section, found := strings.Cut(readme, "\n## `"+kind.Name+"`")
		section, _, _ = strings.Cut(section, "\n## `")
		if !found {
			t.Errorf("the README has no section for %s", kind.Name)
		}
		for _, s := range kind.Settings {
			if row := row(s); !strings.Contains(section, row) {
				t.Errorf("the section of %s lacks the row\n%s", kind.Name, row)
			}
		}
		for _, needed := range append([]string{"/auth/password/" + kind.Name, "`" + kind.Identifier + "` by default"}, kind.Scopes...) {
			if !strings.Contains(section, needed) {
				t.Errorf("the section of %s does not name %q", kind.Name, needed)
			}
		}
		if strings.Contains(section, "for development") != (kind.Name == "password") {
			t.Errorf("the section of %s says the wrong thing about what it is for", kind.Name)
		}
	}
	if got := strings.Count(readme, "| `OAUTH_"); got != rows {
		t.Errorf("the README has %d settings, the types have %d", got, rows)
	}
}

func row(s sdk.Setting) string {
	required, standard := "no", ""
	if s.Required {
		required = "yes"
	}
	if s.Default != "" {
		standard = "`" + s.Default + "`"
	}
	return fmt.Sprintf("| `%s` | `%s` | %s | %s | %s |", s.Name, s.Env, required, standard, s.Help)
}
