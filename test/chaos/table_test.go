//go:build linux

package chaos

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
)

// row is one demand and what was seen.
type row struct {
	fault, what, demanded, seen string
	over                        bool
	note                        string
}

// table gathers the rows of one run.
type table struct {
	mu   sync.Mutex
	rows []row
}

func (t *table) add(r row) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows = append(t.rows, r)
}

// String is the table as people read it, empty when there is nothing in it.
func (t *table) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.rows) == 0 {
		return ""
	}
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "fault\twhat\tdemanded\tseen\t\tnote")
	last := ""
	sorted := slices.Clone(t.rows)
	slices.SortStableFunc(sorted, func(a, b row) int { return number(a.fault) - number(b.fault) })
	for _, r := range sorted {
		verdict, fault := "OK", r.fault
		if r.over {
			verdict = "OVER"
		}
		if fault == last {
			fault = ""
		}
		last = r.fault
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", fault, r.what, r.demanded, r.seen, verdict, r.note)
	}
	_ = w.Flush() // a strings.Builder takes everything
	return text.String()
}

// number is that of a fault: F17 → 17.
func number(fault string) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(fault, "F")) // 0 goes first
	return n
}
