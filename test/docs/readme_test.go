package docs

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var headingLine = regexp.MustCompile(`^(#+) (.+)$`)

// section is a heading of a README and what stands below it, up to the next heading of any rank.
type section struct {
	level       int
	title, body string
}

// sections splits a document at its headings; those in code are none.
func sections(document string) []section {
	var list []section
	inCode := false
	for line := range strings.Lines(document) {
		if strings.HasPrefix(line, "```") {
			inCode = !inCode
		}
		if m := headingLine.FindStringSubmatch(strings.TrimRight(line, "\n")); m != nil && !inCode {
			list = append(list, section{level: len(m[1]), title: m[2]})
			continue
		}
		if len(list) > 0 {
			list[len(list)-1].body += line
		}
	}
	for i := range list {
		list[i].body = strings.TrimSpace(list[i].body)
	}
	return list
}

// about is what a plugin's README has about one type.
type about struct {
	title, intro string
	// first: the README begins with this type, and what it says there holds for those that follow.
	first bool
	// before and after the settings, in the README's order.
	before, after []section
	// toml and env are the values of its examples: setting → literal, and environment name → value.
	toml, env map[string]string
}

// aboutType finds the part about a type: below the heading that names it in code, or for the type that the README
// begins with all up to the next heading of that rank.
func aboutType(readme, typeName string) (about, error) {
	list := sections(readme)
	if len(list) == 0 {
		return about{}, fmt.Errorf("the README has no heading")
	}
	at := slices.IndexFunc(list, func(s section) bool { return strings.Contains(s.title, "`"+typeName+"`") })
	first := at < 0
	at = max(0, at)
	head, rest := list[at], list[at+1:]
	if end := slices.IndexFunc(rest, func(s section) bool { return s.level <= head.level }); end >= 0 {
		rest = rest[:end]
	}
	if first && slices.ContainsFunc(rest, func(s section) bool { return s.title[0] == '`' }) {
		return about{}, fmt.Errorf("no heading names it")
	}
	a := about{title: head.title, intro: head.body, first: first, toml: map[string]string{}, env: map[string]string{}}
	settings := false
	for _, s := range rest {
		a.examples(s.body)
		s.title, _, _ = strings.Cut(s.title, ": ") // "Settings: Google"
		switch {
		case s.title == "Settings":
			settings = true
		case strings.HasPrefix(s.title, "In "): // the examples
		case settings:
			a.after = append(a.after, s)
		default:
			a.before = append(a.before, s)
		}
	}
	switch {
	case a.intro == "":
		return a, fmt.Errorf("no sentence below the heading %q says what it is", head.title)
	case len(a.before) == 0:
		return a, fmt.Errorf("no section below %q says how to register authd", head.title)
	case !settings:
		return a, fmt.Errorf("no section Settings below %q", head.title)
	}
	return a, nil
}

var (
	tomlLine = regexp.MustCompile(`^([a-z_]+) *= (".*?"|\[.*?\])(?: *#.*)?$`)
	envLine  = regexp.MustCompile(`^([A-Z0-9_]+)=(.*)$`)
)

// examples takes the values out of the code in a section.
func (a *about) examples(body string) {
	kind := ""
	for line := range strings.Lines(body) {
		line = strings.TrimRight(line, "\n")
		if mark, ok := strings.CutPrefix(line, "```"); ok {
			kind = mark
			continue
		}
		if m := tomlLine.FindStringSubmatch(line); kind == "toml" && m != nil {
			a.toml[m[1]] = m[2]
		}
		if m := envLine.FindStringSubmatch(line); kind == "sh" && m != nil {
			a.env[m[1]] = m[2]
		}
	}
}

func TestAboutType(t *testing.T) {
	const readme = "# Two\n\nBoth.\n\n## `one`\n\nThe first.\n\n### Register authd there\n\nGo.\n\n### Settings\n\n| no |\n\n### In authd.toml\n\n" +
		"```toml\n# comment\nid   = \"one\"\nscopes = [\"a\", \"b\"] # optional\n```\n\n### In the environment alone\n\n```sh\nOAUTH_ONE_ID=x\n# OAUTH_ONE_MORE=y\n```\n\n" +
		"### Good to know\n\nMuch.\n\n## `two`\n\nThe second.\n"
	got, err := aboutType(readme, "one")
	if err != nil {
		t.Fatal(err)
	}
	if got.intro != "The first." || len(got.before) != 1 || got.before[0].body != "Go." || len(got.after) != 1 || got.after[0].title != "Good to know" {
		t.Errorf("got %+v", got)
	}
	if got.toml["id"] != `"one"` || got.toml["scopes"] != `["a", "b"]` || len(got.env) != 1 || got.env["OAUTH_ONE_ID"] != "x" {
		t.Errorf("the examples are %q and %q", got.toml, got.env)
	}
	for name, want := range map[string]string{"two": "how to register", "three": "no heading names it"} {
		if _, err := aboutType(readme, name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q in it", name, err, want)
		}
	}
}

// slug is the anchor that GitHub makes of a heading.
func slug(title string) string {
	kept := strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z':
			return r
		}
		return -1
	}, strings.ToLower(title))
	return kept
}

func TestSlug(t *testing.T) {
	for title, want := range map[string]string{"Microsoft (`azure-ad`)": "microsoft-azure-ad", "When it does not work": "when-it-does-not-work"} {
		if got := slug(title); got != want {
			t.Errorf("%q: got %q, want %q", title, got, want)
		}
	}
}
