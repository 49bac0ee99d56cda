package policy

import (
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Normalise returns the one form in which rules see the path of a request. raw is the request target as the proxy sent
// it, percent-encoded; a query is cut off. Each escape is decoded once; space, "%" and everything beyond ASCII stay
// escaped, with capital digits, so that the result means the same when it is normalised again. A path that is normal
// already is returned as it is.
//
// doubt says why servers may read the path in different ways; then the path is ambiguous, and it is returned as it was
// sent, to be shown and not to be matched. No browser sends such a path of its own accord: it resolves dot segments
// first (RFC 3986 section 5.2.4).
func Normalise(raw string) (path, doubt string) {
	path, _, _ = strings.Cut(raw, "?")
	if path == "" || path[0] != '/' {
		return path, "it does not start with /"
	}
	escaped, segment := false, 1 // where the segment begins that is being read
	for i := range len(path) {
		switch b := path[i]; {
		case b == '%':
			escaped = true
		case b == '/' && i > 0:
			if doubt = checkSegment(path[segment:i], false); doubt != "" {
				return path, doubt
			}
			segment = i + 1
		default:
			if doubt = checkByte(b); doubt != "" {
				return path, doubt
			}
		}
	}
	if doubt = checkSegment(path[segment:], true); doubt != "" || !escaped {
		return path, doubt
	}
	decoded, doubt := decodePath(path)
	if doubt != "" {
		return path, doubt
	}
	return encodePath(decoded), ""
}

// checkSegment is about what stands between two slashes. Some servers resolve "." and ".." and merge slashes, others
// look for a page of that name; the one after a leading "//" can be taken for a host.
func checkSegment(segment string, last bool) (doubt string) {
	switch segment {
	case "":
		if !last {
			return "it holds //"
		}
	case ".", "..":
		return "it holds the segment " + segment
	}
	return ""
}

// checkByte is about one byte that is not escaped.
func checkByte(b byte) (doubt string) {
	switch {
	case b == '\\':
		return "it holds a backslash" // a slash to some
	case b == ';':
		return "it holds a semicolon" // parameters of a segment to Java servers
	case b == '#':
		return "it holds a #" // the end of the path to some
	case b <= ' ' || b == 0x7f:
		return "it holds a space or a control character"
	case b >= 0x80:
		return "it holds a byte beyond ASCII that is not escaped" // Latin-1 to some, UTF-8 to others
	}
	return ""
}

// decodePath decodes each escape once, and says what makes the result ambiguous.
func decodePath(path string) (decoded []byte, doubt string) {
	decoded = make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		b := path[i]
		if b == '%' {
			if len(path) < i+3 || !isHex(path[i+1]) || !isHex(path[i+2]) {
				return nil, "it holds a % that begins no escape"
			}
			b = unhex(path[i+1])<<4 | unhex(path[i+2])
			if doubt = checkEscaped(b); doubt != "" {
				return nil, doubt
			}
			i += 2
		}
		decoded = append(decoded, b)
	}
	for i := range len(decoded) - 2 {
		if decoded[i] == '%' && isHex(decoded[i+1]) && isHex(decoded[i+2]) {
			return nil, "it is escaped twice"
		}
	}
	if !utf8.Valid(decoded) {
		return nil, "it is not UTF-8"
	}
	if strings.ContainsFunc(string(decoded), func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }) {
		return nil, "it holds a control character"
	}
	return decoded, ""
}

// checkEscaped is about a byte that was escaped: whether it means itself or what it means unescaped depends on the
// server, and on whether a proxy on the way decodes it.
func checkEscaped(b byte) (doubt string) {
	switch b {
	case '/', '\\':
		return "it holds an escaped slash or backslash"
	case '.':
		return "it holds an escaped dot"
	case ';', '#', '?':
		return "it holds an escaped " + string(rune(b))
	}
	return ""
}

func encodePath(decoded []byte) string {
	var b strings.Builder
	b.Grow(len(decoded) + 12)
	for _, c := range decoded {
		writeEscaped(&b, c)
	}
	return b.String()
}

// writeEscaped writes a byte of a path in the normal form.
func writeEscaped(b *strings.Builder, c byte) {
	if c > ' ' && c < 0x7f && c != '%' {
		b.WriteByte(c)
		return
	}
	const hex = "0123456789ABCDEF"
	b.WriteByte('%')
	b.WriteByte(hex[c>>4])
	b.WriteByte(hex[c&15])
}

// plainPath is a normal path as text for people and rules, without escapes.
func plainPath(normal string) string {
	if plain, err := url.PathUnescape(normal); err == nil {
		return plain
	}
	return normal
}

func isHex(b byte) bool {
	return '0' <= b && b <= '9' || 'a' <= b && b <= 'f' || 'A' <= b && b <= 'F'
}

func unhex(b byte) byte {
	switch {
	case b <= '9':
		return b - '0'
	case b <= 'F':
		return b - 'A' + 10
	}
	return b - 'a' + 10
}

// pattern is which paths a rule is for.
type pattern struct {
	path   string // in the normal form
	prefix bool   // path and whatever follows
}

// parsePattern reads "/a" or "/a/*". Letters beyond ASCII and spaces may be written as they are.
func parsePattern(text string) (pattern, error) {
	if !strings.HasPrefix(text, "/") {
		return pattern{}, fmt.Errorf("the path %q does not start with /", text)
	}
	path, prefix := strings.CutSuffix(text, "*")
	switch {
	case strings.Contains(path, "*"):
		return pattern{}, fmt.Errorf("the path %q has a * before its end", text)
	case strings.Contains(path, "?"):
		return pattern{}, fmt.Errorf("the path %q has a query, which no rule matches", text)
	}
	var b strings.Builder
	for i := range len(path) {
		if c := path[i]; c == ' ' || c >= 0x80 {
			writeEscaped(&b, c)
		} else {
			b.WriteByte(c)
		}
	}
	normal, doubt := Normalise(b.String())
	if doubt != "" {
		return pattern{}, fmt.Errorf("the path %q can be read in different ways: %s", text, doubt)
	}
	return pattern{normal, prefix}, nil
}

// CheckPath returns an error if text can't be the path of a rule.
func CheckPath(text string) error {
	_, err := parsePattern(text)
	return err
}

func (p pattern) matches(normal string) bool {
	if p.prefix {
		return strings.HasPrefix(normal, p.path)
	}
	return normal == p.path
}
