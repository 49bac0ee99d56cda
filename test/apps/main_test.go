//go:build apps && linux

package apps

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/authd/authd/internal/realtest"
)

var programs = &build{}

func TestMain(m *testing.M) {
	code := m.Run()
	if err := os.RemoveAll(programs.dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// build is a directory with authd, and plugins/authd-provider-oidc.
type build struct {
	once sync.Once
	dir  string
	err  error
}

// path builds both at the first call and returns the path of a file in the directory.
func (b *build) path(t testing.TB, name string) string {
	t.Helper()
	b.once.Do(func() { b.err = b.make() })
	if b.err != nil {
		t.Fatal(b.err)
	}
	return filepath.Join(b.dir, name)
}

func (b *build) make() error {
	root, err := realtest.ModuleRoot()
	if err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "authd-apps-"); err != nil {
		return err
	}
	for target, source := range map[string]string{"authd": "./cmd/authd", "plugins/authd-provider-oidc": "./plugins/oidc"} {
		cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", filepath.Join(b.dir, target), source)
		cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", source, err, out)
		}
	}
	// authd runs no plugin from a directory that others can write to.
	return os.Chmod(filepath.Join(b.dir, "plugins"), 0o755)
}

// patience is how long a test waits for what must come, on a machine that does much else.
const patience = time.Minute

// await asks until the answer is nil. It fails the test with the last answer when patience is at its end.
func await(t testing.TB, what string, ask func() error) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("%s: not within %v: %v", what, patience, err)
		case <-tick.C:
		}
	}
}
