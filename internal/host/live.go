package host

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/authd/authd/internal/catalog"
	"github.com/authd/authd/internal/config"
	"github.com/authd/authd/internal/login"
	"github.com/authd/authd/internal/policy"
	"github.com/authd/authd/internal/web"
	"github.com/authd/authd/sdk"
)

// live is all that a reload replaces, and it replaces it as a whole: who reads it once sees one configuration.
type live struct {
	cfg       *config.Config
	providers []*provider          // in the order of the login page
	byID      map[string]*provider // :: provider id → provider
	types     map[string]bool      // those that some plugin serves
	files     []pluginFile         // the plugins that were found
	dormant   map[string]string    // :: id of a provider whose plugin is gone → its type; its sessions go on
	admission *policy.Admission
	apps      *policy.Apps
	returnTo  *login.ReturnTo
	pages     *web.Pages
	appPages  *web.Pages // the same, on the address of an app
	proxies   proxies
}

// live returns what is in force now.
func (s *Server) live() *live { return s.inForce.Load() }

// prepare makes of a configuration what can be in force, and says how the catalog is to run its providers. It changes
// nothing. join completes the result.
func (s *Server) prepare(ctx context.Context, cfg *config.Config) (*live, []catalog.ProviderConfig, error) {
	files, served, types := s.describeAll(ctx, s.discover(cfg))
	resolved := cfg.Resolve(types, s.environ)
	for _, warning := range cfg.EnvironmentWarnings(types, s.environ) {
		s.log.Warn(warning)
	}
	next := &live{cfg: cfg, files: files, byID: map[string]*provider{}, types: map[string]bool{}, dormant: map[string]string{}}
	for _, t := range types {
		next.types[t.Name] = true
	}
	rules := map[string]string{}
	var faults [6]error
	starts := make([]catalog.ProviderConfig, len(resolved))
	for i, p := range resolved {
		rules[p.ID] = p.Allow
		starts[i] = startOf(p, served[p.Type])
		starts[i].Sandbox = SandboxOf(cfg.Confinement(p))
		for _, warning := range p.Warnings {
			s.log.Warn(warning, "provider", p.ID)
		}
		mapping, err := policy.NewMapping(p.ID, p.Claims)
		faults[0] = errors.Join(faults[0], err)
		one := &provider{Provider: p, plugin: starts[i].Plugin.Name, icon: s.icon(p), mapping: mapping}
		next.providers, next.byID[p.ID] = append(next.providers, one), one
	}
	next.admission, faults[1] = policy.NewAdmission(cfg.Access.Allow, rules)
	next.apps, faults[5] = policy.NewApps(AppsOf(cfg))
	next.proxies, faults[2] = parseProxies(cfg.Server.TrustedProxies)
	next.returnTo, faults[3] = login.NewReturnTo(cfg.Server.PublicURL, returnTargets(cfg))
	next.pages, faults[4] = web.New(web.Site{Title: cfg.Login.Title, Logo: cfg.Login.Logo})
	if err := errors.Join(faults[:]...); err != nil {
		return nil, nil, err
	}
	next.appPages = next.pages.For(cfg.Server.PublicURL)
	return next, starts, nil
}

// discover lists the plugins of the configuration, held to the lock, behind those that run already.
func (s *Server) discover(cfg *config.Config) []catalog.Plugin {
	found := catalog.Discover(cfg.Server.PluginsDir, false)
	for i, p := range found {
		found[i] = s.lock.Guard(p)
		found[i].Sandbox = SandboxOf(cfg.Confinement(config.Provider{}))
	}
	return append(slices.Clone(s.attached), found...)
}

// SandboxOf is where the configuration has a plugin run.
func SandboxOf(c config.Confinement) catalog.Sandbox {
	return catalog.Sandbox{
		Level: catalog.Level(c.Sandbox), BestEffort: c.BestEffort, RunAs: c.RunAs, EgressPorts: c.EgressPorts, MemoryLimit: c.MemoryLimit,
	}
}

// AppsOf are the apps of a configuration as rules see them.
func AppsOf(cfg *config.Config) []policy.App {
	apps := make([]policy.App, len(cfg.Apps))
	for i, a := range cfg.Apps {
		apps[i] = policy.App{Host: a.Host, PassAccessToken: a.PassAccessToken}
		for _, r := range a.Rules {
			apps[i].Rules = append(apps[i].Rules, policy.AppRule{Path: r.Path, Methods: r.Methods, Public: r.Public, Allow: r.Allow})
		}
	}
	return apps
}

// returnTargets are the origins that a login may lead to: what the operator lists, and every app.
func returnTargets(cfg *config.Config) []string {
	targets := slices.Clone(cfg.Login.ReturnToAllow)
	for _, a := range cfg.Apps {
		targets = append(targets, "https://"+a.Host)
		if strings.HasPrefix(cfg.Server.PublicURL, "http://") { // on loopback, for trying it
			targets = append(targets, "http://"+a.Host)
		}
	}
	return targets
}

// firstWhere returns the id of the first provider of which is says so, "" if there is none.
func (l *live) firstWhere(is func(*provider) bool) string {
	for _, p := range l.providers {
		if is(p) {
			return p.ID
		}
	}
	return ""
}

// join gives each provider the process that the catalog runs for it.
func (l *live) join(c *catalog.Catalog) (err error) {
	for _, p := range l.providers {
		if p.runtime, err = c.Provider(p.ID); err != nil {
			return err
		}
	}
	return nil
}

// startOf is a provider as the catalog runs it. A problem of the configuration keeps it from being started.
func startOf(p config.Provider, plugin catalog.Plugin) catalog.ProviderConfig {
	problems := make([]string, len(p.Problems))
	for i, d := range p.Problems {
		problems[i] = d.String()
	}
	return catalog.ProviderConfig{
		ID: p.ID, Type: p.Type, Plugin: plugin, Settings: p.Settings, Secrets: p.SecretValues, Scopes: p.Scopes,
		InsecureHTTP: p.InsecureHTTP, CAPEM: p.CAPEM, Required: p.Required, Problem: strings.Join(problems, "; "),
	}
}

// describeAll asks all plugins at once. It returns what it found, which plugin serves a type, and all types in a fixed
// order; of two plugins with the same type the first serves it. A plugin that has become unusable still stands for the
// types that it served, unless another serves them now: what runs of it can go on.
func (s *Server) describeAll(ctx context.Context, found []catalog.Plugin) ([]pluginFile, map[string]catalog.Plugin, []sdk.Type) {
	files := make([]pluginFile, len(found))
	var asking sync.WaitGroup
	for i, p := range found {
		asking.Go(func() {
			files[i].Plugin = p
			files[i].manifest, files[i].fault = s.manifest.Describe(ctx, p)
		})
	}
	asking.Wait()
	served := map[string]catalog.Plugin{}
	var types []sdk.Type
	for _, usable := range []bool{true, false} {
		for i := range files {
			f := &files[i]
			if f.manifest == nil || usable != (f.fault == nil) {
				continue
			}
			for _, t := range f.manifest.Types {
				first, taken := served[t.Name]
				if !taken {
					served[t.Name], types = f.Plugin, append(types, t)
				} else if usable {
					f.hidden = append(f.hidden, "type "+t.Name+" is served by "+first.Path)
				}
			}
		}
	}
	s.tellOfPlugins(files)
	return files, served, types
}
