package main

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/authd/authd/internal/catalog"
	"github.com/authd/authd/internal/config"
	"github.com/authd/authd/internal/host"
	"github.com/authd/authd/sdk"
)

// typeName is what a type of providers may be called.
var typeName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

func newPlugin(a *app) *cobra.Command {
	return group("plugin", "Look at provider plugins", "", newPluginList(a), newPluginDescribe(a), newPluginCheck(a), newPluginLock(a), newPluginVerify(a), newPluginNew(a))
}

// where names the directories of the plugins and the lock file: the flags, else the configuration.
type where struct {
	config   string
	dirs     []string
	lockFile string
}

// place is what they come to.
type place struct {
	config   *config.Config // made up when flags name the directories
	dirs     []string
	lockPath string
	lock     *catalog.Lock
	sandbox  catalog.Sandbox
}

func (w *where) flags(c *cobra.Command) {
	configFlag(c, &w.config)
	c.Flags().StringArrayVar(&w.dirs, "plugins-dir", nil, "directory of plugins; the configuration is not read then")
	c.Flags().StringVar(&w.lockFile, "lock-file", "", "lock file (default as the configuration says)")
}

func (w *where) resolve(a *app) (place, error) {
	cfg := &config.Config{Path: w.config, Server: config.Server{PluginsDir: w.dirs}}
	if len(w.dirs) == 0 {
		var err error
		if cfg, err = config.Load(w.config, a.environ); err != nil {
			return place{}, err
		}
	}
	if w.lockFile != "" {
		cfg.Plugins.LockFile = w.lockFile
	}
	return placeOf(cfg), nil
}

func placeOf(cfg *config.Config) place {
	path, required := cfg.LockPath()
	return place{
		config: cfg, dirs: cfg.Server.PluginsDir, lockPath: path, lock: catalog.OpenLock(path, required),
		sandbox: host.SandboxOf(cfg.Confinement(config.Provider{})),
	}
}

func newPluginList(a *app) *cobra.Command {
	var (
		in where
		as format
	)
	c := &cobra.Command{
		Use:   "list",
		Short: "List the plugins that are found, and whether they are trusted",
		Long: `List the plugins that are found, and whether they are trusted. If an authd runs with this configuration and its admin
listener (server.admin_listen) answers, the providers that run from them are listed too.`,
		Example: `  authd plugin list --plugins-dir bin/plugins`,
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			at, err := in.resolve(a)
			if err != nil {
				return err
			}
			var live []running
			if len(in.dirs) == 0 {
				live = a.peek(c.Context(), at.config, "the files are")
			}
			if err := as.write(a.out, pluginTable(survey(c.Context(), at), live)); err != nil || len(live) == 0 || as == "json" {
				return err
			}
			return a.writeRunning(live)
		},
	}
	in.flags(c)
	formatFlag(c, &as)
	return c
}

// pluginRow is one plugin for programs.
type pluginRow struct {
	Name     string   `json:"name"`
	Types    []string `json:"types"`
	Version  string   `json:"version"`
	Protocol string   `json:"protocol"`
	SHA256   string   `json:"sha256"`
	Trusted  bool     `json:"trusted"`
	Locked   bool     `json:"locked"`
	Usable   bool     `json:"usable"`
	Problem  string   `json:"problem,omitempty"`
	Path     string   `json:"path"`
	// Running are the providers whose processes run from it; null when no server has answered.
	Running []running `json:"running"`
}

func pluginTable(plugins []found, live []running) table {
	t := table{header: []string{"NAME", "TYPES", "VERSION", "PROTOCOL", "SHA256", "STATE"}}
	dirs := directories(plugins)
	if len(dirs) > 1 {
		t.header = append(t.header, "DIRECTORY")
	}
	rows := make([]pluginRow, len(plugins))
	for i, f := range plugins {
		rows[i] = f.row(live)
		r := rows[i]
		cells := []string{r.Name, short(r.Types), r.Version, r.Protocol, r.SHA256[:min(12, len(r.SHA256))], f.state()}
		if len(dirs) > 1 {
			cells = append(cells, filepath.Dir(r.Path))
		}
		t.rows = append(t.rows, cells)
		if r.Problem != "" {
			t.notes = append(t.notes, r.Path+": "+r.Problem)
		}
	}
	t.value = rows
	return t
}

