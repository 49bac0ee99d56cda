package catalog

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// launcherOf is what New makes, for tests of a start without a provider.
func launcherOf(t *testing.T, lock *Lock) *launcher {
	t.Helper()
	l := &launcher{environ: os.Environ(), timing: quick(), lock: lock, files: &digests{}}
	var err error
	if l.sockets, err = newSockets(shortDir(t), nil); err != nil {
		t.Fatal(err)
	}
	if l.spawner, err = newSpawner(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.spawner.stop()
		l.sealed.close()
		if err := l.sockets.remove(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// execute runs an image to its end and returns what it has printed and how it ended.
func (l *launcher) execute(t *testing.T, img image, dir string, args ...string) (printed, status string) {
	t.Helper()
	cmd := img.command(args...)
	cmd.Dir, cmd.Env = dir, pluginEnv(l.environ, img.script, nil, nil)
	var out bytes.Buffer
	c, err := startChild(l.spawner, cmd, func(r io.Reader) { _, _ = io.Copy(&out, r) }, func(r io.Reader) { _, _ = io.Copy(io.Discard, r) })
	if err != nil {
		return err.Error(), "not started"
	}
	<-c.drained
	return out.String(), c.status()
}

// locked puts a file into a plugins directory of its own and locks it.
func locked(t *testing.T, content []byte) (p Plugin, lock *Lock) {
	t.Helper()
	path := filepath.Join(pluginDir(t), "authd-provider-x")
	if err := os.WriteFile(path, content, 0o755); err != nil {
		t.Fatal(err)
	}
	p = At(path, false)
	_, at := lockOf(t, p)
	return p, OpenLock(at, true)
}

func content(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Threat 131: between the check and the start the file is replaced, or written to; what runs is what was checked.
func TestSwapAfterCheck(t *testing.T) {
	for name, test := range map[string]struct{ good, evil []byte }{
		"script":  {[]byte("#!/bin/sh\necho \"$1 $0\"\n"), []byte("#!/bin/sh\necho evil\n")},
		"program": {content(t, "/bin/echo"), content(t, "/bin/false")},
	} {
		for how, swap := range map[string]func(path string) error{
			"in place": func(path string) error {
				f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
				if err != nil {
					return err
				}
				_, err = f.Write(test.evil)
				return errors.Join(err, f.Close())
			},
			"renamed": func(path string) error {
				if err := os.WriteFile(path+".evil", test.evil, 0o755); err != nil {
					return err
				}
				return os.Rename(path+".evil", path)
			},
		} {
			t.Run(name+" "+how, func(t *testing.T) {
				p, lock := locked(t, test.good)
				l := launcherOf(t, lock)
				dir, err := l.sockets.make()
				if err != nil {
					t.Fatal(err)
				}
				img, err := l.open(p, dir)
				if err != nil {
					t.Fatal(err)
				}
				defer img.close()
				if err := swap(p.Path); err != nil {
					t.Fatal(err)
				}
				if printed, status := l.execute(t, img, dir, "good"); !strings.HasPrefix(printed, "good") || status != "exited with status 0" {
					t.Errorf("it printed %q and %s", printed, status)
				}
				if _, err := l.open(p, pluginDir(t)); err == nil || !strings.Contains(err.Error(), "allows only") {
					t.Errorf("the next start: %v, want a refusal", err)
				}
			})
		}
	}
}

// Threat 131: somebody swaps the file all the time; each start runs the allowed bytes or none.
func TestSwapRace(t *testing.T) {
	for name, test := range map[string]struct{ good, evil []byte }{
		"script":  {[]byte("#!/bin/sh\necho good\n"), []byte("#!/bin/sh\necho evil\n")},
		"program": {content(t, "/bin/true"), content(t, "/bin/false")},
	} {
		t.Run(name, func(t *testing.T) {
			p, lock := locked(t, test.good)
			l := launcherOf(t, lock)
			stop := make(chan struct{})
			var attacker sync.WaitGroup
			attacker.Go(func() {
				for turn := 0; ; turn++ {
					select {
					case <-stop:
						return
					default:
					}
					next := [][]byte{test.evil, test.good}[turn%2]
					if turn%4 < 2 {
						_ = os.WriteFile(p.Path, next, 0o755)
					} else if os.WriteFile(p.Path+".next", next, 0o755) == nil {
						_ = os.Rename(p.Path+".next", p.Path)
					}
				}
			})
			ran, refused := 0, 0
			for ran < 5 || refused < 5 {
				dir, err := l.sockets.make()
				if err != nil {
					t.Fatal(err)
				}
				img, err := l.open(p, dir)
				if err != nil {
					refused++
					continue
				}
				printed, status := l.execute(t, img, dir)
				img.close()
				if status != "exited with status 0" || strings.Contains(printed, "evil") {
					t.Fatalf("a start printed %q and %s", printed, status)
				}
				ran++
			}
			close(stop)
			attacker.Wait()
		})
	}
}

// A sealed copy can't be changed, is made once, and made anew for another file.
func TestSeals(t *testing.T) {
	p, lock := locked(t, content(t, "/bin/true"))
	l := launcherOf(t, lock)
	old := unix.NsecToTimeval(1e9)
	open := func() image {
		t.Helper()
		img, err := l.open(p, "")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(img.close)
		return img
	}
	first := open()
	if _, err := first.file.WriteAt([]byte("evil"), 0); err == nil {
		t.Error("a sealed copy was written to")
	}
	if err := first.file.Truncate(0); err == nil {
		t.Error("a sealed copy was emptied")
	}
	if err := unix.Utimes(p.Path, []unix.Timeval{old, old}); err != nil {
		t.Fatal(err)
	}
	if got, want := open().entry, first.entry; !cmp.Equal(got, want) {
		t.Errorf("the second start is allowed as %+v, the first as %+v", got, want)
	}
	l.sealed.close()
	if _, err := first.file.ReadAt(make([]byte, 4), 0); err != nil {
		t.Errorf("a copy that is in use was closed: %v", err)
	}
}

// Without a lock the file itself is run: nothing is copied.
func TestImageWithoutLock(t *testing.T) {
	p, _ := locked(t, []byte("#!/bin/sh\necho good\n"))
	l := launcherOf(t, nil)
	img, err := l.open(p, "")
	if err != nil || img.path != p.Path || img.file != nil || img.locked || !img.script {
		t.Errorf("open = %+v, %v", img, err)
	}
}

// Threat 131: each fault is told with the path and the mend, by the file that was opened too.
func TestOpenRefuses(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, dir, file string){
		"may be written by others (-rwxrwxr-x); run chmod go-w ": chmodFile(0o775),
		"is setuid or setgid; run chmod ug-s ":                   chmodFile(0o755 | os.ModeSetuid),
		"is not executable; run chmod +x ":                       chmodFile(0o644),
		"is not a regular file":                                  becomes(func(file string) error { return os.Mkdir(file, 0o755) }),
		"is not a regular file;":                                 becomes(func(file string) error { return unix.Mkfifo(file, 0o755) }),
		"symbolic link out of":                                   becomes(func(file string) error { return os.Symlink("/bin/sh", file) }),
		"can't be found":                                         becomes(func(string) error { return nil }),
		"can't be trusted: ":                                     chmodDir(0o777),
	} {
		p, lock := locked(t, []byte("#!/bin/sh\n"))
		spoil(t, filepath.Dir(p.Path), p.Path)
		for _, l := range []*launcher{launcherOf(t, lock), launcherOf(t, nil)} {
			_, err := l.open(p, "")
			fails(t, "open", err, name)
		}
	}
}

func TestKindOfFile(t *testing.T) {
	for text, want := range map[string][2]bool{
		"#!/bin/sh\n":                   {true, false},
		"":                              {false, true},
		string(content(t, "/bin/echo")): {false, true},
	} {
		script, dynamic := kindOfFile(strings.NewReader(text))
		if script != want[0] || dynamic != want[1] {
			t.Errorf("kindOfFile(%.10q) = %v, %v, want %v", text, script, dynamic, want)
		}
	}
}

func TestInterpreterDirs(t *testing.T) {
	root := pluginDir(t)
	python := write(t, filepath.Join(root, "py", "bin", "python3"))
	if err := os.Mkdir(filepath.Join(root, "py", "lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	node := write(t, filepath.Join(root, "tools", "node"))
	for line, want := range map[string][]string{
		"#!" + python + " -I\n":                    {filepath.Dir(python), filepath.Dir(python), filepath.Join(root, "py")},
		"#!/usr/bin/env node\n":                    {filepath.Dir(node), filepath.Dir(node)},
		"#!/usr/bin/env -S A=b node --no-warnings": {filepath.Dir(node), filepath.Dir(node)},
		"#!/usr/bin/env no-such-program\n":         nil,
		"#!\n":                                     nil,
		"#!/no/such/file\n":                        nil,
	} {
		script := filepath.Join(root, "script")
		if err := os.WriteFile(script, []byte(line), 0o755); err != nil {
			t.Fatal(err)
		}
		got := interpreterDirs(script, filepath.Dir(python)+":"+filepath.Dir(node))
		if !slices.Equal(got, want) {
			t.Errorf("interpreterDirs(%q) = %q, want %q", line, got, want)
		}
	}
	if got := interpreterDirs(filepath.Join(root, "none"), ""); got != nil {
		t.Errorf("interpreterDirs of nothing = %q", got)
	}
}

func TestProxyPort(t *testing.T) {
	for proxy, want := range map[string]uint16{
		"": 0, "http://proxy:3128": 3128, "proxy:8080": 8080, "http://proxy": 80, "https://proxy": 443, "socks5://p": 1080,
		"http://user:secret@proxy:3129/": 3129, "://": 0, "gopher://x": 0, "http://proxy:99999": 80,
	} {
		if got := proxyPort(proxy); got != want {
			t.Errorf("proxyPort(%q) = %d, want %d", proxy, got, want)
		}
	}
}
