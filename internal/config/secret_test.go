package config

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	secretA = "first-secret-0123456789abcdefghijkl"
	secretB = "second-secret-0123456789abcdefghijk"
)

func TestSecretFiles(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	write(t, a, secretA+"\r\n", 0o600)
	write(t, b, secretB, 0o640)
	document := minimal + "[session]\nsecret_file = [\"" + a + "\", \"" + b + "\"]\n[admin]\ntoken_file = \"" + a + "\"\n" +
		"[[clients]]\nid = \"c\"\nsecret_file = \"" + b + "\"\nredirect_uris = [\"https://c.example.com/\"]\n[store]\nurl_file = \"url\"\n"
	inDir(t, document)
	write(t, "url", "file:open-sesame.db\n", 0o600)
	c, err := Load("", nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(OneOrMore{secretA, secretB}, c.Session.Secret); diff != "" {
		t.Errorf("session.secret (-want +got):\n%s", diff)
	}
	if c.Admin.Token != secretA || c.Clients[0].Secret != secretB || c.Store.URL != "file:open-sesame.db" {
		t.Errorf("admin.token, clients[0].secret or store.url did not come from its file")
	}
	for _, warning := range c.Warnings {
		if strings.Contains(warning, "everybody") {
			t.Errorf("warning about a file that only some may read: %s", warning)
		}
	}
}

func TestSecretFilePrecedence(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "secret")
	write(t, file, secretB, 0o600)
	for _, test := range []struct {
		name, document string
		environ        []string
		want           string
	}{
		{"environment over file's secret", "[session]\nsecret = \"" + secretA + "\"", []string{"AUTHD_SESSION_SECRET_FILE=" + file}, secretB},
		{"environment over file's secret_file", "[session]\nsecret_file = \"/nowhere\"", []string{"AUTHD_SESSION_SECRET=" + secretA}, secretA},
		{"environment's file over secret_file", "[session]\nsecret_file = \"/nowhere\"", []string{"AUTHD_SESSION_SECRET_FILE=" + file}, secretB},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := load(t, minimal+test.document, test.environ...)
			if diff := cmp.Diff(OneOrMore{test.want}, c.Session.Secret); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A setting of a provider and its file replace one another between the layers.
func TestSettingFilePrecedence(t *testing.T) {
	c := load(t, minimal+"[[providers]]\nid = \"a\"\nclient_secret = \"x\"\n", "AUTHD_PROVIDERS_0_CLIENT_SECRET_FILE=/run/a")
	if diff := cmp.Diff(map[string]string{"client_secret_file": "/run/a"}, c.Providers[0].Settings); diff != "" {
		t.Error(diff)
	}
	c = load(t, minimal+"[[providers]]\nid = \"a\"\nclient_secret_file = \"/run/a\"\n", "AUTHD_PROVIDERS_0_CLIENT_SECRET=x")
	if diff := cmp.Diff(map[string]string{"client_secret": "x"}, c.Providers[0].Settings); diff != "" {
		t.Error(diff)
	}
}

func TestSecretFileFaults(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "empty"), "\n\n", 0o600)
	write(t, filepath.Join(dir, "large"), strings.Repeat("x", maxSecretFile+1), 0o600)
	write(t, filepath.Join(dir, "short"), "hunter2", 0o600)
	for document, want := range map[string]string{
		"[session]\nsecret = \"" + secretA + "\"\nsecret_file = \"short\"":                 "authd.toml:4: session.secret: and secret_file are both set; keep one of them",
		"[session]\nsecret_file = \"missing\"":                                             "authd.toml:4: session.secret_file: DIR/missing: no such file or directory; check the path and who may read it",
		"[session]\nsecret_file = \".\"":                                                   "authd.toml:4: session.secret_file: DIR/.: is a directory; check the path and who may read it",
		"[session]\nsecret_file = \"empty\"":                                               "authd.toml:4: session.secret_file: DIR/empty is empty; check the path and who may read it",
		"[session]\nsecret_file = \"large\"":                                               "authd.toml:4: session.secret_file: DIR/large is larger than 64 KiB; check the path and who may read it",
		"[session]\nsecret_file = \"short\"":                                               "authd.toml:4: session.secret: has 7 bytes, fewer than 32; make one with `authd keygen`",
		"[admin]\ntoken_file = [\"short\", \"short\"]":                                     "authd.toml:4: admin.token_file: names several files; name one",
		"[session]\nsecret_fil = \"short\"":                                                `authd.toml:4: session.secret_fil: is not a key; did you mean "secret_file"?`,
		"[[providers]]\nid = \"a\"\nclient_secret = \"x\"\nclient_secret_file = \"short\"": "authd.toml:5: providers[0].client_secret: and client_secret_file are both set; keep one of them",
	} {
		document = strings.NewReplacer("\"missing\"", "\""+dir+"/missing\"", "\".\"", "\""+dir+"/.\"", "\"empty\"", "\""+dir+"/empty\"",
			"\"large\"", "\""+dir+"/large\"", "\"short\"", "\""+dir+"/short\"").Replace(document)
		got := faultsOf(t, minimal+document)
		for i := range got {
			got[i] = strings.ReplaceAll(got[i], dir, "DIR")
		}
		if !cmp.Equal(got, []string{want}) {
			t.Errorf("%s:\n got %q\nwant %s", document, got, want)
		}
	}
	if got := faultsOf(t, minimal, "AUTHD_ADMIN_TOKEN=0123456789abcdef", "AUTHD_ADMIN_TOKEN_FILE=x"); !strings.HasPrefix(got[0], "AUTHD_ADMIN_TOKEN: and AUTHD_ADMIN_TOKEN_FILE are both set") {
		t.Errorf("both in the environment: %q", got)
	}
}

