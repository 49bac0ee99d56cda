package config

import (
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// lineIndex maps the path of each key and table in a TOML document to its line: "server.listen", "providers[0]",
// "providers[0].client_id", "providers[0].authorize_params.hd". The document must have been decoded without an error.
func lineIndex(document []byte) map[string]int {
	w := lineWalk{lines: map[string]int{}, tables: map[string]int{}}
	w.parser.Reset(document)
	at := ""
	for w.parser.NextExpression() {
		e := w.parser.Expression()
		switch e.Kind {
		case unstable.Table:
			at = w.resolve(e.Key(), false)
			w.lines[at] = w.line(e.Key())
		case unstable.ArrayTable:
			at = w.resolve(e.Key(), true)
			w.lines[at] = w.line(e.Key())
			if list := parent(at); w.lines[list] == 0 {
				w.lines[list] = w.lines[at]
			}
		case unstable.KeyValue:
			w.keyValue(at, e)
		}
	}
	return w.lines
}

type lineWalk struct {
	parser unstable.Parser
	lines  map[string]int
	tables map[string]int // :: path of [[tables]] → how many came so far
}

// resolve turns the key of a [table] or [[table]] into a path with the index of each list that it goes through.
func (w *lineWalk) resolve(key unstable.Iterator, opens bool) string {
	path := ""
	for key.Next() {
		path = join(path, string(key.Node().Data))
		last := key.IsLast()
		if last && opens {
			w.tables[path]++
		}
		if n := w.tables[path]; n > 0 {
			path = fmt.Sprintf("%s[%d]", path, n-1)
		}
	}
	return path
}

// keyValue records a key and, in inline tables, those below it.
func (w *lineWalk) keyValue(at string, e *unstable.Node) {
	path, key := at, e.Key()
	for key.Next() {
		path = join(path, string(key.Node().Data))
	}
	w.lines[path] = w.line(e.Key())
	w.value(path, e.Value())
}

func (w *lineWalk) value(path string, v *unstable.Node) {
	switch v.Kind {
	case unstable.InlineTable:
		for children := v.Children(); children.Next(); {
			w.keyValue(path, children.Node())
		}
	case unstable.Array:
		i := 0
		for children := v.Children(); children.Next(); i++ {
			w.value(fmt.Sprintf("%s[%d]", path, i), children.Node())
		}
	}
}

func (w *lineWalk) line(key unstable.Iterator) int {
	if !key.Next() {
		return 0
	}
	return w.parser.Shape(key.Node().Raw).Start.Line
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// parent cuts the last step off a path: "providers[0].id" → "providers[0]" → "providers" → "".
func parent(path string) string {
	if cut := strings.LastIndexAny(path, ".["); cut >= 0 {
		return path[:cut]
	}
	return ""
}
