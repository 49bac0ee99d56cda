package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/authd/authd/internal/catalog"
)

func newPluginLock(a *app) *cobra.Command {
	var (
		in     where
		as     format
		update []string
		keep   bool
	)
	c := &cobra.Command{
		Use:   "lock",
		Short: "Write the lock file of the plugins that may be run",
		Long: `Write authd.lock: from then on authd runs the plugins in it and no others, byte for byte. Plugins that are not in it yet
are added; one that has changed is left as it is, and the exit code is 1, unless --update names it. --update of a plugin
that is gone removes it.`,
		Example: `  authd plugin lock
  authd plugin lock --update github`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			at, err := in.resolve(a)
			if err != nil {
				return err
			}
			return a.lock(c.Context(), at, as, update, keep)
		},
	}
	in.flags(c)
	formatFlag(c, &as)
	c.Flags().StringArrayVar(&update, "update", nil, "name of a plugin that was changed on purpose; may be repeated")
	c.Flags().BoolVar(&keep, "keep", false, "with --update, go on allowing the bytes allowed so far: builds for other platforms")
	return c
}

// lockRow is what was done, or found, about one plugin.
type lockRow struct {
	Name    string   `json:"name"`
	State   string   `json:"state"`
	SHA256  string   `json:"sha256"`
	Allowed []string `json:"allowed"`
	Problem string   `json:"problem,omitempty"`
	Path    string   `json:"path"`
}

func lockTable(rows []lockRow) table {
	t := table{header: []string{"NAME", "STATE", "SHA256", "ALLOWED", "PATH"}, value: rows}
	if rows == nil {
		t.value = []lockRow{}
	}
	for _, r := range rows {
		state := r.State
		if r.Problem != "" {
			state += ": " + r.Problem
		}
		allowed := make([]string, len(r.Allowed))
		for i, sum := range r.Allowed {
			allowed[i] = sum[:min(12, len(sum))]
		}
		t.rows = append(t.rows, []string{r.Name, state, r.SHA256[:min(12, len(r.SHA256))], strings.Join(allowed, ","), r.Path})
	}
	return t
}

// lock brings the lock file up to date and tells what it has done.
func (a *app) lock(ctx context.Context, at place, as format, update []string, keep bool) error {
	file, err := catalog.ReadLockFile(at.lockPath)
	if errors.Is(err, fs.ErrNotExist) {
		file, err = catalog.LockFile{}, nil
	}
	if err != nil {
		return fmt.Errorf("%w; mend it or remove it first", err)
	}
	if file.Plugins == nil {
		file.Plugins = map[string]catalog.LockedPlugin{}
	}
	plugins := runnable(catalog.Discover(at.dirs, false))
	for _, name := range update {
		if _, known := file.Plugins[name]; !known && plugins[name].Path == "" {
			return fmt.Errorf("there is no plugin %s, neither in %s nor in %s", name, strings.Join(at.dirs, ", "), at.lockPath)
		}
	}
	var rows []lockRow
	failed := false
	for _, name := range slices.Sorted(maps.Keys(merged(plugins, file.Plugins))) {
		row := relock(ctx, at, file.Plugins, plugins[name], name, slices.Contains(update, name), keep)
		failed = failed || row.Problem != ""
		rows = append(rows, row)
	}
	if err := file.Write(at.lockPath); err != nil {
		return err
	}
	if err := as.write(a.out, lockTable(rows)); err != nil {
		return err
	}
	if failed {
		return errors.New("not every plugin is locked as it is now; see the STATE of each")
	}
	return nil
}

// runnable are the plugins that are trusted, by name.
func runnable(found []catalog.Plugin) map[string]catalog.Plugin {
	plugins := map[string]catalog.Plugin{}
	for _, p := range found {
		if p.Refused == "" {
			plugins[p.Name] = p
		}
	}
	return plugins
}

// merged has the names of both.
func merged(plugins map[string]catalog.Plugin, locked map[string]catalog.LockedPlugin) map[string]bool {
	names := map[string]bool{}
	for name := range plugins {
		names[name] = true
	}
	for name := range locked {
		names[name] = true
	}
	return names
}

