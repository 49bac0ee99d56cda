package main

import (
	"crypto/sha256"
	"sync"
	"time"
)

const (
	// freeFailures may follow one another at once; from then on the wait doubles, from a second to maxWait.
	freeFailures = 5
	maxWait      = 5 * time.Minute
	// forgetAfter ends the count of a name that nobody has tried for so long.
	forgetAfter = time.Hour
	// maxNames bounds the names that are remembered. A full memory drops the one tried longest ago: to fill it takes
	// as many hashes as names, which is longer than maxWait.
	maxNames = 10_000
)

// attempts counts wrong passwords per user name, whether or not there is such a user.
type attempts struct {
	now   func() time.Time
	mu    sync.Mutex
	names map[[sha256.Size]byte]*failures
}

type failures struct {
	count       int
	last, until time.Time
}

func newAttempts(now func() time.Time) *attempts {
	return &attempts{now: now, names: map[[sha256.Size]byte]*failures{}}
}

// wait tells how long nobody may try the name.
func (a *attempts) wait(login string) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	f, ok := a.names[sha256.Sum256([]byte(login))]
	if !ok {
		return 0
	}
	return max(0, f.until.Sub(a.now()))
}

// failed counts a wrong password.
func (a *attempts) failed(login string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now, key := a.now(), sha256.Sum256([]byte(login))
	f, ok := a.names[key]
	if !ok || now.Sub(f.last) > forgetAfter {
		if !ok && len(a.names) >= maxNames {
			a.drop()
		}
		f = &failures{}
		a.names[key] = f
	}
	f.count++
	f.last = now
	if over := f.count - freeFailures; over >= 0 {
		f.until = now.Add(min(maxWait, time.Second<<min(over, 20)))
	}
}

// drop forgets the name that was tried longest ago.
func (a *attempts) drop() {
	var oldest [sha256.Size]byte
	var since time.Time
	for key, f := range a.names {
		if since.IsZero() || f.last.Before(since) {
			oldest, since = key, f.last
		}
	}
	delete(a.names, oldest)
}

// succeeded forgets the failures of a name.
func (a *attempts) succeeded(login string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.names, sha256.Sum256([]byte(login)))
}
