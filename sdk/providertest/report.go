package providertest

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// checkTimeout bounds one check, on the slowest machine.
const checkTimeout = time.Minute

// report is told what is checked and what came of it.
type report interface {
	// Run runs a check and tells whether it passed.
	Run(ctx context.Context, name string, check func(context.Context) error) bool
	// Logf tells something that is worth knowing and no fault.
	Logf(format string, args ...any)
}

// testReport makes each check a subtest.
type testReport struct{ t *testing.T }

// Run implements report.
func (r testReport) Run(ctx context.Context, name string, check func(context.Context) error) bool {
	return r.t.Run(name, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(ctx, checkTimeout)
		defer cancel()
		if err := check(ctx); err != nil {
			t.Error(err)
		}
	})
}

// Logf implements report.
func (r testReport) Logf(format string, args ...any) { r.t.Logf(format, args...) }

// lineReport writes a line for each check.
type lineReport struct {
	w              io.Writer
	err            error // the first of w
	checks, failed int
}

// Run implements report.
func (r *lineReport) Run(ctx context.Context, name string, check func(context.Context) error) bool {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	r.checks++
	err := check(ctx)
	if err == nil {
		r.line("ok   %s", name)
		return true
	}
	r.failed++
	r.line("FAIL %s: %s", name, oneLine(err.Error()))
	return false
}

// Logf implements report.
func (r *lineReport) Logf(format string, args ...any) {
	r.line("note %s", oneLine(fmt.Sprintf(format, args...)))
}

func (r *lineReport) line(format string, args ...any) {
	if _, err := fmt.Fprintf(r.w, format+"\n", args...); err != nil && r.err == nil {
		r.err = err
	}
}

// under reports checks of one of several types.
func (r *lineReport) under(name string) report { return prefixed{r, name} }

type prefixed struct {
	report
	name string
}

// Run implements report.
func (p prefixed) Run(ctx context.Context, name string, check func(context.Context) error) bool {
	return p.report.Run(ctx, p.name+"/"+name, check)
}

// Logf implements report.
func (p prefixed) Logf(format string, args ...any) {
	p.report.Logf("%s: %s", p.name, fmt.Sprintf(format, args...))
}

// oneLine joins the lines of an error, and keeps what a plugin printed from steering the terminal.
func oneLine(text string) string {
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(strings.Join(lines, "; "), "?"))
}
