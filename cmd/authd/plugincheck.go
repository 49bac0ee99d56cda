package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/authd/authd/internal/catalog"
	"github.com/authd/authd/sdk/providertest"
)

func newPluginCheck(a *app) *cobra.Command {
	var as format
	c := &cobra.Command{
		Use:   "check PATH",
		Short: "Run the acceptance kit against a plugin, written in any language",
		Long: `Run the acceptance kit against a plugin, written in any language: start it as the server does and see whether it
behaves as the server expects, against an identity provider that is made for it on loopback. One line for each check;
the exit code is 1 when one has failed.

With -o json there is one object at the end: name, path, checks (each with name, ok, error and seconds), notes, and as
verdict "pass" or "fail".`,
		Example: `  authd plugin check bin/plugins/authd-provider-acme
  authd plugin check bin/plugins/authd-provider-acme -o json`,
		Args: exactly("PATH"),
		RunE: func(c *cobra.Command, args []string) error { return a.checkPlugin(c.Context(), args[0], as) },
	}
	formatFlag(c, &as)
	return c
}

func (a *app) checkPlugin(ctx context.Context, path string, as format) error {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	// A name without a slash is a file here, never something on the PATH.
	if info, err := os.Stat(absolute); err != nil || info.IsDir() {
		return errors.New(strconv.Quote(path) + " is not the path of a plugin; name its executable")
	}
	if as != "json" {
		return providertest.CheckBinary(ctx, a.out, absolute)
	}
	found := &acceptance{Name: catalog.At(absolute, false).Name, Path: absolute, Checks: []acceptanceCheck{}, Notes: []string{}, Verdict: "pass"}
	lines := &acceptanceLines{into: found, began: time.Now()}
	err = providertest.CheckBinary(ctx, lines, absolute)
	var failed *providertest.CheckFailed
	if errors.As(err, &failed) {
		found.Verdict, err = "fail", fmt.Errorf("%s: %d of %d checks failed; the error of each says how to mend it", failed.Path, failed.Failed, failed.Checks)
	} else if err != nil { // it did not come to a verdict
		return err
	}
	return errors.Join(writeJSON(a.out, found), err)
}

// acceptance is what "plugin check" found, for programs.
type acceptance struct {
	Name    string            `json:"name"`
	Path    string            `json:"path"`
	Checks  []acceptanceCheck `json:"checks"`
	Notes   []string          `json:"notes"`
	Verdict string            `json:"verdict"` // pass or fail
}

type acceptanceCheck struct {
	Name    string  `json:"name"`
	OK      bool    `json:"ok"`
	Error   string  `json:"error,omitempty"`
	Seconds float64 `json:"seconds"`
}

// acceptanceLines makes checks of the lines of providertest.CheckBinary, each of which comes in one write when its check
// is done.
type acceptanceLines struct {
	into  *acceptance
	began time.Time // the check that is running
}

var _ io.Writer = (*acceptanceLines)(nil)

// Write implements io.Writer. What is no line of the kit is an error: nothing may get lost.
func (l *acceptanceLines) Write(line []byte) (int, error) {
	text := strings.TrimSuffix(string(line), "\n")
	kind, rest, _ := strings.Cut(text, " ")
	switch kind {
	case "note":
		l.into.Notes = append(l.into.Notes, rest)
		return len(line), nil
	case "ok":
		l.into.Checks = append(l.into.Checks, acceptanceCheck{Name: strings.TrimLeft(rest, " "), OK: true})
	case "FAIL":
		name, why, _ := strings.Cut(rest, ": ")
		l.into.Checks = append(l.into.Checks, acceptanceCheck{Name: name, Error: why})
	default:
		return 0, fmt.Errorf("%q is no line of a report", text)
	}
	now := time.Now()
	l.into.Checks[len(l.into.Checks)-1].Seconds = now.Sub(l.began).Round(time.Millisecond).Seconds()
	l.began = now
	return len(line), nil
}
