package main

import (
	"os"
	"strings"
	"testing"

	"github.com/authd/authd/sdk/providertest"
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
		providertest.CheckSection(t, readme, kind, "/auth/oauth/"+kind.Name+"/callback")
	}
	if headings := strings.Count("\n"+string(text), "\n# "); headings != sections {
		t.Errorf("the README has %d sections, the plugin %d types", headings, sections)
	}
}
