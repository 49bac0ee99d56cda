package policy

import (
	"context"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// corpusLine is one line of testdata/paths.txt.
type corpusLine struct {
	raw, normal string
	ambiguous   bool
	number      int
}

var escapedByte = regexp.MustCompile(`\\x[0-9a-f]{2}`)

func corpus(t testing.TB) []corpusLine {
	t.Helper()
	text, err := os.ReadFile("testdata/paths.txt")
	if err != nil {
		t.Fatal(err)
	}
	var lines []corpusLine
	for i, line := range strings.Split(string(text), "\n") {
		if line == "" || strings.HasPrefix(line, "# ") {
			continue
		}
		raw, want, ok := strings.Cut(line, "\t")
		if !ok {
			t.Fatalf("line %d has no tab", i+1)
		}
		raw = strings.ReplaceAll(raw, `\t`, "\t")
		raw = escapedByte.ReplaceAllStringFunc(raw, func(hex string) string {
			n, err := strconv.ParseUint(hex[2:], 16, 8)
			if err != nil {
				t.Fatal(err)
			}
			return string([]byte{byte(n)})
		})
		lines = append(lines, corpusLine{raw, want, want == "AMBIGUOUS", i + 1})
	}
	return lines
}

// Threat 89: what servers may read in different ways is ambiguous, and all other spellings of a path are one.
func TestCorpus(t *testing.T) {
	lines := corpus(t)
	if len(lines) < 150 {
		t.Fatalf("the corpus has %d lines", len(lines))
	}
	for _, line := range lines {
		path, doubt := Normalise(line.raw)
		switch {
		case line.ambiguous && doubt == "":
			t.Errorf("line %d: %q is %q, want ambiguous", line.number, line.raw, path)
		case !line.ambiguous && (doubt != "" || path != line.normal):
			t.Errorf("line %d: %q is %q (%s), want %q", line.number, line.raw, path, doubt, line.normal)
		case strings.Contains(path, "?"):
			t.Errorf("line %d: %q kept its query: %q", line.number, line.raw, path)
		}
	}
}

// A guest gets at what is public by no spelling in doubt, and a person past no rule.
func TestCorpusAgainstRules(t *testing.T) {
	public := apps(t, App{Host: "a.example.com", Rules: []AppRule{{Path: "/*", Public: true}}})
	admins := apps(t, App{Host: "a.example.com", Rules: []AppRule{
		{Path: "/never", Allow: `"nobody" in user.groups`}, {Path: "/*", Public: true},
	}})
	for _, line := range corpus(t) {
		r := Request{Host: "a.example.com", Path: line.raw, Method: "GET"}
		d := public.Decide(context.Background(), r, nil)
		if want := map[bool]Verdict{true: NeedLogin, false: Allow}[line.ambiguous]; d.Verdict != want || d.Ambiguous != line.ambiguous || d.Public == line.ambiguous {
			t.Errorf("line %d: a guest at %q: %+v, want %v", line.number, line.raw, d, want)
		}
		d = admins.Decide(context.Background(), r, NewPerson(ada()))
		if want := map[bool]Verdict{true: Deny, false: Allow}[line.ambiguous]; d.Verdict != want {
			t.Errorf("line %d: ada at %q: %+v, want %v", line.number, line.raw, d, want)
		}
	}
}

func TestPatterns(t *testing.T) {
	for _, test := range []struct {
		pattern      string
		matches, not []string
	}{
		{"/a", []string{"/a", "/%61", "/a?b"}, []string{"/a/", "/A", "/ab", "/"}},
		{"/a/", []string{"/a/"}, []string{"/a", "/a/b"}},
		{"/a/*", []string{"/a/", "/a/b", "/a/b/c", "/%61/b"}, []string{"/a", "/ab", "/A/b", "/b/a/"}},
		{"/a*", []string{"/a", "/a/", "/ab", "/a/b"}, []string{"/A", "/b", "/"}},
		{"/*", []string{"/", "/a", "/a/b"}, nil},
		{"/%61/*", []string{"/a/b"}, []string{"/b"}},
		{"/café menu/*", []string{"/caf%c3%a9%20menu/x", "/caf%C3%A9%20menu/"}, []string{"/cafe%20menu/x"}},
	} {
		p, err := parsePattern(test.pattern)
		if err != nil {
			t.Errorf("%s: %v", test.pattern, err)
			continue
		}
		for i, path := range append(test.matches, test.not...) {
			normal, doubt := Normalise(path)
			if got, want := p.matches(normal), i < len(test.matches); got != want || doubt != "" {
				t.Errorf("%s matches %s: %v (%s), want %v", test.pattern, path, got, doubt, want)
			}
		}
	}
}

func TestPatternFaults(t *testing.T) {
	for pattern, want := range map[string]string{
		"": "does not start with /", "a": "does not start with /", "*": "does not start with /", "https://a/": "does not start with /",
		"/*/a": "has a * before its end", "/**": "has a * before its end", "/a?b": "has a query", "/a?*": "has a query",
		"//*": "//", "/a//b": "//", "/a/../b": "the segment ..", "/a/./*": "the segment .", "/a;b": "semicolon", "/a#b": "a #",
		"/a%2fb": "escaped slash", "/a%2e": "escaped dot", "/a%252e": "escaped twice", "/%zz": "begins no escape", "/caf%c3*": "not UTF-8",
		"/\xff": "not UTF-8", "/a\tb": "control", "/a%00": "control", `/a\b`: "backslash",
	} {
		if err := CheckPath(pattern); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("CheckPath(%q) = %v, want %q", pattern, err, want)
		}
	}
	if err := CheckPath("/public/*"); err != nil {
		t.Errorf("CheckPath: %v", err)
	}
}

