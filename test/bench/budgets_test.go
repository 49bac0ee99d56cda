//go:build linux

package bench

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
)

// row is one budget and what was measured.
type row struct {
	what             string
	unit             string
	budget, measured float64 // a budget of zero: there is none, and the row is for information
	least            bool    // the budget is the least that will do, not the most
	noisy            bool    // other processes move it so much that it fails nothing
	exact            bool    // the budget may be zero: nothing at all is allowed
	note             string  // what it was compared with, how far the rounds lie apart
}

// table gathers the rows of one run.
type table struct{ rows []row }

// add enters a row; over the budget it fails b. A part that is quicker than -benchtime is measured again: its last
// row counts.
func (t *table) add(b *testing.B, r row) {
	b.Helper()
	t.rows = append(slices.DeleteFunc(t.rows, func(old row) bool { return old.what == r.what }), r)
	if r.over() && !r.noisy {
		b.Errorf("%s: %.2f %s, the budget is %.2f", r.what, r.measured, r.unit, r.budget)
	}
}

// over holds for what is no number too.
func (r row) over() bool {
	if !r.limited() {
		return math.IsNaN(r.measured)
	}
	if r.least {
		return !(r.measured >= r.budget)
	}
	return !(r.measured <= r.budget)
}

func (r row) limited() bool { return r.budget != 0 || r.exact }

// verdict is the word for people, after the share of the budget that is taken.
func (r row) verdict() (share, word string) {
	switch {
	case r.budget != 0 && r.least:
		share = fmt.Sprintf("%.0f %%", 100*r.budget/r.measured)
	case r.budget != 0:
		share = fmt.Sprintf("%.0f %%", 100*r.measured/r.budget)
	}
	switch {
	case r.over() && r.noisy:
		word = "over, noisy"
	case r.over():
		word = "OVER"
	case !r.limited():
		word = "-"
	default:
		word = "ok"
	}
	return share, word
}

// limit is the budget for people.
func (r row) limit() string {
	switch {
	case !r.limited():
		return "-"
	case r.least:
		return fmt.Sprintf("≥ %.4g %s", r.budget, r.unit)
	}
	return fmt.Sprintf("%.4g %s", r.budget, r.unit)
}

// String is the table as people read it.
func (t *table) String() string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "what\tbudget\tmeasured\tof budget\t\tnote")
	for _, r := range t.rows {
		share, word := r.verdict()
		fmt.Fprintf(w, "%s\t%s\t%.3g %s\t%s\t%s\t%s\n", r.what, r.limit(), r.measured, r.unit, share, word, r.note)
	}
	_ = w.Flush() // a strings.Builder takes everything
	return text.String()
}

// median of the values: of all figures the one that noise moves least.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// quiet is the value below which a quarter of the values lies. It stands for a CPU time in a run without a reference to
// divide it by: whatever else goes on in the machine only ever adds to it.
func quiet(values []float64) float64 {
	return slices.Sorted(slices.Values(values))[len(values)/4]
}

// spread says where the middle half of the values lies.
func spread(values []float64) string {
	sorted := slices.Sorted(slices.Values(values))
	return fmt.Sprintf("%.3g–%.3g in %d rounds", sorted[len(sorted)/4], sorted[len(sorted)*3/4], len(sorted))
}

// BenchmarkBudgets starts what make build has made, beside a bare Fiber server, and compares CPU per request, memory
// and times with the budgets. Each part takes some seconds; -bench Budgets/check runs one of them. It fails when a
// budget is exceeded: then look for the cause, or run it again on a quieter machine.
func BenchmarkBudgets(b *testing.B) {
	t := &table{}
	for _, part := range []struct {
		name    string
		measure func(*testing.B, *table)
	}{
		// These two go first: what others leave behind in this process disturbs them.
		{"login", measureLogin},
		{"call", measureCall},
		{"check", measureCheck},
		{"rate", measureRate},
		{"nginx", measureNginx},
		{"peer", measurePeer},
		{"start", measureStart},
		{"restart", measureRestart},
		{"swap", measureSwap},
		{"drop", measureDrop},
		{"thirty", measureThirty},
		{"sandbox", measureSandbox},
		{"memory", measureMemory},
		{"sessions", measureSessions},
		{"connections", measureConnections},
	} {
		b.Run(part.name, func(b *testing.B) {
			for b.Loop() {
				part.measure(b, t)
			}
		})
	}
	fmt.Fprintf(os.Stdout, "\n%s\n", t)
}
