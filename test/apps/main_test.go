//go:build apps && linux

package apps

import (
	"os"
	"testing"
	"time"

	"github.com/authd/authd/internal/realtest"
)

var programs = &realtest.Programs{Sources: []string{"cmd/authd", "plugins/oidc"}}

func TestMain(m *testing.M) { os.Exit(realtest.Run(m, programs.Remove)) }

// patience is how long a test waits for what must come, on a machine that does much else.
const patience = time.Minute

// await asks until the answer is nil. It fails the test with the last answer when patience is at its end.
func await(t testing.TB, what string, ask func() error) {
	t.Helper()
	realtest.Await(t, 100*time.Millisecond, patience, what, ask)
}
