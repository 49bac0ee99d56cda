package catalog

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// counting is a plugin that leaves a mark at each start, with a way to put another in its place.
func counting(t *testing.T, version string) (plugin Plugin, starts func() int, replace func(version string)) {
	t.Helper()
	dir, counter := pluginDir(t), filepath.Join(t.TempDir(), "starts")
	path := filepath.Join(dir, namePrefix+"x")
	replace = func(version string) {
		text := "#!/bin/sh\nprintf . >> '" + counter + "'\n" + version + "\n"
		save(t, path+".new", text)
		move(t, path+".new", path)
	}
	replace(version)
	return At(path, false), func() int {
		marks, err := os.ReadFile(counter)
		if err != nil {
			return 0
		}
		return len(marks)
	}, replace
}

const oneType = `echo '{"version":"v1","types":[{"name":"x","label":"X"}]}'`

// Looking through the directories again starts no process for a file that is the same.
func TestManifests(t *testing.T) {
	plugin, starts, replace := counting(t, oneType)
	var known Manifests
	for range 3 {
		m, err := known.Describe(background(t), plugin)
		if err != nil || m.Version != "v1" || len(m.Types) != 1 {
			t.Fatalf("Describe = %+v, %v", m, err)
		}
	}
	if got := starts(); got != 1 {
		t.Errorf("%d starts for one file, want 1", got)
	}
	replace(strings.ReplaceAll(oneType, "v1", "v2"))
	m, err := known.Describe(background(t), plugin)
	if err != nil || m.Version != "v2" || starts() != 2 {
		t.Errorf("Describe of another file = %+v, %v, after %d starts", m, err, starts())
	}
	refused := plugin
	refused.Refused = "may be written by others"
	m, err = known.Describe(background(t), refused)
	fails(t, "Describe of a refused plugin", err, "may be written by others")
	if got := starts(); got != 2 || m == nil || m.Version != "v2" {
		t.Errorf("Describe of a refused plugin = %+v after %d starts, want what it served before, and none", m, got)
	}
}

// A file that fails and was written a moment ago is asked again; one that has been there for long is not.
func TestManifestsOfHalfWrittenFile(t *testing.T) {
	plugin, starts, replace := counting(t, "exit 1")
	known := Manifests{timing: timing{writing: longEnough, rewrite: time.Millisecond}}
	if m, err := known.Describe(background(t), plugin); err == nil || m != nil {
		t.Errorf("Describe of a broken plugin = %+v, %v", m, err)
	}
	// Each attempt asks twice: by flag, then over gRPC.
	if got := starts(); got != 2*writesMax {
		t.Errorf("%d starts, want %d", got, 2*writesMax)
	}
	old := Manifests{timing: timing{writing: time.Nanosecond}}
	before := starts()
	if _, err := old.Describe(background(t), plugin); err == nil || starts() != before+2 {
		t.Errorf("an old file: %v after %d starts", err, starts()-before)
	}
	// This one is completed while it is asked.
	save(t, plugin.Path+".whole", "#!/bin/sh\n"+oneType+"\n")
	replace("mv '" + plugin.Path + ".whole' '" + plugin.Path + "'; exit 1")
	if m, err := known.Describe(background(t), plugin); err != nil || m.Version != "v1" {
		t.Errorf("Describe while it is written = %+v, %v", m, err)
	}
	replace("exit 1")
	if m, err := known.Describe(background(t), plugin); err == nil || m == nil || m.Version != "v1" {
		t.Errorf("Describe of one that was spoiled = %+v, %v; want an error with what it served before", m, err)
	}
}
