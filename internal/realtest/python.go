//go:build unix

package realtest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// pythonList names what the virtual environment of Python holds, with versions and hashes.
const pythonList = "test/languages/requirements.txt"

// Python returns the interpreter of a virtual environment that holds the packages of
// test/languages/requirements.txt: grpcio, protobuf, and what makes code and wheels
// without a network. Where it is missing the test fails with the command that makes it.
func Python(t testing.TB) string {
	t.Helper()
	cache, err := cacheDir()
	if err != nil {
		t.Fatal(err)
	}
	path, err := findPython(cache, Checkout(t, pythonList))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// cacheDir is where scripts/deps keeps what it fetches.
func cacheDir() (string, error) {
	if dir := os.Getenv("XDG_CACHE_HOME"); dir != "" {
		return dir, nil
	}
	home, err := os.UserHomeDir()
	return filepath.Join(home, ".cache"), err
}

// findPython looks for the environment of a list of packages.
func findPython(cache, list string) (string, error) {
	home, err := findVenv(cache, list)
	if err != nil {
		return "", fmt.Errorf("the Python packages of %s are not installed (%w); run \"make deps\", which needs: apt-get install python3 python3-venv", pythonList, err)
	}
	return filepath.Join(home, "bin", "python"), nil
}

// NodeModules returns a directory of the checkout, such as "examples/node-provider",
// after a look at its node_modules. Where that is missing the test fails with the
// command that makes it.
func NodeModules(t testing.TB, dir string) string {
	t.Helper()
	home := Checkout(t, dir)
	if err := findNodeModules(home, dir); err != nil {
		t.Fatal(err)
	}
	return home
}

func findNodeModules(home, dir string) error {
	if _, err := os.Stat(filepath.Join(home, "node_modules", ".package-lock.json")); err != nil {
		return fmt.Errorf("the npm packages of %s are not installed (%w); run \"make deps\", or: npm ci --prefix %s", dir, err, dir)
	}
	return nil
}
