//go:build linux

package bench

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/authd/authd/internal/session"
	"github.com/authd/authd/internal/store"
	"github.com/authd/authd/internal/store/file"
	"github.com/authd/authd/internal/store/memory"
)

// BenchmarkSessionLookup is a look-up from the cache, as at nearly every check, and from each store, as at the first.
func BenchmarkSessionLookup(b *testing.B) {
	ram := memory.New(memory.Options{})
	disk, err := file.Open(filepath.Join(b.TempDir(), "authd.db"), file.Options{})
	if err != nil {
		b.Fatal(err)
	}
	for _, one := range []struct {
		name  string
		store store.Store
		// cached is how many sessions stay in memory; two sessions in turn never find a cache of one.
		cached int
	}{{"cached", ram, 10}, {"memory", ram, 1}, {"file", disk, 1}} {
		b.Run(one.name, func(b *testing.B) {
			manage(b, one.store, func(m *session.Manager) {
				ids := [2]string{signIn(b, m, nil), signIn(b, m, nil)}
				b.ReportAllocs()
				n := 0
				for b.Loop() {
					if _, err := m.Lookup(context.Background(), ids[n&1]); err != nil {
						b.Fatal(err)
					}
					n++
				}
			}, func(c *session.Config) { c.CacheSize = one.cached })
		})
	}
	for _, st := range []interface{ Close() error }{ram, disk} {
		if err := st.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLogin is a whole login, eight at a time: start and callback, a plugin that verifies an ID token signed with
// RS256, a session on the disk. What host and plugin spend is reported apart.
func BenchmarkLogin(b *testing.B) {
	s := newSite(b)
	authd := s.serve(serverCore)
	p := newPeople(s)
	const warmUp = 100 // the first ones make both processes grow
	if err := p.signIn(b.Context(), "oidc", warmUp); err != nil {
		b.Fatalf("%v\n%s", err, authd.errs)
	}
	plugin := pluginOf(authd, "oidc")
	host, other := cpuOf(b, authd.pid), cpuOf(b, plugin)
	b.ResetTimer()
	if err := onCore(b, loadCore, func() error { return p.signIn(b.Context(), "oidc", b.N) }); err != nil {
		b.Fatalf("%v\n%s", err, authd.errs)
	}
	b.StopTimer()
	b.ReportMetric(microseconds(cpuOf(b, authd.pid)-host)/float64(b.N), "host-µs/login")
	b.ReportMetric(microseconds(cpuOf(b, plugin)-other)/float64(b.N), "plugin-µs/login")
	authd.stop()
}

// BenchmarkReady is the start of the program until all four providers are ready, and its end.
func BenchmarkReady(b *testing.B) {
	s := newSite(b)
	for b.Loop() {
		authd := s.serve()
		b.StopTimer()
		authd.stop()
		b.StartTimer()
	}
}
