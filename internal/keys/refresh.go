package keys

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/authd/authd/internal/store"
)

// keep follows the record until ctx ends: at each change that the store announces, and each Refresh whatever it says.
func (s *Signer) keep(ctx context.Context) {
	ticker := time.NewTicker(s.Refresh)
	defer ticker.Stop()
	var failing bool
	for ctx.Err() == nil {
		changes, err := s.Store.Watch(ctx, signingPrefix+s.Name)
		if err != nil {
			changes = nil // the ticker alone, which begins anew
		}
		failing = s.reread(ctx, failing) // what changed before the watch began
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			case _, open := <-changes:
				if !open {
					changes = nil // until the ticker: a store that ends each watch must not be asked without pause
					continue
				}
			}
			if changes == nil {
				break
			}
			failing = s.reread(ctx, failing)
		}
	}
}

// reread reads the record and tells the log of the first failure, and of its end.
func (s *Signer) reread(ctx context.Context, failing bool) bool {
	err := s.change(ctx, nil)
	switch {
	case ctx.Err() != nil:
		return failing
	case err != nil && !failing:
		s.Warn("signing keys can't be read; signing goes on for a while with those in memory",
			"signer", s.Name, "until", s.view.Load().read.Add(s.schedule.offline()), "error", err)
	case err == nil && failing:
		s.Info("signing keys can be read again", "signer", s.Name)
	}
	return err != nil
}

// fresh returns the keys as they are. Only where the background work was held up, as on a machine that slept, or where
// the store fails, does it ask the store itself.
func (s *Signer) fresh(ctx context.Context) (*view, error) {
	v := s.view.Load()
	if v.within(2*s.Refresh, s.now()) {
		return v, nil
	}
	err := s.renew(ctx, v)
	v = s.view.Load()
	if !v.within(s.schedule.offline(), s.now()) {
		return nil, fmt.Errorf("signer %s: %w, and were last read at %s: %w", s.Name, ErrStale, v.read.Format(time.RFC3339), err)
	}
	return v, nil
}

// renew reads the record unless somebody else just did, or just failed to.
func (s *Signer) renew(ctx context.Context, seen *view) error {
	if err := s.acquire(ctx); err != nil {
		return err
	}
	defer s.release()
	if s.view.Load() != seen {
		return nil
	}
	if since := s.now().Sub(s.failedAt); since >= 0 && since < storeRetry {
		return s.failure
	}
	err := s.update(ctx, nil)
	if err != nil && ctx.Err() == nil {
		s.failedAt, s.failure = s.now(), err
	}
	return err
}

// change applies a change to the record and takes over what is there then. A nil change only does what is due.
func (s *Signer) change(ctx context.Context, change func(*record, time.Time) error) error {
	if err := s.acquire(ctx); err != nil {
		return err
	}
	defer s.release()
	return s.update(ctx, change)
}

func (s *Signer) acquire(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Signer) release() { <-s.turn }

func (s *Signer) update(ctx context.Context, change func(*record, time.Time) error) error {
	var err error
	for range putAttempts {
		if err = s.try(ctx, change); !errors.Is(err, store.ErrConflict) {
			break
		}
	}
	return err
}

// try reads the record, changes it, and writes it back if it is still the one that was read. Of many instances one
// writes; the others find its keys at the next try. Threat 149.
func (s *Signer) try(ctx context.Context, change func(*record, time.Time) error) error {
	now := s.now() // before the read: what is read is at least as new
	was, err := s.load(ctx, now)
	if err != nil {
		return err
	}
	next := record{Version: recordVersion, Keys: slices.Clone(was.Keys)}
	if change != nil {
		if err := change(&next, now); err != nil {
			return err
		}
	}
	if err := s.schedule.due(&next, now); err != nil {
		return err
	}
	if same(was.Keys, next.Keys) && was.version != 0 && !s.mustReseal(was, now) {
		return s.take(was, now)
	}
	return s.write(ctx, next, was.version, now)
}

func (s *Signer) write(ctx context.Context, next record, version uint64, now time.Time) error {
	plain, err := json.Marshal(next)
	if err != nil {
		return fmt.Errorf("encode the signing keys: %w", err)
	}
	sealed := s.Ring.Seal(signingPurpose+s.Name, plain)
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	version, err = s.Store.Put(ctx, signingPrefix+s.Name, []byte(sealed), 0, store.AtVersion(version))
	if err != nil {
		return fmt.Errorf("write the signing keys: %w", err)
	}
	if err := s.take(&view{record: next, version: version}, now); err != nil {
		return err
	}
	s.Changed(next.infos(now))
	return nil
}

// load returns the record as it is in the store, as a view that is not ready yet.
func (s *Signer) load(ctx context.Context, now time.Time) (*view, error) {
	known := s.view.Load()
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	item, err := s.Store.Get(ctx, signingPrefix+s.Name)
	switch {
	case errors.Is(err, store.ErrNotFound):
		// A store that lost its records gets the keys back, so that what they signed goes on to verify.
		if known != nil && known.within(s.schedule.offline(), now) {
			return &view{record: known.record}, nil
		}
		return &view{}, nil
	case err != nil:
		return nil, fmt.Errorf("read the signing keys: %w", err)
	case known != nil && known.version == item.Version:
		return known, nil
	}
	plain, err := s.Ring.Open(signingPurpose+s.Name, string(item.Value))
	if err != nil {
		return s.unopened(item.Version, known == nil)
	}
	r, err := decodeRecord(plain)
	if err != nil {
		return nil, fmt.Errorf("the stored signing keys can't be read: %w", err)
	}
	return &view{record: r, version: item.Version, oldSecret: !s.Ring.sealedByFirst(string(item.Value))}, nil
}

// unopened decides what becomes of keys that no secret of the ring opens. At the start they make way for new ones:
// session.secret was replaced, and nothing but short tokens is lost. Later another instance has sealed them, with a
// secret that this one lacks, and to overwrite them would be to fight it.
func (s *Signer) unopened(version uint64, starting bool) (*view, error) {
	if starting {
		s.Warn("the stored signing keys can't be opened and are replaced: session.secret was changed without keeping the old one; "+
			"tokens signed so far verify no more", "signer", s.Name, "mend", "put the old secret second in the list of session.secret, on every instance")
		return &view{version: version}, nil
	}
	return nil, fmt.Errorf("the stored signing keys: %w; another instance has another session.secret; "+
		"give every instance the same list", ErrOpen)
}

// mustReseal reports whether the record is to be sealed anew, so that the older secret may go one day. It waits for a
// lead, in which the other instances get the new secret too.
func (s *Signer) mustReseal(v *view, now time.Time) bool {
	return v.oldSecret && now.Sub(s.started) >= s.Lead
}

func same(a, b []keyRecord) bool {
	return slices.EqualFunc(a, b, func(x, y keyRecord) bool { return x.ID == y.ID && x.From == y.From })
}

// take makes what was read at a time the keys of this instance.
func (s *Signer) take(v *view, read time.Time) error {
	known := s.view.Load()
	if v == known {
		renewed := *known
		renewed.read = read
		s.view.Store(&renewed)
		return nil
	}
	v.read = read
	for _, r := range v.Keys {
		k, err := r.open()
		if err != nil {
			return fmt.Errorf("the stored signing key %q can't be used: %w", r.ID, err)
		}
		v.keys = append(v.keys, k)
	}
	var err error
	if v.jwks, err = members(v.keys); err != nil {
		return err
	}
	s.view.Store(v)
	return nil
}
