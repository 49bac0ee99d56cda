package catalog

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Changes is what Apply did, by provider id, each list in the order of the configuration.
type Changes struct {
	Added, Changed, Removed []string
}

// Empty reports whether nothing was to be done.
func (c Changes) Empty() bool { return len(c.Added)+len(c.Changed)+len(c.Removed) == 0 }

// roster is the set of providers at one moment; it is never changed.
type roster struct {
	order []*Provider
	byID  map[string]*Provider
}

// Apply makes the running set be exactly these, and returns at once with what that changes; Provider.WaitReady and
// the events tell how it went. A new provider is started. One that is gone refuses further calls, ends those in
// flight and is stopped. One with other settings, or with other bytes in its plugin's file, is swapped: its process
// serves until another one is ready, and goes on serving if that fails (Status.CandidateProblem). One whose plugin is
// missing or refused is stopped. Whatever is the same keeps its process, and each id keeps its *Provider.
//
// An id that is empty or there twice is an error and changes nothing. Before Start the set is only noted, after Stop
// it is ErrStopped. The configurations must not be changed afterwards.
func (c *Catalog) Apply(providers []ProviderConfig) (Changes, error) {
	if err := checkIDs(providers); err != nil {
		return Changes{}, err
	}
	providers = oneEach(providers)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return Changes{}, fmt.Errorf("the providers can't be changed: %w", ErrStopped)
	}
	var changes Changes
	before, next := c.roster.Load(), &roster{byID: map[string]*Provider{}}
	for _, pc := range providers {
		p := before.byID[pc.ID]
		switch {
		case p == nil:
			p = c.newProvider(pc)
			changes.Added = append(changes.Added, pc.ID)
		case p.update(pc):
			changes.Changed = append(changes.Changed, pc.ID)
		}
		next.order = append(next.order, p)
		next.byID[pc.ID] = p
	}
	c.roster.Store(next)
	for _, id := range changes.Added {
		if c.started {
			next.byID[id].start(c.running)
		}
	}
	for _, p := range before.order {
		if next.byID[p.id] == nil {
			changes.Removed = append(changes.Removed, p.id)
			c.dismiss(p)
		}
	}
	return changes, nil
}

func checkIDs(providers []ProviderConfig) error {
	seen := map[string]bool{}
	for _, pc := range providers {
		if pc.ID == "" || seen[pc.ID] {
			return fmt.Errorf("provider %q: the id is empty or taken; give each provider its own", pc.ID)
		}
		seen[pc.ID] = true
	}
	return nil
}

// dismiss stops a provider that is no longer configured.
func (c *Catalog) dismiss(p *Provider) {
	p.stopping.Store(true)
	c.leaving.Go(func() {
		drain := c.launcher.timing.retire
		ctx, cancel := context.WithTimeout(c.hurry, drain+stopMax)
		defer cancel()
		if err := p.stop(ctx, drain); err != nil {
			c.log.Error("a provider that was removed can't be stopped", "error", err)
			c.troubles.add(err)
		}
	})
}

// troubles collects errors of goroutines.
type troubles struct {
	mu   sync.Mutex
	errs []error
}

func (t *troubles) add(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.errs = append(t.errs, err)
}

func (t *troubles) join() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return errors.Join(t.errs...)
}

// Restart is Provider.Restart for the provider of that id, or ErrUnknownProvider.
func (c *Catalog) Restart(id string) error {
	p, err := c.Provider(id)
	if err != nil {
		return err
	}
	p.Restart()
	return nil
}

// Restart replaces the provider's process by another with the same configuration, without failing a call, and ends
// a quarantine or a back-off. It returns at once.
func (p *Provider) Restart() {
	p.changing.Lock()
	defer p.changing.Unlock()
	p.want(p.wanted.Load().cfg, true)
}

// update sets another configuration, and reports whether that is one.
func (p *Provider) update(next ProviderConfig) bool {
	p.changing.Lock()
	defer p.changing.Unlock()
	now := p.wanted.Load()
	if now.same(next, p.launcher.files) {
		// What a process does not depend on may still differ.
		p.required.Store(next.Required)
		now.plugin.Store(&next.Plugin)
		return false
	}
	p.want(next, false)
	return true
}

// want makes another configuration the one that the supervisor brings about. Under changing.
func (p *Provider) want(cfg ProviderConfig, forced bool) {
	before := p.wanted.Load()
	p.required.Store(cfg.Required)
	next := newSpec(cfg, p.root, before)
	next.forced = forced
	p.wanted.Store(next)
	// Whoever waits for the provider from now on waits for what this leads to.
	if now, _ := p.board.read(); now.State == StateRefused || now.State == StateMisconfigured {
		p.change(EventState, nil, time.Time{}, func(s *Status) { s.State, s.Problem = StateStarting, "" })
	}
	close(before.superseded)
}
