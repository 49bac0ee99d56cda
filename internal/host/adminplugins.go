package host

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/authd/authd/internal/audit"
	"github.com/authd/authd/internal/catalog"
	"github.com/authd/authd/internal/telemetry"
	"github.com/authd/authd/sdk"
)

// pluginFile is a plugin that was found.
type pluginFile struct {
	catalog.Plugin
	manifest *sdk.Manifest // :: nil when nobody knows what it serves; with a fault, what was there before it
	fault    error         // why it can't be used
	hidden   []string      // types that another serves in its place, with that one's path
}

// troubles are what an operator is to know of it, each a sentence that follows its path.
func (f pluginFile) troubles() []string {
	if f.Refused == "" && f.fault != nil {
		return append([]string{f.fault.Error()}, f.hidden...)
	}
	return f.hidden
}

// ledger is what was told of plugins, so that it is told once, and what was found out about their files.
type ledger struct {
	digests catalog.Digests
	told    map[string]bool // :: path and trouble; changed by one reload at a time

	mu   sync.Mutex
	last map[string]notice // :: provider → what the audit log last said of its process
}

type notice struct {
	kind  audit.Kind
	pid   int
	cause string
}

// news reports whether the audit log has not said so already. Every crash is news; a failing attempt during a quarantine
// is not, nor is a process that goes on after a change was taken back.
func (l *ledger) news(provider string, kind audit.Kind, status catalog.Status) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last == nil {
		l.last = map[string]notice{}
	}
	before, now := l.last[provider], notice{kind, status.PID, status.Problem}
	l.last[provider] = now
	switch kind {
	case audit.PluginCrashed:
		return true
	case audit.PluginQuarantined:
		return before.kind != kind
	case audit.PluginStopped:
		return before.kind == audit.PluginStarted // what never ran, or has ended by itself, does not stop
	}
	return before != now
}

// tellOfPlugins logs what is wrong with the files, once for as long as it stays the same.
func (s *Server) tellOfPlugins(files []pluginFile) {
	told := map[string]bool{}
	isNews := func(f pluginFile, what string) bool {
		key := f.Path + " " + what
		told[key] = true
		return !s.plugins.told[key]
	}
	for _, f := range files {
		if f.Refused != "" && isNews(f, f.Refused) {
			s.log.Warn("plugin is not run", "path", f.Path, "cause", f.Refused)
			s.audit.Write(audit.Event{Kind: audit.PluginRefused, Cause: f.Path + " " + f.Refused})
		}
		for _, trouble := range f.troubles() {
			if !isNews(f, trouble) {
				continue
			}
			if f.fault != nil {
				s.log.Error("plugin can't be used", "path", f.Path, "cause", trouble)
			} else {
				s.log.Warn("two plugins serve one type; the first one is used", "path", f.Path, "cause", trouble)
			}
		}
	}
	s.plugins.told = told
}

// adminPlugin is a plugin's file as an operator sees it.
type adminPlugin struct {
	Name     string   `json:"name"`
	Path     string   `json:"path"`
	Types    []string `json:"types"`
	Version  string   `json:"version"`
	Protocol string   `json:"protocol"`
	SHA256   string   `json:"sha256"`
	Locked   bool     `json:"locked"`            // the lock file allows it
	Refused  string   `json:"refused,omitempty"` // why it is not run
	Problems []string `json:"problems"`
	// Providers whose processes run from it, by id.
	Providers []string `json:"providers"`
}

// adminProvider is a provider as an operator sees it, with its process.
type adminProvider struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Label    string `json:"label"`
	Required bool   `json:"required"`
	// What serves, or without a process what is to.
	Plugin  string `json:"plugin"`
	Path    string `json:"path"`
	Version string `json:"version"`
	SHA256  string `json:"sha256,omitempty"` // known a second after the start

	State       string    `json:"state"`
	Ready       bool      `json:"ready"`
	Degraded    bool      `json:"degraded"` // it serves, and not as is wanted: see candidate_problem
	Quarantined bool      `json:"quarantined"`
	Problem     string    `json:"problem,omitempty"`
	Since       time.Time `json:"since"`
	RetryAt     time.Time `json:"retry_at,omitzero"`

	PID              int       `json:"pid,omitempty"`
	Sandbox          string    `json:"sandbox,omitempty"`
	ResidentBytes    uint64    `json:"resident_bytes,omitempty"`
	Restarts         int       `json:"restarts"`
	Swaps            int       `json:"swaps"`
	CandidateProblem string    `json:"candidate_problem,omitempty"`
	CandidateFails   int       `json:"candidate_failures"`
	BreakerOpenUntil time.Time `json:"breaker_open_until,omitzero"`
	InFlight         int       `json:"in_flight"`
	LogLinesDropped  uint64    `json:"log_lines_dropped"`
	LastLines        string    `json:"last_lines,omitempty"`
}

