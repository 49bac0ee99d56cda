//go:build linux

package bench

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/authd/authd/internal/catalog"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/providertest"
)

// cell is a catalog with one provider that is started again and again.
type cell struct {
	provider *catalog.Provider
	swapped  chan catalog.Status
	first    float64   // ms until it was ready
	again    []float64 // :: round → ms for another process to take over
}

// newCell starts a plugin at that level, held to the lock if there is one. Each process that is to take over asks its
// identity provider first, which is here.
func newCell(b *testing.B, idp *devidp.Server, level catalog.Level, lock *catalog.Lock) *cell {
	b.Helper()
	settings, port := githubSettings(), portOf(b, idp.URL())
	for name, path := range map[string]string{"auth_url": "/login/oauth/authorize", "token_url": "/login/oauth/access_token", "user_info_url": "/user"} {
		settings[name] = idp.URL() + path
	}
	at := &cell{swapped: make(chan catalog.Status, 1)}
	c, err := catalog.New(catalog.Config{
		Environ: os.Environ(), Lock: lock, SocketDir: b.TempDir(),
		Event: func(e catalog.Event) {
			if e.Kind == catalog.EventSwapped || e.Kind == catalog.EventCandidateFailed {
				at.swapped <- e.Status
			}
		},
		Providers: []catalog.ProviderConfig{{
			ID: "github", Type: "github", Settings: settings, Sandbox: catalog.Sandbox{Level: level, EgressPorts: []uint16{port}},
			Plugin: lock.Guard(catalog.At(built(b, filepath.Join("plugins", "authd-provider-github")), false)),
		}},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := c.Stop(context.Background()); err != nil {
			b.Errorf("Stop: %v", err)
		}
	})
	begun := time.Now()
	c.Start(context.Background())
	if at.provider, err = c.Provider("github"); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(b.Context(), 30*time.Second)
	defer cancel()
	if err := at.provider.WaitReady(ctx); err != nil {
		b.Fatalf("%v: %+v", err, at.provider.Status())
	}
	at.first = milliseconds(time.Since(begun))
	return at
}

// restart has another process take over.
func (at *cell) restart(b *testing.B) {
	b.Helper()
	begun := time.Now()
	at.provider.Restart()
	select {
	case now := <-at.swapped:
		if now.CandidateProblem != "" {
			b.Fatalf("the next process can't take over: %s", now.CandidateProblem)
		}
	case <-time.After(30 * time.Second):
		b.Fatalf("no other process takes over: %+v", at.provider.Status())
	}
	at.again = append(at.again, milliseconds(time.Since(begun)))
}

// measureSandbox starts the same plugin in each kind of cell in turn, and takes the medians from each other.
func measureSandbox(b *testing.B, t *table) {
	const rounds = 31
	idp := providertest.StartIDP(b, devidp.Options{})
	basic, strict := newCell(b, idp, catalog.LevelBasic, nil), newCell(b, idp, catalog.LevelStrict, nil)
	locked := newCell(b, idp, catalog.LevelBasic, lockFile(b))
	for range rounds {
		for _, at := range []*cell{basic, strict, locked} {
			at.restart(b)
		}
	}
	base := median(basic.again)
	t.add(b, row{
		what: "strict sandbox, more per start", unit: "ms", budget: 10, measured: median(strict.again) - base,
		note: fmt.Sprintf("%.1f ms, basic %.1f ms; %s", median(strict.again), base, spread(strict.again)),
	})
	t.add(b, row{
		what: "lock file, more per start", unit: "ms", measured: median(locked.again) - base,
		note: fmt.Sprintf("the first start, which copies the plugin, %.0f ms; without %.0f ms", locked.first, basic.first),
	})
}

func portOf(b *testing.B, text string) uint16 {
	b.Helper()
	at, err := url.Parse(text)
	if err != nil {
		b.Fatal(err)
	}
	port, err := strconv.ParseUint(at.Port(), 10, 16)
	if err != nil {
		b.Fatal(err)
	}
	return uint16(port)
}

// lockFile locks the plugin that newCell starts.
func lockFile(b *testing.B) *catalog.Lock {
	b.Helper()
	plugin := catalog.At(built(b, filepath.Join("plugins", "authd-provider-github")), false)
	body, err := os.ReadFile(plugin.Path)
	if err != nil {
		b.Fatal(err)
	}
	manifest, err := new(catalog.Manifests).Describe(b.Context(), plugin)
	if err != nil {
		b.Fatal(err)
	}
	sum := sha256.Sum256(body)
	path := filepath.Join(b.TempDir(), catalog.LockFileName)
	file := catalog.LockFile{Plugins: map[string]catalog.LockedPlugin{
		"github": {Version: manifest.Version, Protocol: "1.0", Types: []string{"github"}, SHA256: []string{hex.EncodeToString(sum[:])}},
	}}
	if err := file.Write(path); err != nil {
		b.Fatal(err)
	}
	return catalog.OpenLock(path, true)
}
