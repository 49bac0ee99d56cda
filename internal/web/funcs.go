package web

import (
	"fmt"
	"html/template"
	"strings"
	"time"
	"unicode"
)

// funcs are the few things that the templates cannot say by themselves.
func (p *Pages) funcs() template.FuncMap {
	return template.FuncMap{
		"icon":     iconOrKey,
		"picture":  picture,
		"initials": initials,
		"datetime": func(t time.Time) string { return t.UTC().Format(p.text.DateTime) },
		"machine":  func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"ago":      p.ago,
	}
}

// ago says how long before now t was, roughly: people look for the session that
// is not theirs, and "5 min ago" is quicker to judge than a date in UTC.
func (p *Pages) ago(t time.Time) string {
	d := p.now().Sub(t)
	switch {
	case d < time.Minute: // a clock a little ahead of ours is "just now" too
		return p.text.JustNow
	case d < time.Hour:
		return fmt.Sprintf(p.text.MinutesAgo, int(d.Minutes()))
	case d < 24*time.Hour:
		return fmt.Sprintf(p.text.HoursAgo, int(d.Hours()))
	}
	return t.UTC().Format(p.text.DateTime)
}

// iconOrKey returns uri when it is an SVG data URI as [IconDataURI] makes them,
// else the neutral key: an icon must never become an address to load.
func iconOrKey(uri template.URL) (template.URL, error) {
	if strings.HasPrefix(string(uri), svgDataPrefix) {
		return uri, nil
	}
	svg, err := iconFiles.ReadFile("icons/key.svg")
	if err != nil {
		return "", err
	}
	return IconDataURI(svg)
}

// picture returns uri when a page may show it: a small bitmap that travels in
// the page itself. For any other it returns "" and the page shows initials.
func picture(uri string) template.URL {
	for _, kind := range []string{"png", "jpeg", "gif", "webp"} {
		data, ok := strings.CutPrefix(uri, "data:image/"+kind+";base64,")
		if ok && len(uri) <= maxPicture && strings.Trim(data, base64Alphabet) == "" {
			return template.URL(uri) // #nosec G203: an image type and base64, nothing else
		}
	}
	return ""
}

const (
	maxPicture     = 128 << 10 // bytes of the URI; a page with more is slow on a phone
	base64Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
)

// initials returns up to two letters that stand for the first of names that has
// any, "?" when none has.
func initials(names ...string) string {
	for _, name := range names {
		words := strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.Is(unicode.Mn, r) })
		if len(words) == 0 {
			continue
		}
		letters := firstLetter(words[0])
		if len(words) > 1 && !strings.Contains(name, "@") { // the last word of an e-mail address is its top domain
			letters += firstLetter(words[len(words)-1])
		}
		if letters != "" {
			return letters
		}
	}
	return "?"
}

// firstLetter returns the first rune of word that is not a combining mark, in
// upper case.
func firstLetter(word string) string {
	for _, r := range word {
		if !unicode.Is(unicode.Mn, r) {
			return string(unicode.ToUpper(r))
		}
	}
	return ""
}
