//go:build linux

package bench

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/authd/authd/internal/realtest"
)

// ownPlugins gives a site a plugins directory of its own, with these plugins in it.
func ownPlugins(names ...string) func(*site) {
	return func(s *site) {
		s.plugins = filepath.Join(s.dir, "plugins")
		if err := os.Mkdir(s.plugins, 0o755); err != nil {
			s.tb.Fatal(err)
		}
		for _, name := range names {
			s.install(name, "")
		}
	}
}

// install puts a plugin into the site's own directory, as a package manager would: in one step. more is put behind the
// program, which makes other bytes of it and changes nothing else.
func (s *site) install(name, more string) {
	s.tb.Helper()
	name = "authd-provider-" + name
	body, err := os.ReadFile(built(s.tb, filepath.Join("plugins", name)))
	if err != nil {
		s.tb.Fatal(err)
	}
	fresh := filepath.Join(s.plugins, ".new")
	if err := os.WriteFile(fresh, append(body, more...), 0o755); err != nil {
		s.tb.Fatal(err)
	}
	if err := os.Rename(fresh, filepath.Join(s.plugins, name)); err != nil {
		s.tb.Fatal(err)
	}
}

// measureSwap replaces a plugin again and again while people sign in through it. No login may fail for that.
func measureSwap(b *testing.B, t *table) {
	const swaps = 20
	s := newSite(b, ownPlugins("oidc"), func(s *site) { s.tables = s.providers("oidc") })
	authd := s.serve()
	p := newPeople(s)
	ctx, enough := context.WithCancel(b.Context())
	defer enough()
	var logins, failed atomic.Int64
	done := make(chan error, 1)
	go func() {
		var first error
		for ctx.Err() == nil {
			logins.Add(atOnce)
			if err := p.signIn(b.Context(), "oidc", atOnce); err != nil {
				failed.Add(1)
				first = err
			}
		}
		done <- first
	}()
	var took []float64
	for i := range swaps {
		old, begun := pluginOf(authd, "oidc"), time.Now()
		s.install("oidc", fmt.Sprint(i))
		// authd would see it by itself, half a second after the last change; this is the order to look at once.
		if err := syscall.Kill(authd.pid, syscall.SIGHUP); err != nil {
			b.Fatal(err)
		}
		poll(b, 2*time.Millisecond, "the old plugin ends", func() bool {
			now := authd.children()
			return len(now) > 0 && !slices.Contains(now, old)
		})
		took = append(took, milliseconds(time.Since(begun)))
	}
	enough()
	if err := <-done; err != nil {
		b.Logf("a login failed: %v\n%s", err, authd.errs)
	}
	t.add(b, row{
		what: fmt.Sprintf("plugin replaced %d times, failed logins", swaps), unit: "", exact: true, measured: float64(failed.Load()),
		note: fmt.Sprintf("of %d, %d at a time; %.0f ms until the old process has ended; %s", logins.Load(), atOnce, median(took), spread(took)),
	})
	authd.stop()
}

// measureDrop puts a plugin into the directory of an authd that waits for it, and looks at the login page.
func measureDrop(b *testing.B, t *table) {
	const rounds = 5
	s := newSite(b, ownPlugins("oidc"), func(s *site) {
		s.tables = s.providers("oidc") + strings.Replace(s.providers("github"), "required = true", "required = false", 1)
	})
	authd := s.serve()
	shows := func() bool {
		res, err := http.Get("http://" + s.addr + "/auth/login")
		if err != nil {
			b.Fatal(err)
		}
		defer res.Body.Close()
		page, err := io.ReadAll(res.Body)
		if err != nil {
			b.Fatal(err)
		}
		return strings.Contains(string(page), `href="/auth/oauth/github`)
	}
	var took []float64
	for range rounds {
		poll(b, 20*time.Millisecond, "the login page has no button for the missing plugin", func() bool { return !shows() })
		begun := time.Now()
		s.install("github", "")
		poll(b, 10*time.Millisecond, "the login page shows the new plugin", shows)
		took = append(took, time.Since(begun).Seconds())
		if err := os.Remove(filepath.Join(s.plugins, "authd-provider-github")); err != nil {
			b.Fatal(err)
		}
	}
	t.add(b, row{
		what: "plugin dropped in → on the login page", unit: "s", budget: 2, measured: median(took),
		note: fmt.Sprintf("half a second of it waits for the file to be whole; worst %.2f s; %s", slices.Max(took), spread(took)),
	})
	authd.stop()
}

// measureThirty starts authd with thirty providers of one plugin.
func measureThirty(b *testing.B, t *table) {
	const many, rounds = 30, 5
	s := newSite(b, func(s *site) {
		s.tables = ""
		for i := range many {
			s.tables += fmt.Sprintf("[[providers]]\nid = \"hub-%d\"\ntype = \"github\"\nrequired = true\nclient_id = \"demo\"\nclient_secret = \"demo-secret\"\n", i)
		}
	})
	var took []float64
	var largest, sum realtest.Memory
	for round := range rounds {
		begun := time.Now()
		authd := s.serve()
		took = append(took, time.Since(begun).Seconds())
		if round == rounds-1 {
			all := authd.children()
			if len(all) != many {
				b.Fatalf("%d providers have %d processes", many, len(all))
			}
			for _, pid := range all {
				m := realtest.MemoryOf(b, pid)
				largest.Own, sum.Own = max(largest.Own, m.Own), sum.Own+m.Own
			}
		}
		authd.stop()
	}
	t.add(b, row{what: "start to ready, thirty providers", unit: "s", budget: 1, measured: median(took), note: spread(took)})
	t.add(b, row{
		what: "plugin of thirty, its own", unit: "MB", budget: 5, measured: float64(largest.Own) / MB,
		note: fmt.Sprintf("the largest; %.1f MB in the mean", float64(sum.Own)/many/MB),
	})
}
