package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/hashicorp/go-hclog"
)

// WatchOptions are the times of Watch.
type WatchOptions struct {
	// Debounce is how long nothing may happen before changed is called, so that one copy is one change; never longer
	// than eight times that after the first event. Zero: 500 ms.
	Debounce time.Duration
	// Poll is how often is looked without having been told of anything: network file systems tell nothing.
	// Zero: 30 s.
	Poll time.Duration
	// Log is told when the system can't tell of changes, so that they are only found by polling; nil: nobody is.
	Log hclog.Logger
}

// Watch calls changed when a plugins directory or a file such as the configuration has changed: one of paths, what is
// in it, what a symbolic link there leads to, or a plugin one directory further down (NAME/authd-provider-NAME). A
// path that is not there is noticed when it appears. changed is called by one goroutine, never twice at a time, and not when what
// happened left everything as it was. stop ends that goroutine and waits for it; so does the end of ctx, without
// waiting. changed must not call stop.
func Watch(ctx context.Context, paths []string, opt WatchOptions, changed func()) (stop func(), err error) {
	w := &watcher{opt: opt, ids: map[string]identity{}}
	if w.opt.Debounce <= 0 {
		w.opt.Debounce = 500 * time.Millisecond
	}
	if w.opt.Poll <= 0 {
		w.opt.Poll = 30 * time.Second
	}
	if w.opt.Log == nil {
		w.opt.Log = hclog.NewNullLogger()
	}
	for _, path := range paths {
		absolute, err := filepath.Abs(path)
		if err != nil {
			return nil, fmt.Errorf("%s can't be watched: %w", path, err)
		}
		w.paths = append(w.paths, absolute)
	}
	if w.notify, err = fsnotify.NewWatcher(); err != nil {
		w.opt.Log.Warn("changed files are found by polling only", "poll", w.opt.Poll, "error", err)
		w.notify = nil
	}
	w.follow()
	w.seen = w.fingerprint()
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.run(ctx, changed)
	}()
	return func() { cancel(); <-done }, nil
}

type watcher struct {
	opt    WatchOptions
	paths  []string
	notify *fsnotify.Watcher   // :: nil when the system offers none
	ids    map[string]identity // :: by directory that is watched; only device and inode
	seen   string
}

// debounceMax is how many times the debounce may be put off.
const debounceMax = 8

func (w *watcher) run(ctx context.Context, changed func()) {
	var events chan fsnotify.Event
	var failures chan error
	if w.notify != nil {
		defer func() { _ = w.notify.Close() }()
		events, failures = w.notify.Events, w.notify.Errors
	}
	poll := time.NewTicker(w.opt.Poll)
	defer poll.Stop()
	var quiet <-chan time.Time
	var latest time.Time
	put := func() {
		if quiet == nil {
			latest = time.Now().Add(debounceMax * w.opt.Debounce)
		}
		quiet = time.After(min(w.opt.Debounce, time.Until(latest)))
	}
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-events:
			if w.concerns(e.Name) {
				put()
			}
		case <-failures: // events were lost
			put()
		case <-quiet:
			quiet = nil
			w.look(changed)
		case <-poll.C:
			w.look(changed)
		}
	}
}

// look calls changed if anything has. What happens meanwhile is looked at afterwards.
func (w *watcher) look(changed func()) {
	w.follow()
	if now := w.fingerprint(); now != w.seen {
		w.seen = now
		changed()
	}
}

// concerns reports whether an event at name may be about one of the paths. In a directory that is watched for one
// file, others may be written to all the time, such as a database. Names with ".." in front are how Kubernetes
// replaces all files of a directory at once.
func (w *watcher) concerns(name string) bool {
	if strings.HasPrefix(filepath.Base(name), "..") {
		return true
	}
	for _, path := range w.paths {
		if name == path || within(name, path) || within(path, name) {
			return true
		}
	}
	return false
}

// within reports whether path lies below dir.
func within(path, dir string) bool {
	return strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// follow watches the directories that matter now: each path with its subdirectories, or the closest directory above
// it that is there; and what is above, since it may be replaced as a whole.
func (w *watcher) follow() {
	if w.notify == nil {
		return
	}
	wanted := map[string]bool{}
	for _, path := range w.paths {
		above := filepath.Dir(path)
		for !isDirectory(above) && above != filepath.Dir(above) {
			above = filepath.Dir(above)
		}
		wanted[above] = true
		if !isDirectory(path) {
			continue
		}
		wanted[path] = true
		entries, _ := os.ReadDir(path)
		for _, e := range entries {
			if inner := filepath.Join(path, e.Name()); isDirectory(inner) {
				wanted[inner] = true
			}
		}
	}
	for dir := range w.ids {
		if !wanted[dir] {
			w.unwatch(dir)
		}
	}
	for dir := range wanted {
		w.watch(dir)
	}
}

// watch adds a directory, or puts it in the place of the one that had its name before.
func (w *watcher) watch(dir string) {
	full, err := identify(dir)
	id := identity{dev: full.dev, ino: full.ino}
	if err != nil || w.ids[dir] == id {
		return
	}
	w.unwatch(dir)
	w.ids[dir] = id
	if err := w.notify.Add(dir); err != nil { // said once, not at every poll
		w.opt.Log.Warn("changed files are found by polling only", "directory", dir, "poll", w.opt.Poll, "error", err)
	}
}

func (w *watcher) unwatch(dir string) {
	if _, ok := w.ids[dir]; ok {
		_ = w.notify.Remove(dir) // it may be gone already
		delete(w.ids, dir)
	}
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// fingerprint tells one state of the paths from another without reading any file.
func (w *watcher) fingerprint() string {
	sum := sha256.New()
	for _, path := range w.paths {
		mark(sum, path)
		entries, _ := os.ReadDir(path) // none if it is a file
		for _, e := range entries {
			inner := filepath.Join(path, e.Name())
			mark(sum, inner)
			if isDirectory(inner) {
				mark(sum, filepath.Join(inner, namePrefix+e.Name()))
			}
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// mark adds what is at path, and for a link what it leads to. Of a directory only counts which one it is.
func mark(sum hash.Hash, path string) {
	id, err := identify(path)
	if info, statErr := os.Stat(path); statErr == nil && info.IsDir() {
		id = identity{dev: id.dev, ino: id.ino}
	}
	target, _ := os.Readlink(path)
	_, _ = fmt.Fprintf(sum, "%q %q %v %t\n", path, target, id, err == nil)
}
