package catalog

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Threat 131: a planted binary is not run.
func TestTrustRefuses(t *testing.T) {
	const me = -1
	for _, test := range []struct {
		name     string
		uid      int
		prepare  func(t *testing.T, dir, file string)
		insecure string // the reason with permissions waived; "" if there is none then
		want     string
	}{
		{name: "nothing wrong", uid: me, prepare: func(*testing.T, string, string) {}},
		{name: "group may write", uid: me, prepare: chmodFile(0o775), want: "may be written by others (-rwxrwxr-x); run chmod go-w"},
		{name: "world may write", uid: me, prepare: chmodFile(0o757), want: "may be written by others"},
		{name: "directory of a group", uid: me, prepare: chmodDir(0o775), want: "may be written by others"},
		{name: "directory of everybody, sticky", uid: me, prepare: chmodDir(0o777 | os.ModeSticky), want: "may be written by others"},
		{name: "not executable", uid: me, prepare: chmodFile(0o644), insecure: "is not executable", want: "is not executable; run chmod +x"},
		{name: "setuid", uid: me, prepare: chmodFile(0o755 | os.ModeSetuid), insecure: "is setuid", want: "is setuid or setgid; run chmod ug-s"},
		{name: "setgid", uid: me, prepare: chmodFile(0o755 | os.ModeSetgid), insecure: "is setuid", want: "is setuid or setgid"},
		{name: "a directory", uid: me, prepare: becomes(func(file string) error { return os.Mkdir(file, 0o755) }), insecure: "is not a regular file", want: "is not a regular file"},
		{name: "gone", uid: me, prepare: becomes(func(string) error { return nil }), insecure: "can't be found", want: "can't be found"},
		{name: "link out of the directory", uid: me, prepare: becomes(func(file string) error { return os.Symlink("/bin/sh", file) }), insecure: "symbolic link out of", want: "is a symbolic link out of"},
		{name: "link within the directory", uid: me, prepare: func(t *testing.T, dir, file string) {
			write(t, filepath.Join(dir, "real"))
			becomes(func(file string) error { return os.Symlink("real", file) })(t, dir, file)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := pluginDir(t)
			file := write(t, filepath.Join(dir, "authd-provider-acme"))
			test.prepare(t, dir, file)
			matches(t, "fault", newTrust(dir, false).fault(file), test.want)
			matches(t, "fault with insecure permissions", newTrust(dir, true).fault(file), test.insecure)
		})
	}
}

func matches(t *testing.T, what, got, want string) {
	t.Helper()
	if (want == "") != (got == "") || !strings.Contains(got, want) {
		t.Errorf("%s = %q, want %q", what, got, want)
	}
}

func chmodFile(mode os.FileMode) func(*testing.T, string, string) {
	return func(t *testing.T, _, file string) {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
	}
}

func chmodDir(mode os.FileMode) func(*testing.T, string, string) {
	return func(t *testing.T, dir, _ string) {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
	}
}

func becomes(what func(file string) error) func(*testing.T, string, string) {
	return func(t *testing.T, _, file string) {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if err := what(file); err != nil {
			t.Fatal(err)
		}
	}
}

// Threat 131: the owner counts. The file is made another's by asking as another, or really when root may.
func TestTrustOwner(t *testing.T) {
	dir := pluginDir(t)
	file := write(t, filepath.Join(dir, "authd-provider-acme"))
	anchor := newTrust(dir, false)
	if os.Geteuid() == 0 {
		if err := os.Chown(file, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	} else {
		anchor.uid++
	}
	matches(t, "fault", anchor.fault(file), "neither root nor authd's own")

	// One that belongs to authd's user in a directory of another's is no better.
	if os.Geteuid() == 0 {
		if err := os.Chown(file, 0, 0); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(dir, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		matches(t, "fault", anchor.fault(file), "can't be trusted: "+dir+" belongs to uid 65534")
	}
}

// Threat 131: a directory further up counts as well, unless it is sticky.
func TestTrustDirectoriesAbove(t *testing.T) {
	top := pluginDir(t)
	dir := filepath.Join(top, "plugins")
	file := write(t, filepath.Join(dir, "authd-provider-acme"))
	chmodDir(0o777)(t, top, "")
	matches(t, "fault", newTrust(dir, false).fault(file), top+" may be written by others")
	chmodDir(0o777|os.ModeSticky)(t, top, "")
	matches(t, "fault below a sticky directory", newTrust(dir, false).fault(file), "")
}

// Threat 131: trust is asked for again at every start.
func TestTrustIsAskedForAtEachStart(t *testing.T) {
	pc := testProvider(t, "a")
	c := catalogOf(t, Config{Providers: []ProviderConfig{pc}})
	p := ready(t, c, "a")
	dir := filepath.Dir(pc.Plugin.Path)
	chmodDir(0o775)(t, dir, "")
	p.process.Load().kill()
	got := until(t, p, "unable to start again", func(s Status) bool {
		return s.State == StateBackoff && strings.Contains(s.Problem, "may be written by others")
	})
	if got.PID != 0 {
		t.Errorf("status = %+v; no process may run", got)
	}
	chmodDir(0o755)(t, dir, "")
	ready(t, c, "a")
}
