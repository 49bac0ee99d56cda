package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/authd/authd/internal/catalog"
	"github.com/authd/authd/internal/config"
	"github.com/authd/authd/internal/policy"
	"github.com/authd/authd/sdk"
)

// found is a plugin, as far as it could be looked at.
type found struct {
	catalog.Plugin
	manifest *sdk.Manifest // nil: it was not run, or said nothing usable
	problem  string        // why it can't be used; empty: it can
	sha256   string        // of the executable; empty: it can't be read
	locked   bool          // the lock file allows it
	hidden   []string      // types that a plugin before it serves already, each with that plugin's path
}

// survey looks at all plugins in the directories, in their order, and asks each that may be run what it serves.
func survey(ctx context.Context, at place) []found {
	plugins := catalog.Discover(at.dirs, false)
	all := make([]found, len(plugins))
	slots := make(chan struct{}, 2*runtime.GOMAXPROCS(0))
	var looking sync.WaitGroup
	for i, p := range plugins {
		looking.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			p.Sandbox = at.sandbox
			all[i] = look(ctx, at.lock.Guard(p))
			all[i].locked = all[i].Refused == "" && at.lock.Locks()
		})
	}
	looking.Wait()
	serves := map[string]string{} // :: type → path of the plugin that serves it
	for i, f := range all {
		for _, t := range f.types() {
			if first, taken := serves[t.Name]; taken {
				all[i].hidden = append(all[i].hidden, t.Name+" is served by "+first)
			} else {
				serves[t.Name] = f.Path
			}
		}
	}
	return all
}

func look(ctx context.Context, p catalog.Plugin) found {
	f := found{Plugin: p, sha256: fingerprint(p.Path)}
	if p.Refused != "" {
		f.problem = "refused: " + p.Refused
		return f
	}
	manifest, err := catalog.Describe(ctx, p)
	if err != nil {
		f.problem = "unusable: " + strings.TrimPrefix(err.Error(), "plugin "+p.Path+" ")
		return f
	}
	f.manifest = manifest
	return f
}

func (f found) types() []sdk.Type {
	if f.manifest == nil {
		return nil
	}
	return f.manifest.Types
}

// fingerprint is the SHA-256 of a regular file in hexadecimal.
func fingerprint(path string) string {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return ""
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// state is everything that can be known of an authd without running it.
type state struct {
	config    *config.Config
	plugins   []found
	types     []sdk.Type
	providers []config.Provider
	warnings  []string
}

// read loads the configuration and looks at the plugins. The error is a *config.Faults.
func (a *app) read(ctx context.Context, path string) (*state, error) {
	cfg, err := config.Load(path, a.environ)
	if err != nil {
		return nil, err
	}
	return a.resolve(ctx, cfg), nil
}

// resolve joins a configuration with what the plugins serve.
func (a *app) resolve(ctx context.Context, cfg *config.Config) *state {
	s := &state{config: cfg, plugins: survey(ctx, placeOf(cfg))}
	s.warnings = append(s.warnings, cfg.Warnings...)
	for _, f := range s.plugins {
		if f.problem != "" {
			what := "plugin "
			if f.Name == "" {
				what = "directory of plugins "
			}
			s.warnings = append(s.warnings, what+f.Path+" is "+f.problem)
		}
		for _, t := range f.types() {
			if _, taken := s.typeOf(t.Name); !taken {
				s.types = append(s.types, t)
			}
		}
	}
	s.providers = cfg.Resolve(s.types, a.environ)
	s.warnings = append(s.warnings, cfg.EnvironmentWarnings(s.types, a.environ)...)
	for _, p := range s.providers {
		for _, warning := range p.Warnings {
			s.warnings = append(s.warnings, "provider "+p.ID+": "+warning)
		}
	}
	return s
}

// typeOf returns the named type.
func (s *state) typeOf(name string) (sdk.Type, bool) {
	i := slices.IndexFunc(s.types, func(t sdk.Type) bool { return t.Name == name })
	if i < 0 {
		return sdk.Type{}, false
	}
	return s.types[i], true
}

// serving returns the plugin that serves a type; the zero one if none does.
func serving(plugins []found, typeName string) found {
	for _, f := range plugins {
		for _, t := range f.types() {
			if t.Name == typeName {
				return f
			}
		}
	}
	return found{}
}

// warn prints the warnings on standard error.
func (a *app) warn(warnings []string) {
	for _, warning := range warnings {
		a.say("warning: %s", oneLine(warning))
	}
}

// ruleFaults compiles the rules that the host will compile, to tell where in the file a faulty one stands.
func ruleFaults(cfg *config.Config) []config.Fault {
	var faults []config.Fault
	try := func(path, rule string) {
		if _, err := policy.Compile(path, rule); err != nil {
			faults = append(faults, ruleFault(cfg, path, err, "rules are CEL expressions over user and claims"))
		}
	}
	try("access.allow", cfg.Access.Allow)
	for i, p := range cfg.Providers {
		try(fmt.Sprintf("providers[%d].allow", i), p.Allow)
		faults = append(faults, claimFaults(cfg, i)...)
	}
	return append(faults, appFaults(cfg)...)
}

// ruleFault is what is wrong with the rule at path.
func ruleFault(cfg *config.Config, path string, err error, mend string) config.Fault {
	// What follows the first line is a picture of the rule.
	summary, _, _ := strings.Cut(strings.TrimPrefix(err.Error(), path+": "), "\n")
	return cfg.FaultAt(path, summary, mend)
}
