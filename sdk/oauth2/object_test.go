package oauth2_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/sdk/oauth2"
)

// Threat 28: what two readers may understand differently is refused.
func TestParseObjectIsStrict(t *testing.T) {
	bad := map[string]string{
		"repeated":             `{"sub":"a","sub":"b"}`,
		"repeated by escape":   `{"sub":"a","s\u0075b":"b"}`,
		"other case":           `{"sub":"a","Sub":"b"}`,
		"long s":               `{"sub":"a","\u017fub":"b"}`,
		"Kelvin sign":          `{"kid":"a","\u212aid":"b"}`,
		"repeated deep down":   `{"a":[{"b":{"c":1,"c":2}}]}`,
		"something after":      `{"sub":"a"} x`,
		"second object":        `{"sub":"a"}{"sub":"b"}`,
		"not UTF-8":            "{\"sub\":\"\xff\"}",
		"list":                 `[]`,
		"null":                 `null`,
		"string":               `"sub"`,
		"nothing":              ``,
		"broken":               `{"sub":`,
		"trailing comma":       `{"sub":"a",}`,
		"nested without bound": strings.Repeat("[", 500_000),
		"nested deeply":        `{"a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`,
	}
	for name, raw := range bad {
		if o, err := oauth2.ParseObject([]byte(raw)); !errors.Is(err, oauth2.ErrJSON) {
			t.Errorf("%s: got %v, error %v; want ErrJSON", name, o, err)
		}
	}
	good := map[string]string{
		"members of inner objects may differ in case": `{"resource_access":{"App":{},"app":{}}}`,
		"the same name in different objects":          `{"a":{"sub":1},"b":{"sub":1},"sub":2}`,
		"white space around":                          " \n{\"sub\":\"a\"}\t",
		"empty":                                       `{}`,
	}
	for name, raw := range good {
		if _, err := oauth2.ParseObject([]byte(raw)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Threat 154: an error about JSON names members, never values.
func TestParseErrorsHoldNoValues(t *testing.T) {
	_, err := oauth2.ParseObject([]byte(`{"token":"s3cret","token":"s3cret"`))
	if err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got error %v, want one without the value", err)
	}
	_, err = oauth2.ParseObject([]byte(`{"token":"s3cret","token":"s3cret"}`))
	if err == nil || strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), "token") {
		t.Errorf("got error %v, want one that names the member alone", err)
	}
}

func TestParseList(t *testing.T) {
	list, err := oauth2.ParseList([]byte(`[{"email":"a@example.org"},{"email":"b@example.org"}]`))
	if err != nil || len(list) != 2 || list[1].String("email") != "b@example.org" {
		t.Errorf("got %v, error %v", list, err)
	}
	for _, raw := range []string{`{}`, `null`, `[1]`, `[{"a":1,"A":2}]`, `[`, ``} {
		if list, err := oauth2.ParseList([]byte(raw)); !errors.Is(err, oauth2.ErrJSON) {
			t.Errorf("%s: got %v, error %v; want ErrJSON", raw, list, err)
		}
	}
}

// Threat 31: a member of an unexpected type is taken for a missing one.
func TestObjectIsTolerantOfTypes(t *testing.T) {
	o, err := oauth2.ParseObject([]byte(`{
		"s":"text","b":true,"n":12345678901234567,"f":1.5,"big":1e300,"nul":null,"list":["a",1,null,"b"],"one":"alone",
		"obj":{"inner":{"roles":["x"]}},"https://example.com/groups":["dotted"],"str1":"1"}`))
	if err != nil {
		t.Fatal(err)
	}
	yes := true
	tests := []struct {
		name      string
		got, want any
	}{
		{"string", o.String("s"), "text"},
		{"string of a number", o.String("n"), ""},
		{"string of null", o.String("nul"), ""},
		{"string of a list", o.String("list"), ""},
		{"string of nothing", o.String("missing"), ""},
		{"bool", o.Bool("b"), &yes},
		{"bool of null", o.Bool("nul"), (*bool)(nil)},
		{"bool of a string", o.Bool("s"), (*bool)(nil)},
		{"strings leave out what is none", o.Strings("list"), []string{"a", "b"}},
		{"one string", o.Strings("one"), []string{"alone"}},
		{"strings of an object", o.Strings("obj"), []string(nil)},
		{"strings of a number", o.Strings("n"), []string(nil)},
		{"path", o.Find("obj.inner.roles"), []string{"x"}},
		{"path that ends early", o.Find("obj.inner.roles.more"), []string(nil)},
		{"path through a string", o.Find("s.inner"), []string(nil)},
		{"name with dots", o.Find("https://example.com/groups"), []string{"dotted"}},
		{"object of a string", o.Object("s").String("x"), ""},
		{"has", o.Has("nul"), true},
		{"has not", o.Has("missing"), false},
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.got, test.want); diff != "" {
			t.Errorf("%s (got -, want +):\n%s", test.name, diff)
		}
	}
	if n, ok := o.Int("n"); !ok || n != 12345678901234567 {
		t.Errorf("got %d, %v; want the integer unspoilt", n, ok)
	}
	for _, name := range []string{"f", "s", "str1", "nul", "missing", "big"} {
		if n, ok := o.Int(name); ok {
			t.Errorf("Int(%s): got %d, want none", name, n)
		}
	}
}

func TestObjectTime(t *testing.T) {
	o, err := oauth2.ParseObject([]byte(`{"t":1700000000,"frac":1700000000.75,"s":"1700000000","far":1e18,"inf":1e999,"neg":-5}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int64{"t": 1700000000, "frac": 1700000000, "neg": -5} {
		if got, ok := o.Time(name); !ok || got.Unix() != want {
			t.Errorf("%s: got %v, %v; want %d", name, got, ok, want)
		}
	}
	for _, name := range []string{"s", "far", "inf", "missing"} {
		if got, ok := o.Time(name); ok || !got.Equal(time.Time{}) {
			t.Errorf("%s: got %v, want none", name, got)
		}
	}
}

func TestObjectJSON(t *testing.T) {
	o, err := oauth2.ParseObject([]byte(`{"b":12345678901234567890,"a":{"z":1}}`))
	if err != nil {
		t.Fatal(err)
	}
	o.Set("c", []string{"x"})
	o.Set("b2", func() {}) // does not marshal, so it does not stay
	if got, want := string(o.JSON()), `{"a":{"z":1},"b":12345678901234567890,"c":["x"]}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func FuzzParseObject(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":1,"A":2}`, `{"a":[{"b":1,"b":2}]}`, `[[[]]]`, ` { "a" : "b\u00e9" , "\u0061b":"\"" , "c\\":" é" , "d" : -1.5e3 , "e":[ {} ,null ] } `, `{"":""}`, "{\"\xff\":1}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		o, err := oauth2.ParseObject(raw)
		if err != nil {
			return
		}
		var want oauth2.Object
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatalf("%q is read, but not by encoding/json: %v", raw, err)
		}
		if diff := cmp.Diff(want, o); diff != "" {
			t.Errorf("%q is read otherwise than by encoding/json (-that +this):\n%s", raw, diff)
		}
		for name, value := range o {
			var text *string
			if json.Unmarshal(value, &text) != nil || text == nil {
				text = new(string)
			}
			if got := o.String(name); got != *text {
				t.Errorf("%q: String(%q) = %q, want %q", raw, name, got, *text)
			}
		}
		again, err := oauth2.ParseObject(o.JSON())
		if err != nil || len(again) != len(o) {
			t.Errorf("%q was read as %v, but what that writes as %v, error %v", raw, o, again, err)
		}
	})
}
