package session

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/authd/authd/internal/store"
)

// cache holds decoded sessions. It is filled only while the store's Watch is open, and a session that was read
// before an invalidation is not put in after it: what is in here is what the store has.
type cache struct {
	mu       sync.RWMutex
	sessions map[hash]*Session
	limit    int
	watching bool
	// generation counts invalidations; a reader remembers it before it asks the store.
	generation uint64
}

func newCache(limit int) *cache {
	return &cache{sessions: map[hash]*Session{}, limit: limit}
}

func (c *cache) get(h hash) (*Session, uint64) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.sessions[h], c.generation
}

func (c *cache) put(h hash, s *Session, generation uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.watching || generation != c.generation {
		return
	}
	if len(c.sessions) >= c.limit {
		// Go's map order is random enough to choose who goes; the store has them all.
		for other := range c.sessions {
			delete(c.sessions, other)
			break
		}
	}
	c.sessions[h] = s
}

func (c *cache) drop(h hash) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	delete(c.sessions, h)
}

func (c *cache) flush(watching bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	c.watching = watching
	clear(c.sessions)
}

// watch keeps the cache true until ctx ends. Where the store's Watch breaks off, the cache is emptied and stays
// empty until there is a new one.
func (c *cache) watch(ctx context.Context, st store.Store, retry time.Duration) {
	for ctx.Err() == nil {
		changes, err := st.Watch(ctx, sessionPrefix)
		if err == nil {
			c.flush(true)
			c.follow(changes)
			c.flush(false)
		}
		select {
		case <-ctx.Done():
		case <-time.After(retry):
		}
	}
}

func (c *cache) follow(changes <-chan string) {
	for key := range changes {
		h, ok := hashOfHandle(strings.TrimPrefix(key, sessionPrefix))
		if !ok {
			// "" says that changes were missed.
			c.flush(true)
			continue
		}
		c.drop(h)
	}
}
