package catalog

import (
	"fmt"
	"reflect"
	"slices"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"
)

// spec is one configuration of a provider, with what follows from it. A provider is brought from one to the next;
// a process keeps the one that it was configured with.
type spec struct {
	cfg        ProviderConfig
	log        hclog.Logger
	redact     *redactor
	plugin     atomic.Pointer[Plugin]   // as it was last found: what it must pass before a start may change
	file       atomic.Pointer[identity] // of the plugin, as it was when last looked at or started
	superseded chan struct{}            // closed when another one is wanted
	forced     bool                     // it takes another process, even if this one has the same configuration
}

// newSpec makes the configuration that follows before, which is nil for the first. Its secrets are masked in the
// log for one step longer: calls to the process that has them may still be in flight.
func newSpec(cfg ProviderConfig, log hclog.Logger, before *spec) *spec {
	secrets := cfg.Secrets
	if before != nil {
		secrets = append(slices.Clone(secrets), before.cfg.Secrets...)
	}
	s := &spec{
		cfg: cfg, redact: newRedactor(secrets), superseded: make(chan struct{}),
		log: log.Named("plugin").With("provider", cfg.ID, "plugin", cfg.Plugin.Name),
	}
	s.plugin.Store(&cfg.Plugin)
	s.look()
	return s
}

// look notes which file the plugin is.
func (s *spec) look() {
	if id, err := identify(s.cfg.Plugin.Path); err == nil {
		s.file.Store(&id)
	}
}

// hopeless says why the provider can't be started with this configuration; problem is empty when it can be.
func (s *spec) hopeless() (state State, problem string) {
	why := s.mend()
	switch {
	case why == "":
		return "", ""
	case s.cfg.Plugin.Path == "", s.cfg.Plugin.Refused != "":
		state = StateRefused
	default:
		state = StateMisconfigured
	}
	return state, fmt.Sprintf("provider %s: %s", s.cfg.ID, why)
}

// mend says what is to be mended before the provider can be started; "" when nothing is.
func (s *spec) mend() string {
	c := &s.cfg
	switch {
	case c.Plugin.Path == "" && c.Problem == "":
		return fmt.Sprintf("no plugin serves type %s; put authd-provider-%s into a plugins directory", c.Type, c.Type)
	case c.Plugin.Refused != "":
		return fmt.Sprintf("plugin %s %s", c.Plugin.Path, c.Plugin.Refused)
	}
	return c.Problem
}

// withdrawn reports whether there is no plugin any more that may be run: then nothing serves, not even what runs. One
// that only is not what the lock file says is none of that: what runs was looked at.
func (s *spec) withdrawn() bool {
	return s.cfg.Plugin.Path == "" || s.cfg.Plugin.Refused != "" && !s.cfg.Plugin.Unlocked
}

// same reports whether a provider that was given s needs nothing done to be what next says.
func (s *spec) same(next ProviderConfig, files *digests) bool {
	return s.cfg.Plugin.Path == next.Plugin.Path && s.cfg.Plugin.Refused == next.Plugin.Refused &&
		reflect.DeepEqual(essence(s.cfg), essence(next)) && s.intact(files)
}

// essence is the configuration without what a process does not depend on, and without the difference between what is
// empty and what is not there.
func essence(c ProviderConfig) ProviderConfig {
	c.Plugin, c.Required = Plugin{}, false
	if len(c.Settings) == 0 {
		c.Settings = nil
	}
	if len(c.Env) == 0 {
		c.Env = nil
	}
	if len(c.CAPEM) == 0 {
		c.CAPEM = nil
	}
	if len(c.Secrets) == 0 {
		c.Secrets = nil
	}
	return c
}

// intact reports whether the plugin's file holds what it held when it was last looked at. It reads the file only
// when it is another one, or was written to, and the digest of the old one is known.
func (s *spec) intact(files *digests) bool {
	now, err := identify(s.cfg.Plugin.Path)
	if err != nil {
		return s.file.Load() == nil
	}
	old := s.file.Load()
	switch {
	case old == nil:
		return false
	case *old == now:
		return true
	}
	was, known := files.known(*old)
	if !known {
		return false
	}
	sum, id, err := files.of(s.cfg.Plugin.Path)
	if err != nil || sum != was {
		return false
	}
	s.file.Store(&id)
	return true
}
