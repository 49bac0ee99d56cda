package catalog

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/sdk"
)

// lockOf writes a lock file that allows these plugins, as they are now, and returns it with its path.
func lockOf(t *testing.T, plugins ...Plugin) (LockFile, string) {
	t.Helper()
	file := LockFile{Plugins: map[string]LockedPlugin{}}
	var files digests
	for _, p := range plugins {
		sum, _, err := files.of(p.Path)
		if err != nil {
			t.Fatal(err)
		}
		file.Plugins[p.Name] = LockedPlugin{Version: "(devel)", Protocol: "1.0", Types: []string{"test"}, SHA256: []string{sum}}
	}
	path := filepath.Join(pluginDir(t), LockFileName)
	relock(t, file, path)
	return file, path
}

func relock(t *testing.T, file LockFile, path string) {
	t.Helper()
	if err := file.Write(path); err != nil {
		t.Fatal(err)
	}
}

// with returns the file with another entry for a plugin.
func (f LockFile) with(name string, change func(*LockedPlugin)) LockFile {
	out := LockFile{Plugins: map[string]LockedPlugin{}}
	for n, p := range f.Plugins {
		if n == name {
			change(&p)
		}
		out.Plugins[n] = p
	}
	return out
}

var zeros = strings.Repeat("0", 64)

// Threat 131: what the lock file does not name as it is, is not run, and the operator sees both digests and the
// command.
func TestLockRefuses(t *testing.T) {
	pc := testProvider(t, "p")
	file, path := lockOf(t, pc.Plugin)
	sum := file.Plugins["well"].SHA256[0]
	const command = "if that is meant to be, run authd plugin lock --update well"
	for name, test := range map[string]struct {
		file LockFile
		want []string
	}{
		"unknown": {LockFile{}, []string{"has sha256 " + sum + " and is not in " + path, command}},
		"other bytes": {
			file.with("well", func(p *LockedPlugin) { p.SHA256 = []string{zeros} }),
			[]string{"has sha256 " + sum + ", but " + path + " allows only " + zeros, command},
		},
		"more types": {
			file.with("well", func(p *LockedPlugin) { p.Types = []string{"other"} }),
			[]string{"declares type test, which " + path + " does not allow", command},
		},
		"other version": {
			file.with("well", func(p *LockedPlugin) { p.Version = "v1.0.0" }),
			[]string{"declares version (devel) instead of v1.0.0", command},
		},
		"other protocol": {
			file.with("well", func(p *LockedPlugin) { p.Protocol = "0.9" }),
			[]string{"protocol 1.0 instead of 0.9", command},
		},
	} {
		t.Run(name, func(t *testing.T) {
			relock(t, test.file, path)
			c := catalogOf(t, Config{Providers: []ProviderConfig{pc}, Lock: OpenLock(path, true), RestartBackoff: time.Hour})
			got := until(t, provider(t, c, "p"), "refused", func(s Status) bool { return s.Problem != "" })
			_, err := Describe(background(t), OpenLock(path, true).Guard(pc.Plugin))
			for _, want := range append(test.want, "plugin "+pc.Plugin.Path+" ") {
				if !strings.Contains(got.Problem, want) {
					t.Errorf("problem = %q, want it to hold %q", got.Problem, want)
				}
				fails(t, "Describe", err, want)
			}
			if got.PID != 0 {
				t.Errorf("status = %+v; no process may run", got)
			}
		})
	}
	relock(t, file.with("well", func(p *LockedPlugin) { p.SHA256 = append([]string{zeros}, sum) }), path)
	ready(t, catalogOf(t, Config{Providers: []ProviderConfig{pc}, Lock: OpenLock(path, true)}), "p")
}

// Threat 131: a lock file that can't be used allows nothing, whether it must be there or has only been found.
func TestLockFailsClosed(t *testing.T) {
	pc := testProvider(t, "p")
	for name, test := range map[string]struct {
		spoil func(t *testing.T, path string)
		want  string
	}{
		"damaged": {func(t *testing.T, path string) { overwrite(t, path, "version = 1\n[plugins.well\n") }, "is damaged"},
		"empty":   {func(t *testing.T, path string) { overwrite(t, path, "") }, "its version is 0, and this authd knows 1"},
		"gone": {func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}, "no such file or directory"},
		"writable by others": {func(t *testing.T, path string) {
			if err := os.Chmod(path, 0o666); err != nil {
				t.Fatal(err)
			}
		}, "may be written by others (-rw-rw-rw-); run chmod go-w"},
	} {
		t.Run(name, func(t *testing.T) {
			_, path := lockOf(t, pc.Plugin)
			lock := OpenLock(path, false) // found
			c := catalogOf(t, Config{Providers: []ProviderConfig{pc}, Lock: lock})
			p := ready(t, c, "p")
			test.spoil(t, path)
			p.process.Load().kill()
			got := until(t, p, "refused", func(s Status) bool { return s.State == StateBackoff && strings.Contains(s.Problem, "can't be checked") })
			if !strings.Contains(got.Problem, test.want) || got.PID != 0 {
				t.Errorf("status = %+v, want the problem to hold %q", got, test.want)
			}
			guarded := lock.Guard(pc.Plugin)
			if !guarded.Unlocked || !strings.Contains(guarded.Refused, test.want) {
				t.Errorf("Guard: refused %q, unlocked %v", guarded.Refused, guarded.Unlocked)
			}
		})
	}
}

