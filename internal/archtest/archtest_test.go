package archtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestHouse runs every rule over this module.
func TestHouse(t *testing.T) {
	m, err := Load(os.DirFS(filepath.Join("..", "..")))
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Packages) < 3 {
		t.Fatalf("only %d packages were read: this is not the module", len(m.Packages))
	}
	for _, rule := range Rules() {
		t.Run(rule.Name, func(t *testing.T) {
			for _, finding := range rule.Check(m) {
				t.Error(finding)
			}
		})
	}
}

// TestMapNamesEveryLayer compares the map for people with the table.
func TestMapNamesEveryLayer(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "AGENTS.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range layers {
		for _, pattern := range row.packages {
			if !strings.Contains(string(text), "`"+pattern+"`") {
				t.Errorf("AGENTS.md does not name `%s`, which has a row in layers.go", pattern)
			}
		}
	}
}
