package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/authd/authd/internal/config"
)

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2 // wrong arguments, or a faulty configuration
)

// app is what every command works with.
type app struct {
	out, errOut io.Writer
	environ     []string // as os.Environ gives it

	running bool   // the arguments were right, and a command has begun
	asked   string // the command whose --help says what it takes
}

// run runs one command line, without the name of the program, and returns the exit code.
func (a *app) run(ctx context.Context, args []string) int {
	root := newRoot(a)
	root.SetArgs(args)
	c, err := root.ExecuteContextC(ctx)
	a.asked = c.CommandPath()
	return a.report(err)
}

// newRoot is the tree of all commands.
func newRoot(a *app) *cobra.Command {
	root := group("authd", "Log people in through any identity provider, and tell applications who they are", "")
	root.SilenceErrors, root.SilenceUsage = true, true
	root.Example = "  authd demo\n  authd config check && authd provider check\n  authd serve"
	root.PersistentPreRun = func(*cobra.Command, []string) { a.running = true }
	root.SetOut(a.out)
	root.SetErr(a.errOut)
	root.AddCommand(
		newServe(a), newDemo(a),
		newConfig(a), newPlugin(a), newProvider(a), newApp(a), newUser(a), newSession(a),
		newKeygen(a), newVersion(a),
	)
	root.InitDefaultCompletionCmd()
	if c, _, err := root.Find([]string{"completion"}); err == nil {
		c.Args, c.RunE = noSuchCommand, help
	}
	return root
}

// group is a command that only holds others.
func group(use, short, long string, children ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Long: long, Args: noSuchCommand, RunE: help, SuggestionsMinimumDistance: 2}
	c.AddCommand(children...)
	return c
}

func help(c *cobra.Command, _ []string) error { return c.Help() }

// exactly and atMost are about the arguments of a command that takes one, which is called what.
func exactly(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return fmt.Errorf("%s needs %s", c.CommandPath(), what)
		}
		return atMost(what)(c, args)
	}
}

func atMost(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) > 1 {
			return fmt.Errorf("%s takes one %s, not %d arguments", c.CommandPath(), what, len(args))
		}
		return nil
	}
}

// noSuchCommand is about the arguments of a command that only holds others.
func noSuchCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	guesses := c.SuggestionsFor(args[0])
	// Whoever left out the end of one command did not mean another that looks alike.
	if begun := slices.DeleteFunc(slices.Clone(guesses), func(name string) bool { return !strings.HasPrefix(name, args[0]) }); len(begun) > 0 {
		guesses = begun
	}
	if len(guesses) > 0 {
		return fmt.Errorf("unknown command %q for %q; did you mean %s?", args[0], c.CommandPath(), strings.Join(guesses, " or "))
	}
	return fmt.Errorf("unknown command %q for %q", args[0], c.CommandPath())
}

// codeError is an error that decides the exit code itself.
type codeError struct {
	code int
	err  error
}

func (e *codeError) Error() string { return e.err.Error() }

func (e *codeError) Unwrap() error { return e.err }

// usage makes the command exit as if its arguments had been wrong.
func usage(err error) error { return &codeError{exitUsage, err} }

// errReported ends a command that has said already what is wrong.
var errReported = errors.New("see above")

// report writes an error as one line, or one line for each fault, and returns the exit code.
func (a *app) report(err error) int {
	var (
		faults *config.Faults
		coded  *codeError
	)
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &faults):
		for _, fault := range faults.List {
			a.say("%s", fault)
		}
		return exitUsage
	case errors.Is(err, errReported):
		return exitFailed
	case errors.As(err, &coded):
		a.say("authd: %s", oneLine(err.Error()))
		return coded.code
	case !a.running:
		a.say("authd: %s; see %s --help", oneLine(err.Error()), a.asked)
		return exitUsage
	}
	a.say("authd: %s", oneLine(err.Error()))
	return exitFailed
}

// say writes a line to standard error. Nobody is left to be told when that fails.
func (a *app) say(format string, args ...any) {
	_, _ = fmt.Fprintf(a.errOut, format+"\n", args...)
}

// oneLine joins the lines of a text, and keeps what a plugin or a file said from steering the terminal.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) {
			return -1
		}
		return r
	}, strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' || r == '\t' }), " "))
}

// configFlag adds --config.
func configFlag(c *cobra.Command, path *string) {
	c.Flags().StringVarP(path, "config", "c", "", "configuration file (default authd.toml, if it exists)")
}
