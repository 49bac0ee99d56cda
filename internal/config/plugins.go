package config

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	lockFile    = "authd.lock"
	leastMemory = 128 << 20 // in which a plugin written in Go starts
)

// LockPath returns the path of the lock file. required: it was named, so it must exist; otherwise it counts if it
// does.
func (c *Config) LockPath() (path string, required bool) {
	if c.Plugins.LockFile != "" {
		return c.Plugins.LockFile, true
	}
	return filepath.Join(filepath.Dir(cmp.Or(c.Path, DefaultPath)), lockFile), false
}

// Confinement is where a plugin's process is to run.
type Confinement struct {
	// Sandbox is off, basic or strict.
	Sandbox string
	// BestEffort: as much of strict as the kernel can do will do.
	BestEffort bool
	// RunAs is a user; empty: authd's own.
	RunAs string
	// EgressPorts may be connected to over TCP besides 443.
	EgressPorts []uint16
	// MemoryLimit in bytes; 0: none.
	MemoryLimit uint64
}

// Confinement puts together what is said of all plugins and what is said of one provider; the zero Provider stands
// for none.
func (c *Config) Confinement(p Provider) Confinement {
	memory, _ := memoryLimit(c.Plugins.MemoryLimit)
	return Confinement{
		Sandbox: cmp.Or(p.Sandbox, c.Plugins.Sandbox), BestEffort: c.Plugins.SandboxBestEffort,
		RunAs: p.RunAs, EgressPorts: p.EgressPorts, MemoryLimit: memory,
	}
}

func (k checker) plugins() {
	if _, err := memoryLimit(k.cfg.Plugins.MemoryLimit); err != nil {
		k.fault("plugins.memory_limit", err.Error(), `write it like "512MiB"`)
	}
}

// memoryLimit reads a number of MiB or GiB as bytes; empty is 0.
func memoryLimit(text string) (uint64, error) {
	if text == "" {
		return 0, nil
	}
	number, shift := strings.TrimSuffix(text, "MiB"), 20
	if number == text {
		number, shift = strings.TrimSuffix(text, "GiB"), 30
	}
	n, err := strconv.ParseUint(number, 10, 24)
	if err != nil || number == text {
		return 0, fmt.Errorf("%s is not a number of MiB or GiB", quoted(text))
	}
	if n<<shift < leastMemory {
		return 0, fmt.Errorf("%s is less than the 128MiB that a plugin starts with", quoted(text))
	}
	return n << shift, nil
}

// Files are what the configuration was read from, or could be: the file itself, whether it is there or not, and what
// provider tables name. When one of them changes it is worth reading the configuration again.
func (c *Config) Files() []string {
	files := []string{cmp.Or(c.Path, DefaultPath)}
	for _, p := range c.Providers {
		for _, name := range slices.Sorted(maps.Keys(p.Settings)) {
			if strings.HasSuffix(name, fileSuffix) {
				files = append(files, p.Settings[name])
			}
		}
		for _, file := range []string{p.CAFile, p.Icon} {
			if file != "" {
				files = append(files, file)
			}
		}
	}
	return files
}
