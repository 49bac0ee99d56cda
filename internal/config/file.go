package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// loader fills a Config layer by layer and collects what is wrong on the way.
type loader struct {
	cfg    *Config
	faults Faults
	// secretFiles are the files that secrets are to be read from when all layers are in.
	// :: path of the secret key → paths of files
	secretFiles map[string][]string

	file  string         // name of the file being decoded; empty for the environment
	lines map[string]int // :: key path → line in that file
}

// fault reports what is wrong with the key at path, wherever that was set.
func (l *loader) fault(path, summary, mend string) {
	l.faults.List = append(l.faults.List, l.cfg.FaultAt(path, summary, mend))
}

// FaultAt places a fault at a key ("providers[0].allow"), or at the nearest table around it that stands in the file. It
// is for those who check what this package can't, such as rules.
func (c *Config) FaultAt(path, summary, mend string) Fault {
	f := Fault{Key: path, Summary: summary, Mend: mend}
	for at := path; at != ""; at = parent(at) {
		origin, ok := c.origins[at]
		if !ok {
			continue
		}
		f.File, f.Line = origin.File, origin.Line
		if at == path && origin.Env != "" {
			f.Key = origin.Env
		}
		break
	}
	return f
}

// decodeFile puts a TOML document over what the Config holds.
func (l *loader) decodeFile(name string, document []byte) {
	var root map[string]any
	if err := toml.Unmarshal(document, &root); err != nil {
		l.faults.List = append(l.faults.List, syntaxFault(name, err))
		return
	}
	l.file, l.lines = name, lineIndex(document)
	l.decodeTable("", reflect.ValueOf(l.cfg).Elem(), root)
	l.file, l.lines = "", nil
}

// syntaxFault keeps the decoder's account of what is wrong but not its picture of the line: that may hold a secret.
// So may the input that strconv quotes at the end of its errors.
func syntaxFault(name string, err error) Fault {
	f := Fault{File: name, Mend: "see https://toml.io for how TOML is written"}
	text := err.Error()
	var at *toml.DecodeError
	if errors.As(err, &at) {
		f.Line, _ = at.Position()
		text = at.Error()
	}
	text, _, _ = strings.Cut(text, ": strconv.")
	f.Summary = "is not TOML: " + strings.TrimPrefix(text, "toml: ")
	return f
}

// decodeTable fills v, a struct of types.go, from a table of the file.
func (l *loader) decodeTable(path string, v reflect.Value, table map[string]any) {
	l.origin(path)
	fields := fieldsOf(v.Type())
	for _, key := range l.inOrder(path, table) {
		value, at := table[key], join(path, key)
		l.origin(at)
		if i := slices.IndexFunc(fields, func(f field) bool { return f.key == key }); i >= 0 {
			l.decodeField(at, fields[i], v.Field(fields[i].index), value)
			continue
		}
		if i := slices.IndexFunc(fields, func(f field) bool { return f.secret != "" && f.key+fileSuffix == key }); i >= 0 {
			l.decodeSecretFile(join(path, fields[i].key), at, value)
			continue
		}
		if p, ok := v.Addr().Interface().(*ProviderTable); ok {
			l.decodeSetting(p, at, key, value)
			continue
		}
		l.unknownKey(path, key, keys(fields))
	}
	l.bothSet(path, fields, table)
}

// inOrder sorts the keys of a table by their lines, so that faults come in the order of the file.
func (l *loader) inOrder(path string, table map[string]any) []string {
	return slices.SortedFunc(maps.Keys(table), func(a, b string) int {
		if d := l.lines[join(path, a)] - l.lines[join(path, b)]; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
}

func (l *loader) origin(path string) {
	if line := l.lines[path]; line > 0 {
		l.cfg.origins[path] = Origin{File: l.file, Line: line}
	}
}

func (l *loader) decodeField(path string, f field, v reflect.Value, value any) {
	switch {
	case f.isTable():
		table, ok := value.(map[string]any)
		if !ok {
			l.fault(path, "must be a table, not "+kindOf(value), "write ["+path+"] on a line of its own")
			return
		}
		l.decodeTable(path, v, table)
	case f.isTables():
		l.decodeTables(path, v, value)
	default:
		if err := setTOML(v, value); err != nil {
			l.fault(path, err.Error(), "")
		}
	}
}

// decodeTables fills a list of structs from [[tables]].
func (l *loader) decodeTables(path string, v reflect.Value, value any) {
	list, ok := value.([]any)
	if !ok {
		l.fault(path, "must be a list of tables, not "+kindOf(value), "write [["+path+"]] on a line of its own")
		return
	}
	for i, element := range list {
		at := fmt.Sprintf("%s[%d]", path, i)
		table, ok := element.(map[string]any)
		if !ok {
			l.fault(at, "must be a table, not "+kindOf(element), "write [["+path+"]] on a line of its own")
			continue
		}
		l.decodeTable(at, appendElement(v), table)
	}
}

// appendElement makes a list of tables one longer and returns the new table, with its defaults.
func appendElement(v reflect.Value) reflect.Value {
	v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
	element := v.Index(v.Len() - 1)
	setDefaults(element)
	return element
}

// decodeSecretFile notes the file, or for a list the files, of the secret key at path.
func (l *loader) decodeSecretFile(path, at string, value any) {
	var files OneOrMore
	if err := setTOML(reflect.ValueOf(&files).Elem(), value); err != nil {
		l.fault(at, err.Error(), "")
		return
	}
	l.secretFiles[path] = files
	if _, ok := l.cfg.origins[path]; !ok {
		l.cfg.origins[path] = l.cfg.origins[at]
	}
}

// decodeSetting keeps a key of a provider's table that belongs to its type. Whether the type knows it is seen when
// the plugins have told what they serve.
func (l *loader) decodeSetting(p *ProviderTable, path, key string, value any) {
	text, err := scalarText(value)
	if err != nil {
		mend := didYouMean(key, keys(fieldsOf(reflect.TypeFor[ProviderTable]())))
		l.fault(path, err.Error(), cmp.Or(mend, "settings of a provider are single values"))
		return
	}
	if p.Settings == nil {
		p.Settings = map[string]string{}
	}
	p.Settings[key] = text
}

func (l *loader) unknownKey(path, key string, known []string) {
	mend := didYouMean(key, known)
	if mend == "" {
		mend = elsewhere(key)
	}
	if mend == "" {
		mend = "remove it; known here: " + strings.Join(known, ", ")
	}
	l.fault(join(path, key), "is not a key", mend)
}

// elsewhere finds a key that was put into the wrong table.
func elsewhere(key string) string {
	for _, table := range fieldsOf(reflect.TypeFor[Config]()) {
		if table.isTable() && slices.Contains(keys(fieldsOf(table.typ)), key) {
			return fmt.Sprintf("it belongs into the table [%s]", table.key)
		}
	}
	return ""
}

// bothSet reports a secret that is given twice in one table.
func (l *loader) bothSet(path string, fields []field, table map[string]any) {
	for _, f := range fields {
		if f.secret == "" || table[f.key] == nil || table[f.key+fileSuffix] == nil {
			continue
		}
		at := join(path, f.key)
		l.fault(at, "and "+f.key+fileSuffix+" are both set", "keep one of them")
		delete(l.secretFiles, at)
	}
}