// A clean path costs nothing: it is returned as it is.
func TestNormaliseCleanPathAllocatesNothing(t *testing.T) {
	const path = "/public/assets/app.3f2a.js"
	if n := testing.AllocsPerRun(100, func() {
		if got, doubt := Normalise(path); got != path || doubt != "" {
			t.Errorf("got %q, %q", got, doubt)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzNormalise(f *testing.F) {
	for _, line := range corpus(f) {
		f.Add(line.raw)
	}
	all := apps(f,
		App{Host: "open.example.com", Rules: []AppRule{{Path: "/*", Public: true}}},
		App{Host: "a.example.com", Rules: []AppRule{
			{Path: "/admin/*", Allow: `"nobody" in user.groups`},
			{Path: "/public/*", Public: true},
			{Path: "/a*"},
			{Path: "/", Allow: `request.path == "/" && user.identifier == "ada"`},
		}})
	person := NewPerson(ada())
	f.Fuzz(func(t *testing.T, raw string) {
		path, doubt := Normalise(raw)
		again, doubtAgain := Normalise(path)
		if again != path || (doubt == "") != (doubtAgain == "") {
			t.Fatalf("%q is %q (%s), and that is %q (%s)", raw, path, doubt, again, doubtAgain)
		}
		if doubt == "" {
			checkNormal(t, path)
		}
		for _, who := range []*Person{nil, person} {
			for _, host := range []string{"open.example.com", "a.example.com"} {
				d := all.Decide(context.Background(), Request{Host: host, Path: raw, Method: "GET"}, who)
				same := all.Decide(context.Background(), Request{Host: host, Path: path, Method: "GET"}, who)
				if d.Verdict != same.Verdict || d.Rule != same.Rule || d.Public != same.Public || d.Ambiguous != same.Ambiguous {
					t.Fatalf("%q gives %+v, but %q gives %+v", raw, d, path, same)
				}
				if doubt != "" && (d.Public || who == nil && d.Verdict == Allow || host == "a.example.com" && d.Verdict == Allow) {
					t.Fatalf("%q is ambiguous, yet %+v", raw, d)
				}
			}
		}
	})
}

// checkNormal is about a path that every server must read in the same way.
func checkNormal(t *testing.T, path string) {
	t.Helper()
	if strings.ContainsAny(path, "\\;#?") || strings.Contains(path, "//") || strings.Contains(path+"/", "/./") || strings.Contains(path+"/", "/../") {
		t.Fatalf("%q is not normal", path)
	}
	plain := plainPath(path)
	if strings.ContainsFunc(path, func(r rune) bool { return r <= ' ' || r > '~' }) || strings.ContainsFunc(plain, unicode.IsControl) {
		t.Fatalf("%q can't be printed", path)
	}
	if strings.Count(plain, "/") != strings.Count(path, "/") || strings.Contains(plain+"/", "/../") {
		t.Fatalf("%q has other segments than %q", plain, path)
	}
}