// adminPlugins is GET /admin/plugins: each file that was found, and each provider with its process.
func (s *Server) adminPlugins(c *fiber.Ctx) error {
	now := s.live()
	answer := struct {
		Plugins   []adminPlugin   `json:"plugins"`
		Providers []adminProvider `json:"providers"`
	}{make([]adminPlugin, len(now.files)), now.report()}
	for i, f := range now.files {
		answer.Plugins[i] = s.reportFile(f, answer.Providers)
	}
	return s.json(c, fiber.StatusOK, answer)
}

func (s *Server) reportFile(f pluginFile, providers []adminProvider) adminPlugin {
	p := adminPlugin{
		Name: f.Name, Path: f.Path, Types: []string{}, SHA256: s.plugins.digests.Of(f.Plugin), Refused: f.Refused,
		Locked: f.Refused == "" && s.lock.Locks(), Problems: append([]string{}, f.troubles()...), Providers: []string{},
	}
	if f.fault == nil && f.manifest != nil {
		p.Version, p.Protocol = f.manifest.Version, catalog.ProtocolOf(f.manifest)
		for _, t := range f.manifest.Types {
			p.Types = append(p.Types, t.Name)
		}
	}
	for _, one := range providers {
		if one.PID != 0 && one.Path == f.Path {
			p.Providers = append(p.Providers, one.ID)
		}
	}
	return p
}

// adminProviders is GET /admin/providers: each provider with its process.
func (s *Server) adminProviders(c *fiber.Ctx) error {
	return s.json(c, fiber.StatusOK, s.live().report())
}

func (l *live) report() []adminProvider {
	list := make([]adminProvider, len(l.providers))
	for i, p := range l.providers {
		list[i] = p.report()
	}
	return list
}

func (p *provider) report() adminProvider {
	st := p.runtime.Status()
	path := st.Plugin
	if st.PID == 0 {
		path = p.runtime.Config().Plugin.Path
	}
	return adminProvider{
		ID: p.ID, Type: p.Type, Label: p.Label, Required: p.Required, Plugin: p.plugin, Path: path, Version: st.Version, SHA256: st.SHA256,
		State: string(st.State), Ready: p.runtime.Ready(), Degraded: p.degraded(st), Quarantined: st.State == catalog.StateQuarantined,
		Problem: st.Problem, Since: st.Since.UTC(), RetryAt: utc(st.RetryAt),
		PID: st.PID, Sandbox: st.Sandbox, ResidentBytes: residentMemory(st.PID), Restarts: st.Restarts, Swaps: st.Swaps,
		CandidateProblem: st.CandidateProblem, CandidateFails: st.CandidateFailures, BreakerOpenUntil: utc(st.BreakerOpenUntil),
		InFlight: st.InFlight, LogLinesDropped: st.LinesDropped, LastLines: p.runtime.LastLines(),
	}
}

// degraded reports whether it serves otherwise than is wanted. What serves not at all has a problem instead.
func (p *provider) degraded(st catalog.Status) bool { return st.Degraded() && p.runtime.Ready() }

// utc leaves the zero time what it is.
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC()
}

// measure is the provider for the metrics.
func (p *provider) measure() telemetry.Provider {
	st := p.runtime.Status()
	return telemetry.Provider{
		ID: p.ID, Up: p.runtime.Ready(), Degraded: p.degraded(st), BreakerOpen: !st.BreakerOpenUntil.IsZero(),
		Quarantined: st.State == catalog.StateQuarantined, Restarts: st.Restarts, Swaps: st.Swaps,
		CandidateFailures: st.CandidateFailures, InFlight: st.InFlight, LinesDropped: st.LinesDropped, Memory: residentMemory(st.PID),
	}
}

// residentMemory is how many bytes of memory a process occupies; 0 when the system does not tell.
func residentMemory(pid int) uint64 {
	if pid == 0 {
		return 0
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	fields := bytes.Fields(text) // proc_pid_statm(5): size, resident, … in pages
	if err != nil || len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseUint(string(fields[1]), 10, 64)
	if err != nil {
		return 0
	}
	return pages * uint64(os.Getpagesize())
}

// adminRestart is POST /admin/providers/{id}/restart: another process takes over, or a quarantine ends. It answers at
// once, with the provider as it was: from there on its status tells how it goes.
func (s *Server) adminRestart(c *fiber.Ctx) error {
	p, ok := s.live().byID[c.Params("id")]
	if !ok {
		return s.noProvider(c, errors.New("no such provider"))
	}
	before := p.report()
	if err := s.catalog.Restart(p.ID); err != nil { // a reload has just taken it out
		return s.noProvider(c, err)
	}
	s.audit.Write(audit.Event{Kind: audit.PluginRestart, Provider: p.ID, Cause: "admin"})
	return s.json(c, fiber.StatusOK, before)
}

func (s *Server) noProvider(c *fiber.Ctx, err error) error {
	c.Request().Header.Set(fiber.HeaderAccept, fiber.MIMEApplicationJSON)
	tell := failNotFound
	tell.message = "No provider has this id; /admin/providers lists those that are configured."
	return s.fail(c, tell, err, "")
}
