package importer

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authd/authd/internal/config"
)

func TestRefused(t *testing.T) {
	for _, test := range []struct{ name, from, file, document, want string }{
		{"system", "okta", "x", "", `"okta" is no system to import from; use one of chainlit, panel, streamlit, chatto`},
		{"no assignment", "chainlit", ".env", "A=1\n\nhello", `.env:3: is not a line of the form KEY=VALUE; mend it, or put # before it`},
		{"open quote", "chainlit", ".env", "A=1\nOAUTH_X=\"hush\nB=2", `.env:2: OAUTH_X: has a quote that is never closed; close it at the end of the value`},
		{"text after quote", "chainlit", ".env", "OAUTH_X='hu'sh", `.env:1: OAUTH_X: has text after the closing quote; quote the whole value, and write a quote in it as \'`},
		{"nothing there", "chainlit", ".env", "A=1", ".env: holds no sign-in settings of Chainlit; looked for names such as OAUTH_GITHUB_CLIENT_ID and CHAINLIT_URL"},
		{"empty file", "chatto", "chatto.toml", "", "chatto.toml: holds no sign-in settings of Chatto; looked for [[auth.providers]]"},
		{"not UTF-8", "chainlit", ".env", "A=1\nB=\xff", ".env:2: is not UTF-8 text; save the file as UTF-8"},
		{"NUL", "panel", ".env", "A=\x00", ".env:1: is not UTF-8 text; save the file as UTF-8"},
		{"too large", "panel", ".env", strings.Repeat("#", MaxDocument+1), ".env: is larger than 4 MiB; is this the right file?"},
		{"open quote in a command", "panel", "run.sh", "\npanel serve 'x", "run.sh:2: has a quote that is never closed; close it"},
		{"a script without panel", "panel", "run.sh", "ls", "run.sh: holds no sign-in settings of Panel; looked for names such as PANEL_OAUTH_PROVIDER, and `panel serve --oauth-provider=…`"},
		{"TOML", "streamlit", "secrets.toml", "[auth]\nx = hush", "secrets.toml:2: is not TOML"},
		{"no table", "streamlit", "secrets.toml", "auth = 1", "secrets.toml: holds no sign-in settings of Streamlit; looked for the table [auth]"},
		{"no file", "streamlit", "", "", "Streamlit keeps its sign-in settings in a file; name it: .streamlit/secrets.toml"},
		{"providers of text", "chatto", "chatto.toml", "[auth]\nproviders = ['x']", "chatto.toml:2: auth.providers[0]: is no table; write [[auth.providers]] on a line of its own"},
		{"empty environment", "chatto", "", "", "the environment: holds no sign-in settings of Chatto; looked for names such as CHATTO_AUTH_PROVIDERS_0_ID"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Import(test.from, Source{File: test.file, Document: []byte(test.document)})
			var faults *config.Faults
			if !errors.As(err, &faults) || !strings.HasPrefix(err.Error(), test.want) {
				t.Fatalf("error %v, want %s", err, test.want)
			}
			if strings.Contains(err.Error(), "hush") {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
}

// The environment of the process: only what belongs to the system is looked at.
func TestEnvironment(t *testing.T) {
	for from, environ := range map[string][]string{
		"chainlit": {"HOME=/root", "OAUTH_GITHUB_CLIENT_ID=id", "OAUTH_GITHUB_CLIENT_SECRET=hush # not a comment", "CHAINLIT_PORT=1", "OAUTH_BAD=\xff", "nonsense"},
		"panel":    {"HOME=/root", "PANEL_OAUTH_PROVIDER=github", "PANEL_OAUTH_KEY=old", "PANEL_OAUTH_KEY=id", "PANEL_OAUTH_SECRET=hush # not a comment"},
		"chatto": {
			"CHATTO_AUTH_PROVIDERS_0_ID=github", "CHATTO_AUTH_PROVIDERS_0_TYPE=github", "CHATTO_AUTH_PROVIDERS_0_CLIENT_ID=id",
			"CHATTO_AUTH_PROVIDERS_0_CLIENT_SECRET=hush # not a comment",
		},
	} {
		t.Run(from, func(t *testing.T) {
			r, err := Import(from, Source{Environ: environ})
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]string{"client_id": "id", "client_secret": "hush # not a comment"}
			cfg := load(t, r.TOML(true))
			if len(cfg.Providers) != 1 || cfg.Providers[0].ID != "github" {
				t.Fatalf("providers %+v", cfg.Providers)
			}
			if diff := cmp.Diff(want, cfg.Providers[0].Settings); diff != "" {
				t.Errorf("settings (-want +got):\n%s", diff)
			}
			if want := "OAUTH_BAD: is not UTF-8; set it anew\nCHAINLIT_PORT: is not about signing in; leave it with Chainlit\n"; from == "chainlit" && notes(r) != want {
				t.Errorf("notes:\n%s", notes(r))
			}
		})
	}
}

// Values as python-dotenv reads them.
func TestDotenv(t *testing.T) {
	document := "\ufeffexport A = plain text # comment\r\nB='single # $x \\' ${A}' # comment\nC=\"two\\nlines\nand \\\"${A}\\\" ${N:-else}\"\n  D=\nE=#f\nF=a#b\n"
	r := &Result{file: ".env"}
	vs, err := r.variables(Source{File: ".env", Document: []byte(strings.TrimPrefix(document, "\ufeff"))})
	if err != nil {
		t.Fatal(err)
	}
	want := []variable{
		{"A", "plain text", 1}, {"B", "single # $x ' ${A}", 2}, {"C", "two\nlines\nand \"plain text\" else", 3}, {"D", "", 5}, {"E", "", 6}, {"F", "a#b", 7},
	}
	if diff := cmp.Diff(want, vs.list, cmp.AllowUnexported(variable{})); diff != "" {
		t.Errorf("variables (-want +got):\n%s", diff)
	}
}

func TestShellWords(t *testing.T) {
	for _, test := range []struct {
		command string
		want    []word
		took    int
		ok      bool
	}{
		{"a  b\tc", []word{{"a", 1}, {"b", 1}, {"c", 1}}, 1, true},
		{`a 'b c'"d\"e" \f ''`, []word{{"a", 1}, {`b cd"e`, 1}, {"f", 1}, {"", 1}}, 1, true},
		{"a \\\n  b # c\nd", []word{{"a", 1}, {"b", 2}}, 2, true},
		{"a 'b\nc' d", []word{{"a", 1}, {"b\nc", 1}, {"d", 2}}, 2, true},
		{"a && b;c", []word{{"a", 1}, {"", 1}, {"", 1}, {"b", 1}, {"", 1}, {"c", 1}}, 1, true},
		{`'$a' "$b" \$c`, []word{{"\x00a", 1}, {"$b", 1}, {"\x00c", 1}}, 1, true},
		{"a 'b", []word{{"a", 1}, {"b\n", 1}}, 1, false},
		{"a \\", []word{{"a", 1}}, 1, true},
	} {
		list, took, ok := shellWords(strings.Split(test.command, "\n"), 1)
		if diff := cmp.Diff(test.want, list, cmp.AllowUnexported(word{})); diff != "" || took != test.took || ok != test.ok {
			t.Errorf("%q: took %d, %v, want %d, %v (-want +got):\n%s", test.command, took, ok, test.took, test.ok, diff)
		}
	}
}

func TestPythonLiteral(t *testing.T) {
	got, err := pyDict(` {'a': "b\'c\n\t", "n": -1_000.5e3, 'yes': True, 'none': None, 'list': ['x', 'y',], 'tuple': ('z',), 'dict': {}, } `)
	if err != nil {
		t.Fatal(err)
	}
	want := []pyPair{
		{"a", "b'c\n\t"}, {"n", "-1000.5e3"}, {"yes", "true"}, {"none", ""}, {"list", []any{"x", "y"}}, {"tuple", []any{"z"}}, {"dict", []pyPair{}},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(pyPair{})); diff != "" {
		t.Errorf("dictionary (-want +got):\n%s", diff)
	}
	for _, bad := range []string{
		"", "[]", "'x'", "{", "{'a'}", "{'a':}", "{a: 1}", "{'a': 1 'b': 2}", "{'a': b}", "{'a': 'b}", `{'a': '\x41'}`, "{'a': 1} x", "{'a': [1 2]}",
		"{'a': " + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "}",
	} {
		if dict, err := pyDict(bad); err == nil {
			t.Errorf("%q was read as %v", bad, dict)
		}
	}
}

func TestIDs(t *testing.T) {
	for name, want := range map[string]string{
		"github": "github", "My SSO": "my-sso", "a_b.c": "a-b-c", "42": "p-42", "-x-": "x", "Ünï": "n", "日本": "", "a/b?c#d": "abcd",
		strings.Repeat("x", 40): strings.Repeat("x", 32),
	} {
		if got := identFrom(name); got != want || (got != "" && !identName.MatchString(got)) {
			t.Errorf("identFrom(%q) = %q, want %q", name, got, want)
		}
	}
}

// FuzzImport: whatever comes in, nothing panics, and what is written loads without a fault.
func FuzzImport(f *testing.F) {
	for _, g := range goldens(f) {
		f.Add(g.from, g.input.Name, g.input.Data)
	}
	f.Add("chainlit", ".env\n\x1b[2J", []byte("OAUTH_GENERIC_NAME=\x7f\nOAUTH_PROMPT= \n"))
	f.Add("panel", "", []byte("PANEL_OAUTH_PROVIDER=github\nPANEL_OAUTH_EXTRA_PARAMS={'': '', ' x': 'y'}"))
	f.Fuzz(func(t *testing.T, from, file string, document []byte) {
		source := Source{File: file, Document: document}
		if file == "" {
			source = Source{Environ: strings.Split(string(document), "\n")}
		}
		r, err := Import(from, source)
		if err != nil {
			return
		}
		for _, secrets := range []bool{true, false} {
			if cfg := load(t, r.TOML(secrets)); len(cfg.Providers) != r.Providers() {
				t.Fatalf("%d providers were loaded of %d", len(cfg.Providers), r.Providers())
			}
		}
		for _, note := range r.Notes {
			if strings.Contains(note.String(), "\n") {
				t.Errorf("a note of two lines: %q", note)
			}
		}
	})
}
