//go:build unix

package realtest

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// orphanMaker, when set, makes the test binary start a process and leave without a
// cleanup, as a panic or a test timeout does.
const orphanMaker = "AUTHD_REALTEST_ORPHAN_DIR"

var keycloak = NewSharedKeycloak(Realm())

func TestMain(m *testing.M) {
	if dir := os.Getenv(orphanMaker); dir != "" {
		os.Exit(makeOrphan(dir))
	}
	code := Run(m)
	keycloak.Stop()
	os.Exit(code)
}

func makeOrphan(dir string) int {
	p, err := launch("orphan", dir, nil, "/bin/sh", "-c", "sleep 600 & echo $!; wait")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if _, err := p.Ready(time.Millisecond, readyLimit, logHasLine(p)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Print(p.Log())
	return 0
}
