package oauth2

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CheckJSON tells whether raw is one JSON value that every reader understands alike; see ParseObject.
func CheckJSON(raw []byte) error {
	_, err := walk(raw, false)
	return err
}

// walk is CheckJSON. If it is to collect, and raw is an object, it returns the members, as they stand in raw.
func walk(raw []byte, collect bool) (Object, error) {
	if !utf8.Valid(raw) || !json.Valid(raw) {
		return nil, fmt.Errorf("%w: it does not parse", ErrJSON)
	}
	w := walker{raw: raw}
	if collect && w.next() == '{' {
		w.top = Object{}
	}
	err := w.value(0)
	return w.top, err
}

// maxDepth bounds nesting; what identity providers say is flat.
const maxDepth = 64

// walker goes over well-formed JSON once. It looks at names only, which takes a tenth of the time of reading the values.
type walker struct {
	raw  []byte
	at   int
	name []byte // of the member at hand; its memory is used again
	top  Object // takes the members of the object at the top; :: nil when they are not asked for
}

// next returns the first byte that is neither white space nor one of the separators, without going past it.
func (w *walker) next() byte {
	for {
		switch c := w.raw[w.at]; c {
		case ' ', '\t', '\r', '\n', ',', ':':
			w.at++
		default:
			return c
		}
	}
}

// value goes past one value.
func (w *walker) value(depth int) error {
	switch open := w.next(); open {
	case '"':
		w.text()
		return nil
	case '{', '[':
		if depth == maxDepth {
			return fmt.Errorf("%w: it is nested too deeply", ErrJSON)
		}
		w.at++
		return w.members(open == '{', depth)
	default: // a number, true, false or null
		for w.at < len(w.raw) && bytes.IndexByte(endOfScalar, w.raw[w.at]) < 0 {
			w.at++
		}
		return nil
	}
}

// endOfScalar is what may follow a number, true, false or null.
var endOfScalar = []byte(" \t\r\n,]}")

// members goes past what is in an object or a list, and its end.
func (w *walker) members(object bool, depth int) error {
	var seen map[string]bool
	for {
		if c := w.next(); c == '}' || c == ']' {
			w.at++
			return nil
		}
		if !object {
			if err := w.value(depth + 1); err != nil {
				return err
			}
			continue
		}
		if seen == nil {
			seen = make(map[string]bool, 16)
		}
		if err := w.member(seen, depth); err != nil {
			return err
		}
	}
}

// member goes past a name and its value.
func (w *walker) member(seen map[string]bool, depth int) error {
	quoted := w.text()
	if err := w.unquote(quoted); err != nil {
		return err
	}
	var name string
	if depth == 0 && w.top != nil {
		name = string(w.name)
	}
	if err := w.remember(seen, quoted, depth == 0); err != nil {
		return err
	}
	w.next()
	start := w.at
	if err := w.value(depth + 1); err != nil {
		return err
	}
	if depth == 0 && w.top != nil {
		w.top[name] = w.raw[start:w.at:w.at]
	}
	return nil
}

// text goes past a string and returns it with its quotes.
func (w *walker) text() []byte {
	start := w.at
	for w.at++; w.raw[w.at] != '"'; w.at++ {
		if w.raw[w.at] == '\\' {
			w.at++
		}
	}
	w.at++
	return w.raw[start:w.at]
}

// unquote puts the name that stands in the JSON as quoted into w.name.
func (w *walker) unquote(quoted []byte) error {
	w.name = append(w.name[:0], quoted[1:len(quoted)-1]...)
	if bytes.IndexByte(w.name, '\\') < 0 {
		return nil
	}
	var name string
	if err := json.Unmarshal(quoted, &name); err != nil {
		return fmt.Errorf("%w: it does not parse", ErrJSON)
	}
	w.name = append(w.name[:0], name...)
	return nil
}

// remember refuses a member, whose name is w.name, that was seen before; quoted is the name as it stands in the JSON.
func (w *walker) remember(seen map[string]bool, quoted []byte, foldCase bool) error {
	if foldCase {
		w.fold()
	}
	if seen[string(w.name)] {
		return fmt.Errorf("%w: the member %.40q is there twice, or in two spellings", ErrJSON, quoted[1:len(quoted)-1])
	}
	seen[string(w.name)] = true
	return nil
}

// fold turns w.name into what all its spellings have in common.
func (w *walker) fold() {
	for i, c := range w.name {
		switch {
		case c >= utf8.RuneSelf:
			w.name = append(w.name[:0], foldName(string(w.name))...)
			return
		case 'a' <= c && c <= 'z':
			w.name[i] = c - 'a' + 'A'
		}
	}
}

// foldName maps the names that a case-insensitive reader would take for one to one and the same, with Unicode's odd
// ones (the long s, the Kelvin sign) among them.
func foldName(name string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		return least
	}, name)
}
