package storetest_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/authd/authd/internal/store"
	"github.com/authd/authd/internal/store/memory"
	"github.com/authd/authd/internal/store/storetest"
)

// faultName, in the environment, makes TestFaultyStore run the suite against a
// store with that fault.
const faultName = "AUTHD_TEST_STORE_FAULT"

// faulty is a memory store with faults that a driver might have: a func that is
// set takes the place of the method.
type faulty struct {
	*memory.Store
	get   func(ctx context.Context, key string) (store.Item, error)
	put   func(ctx context.Context, key string, value []byte, ttl time.Duration, when store.Condition) (uint64, error)
	take  func(ctx context.Context, key string) (store.Item, error)
	scan  func(ctx context.Context, prefix string) iter.Seq2[store.Item, error]
	watch func(ctx context.Context, prefix string) (<-chan string, error)
}

func (f *faulty) Get(ctx context.Context, key string) (store.Item, error) {
	if f.get != nil {
		return f.get(ctx, key)
	}
	return f.Store.Get(ctx, key)
}

func (f *faulty) Put(ctx context.Context, key string, value []byte, ttl time.Duration, when store.Condition) (uint64, error) {
	if f.put != nil {
		return f.put(ctx, key, value, ttl, when)
	}
	return f.Store.Put(ctx, key, value, ttl, when)
}

func (f *faulty) Take(ctx context.Context, key string) (store.Item, error) {
	if f.take != nil {
		return f.take(ctx, key)
	}
	return f.Store.Take(ctx, key)
}

func (f *faulty) Scan(ctx context.Context, prefix string) iter.Seq2[store.Item, error] {
	if f.scan != nil {
		return f.scan(ctx, prefix)
	}
	return f.Store.Scan(ctx, prefix)
}

func (f *faulty) Watch(ctx context.Context, prefix string) (<-chan string, error) {
	if f.watch != nil {
		return f.watch(ctx, prefix)
	}
	return f.Store.Watch(ctx, prefix)
}

// rendezvous returns a func that keeps the first caller until a second comes, so
// that what is not atomic is caught in between.
func rendezvous() func() {
	var callers atomic.Int32
	both := make(chan struct{})
	return func() {
		if callers.Add(1) == 2 {
			close(both)
		}
		<-both
	}
}

// fault is a mistake that a driver might make.
type fault struct {
	found string // a test of the suite that must find it
	spoil func(f *faulty)
}

func writeFaults() map[string]fault {
	return map[string]fault{
		"condition is looked at, then forgotten": {"PutAbsentHasOneWinner", func(f *faulty) {
			meet := rendezvous()
			f.put = func(ctx context.Context, key string, value []byte, ttl time.Duration, when store.Condition) (uint64, error) {
				item, err := f.Store.Get(ctx, key)
				if err != nil && !errors.Is(err, store.ErrNotFound) {
					return 0, err
				}
				meet()
				if !when.Holds(item.Version) {
					return 0, store.ErrConflict
				}
				return f.Store.Put(ctx, key, value, ttl, store.Any())
			}
		}},
		"take is get and delete": {"TakeHasOneWinner", func(f *faulty) {
			meet := rendezvous()
			f.take = func(ctx context.Context, key string) (store.Item, error) {
				item, err := f.Store.Get(ctx, key)
				if err != nil {
					return item, err
				}
				meet()
				return item, f.Delete(ctx, key)
			}
		}},
		"take keeps the record": {"Take", func(f *faulty) { f.take = f.Store.Get }},
		"time to live is lost": {"Expiry", func(f *faulty) {
			f.put = func(ctx context.Context, key string, value []byte, _ time.Duration, when store.Condition) (uint64, error) {
				return f.Store.Put(ctx, key, value, 0, when)
			}
		}},
		"value of the caller is kept": {"ValuesAreCopies", func(f *faulty) {
			var mine []byte
			f.put = func(ctx context.Context, key string, value []byte, ttl time.Duration, when store.Condition) (uint64, error) {
				mine = value
				return f.Store.Put(ctx, key, value, ttl, when)
			}
			f.get = func(ctx context.Context, key string) (store.Item, error) {
				item, err := f.Store.Get(ctx, key)
				if err == nil {
					item.Value = mine
				}
				return item, err
			}
		}},
		"versions start anew": {"VersionsGrow", func(f *faulty) {
			f.put = func(ctx context.Context, key string, value []byte, ttl time.Duration, when store.Condition) (uint64, error) {
				_, err := f.Store.Put(ctx, key, value, ttl, when)
				return 1, err
			}
		}},
	}
}

