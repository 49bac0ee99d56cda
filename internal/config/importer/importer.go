// Package importer turns the sign-in settings of Chainlit, Panel, Streamlit and Chatto into an authd.toml, and names
// whatever it could not carry. It reads nothing itself and writes nothing: bytes come in, a [Result] goes out.
//
// What it writes always loads: each value is tried on [config.Config.Validate] before it is taken, and one that authd
// would refuse becomes a note instead. No note and no error holds the value of a secret.
//
//	importer.go   Import, Result            draft.go      the providers on the way, and what is tried
//	chainlit.go, panel.go, panelkeys.go, streamlit.go, chatto.go     one system each
//	variables.go  KEY=VALUE files           shell.go      words of a command line
//	literal.go    Python literals           write.go      the result as TOML
package importer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/authd/authd/internal/config"
)

// MaxDocument bounds what is read, in bytes: a file of settings is never that long.
const MaxDocument = 4 << 20

// Source is what to read: the document, or without one the environment.
type Source struct {
	// File is the name of the document, for messages; empty: there is none, and Environ counts.
	File     string
	Document []byte
	// Environ is the environment of the process, as os.Environ gives it.
	Environ []string
}

// Result is a configuration for authd and what is missing in it.
type Result struct {
	// Notes are the lines that could not be carried, or not in full, each with the reason and what to do about it.
	Notes []config.Fault

	system    system
	file      string
	server    []string // :: comments
	returnTo  []item
	prompt    item
	lifetime  time.Duration
	providers []*draft

	lifetimeFrom string
}

// system is one that can be imported from.
type system struct {
	id, label string
	// prefixes of the environment names that belong to it; others are left alone when the environment is read.
	prefixes []string
	read     func(*Result, Source) error
}

func systems() []system {
	return []system{
		{"chainlit", "Chainlit", []string{"OAUTH_", "CHAINLIT_"}, readChainlit},
		{"panel", "Panel", []string{"PANEL_", "AAD_TENANT_ID", "BOKEH_COOKIE_SECRET"}, readPanel},
		{"streamlit", "Streamlit", nil, readStreamlit},
		{"chatto", "Chatto", []string{"CHATTO_"}, readChatto},
	}
}

// Systems are the names that Import knows.
func Systems() []string {
	var names []string
	for _, s := range systems() {
		names = append(names, s.id)
	}
	return names
}

// Import reads the settings of one of [Systems]. The error is a [*config.Faults] with file and line.
func Import(from string, src Source) (*Result, error) {
	i := slices.IndexFunc(systems(), func(s system) bool { return s.id == from })
	if i < 0 {
		return nil, refuse(config.Fault{Summary: fmt.Sprintf("%.40q is no system to import from", from), Mend: "use one of " + strings.Join(Systems(), ", ")})
	}
	r := &Result{system: systems()[i], file: src.File}
	if err := checkDocument(src); err != nil {
		return nil, err
	}
	src.Document = []byte(strings.TrimPrefix(string(src.Document), "\ufeff"))
	if err := r.system.read(r, src); err != nil {
		return nil, err
	}
	r.distinctIDs()
	slices.SortStableFunc(r.Notes, func(a, b config.Fault) int { return cmp.Compare(a.Line, b.Line) })
	return r, nil
}

func checkDocument(src Source) error {
	if len(src.Document) > MaxDocument {
		return refuse(config.Fault{File: src.File, Summary: fmt.Sprintf("is larger than %d MiB", MaxDocument>>20), Mend: "is this the right file?"})
	}
	if utf8.Valid(src.Document) && !strings.Contains(string(src.Document), "\x00") {
		return nil
	}
	line := 1
	for rest := src.Document; len(rest) > 0; {
		char, size := utf8.DecodeRune(rest)
		if char == 0 || (char == utf8.RuneError && size == 1) {
			break
		}
		if char == '\n' {
			line++
		}
		rest = rest[size:]
	}
	return refuse(config.Fault{File: src.File, Line: line, Summary: "is not UTF-8 text", Mend: "save the file as UTF-8"})
}

func refuse(faults ...config.Fault) error { return &config.Faults{List: faults} }

// nothing is the error when a source holds no provider and no line that could tell why.
func (r *Result) nothing(looked string) error {
	where := cmp.Or(r.file, "the environment")
	return refuse(config.Fault{File: where, Summary: "holds no sign-in settings of " + r.system.label, Mend: "looked for " + looked})
}

// note records something that could not be carried.
func (r *Result) note(v variable, reason, mend string) {
	r.Notes = append(r.Notes, config.Fault{File: r.file, Line: v.line, Key: v.name, Summary: reason, Mend: mend})
}

// item is one value of the result, and where it came from.
type item struct {
	value, comment string
}

// origin says where a value was, for a comment beside it.
func (r *Result) origin(v variable) string {
	if r.file == "" || v.line == 0 {
		return v.name
	}
	return fmt.Sprintf("%s, line %d", v.name, v.line)
}

// variable is one setting of the other system.
type variable struct {
	name, value string
	line        int
}
