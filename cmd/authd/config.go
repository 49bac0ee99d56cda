package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/authd/authd/internal/config"
)

func newConfig(a *app) *cobra.Command {
	return group("config", "Check, show and import the configuration", "", newConfigCheck(a), newConfigPrint(a), newConfigSchema(a), newConfigImport(a))
}

func newConfigCheck(a *app) *cobra.Command {
	var (
		path string
		as   format
	)
	c := &cobra.Command{
		Use:   "check",
		Short: "Name every fault at once, with its file and line and how to mend it",
		Long: `Name every fault in the configuration at once, each with its file and line and how to mend it: unknown keys, values
that can't be, rules that don't compile, and providers that lack a setting or a plugin. The plugins are asked what they
serve; nothing is asked of an identity provider (for that see "authd provider check").`,
		Example: `  authd config check --config /etc/authd/authd.toml`,
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return a.configCheck(c.Context(), path, as) },
	}
	configFlag(c, &path)
	formatFlag(c, &as)
	return c
}

// verdict is what "config check" found.
type verdict struct {
	OK       bool           `json:"ok"`
	Faults   []config.Fault `json:"faults"`
	Warnings []string       `json:"warnings"`
}

func (a *app) configCheck(ctx context.Context, path string, as format) error {
	all := &config.Faults{}
	cfg, err := config.Load(path, a.environ)
	if errors.As(err, &all) {
		cfg = all.Config
	}
	s := &state{config: cfg}
	if !unreadable(all.List) { // else what follows would be about the defaults
		s = a.resolve(ctx, cfg)
		all.Add(unsaid(all.List, ruleFaults(cfg))...)
		all.Add(cfg.ProviderFaults(s.providers)...)
		s.warnings = append(s.warnings, cookieWarnings(cfg)...)
	}
	if as == "json" {
		v := verdict{OK: len(all.List) == 0, Faults: append([]config.Fault{}, all.List...), Warnings: append([]string{}, s.warnings...)}
		if err := writeJSON(a.out, v); err != nil || v.OK {
			return err
		}
		return usage(errors.New("the configuration has faults"))
	}
	a.warn(s.warnings)
	if len(all.List) > 0 {
		return all
	}
	where := cfg.Path
	if where == "" {
		where = "the environment"
	}
	_, err = fmt.Fprintf(a.out, "%s: no faults, %s\n", where, countOf(len(s.providers)))
	return err
}

// countOf is a number of providers in words.
func countOf(n int) string {
	if n == 1 {
		return "1 provider"
	}
	return fmt.Sprintf("%d providers", n)
}

// unreadable reports whether a whole file is at fault, so that nothing is known of what it says.
func unreadable(faults []config.Fault) bool {
	return slices.ContainsFunc(faults, func(f config.Fault) bool { return f.File != "" && f.Key == "" })
}

func newConfigPrint(a *app) *cobra.Command {
	var path string
	c := &cobra.Command{
		Use:   "print",
		Short: "Print the configuration that is in force, secrets masked",
		Long: `Print the configuration that is in force, as TOML: the defaults, the file and the environment put together, with
the providers that the environment switches on. Secrets are masked.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := a.read(c.Context(), path)
			if err != nil {
				return err
			}
			a.warn(s.warnings)
			return s.config.Print(a.out, s.providers, s.types)
		},
	}
	configFlag(c, &path)
	return c
}

func newConfigSchema(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of authd.toml, for editors",
		Long: `Print the JSON Schema of authd.toml. With a line such as this at the top of the file many editors check and complete
it:

  #:schema ./authd.schema.json`,
		Example: `  authd config schema > authd.schema.json`,
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprint(a.out, config.Schema())
			return err
		},
	}
}