func scanFaults() map[string]fault {
	return map[string]fault{
		"expired records are scanned": {"ScanLeavesOutExpired", func(f *faulty) {
			kept := memory.New(memory.Options{Now: func() time.Time { return time.Unix(0, 0) }})
			f.put = func(ctx context.Context, key string, value []byte, ttl time.Duration, when store.Condition) (uint64, error) {
				if _, err := kept.Put(ctx, key, value, ttl, store.Any()); err != nil {
					return 0, err
				}
				return f.Store.Put(ctx, key, value, ttl, when)
			}
			f.scan = kept.Scan
		}},
		"scan is not in order": {"ScanOrder", func(f *faulty) {
			f.scan = func(ctx context.Context, prefix string) iter.Seq2[store.Item, error] {
				return func(yield func(store.Item, error) bool) {
					var items []store.Item
					for item, err := range f.Store.Scan(ctx, prefix) {
						if err != nil {
							yield(item, err)
							return
						}
						items = append(items, item)
					}
					slices.Reverse(items)
					for _, item := range items {
						if !yield(item, nil) {
							return
						}
					}
				}
			}
		}},
		"scan ends after a page": {"ScanManyPages", func(f *faulty) {
			f.scan = func(ctx context.Context, prefix string) iter.Seq2[store.Item, error] {
				return func(yield func(store.Item, error) bool) {
					n := 0
					for item, err := range f.Store.Scan(ctx, prefix) {
						if n++; n > 1000 || !yield(item, err) {
							return
						}
					}
				}
			}
		}},
		"prefix is a pattern": {"ScanPrefixIsLiteral", func(f *faulty) {
			f.scan = func(ctx context.Context, prefix string) iter.Seq2[store.Item, error] {
				literal, _, _ := strings.Cut(prefix, "%")
				return f.Store.Scan(ctx, literal)
			}
		}},
	}
}

func watchFaults() map[string]fault {
	return map[string]fault{
		"prefix of a watch is ignored": {"WatchSeesChanges", func(f *faulty) {
			f.watch = func(ctx context.Context, _ string) (<-chan string, error) { return f.Store.Watch(ctx, "") }
		}},
		"failed writes are announced": {"WatchIgnoresWhatChangesNothing", func(f *faulty) {
			told := make(chan string, 100)
			f.put = func(ctx context.Context, key string, value []byte, ttl time.Duration, when store.Condition) (uint64, error) {
				told <- key
				return f.Store.Put(ctx, key, value, ttl, when)
			}
			f.watch = func(context.Context, string) (<-chan string, error) { return told, nil }
		}},
		"lag loses keys": {"WatchLag", func(f *faulty) {
			told := make(chan string, 16)
			f.put = func(ctx context.Context, key string, value []byte, ttl time.Duration, when store.Condition) (uint64, error) {
				select {
				case told <- key:
				default: // and nobody is told to forget
				}
				return f.Store.Put(ctx, key, value, ttl, when)
			}
			f.watch = func(context.Context, string) (<-chan string, error) { return told, nil }
		}},
	}
}

func endingFaults() map[string]fault {
	return map[string]fault{
		"context is ignored": {"EndedContext", func(f *faulty) {
			f.get = func(ctx context.Context, key string) (store.Item, error) {
				return f.Store.Get(context.WithoutCancel(ctx), key)
			}
		}},
		"errors have no kind": {"Closed", func(f *faulty) {
			f.get = func(ctx context.Context, key string) (store.Item, error) {
				item, err := f.Store.Get(ctx, key)
				if err != nil && !errors.Is(err, store.ErrNotFound) {
					err = errors.New(err.Error())
				}
				return item, err
			}
		}},
	}
}

// faults returns all of them: what is wrong → the fault.
func faults() map[string]fault {
	all := writeFaults()
	maps.Copy(all, scanFaults())
	maps.Copy(all, watchFaults())
	maps.Copy(all, endingFaults())
	return all
}

// TestFaultyStore runs the suite against each fault, in a process of its own, and
// wants it to fail where the fault is.
func TestFaultyStore(t *testing.T) {
	if name := os.Getenv(faultName); name != "" {
		storetest.Run(t, func(_ *testing.T, now func() time.Time) store.Store {
			f := &faulty{Store: memory.New(memory.Options{Now: now})}
			faults()[name].spoil(f)
			return f
		})
		return
	}
	for name, fault := range faults() {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFaultyStore$/^"+fault.found+"$", "-test.v")
			cmd.Env = append(os.Environ(), faultName+"="+name, "GORACE=atexit_sleep_ms=0")
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || !strings.Contains(string(out), "--- FAIL: TestFaultyStore/"+fault.found) {
				t.Errorf("the suite did not find it in %s: %v\n%s", fault.found, err, out)
			}
		})
	}
}

func TestCloserIsNeeded(t *testing.T) {
	var s store.Store = &faulty{}
	if _, ok := s.(io.Closer); !ok {
		t.Error("the faulty store hides Close of the memory store")
	}
}

func TestClock(t *testing.T) {
	c := storetest.NewClock()
	start := c.Now()
	if start != start.Truncate(time.Millisecond) {
		t.Errorf("the clock starts at %v, finer than a millisecond", start)
	}
	c.Advance(time.Hour)
	c.Advance(-time.Minute)
	if got := c.Now().Sub(start); got != 59*time.Minute {
		t.Errorf("the clock moved by %v, want 59m", got)
	}
}
