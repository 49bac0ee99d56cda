//go:build unix

package realtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestPythonHasItsPackages(t *testing.T) {
	out, err := exec.Command(Python(t), "-c", "import google.protobuf, grpc, grpc_tools; print(grpc.__version__)").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	list, err := os.ReadFile(Checkout(t, pythonList))
	if err != nil {
		t.Fatal(err)
	}
	if want := "grpcio==" + strings.TrimSpace(string(out)) + " "; !strings.Contains(string(list), want) {
		t.Errorf("the environment has grpcio %s, which the list does not name", out)
	}
}

func TestMissingPartsNameTheirCommand(t *testing.T) {
	dir := t.TempDir()
	list := filepath.Join(dir, "requirements.txt")
	if err := os.WriteFile(list, []byte("grpcio==1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if path, err := findPython(dir, list); err == nil || !strings.Contains(err.Error(), `run "make deps"`) {
		t.Errorf("without the environment: %q, %v; want the command that makes it", path, err)
	}
	home := filepath.Join(dir, "authd-test", "python-d7a54327a9ff")
	if err := os.MkdirAll(home, 0o700); err != nil {
		t.Fatal(err)
	}
	if path, err := findPython(dir, list); err == nil {
		t.Errorf("with half an environment: %q; want an error", path)
	}
	if err := os.WriteFile(filepath.Join(home, "authd-ready"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if path, err := findPython(dir, list); err != nil || path != filepath.Join(home, "bin", "python") {
		t.Errorf("with the environment: %q, %v", path, err)
	}
	if err := findNodeModules(dir, "examples/x"); err == nil || !strings.Contains(err.Error(), "npm ci --prefix examples/x") {
		t.Errorf("without node_modules: %v; want the command that makes it", err)
	}
	if _, err := findPython(dir, filepath.Join(dir, "missing")); err == nil {
		t.Error("without the list: no error")
	}
}

func TestCacheDir(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", "/somewhere")
	if dir, err := cacheDir(); dir != "/somewhere" || err != nil {
		t.Errorf("got %q, %v", dir, err)
	}
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "/home/ada")
	if dir, err := cacheDir(); dir != "/home/ada/.cache" || err != nil {
		t.Errorf("got %q, %v", dir, err)
	}
}