func overwrite(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Threat 131: the lock is asked again at every restart, and a mended one lets the plugin back in by itself.
func TestLockAtRestart(t *testing.T) {
	pc := testProvider(t, "p")
	file, path := lockOf(t, pc.Plugin)
	c := catalogOf(t, Config{Providers: []ProviderConfig{pc}, Lock: OpenLock(path, true), MaxRestartBackoff: 10 * time.Millisecond})
	p := ready(t, c, "p")
	relock(t, file.with("well", func(p *LockedPlugin) { p.SHA256 = []string{zeros} }), path)
	if got := string(tell(t, p, "")); got != "" {
		t.Errorf("the running process answered %q; want that it goes on", got)
	}
	p.process.Load().kill()
	until(t, p, "refused", func(s Status) bool { return strings.Contains(s.Problem, "allows only "+zeros) })
	relock(t, file, path)
	ready(t, c, "p")
}

// Without a lock file owners and permissions are enough, until there is one.
func TestLockThatComesLater(t *testing.T) {
	pc := testProvider(t, "p")
	path := filepath.Join(pluginDir(t), LockFileName)
	lock := OpenLock(path, false)
	if got := lock.Guard(pc.Plugin); got.Refused != "" {
		t.Errorf("Guard without a file: %q", got.Refused)
	}
	c := catalogOf(t, Config{Providers: []ProviderConfig{pc}, Lock: lock})
	p := ready(t, c, "p")
	relock(t, LockFile{}, path)
	p.process.Load().kill()
	until(t, p, "refused", func(s Status) bool { return strings.Contains(s.Problem, "is not in "+path) })

	var none *Lock
	if got := none.Guard(pc.Plugin); got.Refused != "" {
		t.Errorf("Guard of no lock: %q", got.Refused)
	}
}

// A plugin that is refused is not even asked what it is.
func TestLockRunsNothing(t *testing.T) {
	dir := pluginDir(t)
	marker, script := filepath.Join(dir, "marker"), filepath.Join(dir, "authd-provider-x")
	if err := os.WriteFile(script, []byte("#!/bin/sh\ntouch "+marker+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, path := lockOf(t)
	guarded := OpenLock(path, true).Guard(At(script, false))
	if _, err := Describe(background(t), guarded); err == nil {
		t.Error("Describe of a plugin that is not locked succeeded")
	}
	guarded.Refused = "" // as if the file had been changed since
	_, err := Describe(background(t), guarded)
	if !errors.Is(err, ErrUnlocked) || strings.Count(err.Error(), "is not in") != 1 {
		t.Errorf("Describe: %v, want ErrUnlocked said once", err)
	}
	if _, err := os.Stat(marker); err == nil {
		t.Error("the plugin was run")
	}
}

// Threat 143: the ports of the lock bound those of a provider, and stand in for them.
func TestLockedPorts(t *testing.T) {
	entry := LockedPlugin{EgressPorts: []uint16{8443, 9443}}
	for _, test := range []struct {
		entry       LockedPlugin
		asked, want []uint16
		err         string
	}{
		{entry, nil, []uint16{8443, 9443}, ""},
		{entry, []uint16{8443}, []uint16{8443}, ""},
		{entry, []uint16{8443, 22}, nil, "is to connect to port 22, which is not among the egress_ports of x in authd.lock; add it there"},
		{LockedPlugin{}, []uint16{22}, []uint16{22}, ""},
		{LockedPlugin{}, nil, nil, ""},
	} {
		got, err := test.entry.reach("authd.lock", "x", test.asked)
		fails(t, "reach", err, test.err)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("reach(%v) (-want +got):\n%s", test.asked, diff)
		}
	}

	pc := strictly(testProvider(t, "p"), 22)
	file, path := lockOf(t, pc.Plugin)
	relock(t, file.with("well", func(p *LockedPlugin) { p.EgressPorts = []uint16{8443} }), path)
	c := catalogOf(t, Config{Providers: []ProviderConfig{pc}, Lock: OpenLock(path, true), RestartBackoff: time.Hour})
	until(t, provider(t, c, "p"), "refused", func(s Status) bool { return strings.Contains(s.Problem, "is to connect to port 22") })
}

func TestLockFileRoundTrip(t *testing.T) {
	path := filepath.Join(pluginDir(t), LockFileName)
	want := LockFile{Version: 1, Plugins: map[string]LockedPlugin{
		"oidc":   {Version: "v1", Protocol: "1.0", Types: []string{"google", "oidc"}, SHA256: []string{zeros}, EgressPorts: []uint16{8443}},
		"github": {Version: "v2", Protocol: "1.1", Types: []string{"github"}, SHA256: []string{zeros, strings.Repeat("a", 64)}},
	}}
	relock(t, want, path)
	got, err := ReadLockFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("read after write (-want +got):\n%s", diff)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(text), "# Written by authd plugin lock") || strings.Index(string(text), "github") > strings.Index(string(text), "oidc") {
		t.Errorf("the file is not sorted or has no head:\n%s", text)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v, %v; want 0644", info.Mode(), err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if err := (LockFile{Plugins: map[string]LockedPlugin{"x": {}}}).Write(path); err == nil {
		t.Error("a file that can't be read was written")
	}
	if err := want.Write(filepath.Join(path, "no", "directory")); err == nil {
		t.Error("writing into no directory succeeded")
	}
}

func TestReadLockFileRefuses(t *testing.T) {
	const entry = "version = \"v1\"\nprotocol = \"1.0\"\ntypes = [\"x\"]\n"
	for text, want := range map[string]string{
		"version = 2\n":                                                                              "its version is 2, and this authd knows 1",
		"version = 1\nplugin = 3\n":                                                                  "line 2 has a key that no lock file has",
		"version = 1\n[plugins.x]\nsha = 1\n":                                                        "line 3 has a key that no lock file has",
		"version = 1\n[plugins.x]\n" + entry:                                                         "plugin x lacks version, protocol, types or sha256",
		"version = 1\n[plugins.x]\n" + entry + "sha256 = [\"abc\"]\n":                                "has a sha256 that is not 64 of 0-9 and a-f",
		"version = 1\n[plugins.\"../x\"]\n" + entry + "sha256 = [\"" + zeros + "\"]\n":               `"../x" is not the name of a plugin`,
		"version = 1\n[plugins.x]\n" + entry + "sha256 = [\"" + zeros + "\"]\negress_ports = [0]\n":  "0 among its egress_ports",
		"version = 1\n[plugins.x]\n" + entry + "sha256 = [\"" + zeros + "\"]\negress_ports = [-1]\n": "is damaged",
		strings.Repeat("#", lockFileMax+1):                                                           "is longer than a lock file",
		"\x00":                                                                                       "is damaged",
	} {
		path := filepath.Join(t.TempDir(), LockFileName)
		overwrite(t, path, text)
		_, err := ReadLockFile(path)
		fails(t, text[:min(60, len(text))], err, want)
	}
	if _, err := ReadLockFile(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func FuzzReadLockFile(f *testing.F) {
	f.Add("version = 1\n[plugins.x]\nversion = \"v1\"\nprotocol = \"1.0\"\ntypes = [\"x\"]\nsha256 = [\"" + zeros + "\"]\n")
	f.Add("version = 1\n[plugins]\n")
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), LockFileName)
		overwrite(t, path, text)
		file, err := ReadLockFile(path)
		if err != nil {
			return
		}
		// Whatever is accepted names a digest for each plugin.
		for name, p := range file.Plugins {
			if len(p.SHA256) == 0 || len(p.Types) == 0 || !pluginName.MatchString(namePrefix+name) {
				t.Errorf("accepted %q: %+v", name, p)
			}
		}
	})
}

func TestDifferences(t *testing.T) {
	p := LockedPlugin{Version: "v1", Protocol: "1.0", Types: []string{"a", "b"}}
	if got := p.Differences(&sdk.Manifest{Version: "v1", Types: []sdk.Type{{Name: "a"}}}); got != nil {
		t.Errorf("a plugin that serves fewer types differs by %q", got)
	}
	got := p.Differences(&sdk.Manifest{Version: "v2", ProtocolMinor: 1, Types: []sdk.Type{{Name: "a"}, {Name: "evil"}}})
	if diff := cmp.Diff([]string{"version v2 instead of v1", "protocol 1.1 instead of 1.0", "type evil"}, got); diff != "" {
		t.Errorf("Differences (-want +got):\n%s", diff)
	}
}
