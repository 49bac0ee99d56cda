package importer

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/authd/authd/internal/config"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing them")

// golden is one file of testdata: the system, what is read, and the three texts that come of it.
type golden struct {
	path    string
	archive *txtar.Archive
	from    string
	input   txtar.File
}

func goldens(t testing.TB) []golden {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	var list []golden
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		from, _, _ := strings.Cut(string(archive.Comment), "\n")
		list = append(list, golden{path, archive, from, archive.Files[0]})
	}
	return list
}

func notes(r *Result) string {
	var b strings.Builder
	for _, note := range r.Notes {
		b.WriteString(note.String() + "\n")
	}
	return b.String()
}

func TestGolden(t *testing.T) {
	for _, g := range goldens(t) {
		t.Run(filepath.Base(g.path), func(t *testing.T) {
			r, err := Import(g.from, Source{File: g.input.Name, Document: g.input.Data})
			if err != nil {
				t.Fatal(err)
			}
			got := []txtar.File{g.input, {Name: "authd.toml", Data: r.TOML(true)}, {Name: "notes", Data: []byte(notes(r))}}
			if *update {
				g.archive.Files = got
				if err := os.WriteFile(g.path, txtar.Format(g.archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(g.archive.Files, got); diff != "" {
				t.Errorf("go test -update writes it (-want +got):\n%s", diff)
			}
		})
	}
}

// What is written loads, in both forms, and comes to the same but for where the secrets are.
func TestRoundTrip(t *testing.T) {
	for _, g := range goldens(t) {
		t.Run(filepath.Base(g.path), func(t *testing.T) {
			r, err := Import(g.from, Source{File: g.input.Name, Document: g.input.Data})
			if err != nil {
				t.Fatal(err)
			}
			clear, hidden := load(t, r.TOML(true)), load(t, r.TOML(false))
			if len(clear.Providers) != r.Providers() || len(hidden.Providers) != r.Providers() {
				t.Fatalf("%d and %d providers were loaded of %d", len(clear.Providers), len(hidden.Providers), r.Providers())
			}
			for i := range clear.Providers {
				if _, has := clear.Providers[i].Settings["client_secret"]; has {
					delete(clear.Providers[i].Settings, "client_secret")
					clear.Providers[i].Settings["client_secret_file"] = "secrets/" + clear.Providers[i].ID
				}
			}
			if diff := cmp.Diff(clear.Providers, hidden.Providers); diff != "" {
				t.Errorf("with and without secrets (-with +without):\n%s", diff)
			}
		})
	}
}

func load(t testing.TB, document []byte) *config.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "authd.toml")
	if err := os.WriteFile(path, document, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path, nil)
	if err != nil {
		t.Fatalf("what was written does not load: %v\n%s", err, document)
	}
	return cfg
}

// Threat 154: a note is printed, and the configuration goes to standard output: neither shows a secret.
func TestNoSecretIsShown(t *testing.T) {
	for _, g := range goldens(t) {
		r, err := Import(g.from, Source{File: g.input.Name, Document: g.input.Data})
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{"notes": notes(r), "authd.toml": string(r.TOML(false))} {
			if strings.Contains(text, "hush") || strings.Contains(text, "hu$h") || strings.Contains(text, "ha\"sh") {
				t.Errorf("%s: the %s hold a secret:\n%s", g.path, name, text)
			}
		}
		if written := strings.Count(string(r.TOML(true)), "\nclient_secret = "); written != len(r.SecretFiles()) {
			t.Errorf("%s: %d secrets are written with --secrets, %d files are named without", g.path, written, len(r.SecretFiles()))
		}
	}
}
