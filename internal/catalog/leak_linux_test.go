package catalog

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// holdings is what may leak when processes come and go. Directories has one entry more, the lock.
type holdings struct{ Files, Goroutines, Directories, Children int }

func holdingsOf(t *testing.T, c *Catalog) holdings {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	dirs, err := os.ReadDir(c.launcher.sockets.base)
	if err != nil {
		t.Fatal(err)
	}
	return holdings{len(files), runtime.NumGoroutine(), len(dirs), children(t)}
}

// children counts the processes whose parent this one is, dead ones that were not reaped among them.
func children(t *testing.T) int {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, path := range all {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if len(fields) > 1 && fields[1] == strconv.Itoa(os.Getpid()) {
			count++
		}
	}
	return count
}

func (h holdings) within(base holdings) bool {
	return h.Files <= base.Files && h.Goroutines <= base.Goroutines && h.Directories <= base.Directories && h.Children <= base.Children
}

// F1, F4: processes that are killed, swapped and refused by the hundred leave nothing: no file, no goroutine, no
// directory and no zombie. AUTHD_CHAOS makes it a thousand.
func TestRestartsLeaveNothing(t *testing.T) {
	rounds := 100
	if os.Getenv("AUTHD_CHAOS") != "" {
		rounds = 1000
	}
	span := quick()
	span.reset, span.rewrite, span.settle = time.Nanosecond, time.Millisecond, time.Nanosecond
	pc := scripted(t, "p")
	c := catalogOf(t, Config{Providers: []ProviderConfig{pc}, timing: span})
	p := ready(t, c, "p")
	turn := func(i int) {
		old := p.Status().PID
		switch i % 4 {
		case 0:
			p.Restart()
		case 1:
			if err := syscall.Kill(old, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		case 2: // another plugin, after one that can't take over
			pc.Plugin = script(t, pc.Plugin.Path, "exits", strconv.Itoa(i))
			apply(t, c, Changes{Changed: []string{"p"}}, pc)
			until(t, p, "degraded", Status.Degraded)
			pc.Plugin = script(t, pc.Plugin.Path, "well", strconv.Itoa(i))
			apply(t, c, Changes{Changed: []string{"p"}}, pc)
		default:
			p.process.Load().kill()
		}
		replaced(t, p, old)
		tell(t, p, "")
	}
	for i := range 8 {
		turn(i)
	}
	base := heldAtMost(t, c, holdings{1 << 20, 1 << 20, 2, 1})
	for i := range rounds {
		turn(i)
	}
	heldAtMost(t, c, base)
}

// heldAtMost waits until no more is held than limit.
func heldAtMost(t *testing.T, c *Catalog, limit holdings) holdings {
	t.Helper()
	ctx := background(t)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		now := holdingsOf(t, c)
		if now.within(limit) {
			return now
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			buf := make([]byte, 1<<20)
			t.Fatalf("held: %+v, want at most %+v\n%s", now, limit, buf[:runtime.Stack(buf, true)])
		}
	}
}
