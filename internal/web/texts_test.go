package web

import (
	"io/fs"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// sources returns the templates and the code that is not a test, in one string.
func sources(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, pattern := range []string{"*.go", "templates/*.tmpl"} {
		files, err := fs.Glob(os.DirFS("."), pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") || file == "texts.go" {
				continue
			}
			body, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			b.Write(body)
		}
	}
	return b.String()
}

func TestEveryTextIsWrittenAndUsed(t *testing.T) {
	all := sources(t)
	table := reflect.ValueOf(english)
	for i := range table.NumField() {
		name := table.Type().Field(i).Name
		if strings.TrimSpace(table.Field(i).String()) == "" {
			t.Errorf("text %s is empty", name)
		}
		if !regexp.MustCompile(`(\.T|\$t|\bt|\.text)\.` + name + `\b`).MatchString(all) {
			t.Errorf("text %s is used nowhere", name)
		}
	}
}

// Every word that a person reads comes from the table, or it could not be
// translated.
func TestTemplatesHoldNoWords(t *testing.T) {
	files, err := fs.Glob(templateFiles, "templates/*.tmpl")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d templates, %v", len(files), err)
	}
	action := regexp.MustCompile(`(?s)\{\{.*?\}\}`)
	tag := regexp.MustCompile(`(?s)<[^>]*>`)
	spoken := regexp.MustCompile(`(alt|title|aria-label|placeholder)="[^"]*[A-Za-z]`)
	for _, file := range files {
		body, err := templateFiles.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		plain := action.ReplaceAllString(strings.Replace(string(body), `{{define "shape"}}wide{{end}}`, "", 1), "")
		if m := spoken.FindString(plain); m != "" {
			t.Errorf("%s: words in an attribute: %s", file, m)
		}
		if rest := tag.ReplaceAllString(plain, ""); regexp.MustCompile(`[A-Za-z]`).MatchString(rest) {
			t.Errorf("%s holds words of its own: %q", file, strings.Join(strings.Fields(rest), " "))
		}
	}
}

func TestFormatsTakeTheirValues(t *testing.T) {
	for format, verbs := range map[string]string{
		english.Continue: "%s", english.WithAccount: "%s", english.SignedInAs: "%s", english.SignedInAsWith: "%s%s",
		english.EndSession: "%s", english.Hello: "%s", english.MinutesAgo: "%d", english.HoursAgo: "%d", english.ErrorNumber: "%d",
	} {
		if got := strings.Join(regexp.MustCompile(`%[a-z]`).FindAllString(format, -1), ""); got != verbs {
			t.Errorf("%q takes %q, want %q", format, got, verbs)
		}
	}
}
