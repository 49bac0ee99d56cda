package main

import (
	"io/fs"
	"os"
	"sync"

	"github.com/authd/authd/sdk/userfile"
)

// logger is the part of a provider's log that is used here.
type logger interface {
	Info(msg string, args ...any)
	Warn(msg string, args ...any)
	Error(msg string, args ...any)
}

// watched is a file that is read again when it has changed. One that can't be used any more leaves the last good one in
// force: a slip of the editor locks nobody out, and lets nobody in.
type watched struct {
	path string
	log  logger

	mu   sync.Mutex
	good *userfile.Snapshot
	bad  fs.FileInfo // the file that could not be used, and was told of
	gone bool        // there was none, and that was told
}

func watch(path string, log logger) (*watched, error) {
	good, err := userfile.Read(path)
	if err != nil {
		return nil, err
	}
	w := &watched{path: path, log: log, good: good}
	w.read(good)
	return w, nil
}

// users is what the file says now.
func (w *watched) users() *userfile.File {
	w.mu.Lock()
	defer w.mu.Unlock()
	info, err := os.Stat(w.path)
	switch {
	case err != nil:
		if !w.gone {
			w.log.Error("the file with the users can't be read; the last one stays in force", "file", w.path, "cause", err.Error())
		}
		w.gone = true
	case w.good.Same(info):
		w.gone, w.bad = false, nil
	case w.gone || w.bad == nil || !userfile.SameFile(w.bad, info):
		w.gone = false
		w.reload(info)
	}
	return w.good.File
}

func (w *watched) reload(info fs.FileInfo) {
	now, err := userfile.Read(w.path)
	if err != nil {
		w.bad = info
		w.log.Error("the file with the users can't be used; the last one stays in force", "file", w.path, "cause", err.Error())
		return
	}
	w.good, w.bad = now, nil
	w.read(now)
}

func (w *watched) read(s *userfile.Snapshot) {
	w.log.Info("users were read", "file", w.path, "users", len(s.Users()))
	if s.Warning != "" {
		w.log.Warn(s.Warning)
	}
}
