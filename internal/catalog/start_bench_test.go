package catalog

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/go-hclog"
)

// What a start costs from the check to the first answer, in each sandbox, and with a lock: the first time, when the
// plugin is copied and its digest taken, and again. Strict may add 10 ms.
func BenchmarkStart(b *testing.B) {
	dir := b.TempDir()
	p := At(install(b, dir, namePrefix+"well"), true)
	lockPath := filepath.Join(dir, LockFileName)
	sum, _, err := new(digests).of(p.Path)
	if err != nil {
		b.Fatal(err)
	}
	file := LockFile{Plugins: map[string]LockedPlugin{
		"well": {Version: "(devel)", Protocol: "1.0", Types: []string{"test"}, SHA256: []string{sum}},
	}}
	if err := file.Write(lockPath); err != nil {
		b.Fatal(err)
	}
	for _, bench := range []struct {
		name  string
		level Level
		lock  *Lock
		anew  bool
	}{
		{"off", LevelOff, nil, false},
		{"basic", LevelBasic, nil, false},
		{"strict", LevelStrict, nil, false},
		{"basic, locked", LevelBasic, OpenLock(lockPath, true), false},
		{"basic, locked, first", LevelBasic, OpenLock(lockPath, true), true},
		{"strict, locked", LevelStrict, OpenLock(lockPath, true), false},
	} {
		b.Run(bench.name, func(b *testing.B) {
			l := &launcher{environ: os.Environ(), timing: defaults(), lock: bench.lock}
			if l.sockets, err = newSockets("", nil); err != nil {
				b.Fatal(err)
			}
			if l.spawner, err = newSpawner(); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if bench.anew {
					l.sealed.close()
				}
				started, err := l.launch(context.Background(), p, Sandbox{Level: bench.level}, nil, newProcessLog(hclog.NewNullLogger(), newRedactor(nil), newQuota()))
				if err != nil {
					b.Fatal(err)
				}
				if _, err := started.rpc.Describe(context.Background()); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				started.stop()
				b.StartTimer()
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/start")
			l.spawner.stop()
			l.sealed.close()
			if err := l.sockets.remove(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
