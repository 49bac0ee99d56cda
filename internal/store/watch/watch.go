// Package watch hands the keys that change in a store to whoever watches them.
// Drivers use it to implement the Watch method of the store contract.
//
// It writes no keys.
package watch

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/authd/authd/internal/store"
)

// Buffer is how many keys wait for one watcher before it counts as lagging.
const Buffer = 256

// Forget is the key that tells a watcher that it missed changes.
const Forget = ""

// Hub fans keys out to watchers. The zero Hub is ready for use. It starts no
// goroutine: publishing fills the buffers of the watchers and never waits.
type Hub struct {
	mu       sync.Mutex
	closed   bool
	watchers map[*watcher]struct{}
}

// watcher is one subscription. All sends and the close happen under Hub.mu.
type watcher struct {
	prefix string
	keys   chan string
	detach func() bool // stops listening for the end of the context
}

// Subscribe returns a channel of the keys under prefix that are published from
// now on. It is closed when ctx ends or the hub is closed. When ctx has ended
// already its error is returned, on a closed hub an error that wraps
// [store.ErrUnavailable], and on an impossible prefix one that wraps [store.ErrInvalid].
func (h *Hub) Subscribe(ctx context.Context, prefix string) (<-chan string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := store.CheckPrefix(prefix); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, fmt.Errorf("%w: the store is closed", store.ErrUnavailable)
	}
	if h.watchers == nil {
		h.watchers = make(map[*watcher]struct{})
	}
	w := &watcher{prefix: prefix, keys: make(chan string, Buffer)}
	h.watchers[w] = struct{}{}
	// The callback runs on its own and waits for h.mu, so w is whole by then.
	w.detach = context.AfterFunc(ctx, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.drop(w)
	})
	return w.keys, nil
}

// Publish hands keys to their watchers, in this order.
func (h *Hub) Publish(keys ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watchers {
		for _, key := range keys {
			if strings.HasPrefix(key, w.prefix) {
				w.send(key)
			}
		}
	}
}

// ForgetAll tells every watcher to forget everything. A driver calls it when it
// may have missed changes itself, as after a lost connection.
func (h *Hub) ForgetAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watchers {
		w.forget()
	}
}

// Close closes the channels of all watchers and refuses new ones. It may be
// called more than once; publishing after it does nothing.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for w := range h.watchers {
		h.drop(w)
	}
}

// drop ends a subscription unless it has ended already. The caller holds h.mu.
func (h *Hub) drop(w *watcher) {
	if _, ok := h.watchers[w]; !ok {
		return
	}
	delete(h.watchers, w)
	w.detach()
	close(w.keys)
}

// send queues key. When the queue is full it is emptied and [Forget] takes its
// place, at once: were it sent with the next key only, a watcher that lagged
// before a quiet hour would trust stale knowledge for that hour.
func (w *watcher) send(key string) {
	select {
	case w.keys <- key:
	default:
		w.forget()
	}
}

// forget replaces whatever is queued by one [Forget]. Only the holder of Hub.mu
// sends, so there is room after the queue was emptied.
func (w *watcher) forget() {
	for {
		select {
		case <-w.keys:
		default:
			w.keys <- Forget
			return
		}
	}
}
