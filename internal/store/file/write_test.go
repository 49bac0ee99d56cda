package file

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/internal/store"
)

// gate is a clock that holds the writer up inside its transaction, where it reads
// the time: once the allowed readings are used up, the next waits for lift.
type gate struct {
	mu      sync.Mutex
	allowed int // readings that pass; negative: all
	waiting chan struct{}
	lift    chan struct{}
}

func newGate() *gate {
	return &gate{allowed: -1, waiting: make(chan struct{}, 1), lift: make(chan struct{})}
}

func (g *gate) now() time.Time {
	g.mu.Lock()
	pass := g.allowed != 0
	if g.allowed > 0 {
		g.allowed--
	}
	g.mu.Unlock()
	if !pass {
		g.waiting <- struct{}{}
		<-g.lift
	}
	return time.Now()
}

func (g *gate) set(allowed int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.allowed = allowed
}

// stall has the writer wait inside a transaction until the returned func is called.
func stall(t *testing.T, s *Store, g *gate) (resume func()) {
	t.Helper()
	var wg sync.WaitGroup
	g.set(0)
	wg.Go(func() { // Delete reads the time nowhere but in the writer
		if err := s.Delete(context.WithoutCancel(t.Context()), "stall"); err != nil {
			t.Errorf("Delete: %v", err)
		}
	})
	<-g.waiting
	g.set(-1)
	return func() {
		close(g.lift)
		wg.Wait()
	}
}

func openGated(t *testing.T) (*Store, *gate) {
	t.Helper()
	g := newGate()
	return openTidy(t, Options{Now: g.now}), g
}

// TestWritesAreCommittedInGroups: what waits for the disk shares the next wait.
func TestWritesAreCommittedInGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, g := openGated(t)
		before := txID(t, s)
		resume := stall(t, s, g)
		const n = groupMax + 10
		var puts sync.WaitGroup
		for i := range n {
			puts.Go(func() {
				if _, err := s.Put(t.Context(), fmt.Sprint("k", i), nil, 0, store.Any()); err != nil {
					t.Errorf("Put: %v", err)
				}
			})
		}
		synctest.Wait() // until all of them wait for the writer
		resume()
		puts.Wait()
		if got := txID(t, s) - before; got != 2 {
			t.Errorf("%d writes took %d commits, want 2", n, got)
		}
		if got := onDisk(t, s); got != n {
			t.Errorf("%d records on disk, want %d", got, n)
		}
	})
}

// TestWaitForTheDiskEndsWithContext: a disk that hangs does not hang its callers.
func TestWaitForTheDiskEndsWithContext(t *testing.T) {
	s, g := openGated(t)
	mustPut(t, s, "k", "readable", 0)
	resume := stall(t, s, g)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, putErr := s.Put(ctx, "k2", nil, 0, store.Any())
	_, takeErr := s.Take(ctx, "k")
	for _, err := range []error{putErr, takeErr, s.Delete(ctx, "k")} {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("write on a hanging disk: %v, want context.DeadlineExceeded", err)
		}
	}
	if item, err := s.Get(t.Context(), "k"); err != nil || string(item.Value) != "readable" {
		t.Errorf("read on a hanging disk = %q, %v", item.Value, err)
	}
	resume()
	mustPut(t, s, "k3", "", 0)
}

// TestCallerThatGaveUpDoesNotRace: the change goes to the disk although nobody
// waits for it any more. The race detector watches.
func TestCallerThatGaveUpDoesNotRace(t *testing.T) {
	s, g := openGated(t)
	ctx, cancel := context.WithCancel(t.Context())
	value := []byte("as it was")
	g.set(1) // Put's own reading passes, the writer's waits
	var err error
	var wg sync.WaitGroup
	wg.Go(func() { _, err = s.Put(ctx, "k", value, 0, store.Any()) })
	<-g.waiting
	cancel()
	wg.Wait()
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "may still happen") {
		t.Errorf("Put: %v, want context.Canceled and a warning", err)
	}
	copy(value, "scribbled")
	g.set(-1)
	close(g.lift)
	mustPut(t, s, "after", "", 0)
	if item, err := s.Get(t.Context(), "k"); err != nil || string(item.Value) != "as it was" {
		t.Errorf("Get = %q, %v, want the value at the time of the Put", item.Value, err)
	}
}

// TestFailingGroupIsUndoneForAll: when one change of a group cannot be written
// none is, and no caller takes an answer home that rests on what was undone.
func TestFailingGroupIsUndoneForAll(t *testing.T) {
	s := openTidy(t, Options{})
	mustPut(t, s, "old", "1", 0)
	watched, err := s.Watch(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	absent := func(value string) func(*records) error {
		return func(r *records) error {
			_, err := r.put([]byte("new"), encode([]byte(value), time.Time{}), store.Absent())
			return err
		}
	}
	cause := errors.New("the disk is on fire")
	group := []*change{
		{key: "new", apply: absent("first"), done: make(chan struct{})},
		{key: "new", apply: absent("refused because of the first"), done: make(chan struct{})},
		{key: "old", apply: func(*records) error { return cause }, done: make(chan struct{})},
	}
	s.commit(groupOf(group...))
	for i, c := range group {
		<-c.done
		if !errors.Is(c.err, store.ErrUnavailable) || !errors.Is(c.err, cause) {
			t.Errorf("change %d: %v, want ErrUnavailable with the cause", i, c.err)
		}
	}
	if _, err := s.Get(t.Context(), "new"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Get of what was undone: %v, want ErrNotFound", err)
	}
	// Whoever may have cached what was in doubt is told.
	var told []string
	mustPut(t, s, "end", "", 0)
	for key := range watched {
		if key == "end" {
			break
		}
		told = append(told, key)
	}
	if diff := cmp.Diff([]string{"new"}, told); diff != "" {
		t.Errorf("watched keys (-want +got):\n%s", diff)
	}
}

// groupOf is a group whose changes have all waited.
func groupOf(changes ...*change) *group {
	more := make(chan *change, len(changes))
	for _, c := range changes[1:] {
		more <- c
	}
	return newGroup(changes[0], more, true)
}

// TestChangesWaitForCompany: what comes a moment later is written with what is there.
func TestChangesWaitForCompany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openTidy(t, Options{})
		before := txID(t, s)
		var puts sync.WaitGroup
		for i := range 5 {
			puts.Go(func() { mustPut(t, s, fmt.Sprint("k", i), "", 0) })
			time.Sleep(company / 5)
		}
		puts.Wait()
		if got := txID(t, s) - before; got != 1 {
			t.Errorf("%d commits, want 1", got)
		}
	})
}

