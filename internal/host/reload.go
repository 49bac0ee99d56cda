package host

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/authd/authd/internal/audit"
	"github.com/authd/authd/internal/catalog"
	"github.com/authd/authd/internal/config"
)

// reloadTimeout bounds a reload: reading, describing new plugins, hashing changed ones. Starting them is not part of it.
const reloadTimeout = 30 * time.Second

// Reload reads the configuration and looks for plugins again, and puts what has changed in force: providers come, change
// and go while every request is answered. A configuration that can't be used changes nothing, but plugins are looked for
// in any case. What is wrong is returned, and logged.
func (s *Server) Reload(ctx context.Context) error {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	if s.draining.Load() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, reloadTimeout)
	defer cancel()
	s.tellReloading()
	defer s.tellReady()
	now := s.live()
	cfg, fault := s.readConfig(now.cfg)
	next, starts, err := s.prepare(ctx, cfg)
	if err != nil && cfg != now.cfg {
		fault = err
		next, starts, err = s.prepare(ctx, now.cfg)
	}
	if err == nil {
		err = s.replace(now, next, starts)
	}
	fault = errors.Join(fault, err)
	s.metrics.Reload(fault == nil)
	if fault != nil {
		s.log.Error("the configuration can't be used; the one in force stays", "cause", fault.Error())
		s.audit.Write(audit.Event{Kind: audit.ReloadRefused, Cause: oneLine(fault)})
	}
	return fault
}

// readConfig returns the configuration as it is on the disk now, or the old one with what is wrong with the new.
func (s *Server) readConfig(old *config.Config) (*config.Config, error) {
	if s.load == nil {
		return old, nil
	}
	fresh, err := s.load()
	if err != nil {
		return old, err
	}
	if keys := fixedDifferences(s.cfg, fresh); len(keys) > 0 {
		s.log.Warn("settings have changed that count from the next start on", "keys", strings.Join(keys, ", "), "mend", "restart authd")
	}
	return fresh, nil
}

// replace puts next in force. Providers that are new or changed start beside what runs.
func (s *Server) replace(now, next *live, starts []catalog.ProviderConfig) error {
	next.keepDormant(now)
	changes, err := s.catalog.Apply(starts)
	if err != nil {
		return err
	}
	if err := next.join(s.catalog); err != nil {
		return err
	}
	s.inForce.Store(next)
	said := fmt.Sprintf("added %s; changed %s; removed %s", names(changes.Added), names(changes.Changed), names(changes.Removed))
	s.log.Info("reloaded", "providers", said)
	if !changes.Empty() || !reflect.DeepEqual(now.cfg, next.cfg) {
		s.audit.Write(audit.Event{Kind: audit.Reloaded, Cause: said})
	}
	return nil
}

func names(ids []string) string {
	if len(ids) == 0 {
		return "none"
	}
	return strings.Join(ids, " ")
}

// keepDormant lets sessions go on whose provider is gone only because its plugin is: it was on by its environment names,
// and without the plugin nobody knows which those are. A provider that was taken out of the configuration is gone.
func (l *live) keepDormant(before *live) {
	listed := func(id string) bool {
		return slices.ContainsFunc(before.cfg.Providers, func(t config.ProviderTable) bool { return t.ID == id })
	}
	for id, typeName := range before.dormant {
		l.rest(id, typeName)
	}
	for _, p := range before.providers {
		if !listed(p.ID) {
			l.rest(p.ID, p.Type)
		}
	}
}

// rest notes a provider that is not there while no plugin serves its type.
func (l *live) rest(id, typeName string) {
	if _, there := l.byID[id]; !there && !l.types[typeName] {
		l.dormant[id] = typeName
	}
}

// fixed are the settings that are read once, at the start.
var fixed = []struct {
	key string
	of  func(*config.Config) any
}{
	{"server.listen", func(c *config.Config) any { return c.Server.Listen }},
	{"server.public_url", func(c *config.Config) any { return c.Server.PublicURL }},
	{"server.admin_listen", func(c *config.Config) any { return c.Server.AdminListen }},
	{"store", func(c *config.Config) any { return c.Store }},
	{"session", func(c *config.Config) any { return c.Session }},
	{"admin", func(c *config.Config) any { return c.Admin }},
	{"log", func(c *config.Config) any { return c.Log }},
	{"plugins.lock_file", func(c *config.Config) any { path, _ := c.LockPath(); return path }},
}

// fixedDifferences names the settings that a reload can't change and that are not the same.
func fixedDifferences(a, b *config.Config) []string {
	var keys []string
	for _, f := range fixed {
		if !reflect.DeepEqual(f.of(a), f.of(b)) {
			keys = append(keys, f.key)
		}
	}
	return keys
}

// watch reloads whenever a file has changed that authd reads, until Stop.
func (s *Server) watch() error {
	ctx, cancel := context.WithCancel(context.Background())
	changed := make(chan struct{}, 1)
	paths := s.watched()
	stop, err := s.watchPaths(ctx, paths, changed)
	if err != nil {
		cancel()
		return err
	}
	var reloading sync.WaitGroup
	reloading.Go(func() {
		defer func() { stop() }()
		for {
			select {
			case <-ctx.Done():
				return
			case <-changed:
			}
			_ = s.Reload(ctx) // it has been logged
			if now := s.watched(); !slices.Equal(now, paths) {
				if again, err := s.watchPaths(ctx, now, changed); err == nil {
					stop()
					stop, paths = again, now
				}
			}
		}
	})
	s.closers = append(s.closers, func(context.Context) error {
		cancel()
		reloading.Wait()
		return nil
	})
	return nil
}

func (s *Server) watchPaths(ctx context.Context, paths []string, changed chan<- struct{}) (func(), error) {
	return catalog.Watch(ctx, paths, catalog.WatchOptions{Log: s.log}, func() {
		select {
		case changed <- struct{}{}:
		default: // a reload is due already
		}
	})
}

// watched are the files and directories of the configuration in force.
func (s *Server) watched() []string {
	cfg := s.live().cfg
	paths := slices.Clone([]string(cfg.Server.PluginsDir))
	if lock, _ := cfg.LockPath(); lock != "" {
		paths = append(paths, lock)
	}
	return append(paths, cfg.Files()...)
}

// oneLine makes several faults one line of a log.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
