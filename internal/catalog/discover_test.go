package catalog

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// write makes an executable file.
func write(t *testing.T, path string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\nexit 0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// reasons maps each path under dir to why it is refused.
func reasons(dir string, found []Plugin) map[string]string {
	out := map[string]string{}
	for _, p := range found {
		name, err := filepath.Rel(dir, p.Path)
		if err != nil {
			name = p.Path
		}
		out[name] = p.Refused
	}
	return out
}

func TestDiscoverGoesByName(t *testing.T) {
	dir := pluginDir(t)
	for _, name := range []string{
		"authd-provider-github", "acme/authd-provider-acme", "authd-provider-2fa",
		".authd-provider-github.swp", "authd-provider-x~", "authd-provider-y.tmp", "authd-provider-z.new",
		"authd-provider-Big", "authd-provider-", "authd-provider-" + strings.Repeat("a", 32), "my-authd-provider-q",
		"README.md", "acme/authd-provider-other", "authd-provider-deep/authd-provider-deep",
	} {
		write(t, filepath.Join(dir, name))
	}
	const temporary = "has the name of a temporary file; rename it when it is complete"
	const misnamed = "is not named authd-provider-NAME with up to 31 of a-z, 0-9 and -; rename it"
	want := map[string]string{
		"authd-provider-github":                     "",
		"acme/authd-provider-acme":                  "",
		"authd-provider-2fa":                        "",
		".authd-provider-github.swp":                temporary,
		"authd-provider-x~":                         temporary,
		"authd-provider-y.tmp":                      temporary,
		"authd-provider-z.new":                      temporary,
		"authd-provider-Big":                        misnamed,
		"authd-provider-":                           misnamed,
		"authd-provider-" + strings.Repeat("a", 32): misnamed,
		"my-authd-provider-q":                       misnamed,
		"authd-provider-deep":                       "is not a regular file; put the executable itself there",
	}
	if diff := cmp.Diff(want, reasons(dir, Discover([]string{dir}, false))); diff != "" {
		t.Errorf("Discover (-want +got):\n%s", diff)
	}
}

func TestDiscoverFirstDirectoryWins(t *testing.T) {
	first, second := pluginDir(t), pluginDir(t)
	winner := write(t, filepath.Join(first, "authd-provider-github"))
	hidden := write(t, filepath.Join(second, "authd-provider-github"))
	alone := write(t, filepath.Join(second, "authd-provider-oidc"))
	found := Discover([]string{first, filepath.Join(first, "none"), second}, false)
	var got []Plugin
	for _, p := range found {
		got = append(got, Plugin{Name: p.Name, Path: p.Path, Refused: p.Refused})
	}
	want := []Plugin{
		{Name: "github", Path: winner},
		{Path: filepath.Join(first, "none"), Refused: "does not exist; create it, or name another directory in server.plugins_dir"},
		{Name: "github", Path: hidden, Refused: "is hidden by " + winner + ", which comes first; remove one of them"},
		{Name: "oidc", Path: alone},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(Plugin{}, trust{})); diff != "" {
		t.Errorf("Discover (-want +got):\n%s", diff)
	}
}

func TestDiscoverPassesOverWhatIsRefused(t *testing.T) {
	first, second := pluginDir(t), pluginDir(t)
	bad := write(t, filepath.Join(first, "authd-provider-github"))
	if err := os.Chmod(bad, 0o775); err != nil {
		t.Fatal(err)
	}
	good := write(t, filepath.Join(second, "authd-provider-github"))
	found := Discover([]string{first, second}, false)
	if len(found) != 2 || found[0].Refused == "" || found[1].Refused != "" || found[1].Path != good {
		t.Errorf("Discover = %+v; want the first refused and the second in its place", found)
	}
}

func TestDiscoverUnreadableDirectory(t *testing.T) {
	dir := pluginDir(t)
	file := write(t, filepath.Join(dir, "plugins"))
	found := Discover([]string{file}, false)
	if len(found) != 1 || !strings.Contains(found[0].Refused, "can't be searched for plugins") {
		t.Errorf("Discover of a file = %+v", found)
	}
}

func TestAt(t *testing.T) {
	dir := pluginDir(t)
	path := write(t, filepath.Join(dir, "my-plugin"))
	t.Chdir(dir)
	got := At("my-plugin", false)
	if got.Name != "my-plugin" || got.Path != path || got.Refused != "" {
		t.Errorf("At = %+v; any name will do", got)
	}
	if got := At("nothing", false); !strings.Contains(got.Refused, "can't be found") {
		t.Errorf("At(nothing).Refused = %q", got.Refused)
	}
}
