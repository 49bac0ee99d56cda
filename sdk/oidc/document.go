package oidc

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/authd/authd/sdk"
)

// How often documents are fetched.
const (
	maxAge        = time.Hour       // older ones are fetched anew when next used
	renewPause    = time.Minute     // between fetches that somebody else's token asks for
	retryPause    = 2 * time.Second // after a failure, while there is nothing to fall back on
	stalePatience = 3 * time.Second // how long the user of an old document waits for a new one
	fetchTimeout  = 10 * time.Second
)

// document is something of the identity provider's that is fetched and kept: its metadata, its keys. Concurrent users
// share one fetch, and a failed fetch never replaces a good document.
type document[T any] struct {
	fetch func(context.Context) (T, error)
	now   func() time.Time

	mu      sync.Mutex
	value   T
	edition int           // counts good fetches; 0: there is no value yet
	loaded  time.Time     // when the value was fetched
	tried   time.Time     // when a fetch began, good or not
	renewed time.Time     // when renew last began one
	err     error         // of the last fetch
	flight  chan struct{} // closed when the fetch under way has ended; nil: none is
}

// get returns the document. The first use fetches it; from then on it is there, and fetched anew when it is older
// than an hour and has not been tried for a minute.
func (d *document[T]) get(ctx context.Context) (T, error) {
	d.mu.Lock()
	now := d.now()
	switch {
	case d.edition > 0 && (d.flight != nil || now.Sub(d.loaded) < maxAge || now.Sub(d.tried) < renewPause):
		defer d.mu.Unlock()
		return d.value, nil
	case d.edition > 0:
		flight := d.begin(ctx)
		d.mu.Unlock()
		patience, stop := context.WithTimeout(ctx, stalePatience)
		defer stop()
		_ = wait(patience, flight) // the old one is still good
		return d.peek(), nil
	case d.flight == nil && d.err != nil && now.Sub(d.tried) < retryPause:
		defer d.mu.Unlock()
		return d.value, d.err
	}
	flight := d.begin(ctx)
	d.mu.Unlock()
	return d.landed(ctx, flight)
}

// renew fetches the document because the one there did not do. Within a minute of the last time it returns what there
// is: whoever makes up key ids can't make authd flood the identity provider.
func (d *document[T]) renew(ctx context.Context) (T, error) {
	d.mu.Lock()
	if d.flight == nil {
		if now := d.now(); d.renewed.IsZero() || now.Sub(d.renewed) >= renewPause {
			d.renewed = now
		} else {
			defer d.mu.Unlock()
			return d.value, nil
		}
	}
	flight := d.begin(ctx)
	d.mu.Unlock()
	return d.landed(ctx, flight)
}

// peek returns what there is.
func (d *document[T]) peek() T {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.value
}

// editions returns how many good fetches there were.
func (d *document[T]) editions() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.edition
}

// begin starts a fetch, or joins the one under way. The fetch outlives a caller who gives up, since others may wait
// for it, but ends by its own deadline. d.mu must be held.
func (d *document[T]) begin(ctx context.Context) <-chan struct{} {
	if d.flight != nil {
		return d.flight
	}
	flight := make(chan struct{})
	d.flight, d.tried = flight, d.now()
	go func() {
		defer close(flight)
		ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
		defer stop()
		value, err := d.fetch(ctx)
		d.mu.Lock()
		defer d.mu.Unlock()
		d.flight, d.err = nil, err
		if err == nil {
			d.value, d.loaded = value, d.now()
			d.edition++
		}
	}()
	return flight
}

// landed waits for a fetch and returns what came of it.
func (d *document[T]) landed(ctx context.Context, flight <-chan struct{}) (T, error) {
	if err := wait(ctx, flight); err != nil {
		var none T
		return none, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.value, d.err
}

func wait(ctx context.Context, flight <-chan struct{}) error {
	select {
	case <-flight:
		return nil
	case <-ctx.Done():
		err := sdk.UpstreamErrorf("waiting for the identity provider: %w", context.Cause(ctx))
		err.Timeout = errors.Is(ctx.Err(), context.DeadlineExceeded)
		return err
	}
}
