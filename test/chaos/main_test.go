//go:build linux

package chaos

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/authd/authd/internal/realtest"
)

var (
	programs = &realtest.Programs{Sources: []string{"cmd/authd", "plugins/oidc", "plugins/keycloak"}, Version: firstVersion}
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
	code := realtest.Run(m, nothingLeft, programs.Remove)
	fmt.Print(results)
	os.Exit(code)
}

// nothingLeft kills what the tests have left behind, and says so.
func nothingLeft() error {
	var left []error
	for _, c := range descendants(os.Getpid()) {
		left = append(left, fmt.Errorf("the tests leave %s with pid %d", c.Name, c.PID))
		_ = syscall.Kill(c.PID, syscall.SIGKILL)
	}
	return errors.Join(left...)
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

// patience is how long a test waits for what must come, on a machine that does much else.
const patience = time.Minute

// pass lets time go by under load.
func pass(t testing.TB, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
		t.Fatal(t.Context().Err())
	}
}
