//go:build unix

package realtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// Programs are executables of this module, built once for all tests of a package:
//
//	var programs = &realtest.Programs{Sources: []string{"cmd/authd", "plugins/*"}}
//
//	func TestMain(m *testing.M) { os.Exit(realtest.Run(m, programs.Remove)) }
type Programs struct {
	// Sources are the directories of main packages in the checkout. "plugins/*" is every plugin.
	Sources []string
	// Version is what plugins report; "": what they report when nobody says.
	Version string

	once sync.Once
	dir  string
	err  error
}

// Path builds everything at the first call and returns the path of a file in their directory, which is as make build
// leaves it: authd, and plugins/authd-provider-NAME. If the build fails, so does every test that asks.
func (p *Programs) Path(t testing.TB, elem ...string) string {
	t.Helper()
	p.once.Do(func() { p.err = p.build() })
	if p.err != nil {
		t.Fatal(p.err)
	}
	return filepath.Join(append([]string{p.dir}, elem...)...)
}

func (p *Programs) build() error {
	root, err := ModuleRoot()
	if err != nil {
		return err
	}
	var sources []string
	for _, pattern := range p.Sources {
		found, err := filepath.Glob(filepath.Join(root, pattern, "main.go"))
		if err != nil || len(found) == 0 {
			return fmt.Errorf("realtest: no program in %s/%s (%v)", root, pattern, err)
		}
		for _, main := range found {
			sources = append(sources, filepath.Dir(main))
		}
	}
	if p.dir, err = os.MkdirTemp("", "authd-programs-"); err != nil {
		return fmt.Errorf("realtest: %w", err)
	}
	flags := "-s -w"
	if p.Version != "" {
		flags += " -X github.com/authd/authd/sdk.version=" + p.Version
	}
	cmd := exec.Command("go", append([]string{"build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", p.dir + "/"}, sources...)...)
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %v: %w\n%s", p.Sources, err, out)
	}
	return p.arrange(sources)
}

// arrange gives plugins the names and the place that authd looks for.
func (p *Programs) arrange(sources []string) error {
	plugins := filepath.Join(p.dir, "plugins")
	if err := os.Mkdir(plugins, 0o755); err != nil {
		return err
	}
	var failed error
	for _, source := range sources {
		name := filepath.Base(source)
		if filepath.Base(filepath.Dir(source)) == "plugins" {
			failed = errors.Join(failed, os.Rename(filepath.Join(p.dir, name), filepath.Join(plugins, "authd-provider-"+name)))
		}
	}
	return failed
}

// Remove removes what was built.
func (p *Programs) Remove() error {
	if p.dir == "" {
		return nil
	}
	return os.RemoveAll(p.dir)
}

// Run runs the tests of a package, then what has to be done at their end, and returns the exit code. What fails at
// the end is told on standard error and makes it 1.
func Run(m interface{ Run() int }, ends ...func() error) (code int) {
	code = m.Run()
	for _, end := range ends {
		if err := end(); err != nil {
			fmt.Fprintln(os.Stderr, "FAIL:", err)
			code = 1
		}
	}
	return code
}