// relock brings the entry of one plugin up to date, if it is new or is to be updated.
func relock(ctx context.Context, at place, locked map[string]catalog.LockedPlugin, p catalog.Plugin, name string, update, keep bool) lockRow {
	entry, known := locked[name]
	row := lockRow{Name: name, State: "unchanged", SHA256: fingerprint(p.Path), Allowed: entry.SHA256, Path: p.Path}
	same := known && slices.Contains(entry.SHA256, row.SHA256)
	switch {
	case p.Path == "" && update:
		delete(locked, name)
		row.State = "removed"
		return row
	case p.Path == "":
		row.State, row.Problem = "missing", "it is in no plugins directory, or refused there; put it back, or --update "+name+" removes it"
		return row
	case same && !update:
		return row
	case known && !update:
		row.State, row.Problem = "changed", "if that is meant to be, --update "+name
		return row
	}
	p.Sandbox = at.sandbox
	m, err := catalog.Describe(ctx, p)
	if err != nil {
		row.State, row.Problem = "not locked", strings.TrimPrefix(err.Error(), "plugin "+p.Path+" ")
		return row
	}
	sums := []string{row.SHA256}
	if keep {
		sums = slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(entry.SHA256), sums...))))
	}
	types := typeNames(m.Types)
	slices.Sort(types)
	entry.Version, entry.Protocol, entry.Types, entry.SHA256 = m.Version, catalog.ProtocolOf(m), types, sums
	locked[name] = entry
	row.State, row.Allowed = "added", sums
	if known {
		row.State = "updated"
	}
	return row
}

func newPluginVerify(a *app) *cobra.Command {
	var (
		in where
		as format
	)
	c := &cobra.Command{
		Use:   "verify",
		Short: "Compare the plugins with the lock file",
		Long: `Compare the plugins that are found with the lock file. The exit code is 1 when they differ in anything: bytes, version,
protocol, types, a plugin too many or too few. A plugin whose bytes are not allowed is not run.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			at, err := in.resolve(a)
			if err != nil {
				return err
			}
			return a.verify(c.Context(), at, as)
		},
	}
	in.flags(c)
	formatFlag(c, &as)
	return c
}

func (a *app) verify(ctx context.Context, at place, as format) error {
	file, err := catalog.ReadLockFile(at.lockPath)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no lock file %s; authd plugin lock writes it", at.lockPath)
	}
	if err != nil {
		return err
	}
	var rows []lockRow
	seen, differ := map[string]bool{}, false
	for _, p := range catalog.Discover(at.dirs, false) {
		row := compare(ctx, at, file.Plugins, p)
		seen[p.Name] = seen[p.Name] || p.Refused == ""
		differ = differ || row.Problem != ""
		rows = append(rows, row)
	}
	for _, name := range slices.Sorted(maps.Keys(file.Plugins)) {
		if !seen[name] {
			differ = true
			rows = append(rows, lockRow{
				Name: name, State: "missing", Allowed: file.Plugins[name].SHA256,
				Problem: "it is in no plugins directory, or refused there; put it back, or run authd plugin lock --update " + name,
			})
		}
	}
	if err := as.write(a.out, lockTable(rows)); err != nil {
		return err
	}
	if differ {
		return fmt.Errorf("the plugins are not what %s says; see the STATE of each", at.lockPath)
	}
	return nil
}

// compare holds one plugin against its entry. It is asked what it is only if the lock allows its bytes.
func compare(ctx context.Context, at place, locked map[string]catalog.LockedPlugin, p catalog.Plugin) lockRow {
	row := lockRow{Name: p.Name, State: "ok", SHA256: fingerprint(p.Path), Allowed: locked[p.Name].SHA256, Path: p.Path}
	if p.Refused != "" {
		row.State, row.Problem = "refused", p.Refused
		return row
	}
	p.Sandbox = at.sandbox
	guarded := at.lock.Guard(p)
	err := errors.New(guarded.Refused)
	if guarded.Refused == "" {
		_, err = catalog.Describe(ctx, guarded)
	}
	if err != nil {
		row.State, row.Problem = "differs", strings.TrimPrefix(err.Error(), "plugin "+p.Path+" ")
	}
	return row
}
