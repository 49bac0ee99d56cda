//go:build linux

package chaos

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/authd/authd/internal/realtest"
)

var (
	programs = &build{}
	results  = &table{}
)

// TestMain makes the test binary a plugin when it runs under a plugin's name. Otherwise it runs the tests and sees to it
// that they leave no process behind: whatever they started, and whatever that started, becomes a child of this one.
func TestMain(m *testing.M) {
	if name, plugin := strings.CutPrefix(filepath.Base(os.Args[0]), pluginPrefix); plugin {
		runPlugin(name)
		return
	}
	flag.Parse()
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	for _, left := range descendants(os.Getpid()) {
		fmt.Fprintf(os.Stderr, "FAIL: the tests leave %s with pid %d\n", left.name, left.pid)
		_ = syscall.Kill(left.pid, syscall.SIGKILL)
		code = 1
	}
	if err := programs.remove(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	fmt.Print(results)
	os.Exit(code)
}

// together is how many of the short faults run at a time: they wait most of it.
const together = "4"

// prepare has orphans become children of this process.
func prepare() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become the parent of orphans: %w", err)
	}
	set := false
	flag.Visit(func(f *flag.Flag) { set = set || f.Name == "test.parallel" })
	if set || long() {
		return nil
	}
	return flag.Set("test.parallel", together)
}

// long reports whether the campaign runs with its real figures.
func long() bool { return os.Getenv("AUTHD_CHAOS") != "" }

// parallel lets the short forms share their time. The long ones measure, so each has the machine for itself.
func parallel(t *testing.T) {
	t.Helper()
	if !long() {
		t.Parallel()
	}
}

// of picks the figure of the long or the short form.
func of[T any](inLong, inShort T) T {
	if long() {
		return inLong
	}
	return inShort
}

// firstVersion is what the plugins report, until it is replaced in the file by another of the same length.
const firstVersion = "chaos-version-00000"

// build is a directory with authd and the plugins that are needed.
type build struct {
	once sync.Once
	dir  string
	err  error
}

// path builds everything at the first call and returns the path of a file in the directory.
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
	if b.dir, err = os.MkdirTemp("", "authd-chaos-build-"); err != nil {
		return err
	}
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -X github.com/authd/authd/sdk.version="+firstVersion,
		"-o", b.dir+"/", "./cmd/authd", "./plugins/oidc", "./plugins/keycloak")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build authd and its plugins: %w\n%s", err, out)
	}
	return nil
}

func (b *build) remove() error {
	if b.dir == "" {
		return nil
	}
	return os.RemoveAll(b.dir)
}

// patience is how long a test waits for what must come, on a machine that does much else.
const patience = time.Minute

// await asks until the answer is nil, and returns how long that took. It fails the test with the last answer when the
// limit has passed.
func await(t testing.TB, pause, limit time.Duration, what string, ask func() error) time.Duration {
	t.Helper()
	took, err := awaitErr(pause, limit, ask)
	if err != nil {
		t.Fatalf("%s: not within %v: %v", what, limit, err)
	}
	return took
}

func awaitErr(pause, limit time.Duration, ask func() error) (time.Duration, error) {
	began := time.Now()
	deadline := time.After(limit)
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return time.Since(began), nil
		}
		select {
		case <-deadline:
			return time.Since(began), err
		case <-tick.C:
		}
	}
}

// pass lets time go by under load.
func pass(t testing.TB, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
		t.Fatal(t.Context().Err())
	}
}
