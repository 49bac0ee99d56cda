//go:build linux

package languages

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/authd/authd/internal/realtest"
)

var programs = &realtest.Programs{Sources: []string{"cmd/authd"}}

func TestMain(m *testing.M) { os.Exit(realtest.Run(m, programs.Remove)) }

// run runs a command in a directory of the checkout until the end of the test, and returns what it printed.
func run(t testing.TB, dir string, env []string, argv ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return string(out)
}

// install makes a virtual environment as the README of the example says, though without a network, and returns its
// directory. Wheels are built from copies, since that leaves traces beside the sources.
func install(t testing.TB) string {
	t.Helper()
	python, home := realtest.Python(t), filepath.Join(t.TempDir(), "venv")
	packages := strings.TrimSpace(run(t, "", nil, python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"))
	run(t, "", nil, python, "-m", "venv", "--without-pip", home)
	interpreter := filepath.Join(home, "bin", "python")
	own := strings.TrimSpace(run(t, "", nil, interpreter, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"))
	if err := os.WriteFile(filepath.Join(own, "shared.pth"), []byte(packages+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	sources := t.TempDir()
	var copies []string
	for _, dir := range []string{"sdk/python", "examples/python-provider"} {
		copied := filepath.Join(sources, filepath.Base(dir))
		if err := os.CopyFS(copied, os.DirFS(realtest.Checkout(t, dir))); err != nil {
			t.Fatal(err)
		}
		copies = append(copies, copied)
	}
	run(t, "", nil, append([]string{
		interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", "--no-build-isolation",
	}, copies...)...)
	return home
}

// pythonPlugin installs the example in Python and puts its executable into dir.
func pythonPlugin(t testing.TB, dir string) string {
	t.Helper()
	const name = "authd-provider-azure-ad-b2c"
	text, err := os.ReadFile(filepath.Join(install(t), "bin", name))
	if err != nil {
		t.Fatal(err)
	}
	return executable(t, dir, name, string(text))
}

// nodePlugin puts a wrapper of the example in JavaScript into dir.
func nodePlugin(t testing.TB, dir string) string {
	t.Helper()
	node, home := realtest.Find(t, "node"), realtest.NodeModules(t, "examples/node-provider")
	return executable(t, dir, "authd-provider-twitch", "#!/bin/sh\nexec '"+node+"' '"+filepath.Join(home, "index.js")+"' \"$@\"\n")
}

func executable(t testing.TB, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}
