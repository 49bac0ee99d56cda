package catalog

import (
	"context"
	"sync"

	"github.com/authd/authd/sdk"
)

// Manifests remembers what plugins serve for as long as their files stay the same, so that looking through the
// plugins directories again starts no process. The zero value is ready for use, also concurrently.
type Manifests struct {
	mu    sync.Mutex
	known map[string]described // :: by path

	timing timing // zero values: as in defaults
}

// described is what a file was found to serve.
type described struct {
	file     identity
	manifest *sdk.Manifest
}

// Describe is the function of that name with a memory. The manifest is shared and must not be changed. A plugin that
// fails although its file was written a moment ago may not be complete yet: it is asked three times, half a second
// apart, and for longer while it is open for writing.
//
// With an error comes what the file at that path served before, if anything is known: a plugin that was replaced by
// one that is broken or refused still stands for its types, so that what runs of it can go on.
func (m *Manifests) Describe(ctx context.Context, p Plugin) (*sdk.Manifest, error) {
	t := m.timing.or(defaults())
	for try := 1; ; try++ {
		file, missing := identify(p.Path)
		if known := m.recall(p.Path, file); known != nil && p.Refused == "" {
			return known, nil
		}
		manifest, err := Describe(ctx, p)
		if err == nil && missing == nil {
			m.remember(p.Path, file, manifest)
		}
		if err == nil || p.Refused != "" || !unfinished(err, try, &file, t) || !sleep(ctx, t.rewrite, nil) {
			if err != nil {
				manifest = m.before(p.Path)
			}
			return manifest, err
		}
	}
}

// before is what was last known to be served from that path.
func (m *Manifests) before(path string) *sdk.Manifest {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.known[path].manifest
}

func (m *Manifests) recall(path string, file identity) *sdk.Manifest {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known := m.known[path]; known.file == file && file != (identity{}) {
		return known.manifest
	}
	return nil
}

// remember notes what a file serves, unless it was replaced while it was asked.
func (m *Manifests) remember(path string, file identity, manifest *sdk.Manifest) {
	if now, err := identify(path); err != nil || now != file {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil || len(m.known) >= digestsMax {
		m.known = map[string]described{}
	}
	m.known[path] = described{file, manifest}
}
