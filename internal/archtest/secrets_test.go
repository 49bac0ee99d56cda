package archtest

import (
	"fmt"
	"go/parser"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestSecretComparesBite(t *testing.T) {
	tests := map[string]struct {
		dir, body string
		want      []string
	}{
		"state": {"internal/login", "func f(tx tx, state string) bool { return tx.State == state }", []string{"a.go:3: =="}},
		"nonce": {"sdk/oidc", "func f(c claims, in string) bool { return c.Nonce != in }", []string{"!="}},
		"admin": {"internal/host", "func f(got string, s srv) bool { return got != s.cfg.Admin.Token }", []string{"!="}},
		"local": {"internal/host", "func f(clientSecret, got string) bool { return (got) == clientSecret }", []string{"=="}},
		"taken from elsewhere": {
			"internal/login", "func f(q q, in string) bool {\n return q.Get(\"state\") == in ||\n q[\"code_verifier\"] == in ||\n string(q.signature[:]) == in }",
			[]string{"a.go:4", "a.go:5", "a.go:6"},
		},
		"handed on":    {"sdk/oidc", "func sameSecret(got, want string) bool { return got == want }", []string{"=="}},
		"switch":       {"internal/host", "func f(token, want string) int { switch token { case want: return 1; case \"\": return 2 }; return 0 }", []string{"case"}},
		"bytes":        {"plugins/acme", "func f(raw []byte) bool { return bytes.Equal(raw[1:3], code(raw)) || slices.Equal(sum, raw) }", []string{"bytes.Equal", "slices.Equal"}},
		"other case":   {"internal/host", "func f(token, want string) bool { return strings.EqualFold(token, want) }", []string{"strings.EqualFold"}},
		"its own name": {"internal/host", "const want = \"\"\nfunc samePassword(got, want string) bool { return got == want }", []string{"=="}},
		"none of a secret": {"internal/host", `const EndpointToken = 1
var denied = kind(1)
func f(t tok, token, code, want string, err error) bool {
	return token == "" || nil != t.AccessToken || len(t.Nonce) == len(want) || t.endpointToken == EndpointToken ||
		t.token == denied || code == want || t.TokenType == want || t.stateless == want || t.sum == want ||
		find(token) == want || subtle.ConstantTimeCompare([]byte(token), []byte(want)) == 1 || strings.EqualFold(want, "token")
}`, nil},
		"the state of a process": {"internal/catalog", "func f(now now, state State) bool { return now.State == state }", nil},
		"the kit":                {"sdk/providertest", "func f(a, b tok) bool { return a.AccessToken == b.AccessToken }", nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			text := "package p\n\n" + tc.body + "\n"
			bites(t, SecretCompares, map[string]string{tc.dir + "/a.go": text, tc.dir + "/a_test.go": text}, tc.want...)
		})
	}
	// A constant of another package is none either; a field of the same name is.
	bites(t, SecretCompares, map[string]string{
		"internal/catalog/a.go": "package catalog\n\nconst StateReady = 1\n",
		"internal/host/a.go": "package host\n\nimport \"" + ours + "internal/catalog\"\n\n" +
			"func f(a, b st) bool { return a.State == catalog.StateReady }\n" +
			"func g(a, b st) bool { return a.State == b.StateReady }\n",
	}, "a.go:6")
}

// Threat 159: should any of the comparisons that are safe now become a plain one, the rule says so.
func TestSecretComparesAreGuarded(t *testing.T) {
	m, err := Load(os.DirFS(filepath.Join("..", "..")))
	if err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(`(?:subtle\.ConstantTimeCompare|hmac\.Equal)\(\[\]byte\(([^()]*)\), \[\]byte\(([^()]*)\)\)(?: ([!=]=) 1)?`)
	bytes := regexp.MustCompile(`(?:subtle\.ConstantTimeCompare|hmac\.Equal)\(`)
	var seen []string
	for _, pkg := range m.Packages {
		for _, file := range pkg.Files {
			if file.Test || matches(pkg.Dir, testSupport) {
				continue
			}
			lines := strings.Split(string(file.Source), "\n")
			for i, line := range lines {
				if !bytes.MatchString(line) {
					continue
				}
				changed := slices.Clone(lines)
				changed[i] = bytes.ReplaceAllString(text.ReplaceAllString(line, "$1 $3 $2"), "bytes.Equal(")
				good := file.AST
				if file.AST, err = parser.ParseFile(m.Fset, file.Name, strings.Join(changed, "\n"), parser.SkipObjectResolution); err != nil {
					t.Fatal(err)
				}
				got := SecretCompares(m)
				file.AST = good
				if want := fmt.Sprintf("%s:%d", file.Name, i+1); len(got) != 1 || got[0].Pos != want {
					t.Errorf("%s is changed to %q: found %v; give an operand a name that says what it is", want, strings.TrimSpace(changed[i]), got)
				}
				seen = append(seen, pkg.Dir)
			}
		}
	}
	for _, dir := range []string{"internal/host", "internal/login", "plugins/password", "sdk/oidc", "sdk/userfile"} {
		if !slices.Contains(seen, dir) {
			t.Errorf("%s compares no secret in constant time any more", dir)
		}
	}
}
