//go:build unix

package realtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// part is one piece of software that must be installed for the tests.
type part struct {
	names   []string // commands on the PATH, or absolute paths; the first that is there wins
	install string   // what to say when none is there
}

// parts lists what Find knows. scripts/deps installs the same.
var parts = map[string]part{
	"nginx": {
		names:   []string{"nginx", "/usr/sbin/nginx", "/usr/local/sbin/nginx"},
		install: "apt-get install nginx-light",
	},
	"caddy": {names: []string{"caddy"}, install: "apt-get install caddy"},
	"haproxy": {
		names:   []string{"haproxy", "/usr/sbin/haproxy", "/usr/local/sbin/haproxy"},
		install: "apt-get install haproxy",
	},
	"apache2": {names: []string{"apache2", "/usr/sbin/apache2"}, install: "apt-get install apache2 lua-socket"},
	"chromium": {
		names: []string{
			"chromium", "chromium-browser", "google-chrome", "google-chrome-stable",
			"/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
			"/Applications/Chromium.app/Contents/MacOS/Chromium",
		},
		install: "apt-get install chromium",
	},
	"java": {names: []string{"java"}, install: "apt-get install default-jre-headless"},
	"node": {names: []string{"node", "nodejs"}, install: "apt-get install nodejs npm"},
}

// Find returns the path of the executable of an installed part: "nginx", "caddy",
// "haproxy", "apache2", "chromium", "java" or "node". A part that is missing fails the test with the command that
// installs it.
func Find(t testing.TB, name string) string {
	t.Helper()
	path, err := find(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func find(name string) (string, error) {
	p, ok := parts[name]
	if !ok {
		return "", fmt.Errorf("realtest: no part is called %q", name)
	}
	return p.find(name)
}

func (p part) find(name string) (string, error) {
	for _, candidate := range p.names {
		if path, err := exec.LookPath(candidate); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not installed (looked for %s); run \"make deps\", or: %s",
		name, strings.Join(p.names, ", "), p.install)
}

// ModuleRoot returns the directory of the go.mod above the working directory. Tests
// run in the directory of their package, so it is the root of the checkout.
func ModuleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("realtest: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("realtest: no go.mod above the working directory; run the tests inside the checkout")
		}
		dir = parent
	}
}

// Checkout returns a path in the checkout.
func Checkout(t testing.TB, elem ...string) string {
	t.Helper()
	root, err := ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(append([]string{root}, elem...)...)
}