// TestLoneWriterHardlyWaits: who writes one thing after the other waits for company once in a while, not each time.
func TestLoneWriterHardlyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openTidy(t, Options{})
		begun := time.Now()
		for i := range 2 * (quickGroups + 1) {
			mustPut(t, s, fmt.Sprint("k", i), "", 0)
		}
		if took := time.Since(begun); took != 2*company {
			t.Errorf("waited for %s, want %s", took, 2*company)
		}
	})
}

// TestUnsyncedWaitsForCompany: a write that may lag is answered at once, and goes to the disk with the next that may not.
func TestUnsyncedWaitsForCompany(t *testing.T) {
	s := openTidy(t, Options{})
	mustPut(t, s, "warm", "", 0)
	before := txID(t, s)
	lagging := store.Absent().Unsynced()
	for i := range 3 {
		if _, err := s.Put(t.Context(), "burnt", nil, 0, lagging); (i == 0) != (err == nil) || i > 0 && !errors.Is(err, store.ErrConflict) {
			t.Fatalf("Put %d: %v; only the first may win, safe or not", i, err)
		}
	}
	mustPut(t, s, "session", "", 0)
	if got := txID(t, s) - before; got > 2 {
		t.Errorf("%d transactions, want one, or two on a slow machine", got)
	}
	if _, err := s.Get(t.Context(), "burnt"); err != nil {
		t.Errorf("Get after another write: %v", err)
	}
}

// TestUnsyncedGetsThereAlone: without company it is written after a moment, and before the store is closed.
func TestUnsyncedGetsThereAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "authd.db")
	for _, key := range []string{"first", "second"} {
		s, err := Open(path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		watched, err := s.Watch(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Put(t.Context(), key, []byte("x"), 0, store.Absent().Unsynced()); err != nil {
			t.Fatal(err)
		}
		if key == "first" {
			<-watched // by itself
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	for _, key := range []string{"first", "second"} {
		if _, err := s.Get(t.Context(), key); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// TestUnsyncedToldOfItsOwnFailure: what can't be applied is refused, lagging or not.
func TestUnsyncedToldOfItsOwnFailure(t *testing.T) {
	s := openTidy(t, Options{})
	cause := errors.New("the disk is on fire")
	c := &change{key: "k", lags: true, apply: func(*records) error { return cause }, done: make(chan struct{})}
	s.commit(groupOf(c))
	<-c.done
	if !errors.Is(c.err, cause) || !errors.Is(c.err, store.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable with the cause", c.err)
	}
}

// TestGroupSeesItself: in one transaction the second of two sees the first.
func TestGroupSeesItself(t *testing.T) {
	s := openTidy(t, Options{})
	var versions [3]uint64
	group := make([]*change, len(versions))
	for i := range group {
		group[i] = &change{key: "k", done: make(chan struct{}), apply: func(r *records) (err error) {
			versions[i], err = r.put([]byte("k"), encode(nil, time.Time{}), store.Absent())
			return err
		}}
	}
	before := txID(t, s)
	s.commit(groupOf(group...))
	if group[0].err != nil || versions[0] == 0 {
		t.Errorf("first: version %d, %v", versions[0], group[0].err)
	}
	for i := 1; i < len(group); i++ {
		if !errors.Is(group[i].err, store.ErrConflict) {
			t.Errorf("change %d: %v, want ErrConflict", i, group[i].err)
		}
	}
	if got := txID(t, s) - before; got != 1 {
		t.Errorf("%d transactions, want 1", got)
	}
}

// TestRefusalsSpareTheDisk: a replay that is refused a thousand times costs no
// commit.
func TestRefusalsSpareTheDisk(t *testing.T) {
	s := openTidy(t, Options{})
	mustPut(t, s, "burnt", "", 0)
	before := txID(t, s)
	for range 20 {
		if _, err := s.Put(t.Context(), "burnt", nil, 0, store.Absent()); !errors.Is(err, store.ErrConflict) {
			t.Fatalf("Put: %v, want ErrConflict", err)
		}
		if _, err := s.Take(t.Context(), "nothing"); !errors.Is(err, store.ErrNotFound) {
			t.Fatalf("Take: %v, want ErrNotFound", err)
		}
		if err := s.Delete(t.Context(), "nothing"); err != nil {
			t.Fatal(err)
		}
	}
	if got := txID(t, s) - before; got != 0 {
		t.Errorf("%d commits for nothing", got)
	}
}

func TestErrorsNameTheFileButNoKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "authd.db")
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = s.Get(t.Context(), "session/SECRETHASH")
	if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "file:"+path+" is closed") {
		t.Errorf("Get: %v, want ErrUnavailable that names the file", err)
	}
	if strings.Contains(err.Error(), "SECRETHASH") {
		t.Errorf("the error names the key: %v", err)
	}
}
