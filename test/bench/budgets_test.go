package bench

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
)

// row is one budget and what was measured.
type row struct {
	what             string
	unit             string
	budget, measured float64
	note             string // what it was compared with, how far the rounds lie apart
}

// table gathers the rows of one run.
type table struct {
	mu   sync.Mutex
	rows []row
}

// add enters a row and reports it as a metric of b; over the budget it fails b.
func (t *table) add(b *testing.B, r row) {
	b.Helper()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows = append(t.rows, r)
	if r.over() {
		b.Errorf("%s: %.2f %s, the budget is %.2f", r.what, r.measured, r.unit, r.budget)
	}
}

func (r row) over() bool { return r.measured > r.budget }

// String is the table as people read it.
func (t *table) String() string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "what\tbudget\tmeasured\tof budget\t\tnote")
	for _, r := range t.rows {
		verdict := "ok"
		if r.over() {
			verdict = "OVER"
		}
		fmt.Fprintf(w, "%s\t%.4g %s\t%.3g %s\t%.0f %%\t%s\t%s\n", r.what, r.budget, r.unit, r.measured, r.unit, 100*r.measured/r.budget, verdict, r.note)
	}
	_ = w.Flush() // a strings.Builder takes everything
	return text.String()
}

// median of the values, which are sorted by the call. Noise adds and seldom takes away, but evenly to all that is
// compared: the middle moves least.
func median(values []float64) float64 {
	slices.Sort(values)
	middle := len(values) / 2
	if len(values)%2 == 1 {
		return values[middle]
	}
	return (values[middle-1] + values[middle]) / 2
}

// spread says where the middle half of sorted values lies.
func spread(values []float64) string {
	return fmt.Sprintf("%.3g–%.3g in %d rounds", values[len(values)/4], values[len(values)*3/4], len(values))
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
		{"check", measureCheck},
		{"login", measureLogin},
		{"start", measureStart},
		{"restart", measureRestart},
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
