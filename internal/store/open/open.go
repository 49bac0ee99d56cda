// Package open opens the store that a URL names. It is the list of all drivers;
// package store itself knows none of them.
//
// It writes no keys.
package open

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/authd/authd/internal/store"
	"github.com/authd/authd/internal/store/file"
	"github.com/authd/authd/internal/store/memory"
)

// ErrURL says that the URL of a store is wrong, as opposed to the store. Errors
// never repeat more of a URL than its scheme, unless it is a file's: the others
// hold passwords.
var ErrURL = errors.New("the store URL is not usable")

// Options go to whichever driver is opened. The zero value is the default.
type Options struct {
	// Now tells the time; nil means time.Now.
	Now func() time.Time
	// OnError is told what goes wrong in the background, such as a failed
	// removal of expired records. Nil drops it.
	OnError func(error)
}

// driver opens a store from what follows "scheme:".
type driver struct {
	usage string // how its URL is written, for the error texts
	open  func(ctx context.Context, rest string, opt Options) (store.Store, io.Closer, error)
}

// drivers lists them all: scheme → driver. To add one, add a line here.
func drivers() map[string]driver {
	return map[string]driver{
		"memory": {usage: "memory:", open: openMemory},
		"file":   {usage: "file:PATH", open: openFile},
	}
}

// Open opens the store at rawURL and returns it with what closes it:
//
//	memory:     in the memory of this process, lost at its end
//	file:PATH   one file; a relative path is seen from the working directory
//
// An error that wraps [ErrURL] is a fault of the configuration; others come from
// the store. When ctx has ended already nothing is opened.
func Open(ctx context.Context, rawURL string, opt Options) (store.Store, io.Closer, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	scheme, rest, ok := strings.Cut(rawURL, ":")
	if !ok {
		return nil, nil, fmt.Errorf("%w: it has no scheme; write one of %s", ErrURL, usages())
	}
	d, ok := drivers()[scheme]
	if !ok {
		return nil, nil, fmt.Errorf("%w: the scheme %q is not supported; write one of %s", ErrURL, short(scheme), usages())
	}
	return d.open(ctx, rest, opt)
}

func openMemory(_ context.Context, rest string, opt Options) (store.Store, io.Closer, error) {
	if rest != "" && rest != "//" {
		return nil, nil, fmt.Errorf("%w: nothing may follow memory:", ErrURL)
	}
	s := memory.New(memory.Options{Now: opt.Now})
	return s, s, nil
}

func openFile(_ context.Context, rest string, opt Options) (store.Store, io.Closer, error) {
	path, err := filePath(rest)
	if err != nil {
		return nil, nil, err
	}
	s, err := file.Open(path, file.Options{Now: opt.Now, OnError: opt.OnError})
	if err != nil {
		return nil, nil, err
	}
	return s, s, nil
}

// filePath takes the path as it is written, without decoding: file:authd.db,
// file:/var/lib/authd.db, and file:///var/lib/authd.db for those used to it.
func filePath(rest string) (string, error) {
	path := rest
	if after, ok := strings.CutPrefix(rest, "//"); ok {
		if !strings.HasPrefix(after, "/") {
			return "", fmt.Errorf("%w: file://%s names a host; write file:%[2]s for a relative path, file:/… for an absolute one", ErrURL, after)
		}
		path = after
	}
	if path == "" {
		return "", fmt.Errorf("%w: file: lacks a path; write file:authd.db", ErrURL)
	}
	if strings.HasSuffix(path, "/") {
		return "", fmt.Errorf("%w: file:%s is a directory; write file:%[2]sauthd.db", ErrURL, path)
	}
	if strings.IndexByte(path, 0) >= 0 {
		return "", fmt.Errorf("%w: the path of file: has a zero byte", ErrURL)
	}
	return path, nil
}

// usages lists how URLs are written.
func usages() string {
	var all []string
	for _, d := range drivers() {
		all = append(all, d.usage)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// Schemes returns the schemes that can be opened, in order, for help texts.
func Schemes() []string { return slices.Sorted(maps.Keys(drivers())) }

// short cuts what is taken for a scheme: someone may have put a password before
// the first colon.
func short(scheme string) string {
	const longest = 12
	if len(scheme) > longest {
		return scheme[:longest] + "…"
	}
	return scheme
}
