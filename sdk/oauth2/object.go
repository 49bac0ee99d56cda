package oauth2

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// ErrJSON is wrapped by every error of ParseObject, ParseList and CheckJSON. Their texts name members, never values.
var ErrJSON = errors.New("not acceptable JSON")

// Object is a JSON object of an identity provider. Names are compared exactly, as RFC 7519 section 10.1.1 asks; its
// methods take a member of an unexpected type for a missing one, so that no value is ever printed as something else.
type Object map[string]json.RawMessage

// ParseObject reads one JSON object. It refuses what two readers may understand differently: a repeated member (at
// any depth), two members whose names differ in case only (at the top, where claims live), invalid UTF-8, and
// anything after the object. The members are parts of raw, which must not be changed any more.
func ParseObject(raw []byte) (Object, error) {
	o, err := walk(raw, true)
	if err != nil {
		return nil, err
	}
	if o == nil {
		return nil, fmt.Errorf("%w: it is no object", ErrJSON)
	}
	return o, nil
}

// ParseList reads a JSON array of objects, each as strictly as ParseObject does.
func ParseList(raw []byte) ([]Object, error) {
	if err := CheckJSON(raw); err != nil {
		return nil, err
	}
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil || items == nil {
		return nil, fmt.Errorf("%w: it is no list", ErrJSON)
	}
	list := make([]Object, len(items))
	for i, item := range items {
		var err error
		if list[i], err = ParseObject(item); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Has tells whether the member is there at all, null included.
func (o Object) Has(name string) bool {
	_, ok := o[name]
	return ok
}

// String returns a string member; "" when it is missing or no string.
func (o Object) String(name string) string {
	s, _ := stringOf(o[name])
	return s
}

// Bool returns a boolean member; nil when it is missing or no boolean.
func (o Object) Bool(name string) *bool {
	b, ok := decode[bool](o[name])
	if !ok {
		return nil
	}
	return &b
}

// Int returns an integer member of up to 64 bits.
func (o Object) Int(name string) (int64, bool) {
	raw := o[name]
	if !startsNumber(raw) {
		return 0, false
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	return n, err == nil
}

// Time returns a NumericDate member (RFC 7519 section 2), which may have a fraction.
func (o Object) Time(name string) (time.Time, bool) {
	raw := o[name]
	if !startsNumber(raw) {
		return time.Time{}, false
	}
	seconds, err := strconv.ParseFloat(string(raw), 64)
	const year9999 = 253402300799
	if err != nil || math.Abs(seconds) > year9999 {
		return time.Time{}, false
	}
	return time.Unix(int64(seconds), 0), true
}

// Strings returns a member that is a list of strings, leaving out what is none, or one string alone, as a list.
func (o Object) Strings(name string) []string {
	return stringsOf(o[name])
}

// Object returns a member that is an object; nil, on which every method works, when it is missing or none.
func (o Object) Object(name string) Object {
	inner, _ := decode[Object](o[name])
	return inner
}

// Find is Strings for a name that may be a path of members joined by dots, as realm_access.roles. A member that has
// the whole name, dots and all, goes first: names such as https://example.com/groups are in use.
func (o Object) Find(path string) []string {
	if o.Has(path) {
		return o.Strings(path)
	}
	for {
		head, tail, more := strings.Cut(path, ".")
		if !more {
			return o.Strings(path)
		}
		o, path = o.Object(head), tail
	}
}

// Set puts a value that marshals to JSON into the object; it is for values that surely do.
func (o Object) Set(name string, value any) {
	raw, err := json.Marshal(value)
	if err != nil {
		delete(o, name)
		return
	}
	o[name] = raw
}

// JSON returns the object as JSON, its members sorted by name.
func (o Object) JSON() json.RawMessage {
	raw, err := json.Marshal(map[string]json.RawMessage(o))
	if err != nil {
		return json.RawMessage("{}")
	}
	return raw
}

// stringOf reads a string. Most need no decoding: they are what stands between the quotes.
func stringOf(raw json.RawMessage) (string, bool) {
	if end := len(raw) - 1; end > 0 && raw[0] == '"' && raw[end] == '"' && plain(raw[1:end]) {
		return string(raw[1:end]), true
	}
	return decode[string](raw)
}

// plain tells whether text stands for itself in a JSON string.
func plain(text []byte) bool {
	for _, c := range text {
		if c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

func stringsOf(raw json.RawMessage) []string {
	if s, ok := stringOf(raw); ok {
		return []string{s}
	}
	items, _ := decode[[]json.RawMessage](raw)
	var list []string
	for _, item := range items {
		if s, ok := stringOf(item); ok {
			list = append(list, s)
		}
	}
	return list
}

// decode reports false for null, which encoding/json would turn into a zero value.
func decode[T any](raw json.RawMessage) (value T, ok bool) {
	if len(raw) == 0 || string(raw) == "null" {
		return value, false
	}
	if err := json.Unmarshal(raw, &value); err != nil {
		var none T
		return none, false
	}
	return value, true
}

func startsNumber(raw json.RawMessage) bool {
	return len(raw) > 0 && (raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9')
}
