package catalog

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	masked = "***"
	// secretMin is the length below which a value is no secret, and masking it would spoil every text.
	secretMin = 4
)

// secretName is how the fields are called that hold secrets, in OAuth's spelling and in Go's.
const secretName = `(?:[a-z0-9]+[_-])*(?:code_?verifier|client_?secret|client_?assertion|secret|password|passwd|api_?key|private_?key)` +
	`|[a-z0-9_-]*[_-]token(?:_hint)?|(?:access|refresh|id|logout|session)token`

// secretValue is what may stand after such a name: quoted, quoted with escaped quotes, or bare.
const secretValue = `\\+"[^"]*"?|"(?:[^"\\]|\\.)*"?|'[^']*'?|[^\s"'&,;}\])]+`

// The shapes of secrets that authd can't know by value. Each is looked for only in text that holds one of its words,
// since a regular expression costs a hundred times as much as looking for those.
var (
	secretField = regexp.MustCompile(`^(?i:` + secretName + `|authorization|proxy-authorization|cookie|set-cookie|state|nonce)$`)
	secretPair  = regexp.MustCompile(`(?i)\b(` + secretName + `)((?:\\*["'])?\s*[:=]\s*)(?:` + secretValue + `)`)
	pathEnd     = regexp.MustCompile(`^(?:\\*")?: $`)
	codePair    = regexp.MustCompile(`(?i)\b((?:device_|user_)?code|state|nonce)(=|(?:\\*")\s*:\s*)(` + secretValue + `)`)
	headerPair  = regexp.MustCompile(`(?i)\b((?:proxy-)?authorization|(?:set-)?cookie)((?:\\*["'])?\s*[:=][\s\["'\\(]*)[^"'\r\n]+`)
	credential  = regexp.MustCompile(`(?i)\b(bearer|basic|dpop)\s+[a-z0-9._~+/=-]{8,}`)
	jwt         = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)*`)
	plainCode   = regexp.MustCompile(`^"?[0-9]{1,3}"?$`)

	jwtWords        = []string{"eyj"}
	headerWords     = []string{"authorization", "cookie"}
	credentialWords = []string{"bearer", "basic", "dpop"}
	secretWords     = []string{"verifier", "secret", "assertion", "passw", "key", "token"}
	codeWords       = []string{"code", "state", "nonce"}
)

// redactor masks secrets in text: those it was given, however they may be written, and what looks like one.
type redactor struct {
	exact   *strings.Replacer
	longest int
}

func newRedactor(secrets []string) *redactor {
	var forms []string
	for _, s := range secrets {
		forms = append(forms, spellings(s)...)
	}
	slices.SortFunc(forms, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), strings.Compare(a, b)) // the longer first: one may hold another
	})
	r := &redactor{}
	var pairs []string
	for _, form := range slices.Compact(forms) {
		pairs = append(pairs, form, masked)
		r.longest = max(r.longest, len(form))
	}
	r.exact = strings.NewReplacer(pairs...)
	return r
}

// spellings are the ways in which a secret may turn up in a log: as it is, line by line, escaped or encoded.
func spellings(secret string) []string {
	forms := []string{
		secret, strings.TrimSpace(secret), url.QueryEscape(secret), url.PathEscape(secret),
		base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret)),
		strings.Trim(fmt.Sprintf("%q", secret), `"`),
	}
	if text, err := json.Marshal(secret); err == nil {
		forms = append(forms, strings.Trim(string(text), `"`))
	}
	if lines := strings.Fields(secret); len(lines) > 1 {
		for _, line := range lines {
			if len(line) >= 4*secretMin {
				forms = append(forms, line)
			}
		}
	}
	return slices.DeleteFunc(forms, func(s string) bool { return len(s) < secretMin })
}

// redact masks the secrets in one piece of text.
func (r *redactor) redact(text string) string {
	text = r.exact.Replace(text)
	lower := strings.ToLower(text)
	holds := func(words []string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(lower, w) })
	}
	if holds(jwtWords) {
		text = jwt.ReplaceAllString(text, masked)
	}
	if holds(headerWords) {
		text = headerPair.ReplaceAllString(text, "${1}${2}"+masked)
	}
	if holds(credentialWords) {
		text = credential.ReplaceAllString(text, "${1} "+masked)
	}
	if holds(secretWords) {
		text = maskPairs(text)
	}
	if holds(codeWords) {
		text = codePair.ReplaceAllStringFunc(text, maskCode)
	}
	return text
}

// maskPairs masks the values of secret fields. A name after a "/" and before a ": " that no quoted value follows is the
// end of an address, as in Post "https://github.com/login/oauth/access_token": dial tcp, and what was said about it
// stays; it is looked through on its own, since it may name a field.
func maskPairs(text string) string {
	var b strings.Builder
	for {
		at := secretPair.FindStringSubmatchIndex(text)
		if at == nil {
			return b.String() + text
		}
		name, value, end := at[2], at[5], at[1]
		if name > 0 && text[name-1] == '/' && pathEnd.MatchString(text[at[4]:value]) && !strings.ContainsRune(`"'\`, rune(text[value])) {
			b.WriteString(text[:value])
			text = text[value:]
			continue
		}
		if next := strings.TrimRight(text[value:end], ":="); next != text[value:end] && secretField.MatchString(next) {
			b.WriteString(text[:value]) // two names in a row: the value is that of the second
			text = text[value:]
			continue
		}
		b.WriteString(text[:value] + masked)
		text = text[end:]
	}
}

// maskCode masks an authorization code, state or nonce, and leaves code=404.
func maskCode(pair string) string {
	part := codePair.FindStringSubmatch(pair)
	if plainCode.MatchString(part[3]) {
		return pair
	}
	return part[1] + part[2] + masked
}

// redactCut is redact for text whose end was cut off, maybe in the middle of a secret: then the piece that is left
// can't be known, so as much as it may be goes too.
func (r *redactor) redactCut(text string) string {
	text = r.redact(text)
	return text[:max(0, len(text)-r.longest)]
}

// redactField is redact for the value of a named field.
func (r *redactor) redactField(name, value string) string {
	if secretField.MatchString(name) {
		return masked
	}
	return r.redact(value)
}

// clean makes text harmless in a log: valid UTF-8, one line, no control or direction characters.
func clean(text string) string {
	harmless := func(c rune) bool { return c == ' ' || unicode.IsPrint(c) }
	if utf8.ValidString(text) && strings.IndexFunc(text, func(c rune) bool { return !harmless(c) }) < 0 {
		return text
	}
	var b strings.Builder
	for i, c := range text {
		_, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case c == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case harmless(c):
			b.WriteRune(c)
		default:
			b.WriteString(strings.Trim(fmt.Sprintf("%q", c), "'"))
		}
	}
	return b.String()
}
