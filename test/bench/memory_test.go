//go:build linux

package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/authd/authd/internal/realtest"
	"github.com/authd/authd/internal/session"
	"github.com/authd/authd/internal/store/file"
	"github.com/authd/authd/internal/store/memory"
)

// The units of the budgets.
const (
	kB  = 1e3
	MB  = 1e6
	KiB = 1 << 10
)

// measureMemory looks at authd and its plugins when nothing has happened for a while.
func measureMemory(b *testing.B, t *table) {
	s := newSite(b)
	authd := s.serve()
	host := settled(b, authd.pid)
	t.add(b, row{what: "host, idle, resident", unit: "MB", budget: 30, measured: float64(host.Resident) / MB, note: fmt.Sprintf("%.1f MB its own", float64(host.Own)/MB)})
	var largest realtest.Memory
	for _, pid := range authd.children() {
		m := settled(b, pid)
		largest = realtest.Memory{Resident: max(largest.Resident, m.Resident), Own: max(largest.Own, m.Own)}
	}
	t.add(b, row{what: "plugin, idle, resident", unit: "MB", budget: 16, measured: float64(largest.Resident) / MB, note: "the largest of four"})
	t.add(b, row{what: "plugin, idle, its own", unit: "MB", budget: 5, measured: float64(largest.Own) / MB, note: "anonymous memory: heap, stacks, written data"})
	authd.stop()
}

// settled waits until a process neither takes nor returns memory.
func settled(b *testing.B, pid int) realtest.Memory {
	b.Helper()
	last, same := realtest.MemoryOf(b, pid), 0
	poll(b, 200*time.Millisecond, "the memory of the process settles", func() bool {
		now := realtest.MemoryOf(b, pid)
		if same++; now != last {
			same = 0
		}
		last = now
		return same == 5
	})
	return last
}

// measureSessions fills a store and looks at what it holds then, and what each session takes more while it is in use.
func measureSessions(b *testing.B, t *table) {
	const n = 10_000
	st := memory.New(memory.Options{})
	ids := make([]string, n)
	for i := range ids {
		ids[i] = strings.Repeat("x", 43) // the ids themselves take their room before; blanks would take none
	}
	manage(b, st, func(m *session.Manager) {
		empty := heap()
		for i := range ids {
			ids[i] = signIn(b, m, nil)
		}
		stored := heap() - empty
		for _, id := range ids {
			if _, err := m.Lookup(context.Background(), id); err != nil {
				b.Fatal(err)
			}
		}
		t.add(b, row{
			what: "memory per session, store memory:", unit: "kB", budget: 1, measured: stored / n / kB,
			note: fmt.Sprintf("without tokens; in use %.2f kB more; in a file %.2f kB", (heap()-empty-stored)/n/kB, fileBytes(b)/kB),
		})
	})
	if err := st.Close(); err != nil {
		b.Fatal(err)
	}
	runtime.KeepAlive(ids)
}

// fileBytes is what a session takes in a file. Each waits for the disk, so there are fewer.
func fileBytes(b *testing.B) float64 {
	const n = 1000
	path := filepath.Join(b.TempDir(), "authd.db")
	st, err := file.Open(path, file.Options{})
	if err != nil {
		b.Fatal(err)
	}
	manage(b, st, func(m *session.Manager) {
		for range n {
			signIn(b, m, nil)
		}
	})
	if err := st.Close(); err != nil {
		b.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	return float64(info.Size()) / n
}

// heap is what lives on the heap now.
func heap() float64 {
	runtime.GC()
	runtime.GC() // what the first one freed in pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// measureConnections holds many keep-alive connections open, each after a check, and then checks on all of them again.
func measureConnections(b *testing.B, t *table) {
	n := 10_000
	if spare := files(b) - 500; spare < n {
		n = spare // this process and the server may each open so many files
	}
	s := newSite(b)
	id := s.signIn(nil)
	authd := s.serve(serverCore)
	bare, bareAddr := startBare(b, s.sameAs(checkRequest(s.addr, id)))
	grown := func(pid int, addr string) float64 {
		before := settled(b, pid)
		c := newClient(b, addr, n, checkRequest(addr, id))
		c.run(n)
		c.run(n)
		after := settled(b, pid)
		c.close()
		return float64(after.Resident-before.Resident) / float64(n) / KiB
	}
	reference := grown(bare.pid, bareAddr)
	t.add(b, row{
		what: fmt.Sprintf("%d keep-alive connections, each", n), unit: "KiB", budget: 30, measured: grown(authd.pid, s.addr),
		note: fmt.Sprintf("bare Fiber %.1f KiB; no request failed", reference),
	})
	authd.stop()
}

// files is how many files a process may open.
func files(b *testing.B) int {
	b.Helper()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		b.Fatal(err)
	}
	return int(min(limit.Max, 1<<20))
}
