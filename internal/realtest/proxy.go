//go:build unix

package realtest

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// dirMark stands for the directory of a proxy in its configuration.
const dirMark = "${DIR}"

// Proxy is a running reverse proxy.
type Proxy struct {
	Port int    // of 127.0.0.1
	Dir  string // everything that it writes
}

func newProxy(t testing.TB) *Proxy {
	t.Helper()
	return &Proxy{Port: FreePort(t), Dir: ShortDir(t)}
}

// ShortDir is t.TempDir with a path that leaves room for the names of unix sockets.
func ShortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "realtest-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// write makes a file of the Proxy's directory, with its marks replaced, and returns its path.
func (p *Proxy) write(t testing.TB, name, text string) string {
	t.Helper()
	file := filepath.Join(p.Dir, name)
	text = strings.NewReplacer(portMark, strconv.Itoa(p.Port), dirMark, p.Dir).Replace(text)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// start runs the proxy until the end of the test and waits until it accepts connections.
func (p *Proxy) start(t testing.TB, name string, env []string, argv ...string) {
	t.Helper()
	running, err := launch(name, p.Dir, env, argv...)
	if err != nil {
		t.Fatal(err)
	}
	running.attach(t)
	if _, err := running.Ready(pollEvery, 30*time.Second, accepts(p.Port)); err != nil {
		t.Fatal(err)
	}
}
