package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseDocument(t *testing.T) {
	root, lines, err := ParseDocument("x.toml", []byte("a = 1\n[b.c]\nd = { e = 'f' }\n[[g]]\nh = []\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"a": int64(1), "b": map[string]any{"c": map[string]any{"d": map[string]any{"e": "f"}}}, "g": []any{map[string]any{"h": []any{}}},
	}
	if diff := cmp.Diff(want, root); diff != "" {
		t.Errorf("tables (-want +got):\n%s", diff)
	}
	for path, line := range map[string]int{"a": 1, "b.c": 2, "b.c.d.e": 3, "g[0]": 4, "g[0].h": 5} {
		if lines[path] != line {
			t.Errorf("%s stands in line %d, want %d", path, lines[path], line)
		}
	}
}

// Threat 154: a document that can't be read is not shown, for it may hold secrets.
func TestParseDocumentHidesTheLine(t *testing.T) {
	_, _, err := ParseDocument("x.toml", []byte("a = 1\nsecret = hush-hush\n"))
	if err == nil || !strings.HasPrefix(err.Error(), "x.toml:2: is not TOML: ") || strings.Contains(err.Error(), "hush-hush") {
		t.Errorf("error %v", err)
	}
}
