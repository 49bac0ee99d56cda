package oauth2_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/authd/authd/sdk/oauth2"
)

// acceptable is the slow way: it reads every token with encoding/json.
func acceptable(raw []byte) bool {
	if !utf8.Valid(raw) || !json.Valid(raw) {
		return false
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return acceptableValue(d, 0)
}

func acceptableValue(d *json.Decoder, depth int) bool {
	open, err := d.Token()
	if err != nil {
		return false
	}
	if _, nested := open.(json.Delim); !nested {
		return true
	}
	if depth == 64 {
		return false
	}
	var seen []string
	for d.More() {
		if open == json.Delim('{') {
			token, err := d.Token()
			name, ok := token.(string)
			if err != nil || !ok {
				return false
			}
			for _, other := range seen {
				if name == other || depth == 0 && strings.EqualFold(name, other) {
					return false
				}
			}
			seen = append(seen, name)
		}
		if !acceptableValue(d, depth+1) {
			return false
		}
	}
	_, err = d.Token()
	return err == nil
}

// Threats 28 and 164: the quick walk and the slow one agree on whatever an identity provider may send.
func FuzzCheckJSON(f *testing.F) {
	for _, seed := range []string{
		`{"sub":"a","Sub":"b"}`, `{"sub":"a","s\u0075b":"b"}`, `{"a\\":1,"a\"":2}`, `{"a":[{"b":{"c":1,"c":2}}]}`, `[]`, `null`, `-1.5e3`,
		` { "a" : [ 1 , true , { } ] , "b" : "}\"" } `, `{"\u212aid":1,"kid":2}`, `{"\ud800":1,"\ud801":2}`, `{"sub":`,
		"{\"s\xc5\xbf\":1,\"ss\":2}", strings.Repeat("[", 64) + strings.Repeat("]", 64), strings.Repeat("[", 65) + strings.Repeat("]", 65),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if got, want := oauth2.CheckJSON(raw) == nil, acceptable(raw); got != want {
			t.Errorf("%q: accepted is %v, want %v", raw, got, want)
		}
	})
}

func BenchmarkCheckJSON(b *testing.B) {
	raw, err := os.ReadFile("testdata/token.json")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := oauth2.CheckJSON(raw); err != nil {
			b.Fatal(err)
		}
	}
}
