package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Fault is one thing that is wrong in the configuration. No field of it holds a secret.
type Fault struct {
	// File and Line of the key; empty and 0 when it does not come from a file.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
	// Key as the operator wrote it: "server.public_url", or "AUTHD_SERVER_PUBLIC_URL". Empty when the whole file is at fault.
	Key string `json:"key,omitempty"`
	// Summary says what is wrong, Mend how to put it right.
	Summary string `json:"summary"`
	Mend    string `json:"mend,omitempty"`
}

// String renders the fault as one line: "authd.toml:3: server.listen: what; mend".
func (f Fault) String() string {
	var b strings.Builder
	if f.File != "" {
		b.WriteString(f.File)
		if f.Line > 0 {
			fmt.Fprintf(&b, ":%d", f.Line)
		}
		b.WriteString(": ")
	}
	if f.Key != "" {
		b.WriteString(f.Key + ": ")
	}
	b.WriteString(f.Summary)
	if f.Mend != "" {
		b.WriteString("; " + f.Mend)
	}
	return oneLine(b.String())
}

// Faults is the error of [Load] and [Config.Validate]: everything that is wrong, at once.
type Faults struct {
	List []Fault
	// Config is what could be read in spite of them, for those who want to look for more; it must not be used. Nil
	// from Validate.
	Config *Config
}

// Error renders one line for each fault.
func (f *Faults) Error() string {
	lines := make([]string, len(f.List))
	for i, fault := range f.List {
		lines[i] = fault.String()
	}
	return strings.Join(lines, "\n")
}

// Add puts more faults to those that are there, each to its place, and drops what is there already.
func (f *Faults) Add(more ...Fault) {
	f.List = append(f.List, more...)
	slices.SortStableFunc(f.List, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(b.File, a.File), cmp.Compare(a.Line, b.Line))
	})
	f.List = slices.Compact(f.List)
}

// err returns f, or nil when nothing is wrong.
func (f *Faults) err() error {
	f.Add()
	if len(f.List) == 0 {
		return nil
	}
	return f
}

// oneLine keeps whatever came from outside from making a second line or moving a terminal's cursor.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) {
			return ' '
		}
		return r
	}, s)
}

// quoted shows a value that is not secret, cut to a length that fits a line.
func quoted(value string) string {
	const longest = 100
	if len(value) > longest {
		return fmt.Sprintf("%.*q…", longest, value)
	}
	return fmt.Sprintf("%q", value)
}

// didYouMean returns `did you mean "x"?` for the candidate closest to name, or "".
func didYouMean(name string, candidates []string) string {
	best := nearest(name, candidates)
	if best == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %q?", best)
}

// nearest returns the candidate that name may be a slip for, or "".
func nearest(name string, candidates []string) string {
	best, least := "", min(max(2, len(name)/4), len(name)/2)+1
	for _, c := range candidates {
		if d := distance(name, c); d < least {
			best, least = c, d
		}
	}
	return best
}

// distance counts the insertions, deletions and replacements that make b of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
