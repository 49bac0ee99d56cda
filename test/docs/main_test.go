package docs

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/authd/authd/internal/realtest"
	"github.com/authd/authd/sdk"
)

var update = flag.Bool("update", false, "write the pages instead of comparing them")

var programs = &realtest.Programs{Sources: []string{"plugins/*"}}

func TestMain(m *testing.M) { os.Exit(realtest.Run(m, programs.Remove)) }

// served is one plugin: its directory under plugins, and its types in its own order.
type served struct {
	name  string
	types []sdk.Type
}

// manifests are what the plugins say of themselves.
var manifests struct {
	once sync.Once
	all  []served
	err  error
}

// plugins are all plugins; the first call builds the executables and asks them for their manifests.
func plugins(t testing.TB) []served {
	t.Helper()
	dir := programs.Path(t, "plugins")
	manifests.once.Do(func() { manifests.all, manifests.err = describe(dir) })
	if manifests.err != nil {
		t.Fatal(manifests.err)
	}
	return manifests.all
}

// types are those of all plugins, as authd has them.
func types(t testing.TB) []sdk.Type {
	t.Helper()
	var all []sdk.Type
	for _, p := range plugins(t) {
		all = append(all, p.types...)
	}
	return all
}

// describe asks the plugins in a directory, in the order of their names.
func describe(dir string) (all []served, err error) {
	const prefix = "authd-provider-"
	paths, err := filepath.Glob(filepath.Join(dir, prefix+"*"))
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		text, err := exec.Command(path, "-describe").Output()
		if err != nil {
			return nil, fmt.Errorf("%s -describe: %w", path, err)
		}
		manifest, err := sdk.ParseManifest(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, served{strings.TrimPrefix(filepath.Base(path), prefix), manifest.Types})
	}
	return all, nil
}

// inCheckout reads a file of the checkout.
func inCheckout(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(realtest.Checkout(t, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// generated compares a file of the checkout with what it has to be, or writes it.
func generated(t *testing.T, path, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(realtest.Checkout(t, path), []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got := inCheckout(t, path); got != want {
		line := 1 + strings.Count(want[:same(got, want)], "\n")
		t.Errorf("%s is not what its sources say, from line %d on; run go generate ./test/docs, or make docs", path, line)
	}
}

// same is how many bytes two texts have in common at their beginning.
func same(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}
