package web

import (
	"bytes"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestStylesheetNameFollowsItsContent(t *testing.T) {
	name, body := Stylesheet()
	if !regexp.MustCompile(`^authd\.[0-9a-f]{12}\.css$`).MatchString(name) {
		t.Errorf("name = %q", name)
	}
	if want := "authd." + contentHash(string(body)) + ".css"; name != want {
		t.Errorf("name = %q, want %q", name, want)
	}
	if contentHash("a{}") == contentHash("a{ }") {
		t.Error("a changed file keeps its name: browsers would keep the old one")
	}
	got, contentType, ok := Asset(name)
	if !ok || !bytes.Equal(got, body) || contentType != "text/css; charset=utf-8" {
		t.Errorf("Asset(%q) = %d bytes, %q, %v", name, len(got), contentType, ok)
	}
}

func TestAssetsAreTheCallersOwn(t *testing.T) {
	name, _ := Stylesheet()
	for _, n := range []string{name, "favicon.svg", "icon-github.svg"} {
		first, _, _ := Asset(n)
		clear(first)
		second, _, ok := Asset(n)
		if !ok || bytes.Equal(first, second) {
			t.Errorf("%s: writing into one answer changes the next", n)
		}
	}
}

func TestAssetKnowsOnlyItsOwn(t *testing.T) {
	for _, name := range []string{
		"", "/", ".", "..", "authd.css", "authd.000000000000.css", "icon-", "icon-.svg", "icon-README.md", "icon-nosuch.svg",
		"icon-../static/authd.css", "icon-..\\github.svg", "icon-/github.svg", "github.svg", "icons/github.svg", "../pages.go",
		"templates/login.tmpl", "favicon.svg/", "FAVICON.SVG", "icon-github.svg\x00",
	} {
		if body, _, ok := Asset(name); ok || body != nil {
			t.Errorf("Asset(%q) = %d bytes, %v; want nothing", name, len(body), ok)
		}
	}
}

func TestEveryMarkIsFit(t *testing.T) {
	files, err := fs.Glob(iconFiles, "icons/*.svg")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d marks, error %v", len(files), err)
	}
	used := []string{"icons/key.svg"} // what a type without a mark is given
	for typeName, mark := range marks {
		used = append(used, "icons/"+mark+".svg")
		svg, ok := Icon(typeName)
		if !ok {
			t.Errorf("Icon(%q): the mark %q is not there", typeName, mark)
			continue
		}
		name, ok := IconAsset(typeName)
		body, contentType, found := Asset(name)
		if !ok || !found || contentType != "image/svg+xml" || !bytes.Equal(body, svg) {
			t.Errorf("IconAsset(%q) = %q, %v; Asset has it: %v as %q", typeName, name, ok, found, contentType)
		}
	}
	for _, file := range files {
		svg, err := iconFiles.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := IconDataURI(svg); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if !bytes.Contains(svg, []byte(`viewBox="0 0 24 24"`)) || len(svg) > 2048 {
			t.Errorf("%s: %d bytes; want a 24 × 24 viewBox and at most 2 KiB: it travels inside each login page", file, len(svg))
		}
		if bytes.Contains(svg, []byte("currentColor")) || !regexp.MustCompile(`(fill|stroke)="#[0-9a-fA-F]{6}"`).Match(svg) {
			t.Errorf("%s names no colour of its own: in an <img> it would be black", file)
		}
		if !slices.Contains(used, file) {
			t.Errorf("%s is used by no type", file)
		}
	}
	for _, file := range []string{favicon, stylesheet} {
		if strings.TrimSpace(file) == "" {
			t.Error("an asset is empty")
		}
	}
	if _, err := IconDataURI([]byte(favicon)); err != nil {
		t.Errorf("favicon: %v", err)
	}
}

func TestUnknownTypeHasNoMark(t *testing.T) {
	for _, name := range []string{"", "acme", "GitHub", "../static/favicon", "github.svg"} {
		if svg, ok := Icon(name); ok || svg != nil {
			t.Errorf("Icon(%q) = %d bytes, %v", name, len(svg), ok)
		}
		if asset, ok := IconAsset(name); ok || asset != "" {
			t.Errorf("IconAsset(%q) = %q, %v", name, asset, ok)
		}
	}
}
