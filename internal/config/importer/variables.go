package importer

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/authd/authd/internal/config"
)

var (
	assignment = regexp.MustCompile(`^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.]*)[ \t]*=[ \t]*`)
	reference  = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}`)
)

// variables are the settings of an environment file, or of the environment, and which of them have been used.
type variables struct {
	list []variable
	used map[string]bool
}

// lookup returns a variable and marks it as used. An empty one counts as not set, as it does for the four systems.
func (vs *variables) lookup(name string) (variable, bool) {
	for _, v := range vs.list {
		if v.name == name && v.value != "" {
			vs.used[name] = true
			return v, true
		}
	}
	return variable{}, false
}

// has reports whether a variable is set, without using it.
func (vs *variables) has(name string) bool {
	return slices.ContainsFunc(vs.list, func(v variable) bool { return v.name == name && v.value != "" })
}

// rest are the variables that nobody used.
func (vs *variables) rest() []variable {
	return slices.DeleteFunc(slices.Clone(vs.list), func(v variable) bool { return vs.used[v.name] })
}

// add puts a variable to the others. One that comes twice counts as the last says.
func (r *Result) add(vs *variables, v variable) {
	for i, before := range vs.list {
		if before.name == v.name {
			r.note(before, fmt.Sprintf("is set again in line %d, which counts", v.line), "remove one of them")
			vs.list = slices.Delete(vs.list, i, i+1)
			break
		}
	}
	vs.list = append(vs.list, v)
}

// environment reads those variables of the process that belong to the system.
func (r *Result) environment(environ []string) *variables {
	vs := &variables{used: map[string]bool{}}
	seen := map[string]string{}
	for _, entry := range environ {
		name, value, ok := strings.Cut(entry, "=")
		if ok && slices.ContainsFunc(r.system.prefixes, func(p string) bool { return strings.HasPrefix(name, p) }) {
			seen[name] = value // the last one counts, as for os/exec
		}
	}
	for _, name := range sortedKeys(seen) {
		v := variable{name: name, value: seen[name]}
		if !utf8.ValidString(name) || !utf8.ValidString(v.value) {
			r.note(variable{name: strings.ToValidUTF8(name, "?")}, "is not UTF-8", "set it anew")
			continue
		}
		vs.list = append(vs.list, v)
	}
	return vs
}

// variables reads the source: the file, in which every line must be one of KEY=VALUE, or the environment.
func (r *Result) variables(src Source) (*variables, error) {
	if src.File == "" {
		return r.environment(src.Environ), nil
	}
	vs := &variables{used: map[string]bool{}}
	d := dotenv{file: src.File, lines: splitLines(src.Document)}
	for d.next() {
		v, ok, err := d.variable()
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, refuse(config.Fault{File: src.File, Line: d.at, Summary: "is not a line of the form KEY=VALUE", Mend: `mend it, or put # before it`})
		}
		r.addExpanded(vs, v, d.literal)
	}
	return vs, nil
}

func splitLines(document []byte) []string {
	return strings.Split(strings.ReplaceAll(string(document), "\r\n", "\n"), "\n")
}

// addExpanded adds a variable after ${NAME} in it has been replaced by what stands above.
func (r *Result) addExpanded(vs *variables, v variable, literal bool) {
	var missing string
	if !literal {
		v.value = reference.ReplaceAllStringFunc(v.value, func(text string) string {
			m := reference.FindStringSubmatch(text)
			for _, other := range vs.list {
				if other.name == m[1] && other.value != "" {
					return other.value
				}
			}
			if m[2] == "" {
				missing = m[1]
			}
			return m[2]
		})
	}
	if missing != "" {
		r.note(v, "refers to "+missing+", which does not stand above it in the file", "write the value itself")
		return
	}
	if len(v.value) > MaxDocument {
		r.note(v, "grows too large when the variables in it are replaced", "write the value itself")
		return
	}
	r.add(vs, v)
}

// dotenv walks over the lines of an environment file.
type dotenv struct {
	file    string
	lines   []string
	at      int // line, from 1
	literal bool
}

// next goes to the next line that is neither empty nor a comment.
func (d *dotenv) next() bool {
	for d.at < len(d.lines) {
		d.at++
		if line := strings.TrimSpace(d.lines[d.at-1]); line != "" && line[0] != '#' {
			return true
		}
	}
	return false
}

// variable reads the assignment on this line and, when a quote opens in it, on those after it. ok is false when there
// is none.
func (d *dotenv) variable() (v variable, ok bool, err error) {
	line := d.lines[d.at-1]
	m := assignment.FindStringSubmatch(line)
	if m == nil {
		return variable{}, false, nil
	}
	v = variable{name: m[1], line: d.at}
	rest := line[len(m[0]):]
	d.literal = strings.HasPrefix(rest, "'")
	if rest == "" || (rest[0] != '"' && rest[0] != '\'') {
		if strings.HasPrefix(rest, "#") {
			rest = ""
		}
		for _, mark := range []string{" #", "\t#"} {
			rest, _, _ = strings.Cut(rest, mark)
		}
		v.value = strings.TrimSpace(rest)
		return v, true, nil
	}
	v.value, err = d.quoted(rest[0], rest[1:], v)
	return v, true, err
}

// quoted reads up to the closing quote, which may stand on a later line.
func (d *dotenv) quoted(quote byte, rest string, v variable) (string, error) {
	var b strings.Builder
	for {
		for i := 0; i < len(rest); i++ {
			switch {
			case rest[i] == '\\' && i+1 < len(rest):
				i++
				b.WriteString(unescape(quote, rest[i]))
			case rest[i] == quote:
				if after := strings.TrimSpace(rest[i+1:]); after != "" && after[0] != '#' {
					return "", refuse(config.Fault{File: d.file, Line: d.at, Key: v.name, Summary: "has text after the closing quote", Mend: "quote the whole value, and write a quote in it as \\" + string(quote)})
				}
				return b.String(), nil
			default:
				b.WriteByte(rest[i])
			}
		}
		if d.at >= len(d.lines) {
			return "", refuse(config.Fault{File: d.file, Line: v.line, Key: v.name, Summary: "has a quote that is never closed", Mend: "close it at the end of the value"})
		}
		b.WriteByte('\n')
		rest = d.lines[d.at]
		d.at++
	}
}

// unescape follows python-dotenv: in single quotes only the quote and the backslash itself can be escaped.
func unescape(quote, char byte) string {
	if char == quote || char == '\\' {
		return string(char)
	}
	if quote == '"' {
		switch char {
		case 'n':
			return "\n"
		case 'r':
			return "\r"
		case 't':
			return "\t"
		case '$', '`':
			return string(char)
		}
	}
	return "\\" + string([]byte{char})
}
