//go:build linux

package e2e

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/authd/authd/internal/realtest"
)

// update, set with -update, writes the pictures of the documentation.
var update = flag.Bool("update", false, "write docs/images")

var (
	programs = &build{}
	keycloak = realtest.NewSharedKeycloak(realm())
)

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	keycloak.Stop()
	if err := programs.remove(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// build is a directory as make build leaves it: authd, and plugins/authd-provider-*.
type build struct {
	once sync.Once
	dir  string
	err  error
}

// path builds everything at the first call and returns the path of a file in the directory.
func (b *build) path(t testing.TB, elem ...string) string {
	t.Helper()
	b.once.Do(func() { b.err = b.make() })
	if b.err != nil {
		t.Fatal(b.err)
	}
	return filepath.Join(append([]string{b.dir}, elem...)...)
}

func (b *build) make() error {
	root, err := realtest.ModuleRoot()
	if err != nil {
		return err
	}
	mains, err := filepath.Glob(filepath.Join(root, "plugins", "*", "main.go"))
	if err != nil || len(mains) == 0 {
		return fmt.Errorf("no plugins in %s/plugins (%v)", root, err)
	}
	if b.dir, err = os.MkdirTemp("", "authd-e2e-build-"); err != nil {
		return err
	}
	args := []string{"build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", b.dir + "/", "./cmd/authd"}
	for _, main := range mains {
		args = append(args, "./plugins/"+filepath.Base(filepath.Dir(main)))
	}
	cmd := exec.Command("go", args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build authd and its plugins: %w\n%s", err, out)
	}
	if err := os.Mkdir(filepath.Join(b.dir, "plugins"), 0o755); err != nil {
		return err
	}
	for _, main := range mains {
		name := filepath.Base(filepath.Dir(main))
		if err := os.Rename(filepath.Join(b.dir, name), filepath.Join(b.dir, "plugins", "authd-provider-"+name)); err != nil {
			return err
		}
	}
	return nil
}

func (b *build) remove() error {
	if b.dir == "" {
		return nil
	}
	return os.RemoveAll(b.dir)
}

// shortClient is a client of the realm whose access tokens last as long as authd's shortest: thirty seconds.
const shortClient = "authd-short"

// realm is the realm of the other tests with one more client.
func realm() []byte {
	var doc map[string]any
	if err := json.Unmarshal(realtest.Realm(), &doc); err != nil {
		panic(err) // it is embedded
	}
	clients := doc["clients"].([]any)
	text, err := json.Marshal(clients[0])
	if err != nil {
		panic(err)
	}
	var short map[string]any
	if err := json.Unmarshal(text, &short); err != nil {
		panic(err)
	}
	short["clientId"] = shortClient
	short["attributes"].(map[string]any)["access.token.lifespan"] = "30"
	doc["clients"] = append(clients, short)
	out, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	return out
}

// patience is how long a test waits for what must come, on a machine that does much else.
const patience = time.Minute

// await asks until the answer is nil. It fails the test with the last answer when the limit has passed.
func await(t testing.TB, limit time.Duration, what string, ask func() error) {
	t.Helper()
	const pause = 50 * time.Millisecond
	awaitEvery(t, pause, limit, what, ask)
}

func awaitEvery(t testing.TB, pause, limit time.Duration, what string, ask func() error) {
	t.Helper()
	deadline := time.After(limit)
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("%s: not within %v: %v", what, limit, err)
		case <-tick.C:
		}
	}
}

var errNotYet = errors.New("not yet")