// row is the plugin for programs, with what runs from it.
func (f found) row(live []running) pluginRow {
	r := pluginRow{
		Name: f.Name, Types: typeNames(f.types()), SHA256: f.sha256, Trusted: f.Refused == "" || f.Unlocked, Locked: f.locked, Usable: f.problem == "",
		Problem: strings.Join(append(slices.Clone(f.hidden), nonEmpty(f.problem)...), "; "), Path: f.Path,
		Running: slices.DeleteFunc(slices.Clone(live), func(r running) bool { return r.PID == 0 || r.Path != f.Path }),
	}
	if f.manifest != nil {
		r.Version, r.Protocol = f.manifest.Version, fmt.Sprintf("%d.%d", sdk.ProtocolVersion, f.manifest.ProtocolMinor)
	}
	return r
}

// state is whether it is used, in a word; the problem below the table says why it is not.
func (f found) state() string {
	switch {
	case f.Refused != "":
		return "refused"
	case f.problem != "":
		return "unusable"
	case len(f.hidden) > 0:
		return "hidden"
	case f.locked:
		return "trusted, locked"
	}
	return "trusted"
}

func directories(plugins []found) map[string]bool {
	dirs := map[string]bool{}
	for _, f := range plugins {
		dirs[filepath.Dir(f.Path)] = true
	}
	return dirs
}

// typesShown is how many types of a plugin a row names.
const typesShown = 3

// short names the first types, and how many more there are.
func short(types []string) string {
	if len(types) <= typesShown {
		return strings.Join(types, ",")
	}
	return fmt.Sprintf("%s +%d", strings.Join(types[:typesShown], ","), len(types)-typesShown)
}

func nonEmpty(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

func typeNames(types []sdk.Type) []string {
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = t.Name
	}
	return names
}

func newPluginDescribe(a *app) *cobra.Command {
	var (
		in where
		as format
	)
	c := &cobra.Command{
		Use:   "describe TYPE|PATH",
		Short: "Show what a plugin can be configured as, and the settings it needs",
		Long: `Show what a plugin can be configured as: each type's settings with their names in the environment. Name a type that
one of the plugins serves, or the path of a plugin (with a slash in it).`,
		Example: `  authd plugin describe keycloak
  authd plugin describe bin/plugins/authd-provider-acme`,
		Args: exactly("TYPE or PATH"),
		RunE: func(c *cobra.Command, args []string) error {
			m, err := a.describe(c.Context(), &in, args[0])
			if err != nil {
				return usage(err)
			}
			if as == "json" {
				text, err := m.JSON()
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(a.out, "%s\n", text)
				return err
			}
			return a.describeTypes(m)
		},
	}
	in.flags(c)
	formatFlag(c, &as)
	return c
}

// describe returns the manifest of a plugin, or the part of one that is about a type.
func (a *app) describe(ctx context.Context, in *where, what string) (*sdk.Manifest, error) {
	if strings.ContainsRune(what, filepath.Separator) {
		return catalog.Describe(ctx, catalog.At(what, false))
	}
	if !typeName.MatchString(what) {
		return nil, fmt.Errorf("%q is neither the name of a type nor a path; a path has a %c in it", what, filepath.Separator)
	}
	at, err := in.resolve(a)
	if err != nil {
		return nil, err
	}
	plugins := survey(ctx, at)
	f := serving(plugins, what)
	if f.manifest == nil {
		return nil, fmt.Errorf("no plugin in %s serves type %s; put authd-provider-%s there; types found: %s", strings.Join(at.dirs, ", "), what, what, typesOf(plugins))
	}
	t, _ := f.manifest.Type(what)
	return &sdk.Manifest{ProtocolMinor: f.manifest.ProtocolMinor, Version: f.manifest.Version, Types: []sdk.Type{t}}, nil
}

// typesOf names all types that plugins serve.
func typesOf(plugins []found) string {
	var names []string
	for _, f := range plugins {
		for _, t := range f.types() {
			names = append(names, t.Name)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}

func (a *app) describeTypes(m *sdk.Manifest) error {
	for i, t := range m.Types {
		if i > 0 {
			_, _ = fmt.Fprintln(a.out) // what follows reports a broken pipe
		}
		text := t.Name + ": " + t.Label
		if t.DocsURL != "" {
			text += "\nregister an application: " + oneLine(t.DocsURL)
		}
		if len(t.Scopes) > 0 {
			text += "\nscopes: " + oneLine(strings.Join(t.Scopes, " "))
		}
		settings := table{header: []string{"SETTING", "ENVIRONMENT", "REQUIRED", "SECRET", "DEFAULT", "HELP"}}
		for _, s := range t.Settings {
			settings.rows = append(settings.rows, []string{s.Name, s.Env, yes(s.Required), yes(s.Secret), s.Default, s.Help})
		}
		if _, err := fmt.Fprintf(a.out, "%s\n\n", text); err != nil {
			return err
		}
		if err := format("text").write(a.out, settings); err != nil {
			return err
		}
	}
	return nil
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return ""
}
