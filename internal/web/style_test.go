package web

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// palettes reads the colours of the stylesheet: the light ones, and the dark
// ones over them.
func palettes(t *testing.T) map[string]map[string]string {
	t.Helper()
	blocks := regexp.MustCompile(`(?s):root \{(.*?)\}`).FindAllStringSubmatch(stylesheet, -1)
	if len(blocks) != 2 {
		t.Fatalf("%d :root blocks, want a light and a dark one", len(blocks))
	}
	variable := regexp.MustCompile(`--([a-z-]+):\s*(#[0-9a-f]{6});`)
	light, dark := map[string]string{}, map[string]string{}
	for _, m := range variable.FindAllStringSubmatch(blocks[0][1], -1) {
		light[m[1]] = m[2]
	}
	for _, m := range variable.FindAllStringSubmatch(blocks[1][1], -1) {
		dark[m[1]] = m[2]
	}
	return map[string]map[string]string{"light": light, "dark": dark}
}

// luminance is the relative luminance of #rrggbb (WCAG 2.2).
func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	rgb, err := strconv.ParseUint(strings.TrimPrefix(colour, "#"), 16, 32)
	if err != nil {
		t.Fatalf("colour %q: %v", colour, err)
	}
	channel := func(shift int) float64 {
		c := float64(rgb>>shift&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*channel(16) + 0.7152*channel(8) + 0.0722*channel(0)
}

func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	la, lb := luminance(t, a), luminance(t, b)
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

func TestContrastFormula(t *testing.T) {
	for pair, want := range map[[2]string]string{
		{"#000000", "#ffffff"}: "21.00", {"#ffffff", "#ffffff"}: "1.00", {"#767676", "#ffffff"}: "4.54", {"#777777", "#ffffff"}: "4.48",
	} {
		if got := fmt.Sprintf("%.2f", contrast(t, pair[0], pair[1])); got != want {
			t.Errorf("%v: %s, want %s as WCAG has it", pair, got, want)
		}
	}
}

// WCAG 2.2 AA: text 4.5 : 1 (1.4.3), borders of inputs and the focus ring 3 : 1
// (1.4.11), in both themes.
func TestPaletteContrast(t *testing.T) {
	pairs := []struct {
		front string
		backs []string
		least float64
	}{
		{"text", []string{"bg", "wash", "card", "sunk", "raised", "hover"}, 7},
		{"muted", []string{"bg", "wash", "card", "sunk"}, 4.5},
		{"accent", []string{"card", "bg"}, 4.5},
		{"accent-hover", []string{"card", "bg"}, 4.5},
		{"on-accent", []string{"accent", "accent-hover"}, 4.5},
		{"bad", []string{"bad-bg"}, 4.5},
		{"good", []string{"good-bg"}, 4.5},
		{"edge", []string{"card"}, 3},
		{"ring", []string{"card", "bg", "wash", "raised"}, 3},
	}
	for theme, colours := range palettes(t) {
		for _, p := range pairs {
			for _, back := range p.backs {
				if colours[p.front] == "" || colours[back] == "" {
					t.Errorf("%s: --%s or --%s is not set", theme, p.front, back)
					continue
				}
				if got := contrast(t, colours[p.front], colours[back]); got < p.least {
					t.Errorf("%s: --%s on --%s has %.2f : 1, want %.1f", theme, p.front, back, got, p.least)
				}
			}
		}
	}
}

// The marks stand on the chip in both themes; none may drown in it.
func TestMarksAreSeenOnTheChip(t *testing.T) {
	colour := regexp.MustCompile(`(?:fill|stroke)="(#[0-9a-fA-F]{6})"`)
	for _, theme := range palettes(t) {
		for _, mark := range marks {
			svg, err := iconFiles.ReadFile("icons/" + mark + ".svg")
			if err != nil {
				t.Fatal(err)
			}
			best := 0.0
			for _, m := range colour.FindAllStringSubmatch(string(svg), -1) {
				best = max(best, contrast(t, strings.ToLower(m[1]), theme["chip"]))
			}
			if best < 2 { // logos are exempt from 1.4.11; OpenID's orange is the palest
				t.Errorf("%s has %.2f : 1 on the chip %s", mark, best, theme["chip"])
			}
		}
	}
}

func TestBothThemesAreComplete(t *testing.T) {
	p := palettes(t)
	for name := range p["light"] {
		if p["dark"][name] == "" {
			t.Errorf("--%s has no dark value", name)
		}
	}
	for name := range p["dark"] {
		if p["light"][name] == "" {
			t.Errorf("--%s has no light value", name)
		}
	}
	rules := regexp.MustCompile(`(?s):root \{.*?\}`).ReplaceAllString(stylesheet, "")
	rules = regexp.MustCompile(`(?s)/\*.*?\*/`).ReplaceAllString(rules, "")
	if m := regexp.MustCompile(`#[0-9a-fA-F]{3,8}\b|\b(rgb|hsl|oklch)a?\(`).FindString(rules); m != "" {
		t.Errorf("the colour %s stands outside the palette, where no test sees it", m)
	}
	for _, m := range regexp.MustCompile(`var\(--([a-z-]+)\)`).FindAllStringSubmatch(rules, -1) {
		if !strings.Contains(stylesheet, "--"+m[1]+":") {
			t.Errorf("var(--%s) is not set", m[1])
		}
	}
}

func TestThemeColourIsTheBackground(t *testing.T) {
	_, doc := render(t, newPages(t, Site{}), Login{})
	p := palettes(t)
	seen := 0
	for _, m := range named(doc, "meta") {
		for theme := range p {
			if attr(m, "name") == "theme-color" && strings.Contains(attr(m, "media"), theme) {
				seen++
				if got := attr(m, "content"); got != p[theme]["bg"] {
					t.Errorf("%s: theme-color %s, background %s", theme, got, p[theme]["bg"])
				}
			}
		}
	}
	if seen != 2 {
		t.Errorf("%d theme colours, want 2", seen)
	}
}

// Threat 67: the policy has no source but authd, so the stylesheet may name none.
func TestStylesheetLoadsNothing(t *testing.T) {
	for _, word := range []string{"url(", "@import", "@font-face", "http:", "https:", "expression("} {
		if strings.Contains(strings.ToLower(stylesheet), word) {
			t.Errorf("the stylesheet holds %q", word)
		}
	}
	if o, c := strings.Count(stylesheet, "{"), strings.Count(stylesheet, "}"); o != c {
		t.Errorf("%d opening and %d closing braces", o, c)
	}
}

func TestClassesAndRulesAgree(t *testing.T) {
	p := newPages(t, Site{})
	used := map[string]bool{}
	variants := []Page{Login{Providers: []LoginButton{{ID: "one"}}}, Account{Name: "x", Email: "x@example.org", Picture: "data:image/png;base64,AA=="}}
	for _, page := range ordinary(t) {
		variants = append(variants, page)
	}
	for _, page := range append(variants, Login{}) {
		_, doc := render(t, p, page)
		for _, n := range elements(doc) {
			for _, class := range strings.Fields(attr(n, "class")) {
				used[class] = true
			}
		}
	}
	plain := regexp.MustCompile(`(?s)/\*.*?\*/|\{[^{}]*\}`).ReplaceAllString(stylesheet, "")
	var styled []string
	for _, m := range regexp.MustCompile(`\.([a-z][a-z-]*)`).FindAllStringSubmatch(plain, -1) {
		styled = append(styled, m[1])
		if !used[m[1]] {
			t.Errorf("rule for .%s, which no page has", m[1])
		}
	}
	for class := range used {
		if !slices.Contains(styled, class) && class != "wide" { // the opposite of .narrow
			t.Errorf("class %q has no rule", class)
		}
	}
}

func TestStylesheetRespectsThePerson(t *testing.T) {
	for _, rule := range []string{
		"@media (prefers-color-scheme: dark)", "@media (prefers-reduced-motion: reduce)", "@media (forced-colors: active)", ":focus-visible {", "color-scheme: light dark",
	} {
		if !strings.Contains(stylesheet, rule) {
			t.Errorf("the stylesheet has no %q", rule)
		}
	}
	if regexp.MustCompile(`outline:\s*(none|0)`).MatchString(stylesheet) {
		t.Error("the focus ring is taken away somewhere")
	}
	for _, selector := range []string{".button {", ".field input {", ".provider {", "summary {"} {
		_, rule, _ := strings.Cut(stylesheet, "\n"+selector)
		rule, _, _ = strings.Cut(rule, "}")
		m := regexp.MustCompile(`min-height: ([0-9.]+)rem`).FindStringSubmatch(rule)
		if m == nil {
			t.Errorf("%s has no min-height", selector)
			continue
		}
		if h, err := strconv.ParseFloat(m[1], 64); err != nil || h*16 < 44 {
			t.Errorf("%s is %s rem high, want at least 44 px to be hit with a finger", selector, m[1])
		}
	}
}
