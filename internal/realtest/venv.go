//go:build unix

package realtest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// serviceLimit is how long a program may take to answer: heavy ones read hundreds of
// megabytes from a cold disk.
const serviceLimit = 3 * time.Minute

// Venv returns the directory of the programs of a virtual environment that holds the
// packages of list, a file of the checkout such as "examples/panel/requirements.txt".
// Where it is missing the test fails with the command that makes it.
func Venv(t testing.TB, list string) string {
	t.Helper()
	cache, err := cacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := findVenv(cache, Checkout(t, list))
	if err != nil {
		t.Fatalf("the Python packages of %s are not installed (%v); run: scripts/venv %[1]s", list, err)
	}
	return filepath.Join(dir, "bin")
}

// findVenv looks for the environment of a list of packages. scripts/venv and
// scripts/deps give it the same name, and put the mark there when all is installed.
func findVenv(cache, list string) (string, error) {
	text, err := os.ReadFile(list)
	if err != nil {
		return "", fmt.Errorf("realtest: %w", err)
	}
	sum := sha256.Sum256(text)
	home := filepath.Join(cache, "authd-test", "python-"+hex.EncodeToString(sum[:])[:12])
	if _, err := os.Stat(filepath.Join(home, "authd-ready")); err != nil {
		return "", err
	}
	return home, nil
}

// StartService runs a program in dir until the end of the test. It returns when url
// answers with status 200. env is added to the environment. Its output goes to NAME.log
// in dir, and is shown when the test fails.
func StartService(t testing.TB, name, dir, url string, env []string, argv ...string) {
	t.Helper()
	p, err := launch(name, dir, env, argv...)
	if err != nil {
		t.Fatal(err)
	}
	p.attach(t)
	if _, err := p.Ready(pollEvery, serviceLimit, Answers(url)); err != nil {
		t.Fatal(err)
	}
}
