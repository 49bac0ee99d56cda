package catalog

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// watched starts a watch and returns a channel that gets a value for each call of changed.
func watched(t *testing.T, opt WatchOptions, paths ...string) <-chan struct{} {
	t.Helper()
	if opt.Debounce == 0 {
		opt.Debounce = 20 * time.Millisecond
	}
	if opt.Poll == 0 {
		opt.Poll = time.Hour
	}
	calls := make(chan struct{}, 100)
	stop, err := Watch(context.Background(), paths, opt, func() { calls <- struct{}{} })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return calls
}

// noticed waits for a call.
func noticed(t *testing.T, calls <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-calls:
	case <-background(t).Done():
		t.Fatalf("%s was not noticed", what)
	}
}

func save(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

func makeDir(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
}

func move(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func relink(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path+".new"); err != nil {
		t.Fatal(err)
	}
	move(t, path+".new", path)
}

// Whatever may happen to a plugin's file is noticed, in a directory that exists or appears later.
func TestWatchPlugins(t *testing.T) {
	dir := t.TempDir()
	plugins, later := filepath.Join(dir, "plugins"), filepath.Join(dir, "a", "b", "later")
	makeDir(t, plugins)
	calls := watched(t, WatchOptions{}, plugins, later)
	path := filepath.Join(plugins, namePrefix+"x")
	for _, step := range []struct {
		what string
		do   func()
	}{
		{"a new file", func() { save(t, path, "1") }},
		{"a file written to", func() { save(t, path, "22") }},
		{"a file made executable", func() {
			if err := os.Chmod(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}},
		{"a file replaced", func() { save(t, path+".tmp", "3"); move(t, path+".tmp", path) }},
		{"a directory in it", func() { makeDir(t, filepath.Join(plugins, "y")) }},
		{"a file in that", func() { save(t, filepath.Join(plugins, "y", namePrefix+"y"), "1") }},
		{"a file removed", func() { _ = os.Remove(path) }},
		{"a missing directory that appears", func() { makeDir(t, later) }},
		{"a file in that", func() { save(t, filepath.Join(later, namePrefix+"z"), "1") }},
		{"the directory replaced", func() {
			makeDir(t, plugins+".new")
			save(t, filepath.Join(plugins+".new", namePrefix+"v"), "1")
			move(t, plugins, plugins+".old")
			move(t, plugins+".new", plugins)
		}},
		{"a file in the new one", func() { save(t, filepath.Join(plugins, namePrefix+"w"), "1") }},
	} {
		step.do()
		noticed(t, calls, step.what)
	}
}

// Kubernetes replaces all files of a ConfigMap by one symbolic link, two levels away from the name that is watched.
func TestWatchConfigMap(t *testing.T) {
	dir := t.TempDir()
	for _, version := range []string{"..v1", "..v2", "..v3"} {
		makeDir(t, filepath.Join(dir, version))
		save(t, filepath.Join(dir, version, "authd.toml"), version)
	}
	relink(t, "..v1", filepath.Join(dir, "..data"))
	relink(t, filepath.Join("..data", "authd.toml"), filepath.Join(dir, "authd.toml"))
	for name, opt := range map[string]WatchOptions{
		"told": {}, "by polling": {Debounce: time.Hour, Poll: 20 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			calls := watched(t, opt, filepath.Join(dir, "authd.toml"))
			relink(t, "..v2", filepath.Join(dir, "..data"))
			noticed(t, calls, "the swap")
			relink(t, "..v3", filepath.Join(dir, "..data"))
			noticed(t, calls, "the next swap")
			relink(t, "..v1", filepath.Join(dir, "..data"))
			noticed(t, calls, "the way back")
		})
	}
}

// What happens beside a watched file, as in a directory with a database in it, is not passed on; nor is anything
// after which all is as before.
func TestWatchIsQuietAboutOthers(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "authd.toml")
	save(t, config, "1")
	calls := watched(t, WatchOptions{}, config)
	for range 100 {
		save(t, filepath.Join(dir, "authd.db"), "x")
	}
	save(t, config+".new", "2")
	move(t, config+".new", config)
	noticed(t, calls, "the file")
	save(t, filepath.Join(dir, "authd.db"), "y")
	select {
	case <-calls:
		t.Error("a file that is not watched was passed on")
	case <-time.After(100 * time.Millisecond):
	}
}

// Many writes in a row are one change, and even a file that is never left alone is looked at.
func TestWatchDebounces(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, namePrefix+"x")
	calls := watched(t, WatchOptions{Debounce: time.Second}, dir)
	for range 20 {
		save(t, path, "x")
	}
	noticed(t, calls, "the file")
	if len(calls) > 0 {
		t.Errorf("%d more calls for one change", len(calls))
	}

	restless := watched(t, WatchOptions{Debounce: 50 * time.Millisecond}, dir)
	ctx := background(t)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for size := 1; ; size++ {
		select {
		case <-tick.C:
			save(t, path, string(make([]byte, size)))
			continue
		case <-restless:
		case <-ctx.Done():
			t.Error("a file that is written to all the time was never looked at")
		}
		return
	}
}

// stop waits for a call that is being made; the end of the context ends the watch as well.
func TestWatchStops(t *testing.T) {
	dir := t.TempDir()
	entered, release := make(chan struct{}, 1), make(chan struct{})
	stop, err := Watch(context.Background(), []string{dir}, WatchOptions{Debounce: time.Millisecond}, func() {
		entered <- struct{}{}
		<-release
	})
	if err != nil {
		t.Fatal(err)
	}
	save(t, filepath.Join(dir, "x"), "1")
	<-entered
	stopped := make(chan struct{})
	go func() { defer close(stopped); stop() }()
	select {
	case <-stopped:
		t.Error("stop did not wait")
	case <-time.After(20 * time.Millisecond):
	}
	close(release)
	<-stopped
	stop()

	ctx, cancel := context.WithCancel(context.Background())
	if stop, err = Watch(ctx, []string{filepath.Join(dir, "none")}, WatchOptions{}, func() {}); err != nil {
		t.Fatal(err)
	}
	cancel()
	stop()
}