// Threat 157: a secret that everybody on the machine can read is named at the start.
func TestReadableSecretIsWarnedAbout(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	write(t, file, secretA, 0o644)
	c := load(t, minimal+"[session]\nsecret_file = \""+file+"\"\n[admin]\ntoken_file = \""+file+"\"")
	if diff := cmp.Diff([]string{file + " can be read by everybody on this machine; chmod o-r it"}, c.Warnings); diff != "" {
		t.Error(diff)
	}
	for _, document := range []string{
		"[session]\nsecret = \"" + secretA + "\"",
		"[admin]\ntoken = \"0123456789abcdef\"",
		"[[providers]]\nid = \"a\"\nclient_secret = \"x\"",
		"[[clients]]\nid = \"a\"\nsecret = \"0123456789abcdef\"\nredirect_uris = [\"https://a.example.com/\"]",
	} {
		inDir(t, "")
		write(t, DefaultPath, minimal+document, 0o604)
		c, err := Load("", nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := "authd.toml holds secrets and can be read by everybody on this machine; chmod o-r it"; !strings.Contains(strings.Join(c.Warnings, "\n"), want) {
			t.Errorf("%s: warnings %q, want %q", document, c.Warnings, want)
		}
	}
	inDir(t, "")
	write(t, DefaultPath, minimal, 0o644)
	if c, err := Load("", nil); err != nil || len(c.Warnings) != 0 {
		t.Errorf("a readable file without secrets: %v, %v", c.Warnings, err)
	}
}

// Threat 154: no text of this package holds a secret, whatever is wrong around it.
func TestSecretsAreNeverShown(t *testing.T) {
	const secret = "Tr0ub4dor-and-3-horses-stapled-together"
	for _, document := range []string{
		"[session]\nsecret = \"" + secret + "\"\nlifetime = 1",
		"[session]\nsecret = \"" + secret,
		"[session]\nsecret = " + secret,
		"[session]\nsecret = '" + secret + "' x",
		"[session]\nsecret = \"\"\"" + secret,
		"[session]\nsecret = [\"" + secret + "\", 1]",
		"[session]\nsecret = [[\"" + secret + "\"]]",
		"[session]\nsecret = { \"" + secret + "\" = 1 }",
		"[session]\nsecret = \"" + secret[:20] + "\"",
		"[session]\nsecret = \"\\q" + secret + "\"",
		"[admin]\ntoken = \"" + secret[:15] + "\"",
		"[store]\nurl = \"" + secret + "\"",
		"[store]\nurl = \"postgres://authd:" + secret + "%zz@db/authd\"",
		"[store]\nurl = \"mysql://authd:" + secret + "@db/authd\"",
		"[store]\nurl = \"redis:" + secret + "\"",
		"[server]\npublic_url = \"https://authd:" + secret + "@auth.example.com\"",
		"[login]\nreturn_to_allow = [\"https://authd:" + secret + "@app.example.com\"]",
		"[[clients]]\nid = \"a\"\nsecret = \"" + secret[:15] + "\"\nredirect_uris = [\"https://a:" + secret + "@a.example.com/\"]",
		"[[providers]]\nid = \"a\"\nclient_secret = [\"" + secret + "\"]",
		"[[providers]]\nid = \"a\"\nclient_secret = \"" + secret + "\"\nclient_secret_file = \"x\"",
		"[session]\nsecret = 1" + strings.Repeat("0", 30) + "e" + strings.Repeat("9", 30),
	} {
		for _, line := range faultsOf(t, document, "AUTHD_SESSION_LIFETIME=-1h") {
			for _, part := range []string{secret[:15], "Tr0ub", strings.Repeat("0", 30), strings.Repeat("9", 30)} {
				if strings.Contains(line, part) {
					t.Errorf("%s\n→ %s", document, line)
				}
			}
		}
	}
	for _, entry := range []string{
		"AUTHD_SESSION_SECRET=" + secret[:20], "AUTHD_ADMIN_TOKEN=" + secret[:15], "AUTHD_STORE_URL=x://u:" + secret + "@h",
		"AUTHD_STORE_URL=postgres://u:" + secret + "%zz@h/", "AUTHD_SESSION_SECRET=" + secret[:20] + "\xff",
	} {
		for _, line := range faultsOf(t, minimal, entry) {
			if strings.Contains(line, "Tr0ub") {
				t.Errorf("%s → %s", entry, line)
			}
		}
	}
}

func TestReadBoundedPermission(t *testing.T) {
	if os.Geteuid() == 0 {
		// root reads everything: what is left to see is that a name without a file is named without package os's verb.
		_, _, err := readBounded(filepath.Join(t.TempDir(), "gone"))
		if err == nil || strings.Contains(err.Error(), "open ") {
			t.Errorf("readBounded: %v", err)
		}
		return
	}
	file := filepath.Join(t.TempDir(), "closed")
	write(t, file, secretA, 0o000)
	if _, _, err := readBounded(file); err == nil || !strings.HasSuffix(err.Error(), "permission denied") {
		t.Errorf("readBounded: %v", err)
	}
}

func TestPrintMasks(t *testing.T) {
	c := load(t, everything)
	c.Store.URL = "postgres://authd:open-sesame@db.example.com/authd"
	var b bytes.Buffer
	if err := c.Print(&b, c.Resolve(nil, nil), nil); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"ThisIsNotASecret", "sixteen-bytes", "github-client-secret", "client-secret-of-streamlit", "open-sesame"} {
		if strings.Contains(b.String(), secret) {
			t.Errorf("Print shows %q", secret)
		}
	}
	for _, line := range []string{`url = "postgres:***"`, `secret = ["***", "***"]`, `token = "***"`} {
		if !strings.Contains(b.String(), line+"\n") {
			t.Errorf("Print has no line %s:\n%s", line, b.String())
		}
	}
}
