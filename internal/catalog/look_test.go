package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Only files that may be run are read: what a refused one does when it is opened, nobody knows.
func TestDigestsOfPlugins(t *testing.T) {
	path := filepath.Join(t.TempDir(), "authd-provider-a")
	save(t, path, "#!/bin/sh\n")
	sum := sha256.Sum256([]byte("#!/bin/sh\n"))
	var d Digests
	for _, c := range []struct {
		plugin Plugin
		want   string
	}{
		{Plugin{Path: path}, hex.EncodeToString(sum[:])},
		{Plugin{Path: path, Refused: "is not in authd.lock", Unlocked: true}, hex.EncodeToString(sum[:])},
		{Plugin{Path: path, Refused: "is setuid or setgid"}, ""},
		{Plugin{Path: path + "-gone"}, ""},
		{Plugin{Path: path, attached: &attachment{}}, ""},
	} {
		if got := d.Of(c.plugin); got != c.want {
			t.Errorf("Of(%+v) = %q, want %q", c.plugin, got, c.want)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if got := d.Of(Plugin{Path: path, Refused: "is not a regular file"}); got != "" { // and it does not wait for a writer
		t.Errorf("of a pipe: %q", got)
	}
}

// Threat 62, 154: what a process wrote last is kept over its end, with its secrets masked.
func TestLastLines(t *testing.T) {
	const secret = "hunter2hunter2"
	pc := testProvider(t, "p")
	pc.Secrets = []string{secret}
	c := catalogOf(t, Config{Providers: []ProviderConfig{pc}})
	p := provider(t, c, "p")
	if p.process.Load() == nil && p.LastLines() != "" {
		t.Errorf("before the start: %q", p.LastLines())
	}
	ready(t, c, "p")
	p.process.Load().log.stderr([]byte("the secret is "+secret), 0)
	for _, when := range []string{"while it runs", "after its end"} {
		if got := p.LastLines(); !strings.Contains(got, "the secret is") || strings.Contains(got, secret) {
			t.Errorf("%s: LastLines = %q, want the line without the secret", when, got)
		}
		if err := c.Stop(background(t)); err != nil {
			t.Fatal(err)
		}
	}
}
