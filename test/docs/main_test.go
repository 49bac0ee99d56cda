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

var executables = &build{}

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if err := os.RemoveAll(executables.dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// build is a directory with all plugins, and what each says it serves.
type build struct {
	once    sync.Once
	dir     string
	plugins []served
	err     error
}

// served is one plugin: its directory under plugins, and its types in its own order.
type served struct {
	name  string
	types []sdk.Type
}

// plugins builds every plugin at the first call and asks the executables for their manifests.
func plugins(t testing.TB) []served {
	t.Helper()
	executables.once.Do(func() { executables.plugins, executables.err = executables.make() })
	if executables.err != nil {
		t.Fatal(executables.err)
	}
	return executables.plugins
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

func (b *build) make() ([]served, error) {
	root, err := realtest.ModuleRoot()
	if err != nil {
		return nil, err
	}
	mains, err := filepath.Glob(filepath.Join(root, "plugins", "*", "main.go"))
	if err != nil || len(mains) == 0 {
		return nil, fmt.Errorf("no plugins in %s/plugins (%v)", root, err)
	}
	if b.dir, err = os.MkdirTemp("", "authd-docs-"); err != nil {
		return nil, err
	}
	args := []string{"build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", b.dir + "/"}
	var names []string
	for _, main := range mains {
		names = append(names, filepath.Base(filepath.Dir(main)))
		args = append(args, "./plugins/"+names[len(names)-1])
	}
	cmd := exec.Command("go", args...)
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the plugins: %w\n%s", err, out)
	}
	var all []served
	for _, name := range names {
		text, err := exec.Command(filepath.Join(b.dir, name), "-describe").Output()
		if err != nil {
			return nil, fmt.Errorf("%s -describe: %w", name, err)
		}
		manifest, err := sdk.ParseManifest(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, served{name, manifest.Types})
	}
	return all, nil
}

// inCheckout reads a file of the checkout.
func inCheckout(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(checkout(t, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// checkout is a path in the checkout.
func checkout(t testing.TB, path string) string {
	t.Helper()
	root, err := realtest.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(root, filepath.FromSlash(path))
}

// generated compares a file of the checkout with what it has to be, or writes it.
func generated(t *testing.T, path, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(checkout(t, path), []byte(want), 0o644); err != nil {
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
