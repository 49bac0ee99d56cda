//go:build linux

package bench

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// measureStart takes the time from the start of the program until all four providers are ready.
func measureStart(b *testing.B, t *table) {
	const rounds = 21
	s := newSite(b)
	var took, spent []float64
	for range rounds {
		begun := time.Now()
		authd := s.serve()
		took = append(took, milliseconds(time.Since(begun)))
		spent = append(spent, milliseconds(authd.cpu()))
		authd.stop()
	}
	t.add(b, row{
		what: "start to ready, four providers", unit: "ms", budget: 150, measured: median(took),
		note: fmt.Sprintf("CPU of host and plugins %.0f ms; %s", median(spent), spread(took)),
	})
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }

// measureRestart kills the plugin of each provider and asks for a login at once. The caller waits; it must not fail.
func measureRestart(b *testing.B, t *table) {
	const rounds = 3
	var took []float64
	for range rounds {
		s := newSite(b)
		authd := s.serve()
		for _, id := range providers {
			request := fmt.Sprintf("GET /auth/oauth/%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", id, s.addr)
			if status := statusOf(s.addr, request); status != "303" {
				b.Fatalf("a login through %s begins with status %s", id, status)
			}
			pid := pluginOf(authd, id)
			begun := time.Now()
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				b.Fatal(err)
			}
			if status := statusOf(s.addr, request); status != "303" {
				b.Fatalf("with its plugin killed a login through %s begins with status %q\n%s", id, status, authd.errs)
			}
			took = append(took, milliseconds(time.Since(begun)))
			if slices.Contains(authd.children(), pid) {
				b.Fatalf("plugin %s answered before it was dead", id)
			}
		}
		authd.stop()
	}
	t.add(b, row{
		what: "plugin killed → answering again", unit: "ms", budget: 50, measured: median(took),
		note: fmt.Sprintf("no call failed; worst %.0f ms; %s", slices.Max(took), spread(took)),
	})
}

// pluginOf finds the process of a provider.
func pluginOf(p *process, id string) int {
	p.tb.Helper()
	for _, pid := range p.children() {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err == nil && strings.Contains(string(line), "authd-provider-"+id) {
			return pid
		}
	}
	p.tb.Fatalf("provider %s has no process", id)
	return 0
}
