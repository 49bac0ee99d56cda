//go:build unix

package realtest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFindVenv(t *testing.T) {
	dir := t.TempDir()
	list := filepath.Join(dir, "requirements.txt")
	if _, err := findVenv(dir, list); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without the list: %v, want %v", err, fs.ErrNotExist)
	}
	if err := os.WriteFile(list, []byte("grpcio==1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	home := filepath.Join(dir, "authd-test", "python-d7a54327a9ff")
	if err := os.MkdirAll(home, 0o700); err != nil {
		t.Fatal(err)
	}
	if got, err := findVenv(dir, list); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("with half an environment: %q, %v; want %v", got, err, fs.ErrNotExist)
	}
	if err := os.WriteFile(filepath.Join(home, "authd-ready"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := findVenv(dir, list); got != home || err != nil {
		t.Errorf("got %q, %v; want %q", got, err, home)
	}
}

func TestVenvOfTheLanguages(t *testing.T) {
	if got, want := Venv(t, pythonList), filepath.Dir(Python(t)); got != want {
		t.Errorf("the programs are in %s, want %s", got, want)
	}
}

func TestStartService(t *testing.T) {
	port, dir := FreePort(t), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "hello"), []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	url := fmt.Sprintf("http://127.0.0.1:%d/", port)
	t.Run("runs", func(t *testing.T) {
		StartService(t, "files", dir, url, []string{"PYTHONUNBUFFERED=1"},
			Python(t), "-m", "http.server", fmt.Sprint(port), "--bind", "127.0.0.1")
		res, err := http.Get(url + "hello")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if text, err := io.ReadAll(res.Body); err != nil || string(text) != "hello" {
			t.Errorf("the answer is %q, %v", text, err)
		}
	})
	if _, err := http.Get(url); err == nil {
		t.Error("the service outlives its test")
	}
	if log, err := os.ReadFile(filepath.Join(dir, "files.log")); err != nil || !strings.Contains(string(log), "GET /hello") {
		t.Errorf("the log is %q, %v", log, err)
	}
}
