package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// fileSuffix makes of a secret key the key of the file that holds the secret.
const fileSuffix = "_file"

// field is one key of a table, read off the tags of a struct in types.go:
//
//	toml     the key
//	default  its value when nobody sets it, written as in the environment
//	secret   "yes": the value is a secret; "url": a URL that may hold a password
//	enum     the values that it may have, separated by commas
type field struct {
	key, def, secret string
	enum             []string
	typ              reflect.Type
	index            int
}

// fieldsOf returns the keys of the table that t is decoded from.
func fieldsOf(t reflect.Type) []field {
	var fields []field
	for i := range t.NumField() {
		sf := t.Field(i)
		key := sf.Tag.Get("toml")
		if key == "" || key == "-" {
			continue
		}
		f := field{key: key, def: sf.Tag.Get("default"), secret: sf.Tag.Get("secret"), typ: sf.Type, index: i}
		if enum := sf.Tag.Get("enum"); enum != "" {
			f.enum = strings.Split(enum, ",")
		}
		fields = append(fields, f)
	}
	return fields
}

// isTable reports whether the key holds a table; isTables, whether it holds [[tables]].
func (f field) isTable() bool { return f.typ.Kind() == reflect.Struct }

func (f field) isTables() bool {
	return f.typ.Kind() == reflect.Slice && f.typ.Elem().Kind() == reflect.Struct
}

// keys lists what may stand in the table, secrets' files included.
func keys(fields []field) []string {
	var names []string
	for _, f := range fields {
		names = append(names, f.key)
		if f.secret != "" {
			names = append(names, f.key+fileSuffix)
		}
	}
	return names
}

// setDefaults fills v, a struct of types.go, and the tables in it.
func setDefaults(v reflect.Value) {
	for _, f := range fieldsOf(v.Type()) {
		switch {
		case f.isTable():
			setDefaults(v.Field(f.index))
		case f.def != "":
			if err := setText(v.Field(f.index), f.def); err != nil {
				panic(fmt.Sprintf("config: default of %s: %v", f.key, err)) // a mistake in types.go, which its test finds
			}
		}
	}
}

// setText sets v from its form in the environment. The error names neither the key nor the value.
func setText(v reflect.Value, text string) error {
	switch target := v.Addr().Interface().(type) {
	case *string:
		*target = text
	case *bool:
		return setBool(target, text)
	case *time.Duration:
		return setDuration(target, text)
	case *[]string:
		*target = splitList(text)
	case *OneOrMore:
		*target = splitList(text)
	case *Ports:
		return setPorts(target, splitList(text))
	case *map[string]string:
		return setPairs(target, text)
	default:
		return fmt.Errorf("is a table and can't be set as a whole")
	}
	return nil
}

func setBool(target *bool, text string) error {
	switch strings.ToLower(text) {
	case "true", "1", "yes", "on":
		*target = true
	case "false", "0", "no", "off":
		*target = false
	default:
		return fmt.Errorf("must be true or false")
	}
	return nil
}

func setDuration(target *time.Duration, text string) error {
	d, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf(`must be a duration such as "90m" or "720h"`)
	}
	*target = d
	return nil
}

// setPairs reads "name=value,name=value".
func setPairs(target *map[string]string, text string) error {
	pairs := map[string]string{}
	for _, pair := range splitList(text) {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return fmt.Errorf("must be written as name=value,name=value")
		}
		pairs[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	*target = pairs
	return nil
}

// splitList parts a list of the environment; empty parts are dropped.
func splitList(text string) []string {
	var list []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

// setTOML sets v from what the TOML decoder made of the value. The error names neither the key nor the value.
func setTOML(v reflect.Value, value any) error {
	switch target := v.Addr().Interface().(type) {
	case *string:
		return setString(target, value)
	case *bool:
		b, ok := value.(bool)
		if !ok {
			return fmt.Errorf("must be true or false without quotes, not %s", kindOf(value))
		}
		*target = b
	case *time.Duration:
		text, ok := value.(string)
		if !ok {
			return fmt.Errorf(`must be a duration in quotes such as "90m" or "720h", not %s`, kindOf(value))
		}
		return setDuration(target, text)
	case *[]string:
		return setStrings(target, value)
	case *OneOrMore:
		if one, ok := value.(string); ok {
			*target = OneOrMore{one}
			return nil
		}
		return setStrings((*[]string)(target), value)
	case *Ports:
		list, ok := value.([]any)
		if !ok {
			return fmt.Errorf("must be a list of ports in brackets, not %s", kindOf(value))
		}
		return setPorts(target, list)
	case *map[string]string:
		return setStringMap(target, value)
	default:
		return fmt.Errorf("must be a table, not %s", kindOf(value))
	}
	return nil
}

// setPorts reads ports in either form.
func setPorts[T any](target *Ports, list []T) error {
	ports := make(Ports, len(list))
	for i, element := range list {
		port, err := strconv.ParseUint(fmt.Sprint(element), 10, 16)
		if err != nil || port == 0 {
			return fmt.Errorf("must hold ports between 1 and 65535, such as [8443]")
		}
		ports[i] = uint16(port)
	}
	*target = ports
	return nil
}

func setString(target *string, value any) error {
	s, ok := value.(string)
	if !ok {
		return fmt.Errorf("must be a string in quotes, not %s", kindOf(value))
	}
	*target = s
	return nil
}

func setStrings(target *[]string, value any) error {
	list, ok := value.([]any)
	if !ok {
		return fmt.Errorf("must be a list of strings in brackets, not %s", kindOf(value))
	}
	out := make([]string, len(list))
	for i, element := range list {
		if err := setString(&out[i], element); err != nil {
			return fmt.Errorf("element %d %w", i+1, err)
		}
	}
	*target = out
	return nil
}

func setStringMap(target *map[string]string, value any) error {
	table, ok := value.(map[string]any)
	if !ok {
		return fmt.Errorf(`must be a table such as { name = "value" }, not %s`, kindOf(value))
	}
	out := make(map[string]string, len(table))
	for name, element := range table {
		text, err := scalarText(element)
		if err != nil {
			return fmt.Errorf("%q %w", name, err)
		}
		out[name] = text
	}
	*target = out
	return nil
}

// scalarText is the text of a setting, which has no type of its own: settings are strings, but nobody should have to
// quote a number or true.
func scalarText(value any) (string, error) {
	switch value := value.(type) {
	case string:
		return value, nil
	case bool, int64, float64:
		return fmt.Sprint(value), nil
	}
	return "", fmt.Errorf("must be a string, a number, true or false, not %s", kindOf(value))
}

// kindOf names the kind of a TOML value for people.
func kindOf(value any) string {
	switch value.(type) {
	case string:
		return "a string"
	case bool:
		return "true or false"
	case int64, float64:
		return "a number"
	case []any:
		return "a list"
	case map[string]any:
		return "a table"
	}
	return "a date or time"
}
