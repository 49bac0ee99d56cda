//go:build linux

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/authd/authd/internal/login"
	"github.com/authd/authd/internal/realtest"
)

// judge reads targets from its input and writes where each leads, as the WHATWG URL standard has it: that is how
// browsers read a Location and a link on the login page. A target that is no URL leads nowhere: null.
const judge = `
let text = "";
process.stdin.on("data", part => text += part).on("end", () => {
	const leads = target => {
		try {
			const url = new URL(target, "https://auth.example.com/auth/login");
			return [url.origin, url.username + url.password];
		} catch { return null; }
	};
	process.stdout.write(JSON.stringify(JSON.parse(text).map(leads)));
});`

// Threat 80: of a corpus, of what fuzzing has found, and of thousands of targets put together from what confuses parsers,
// none that authd accepts leads a browser to another origin than those that are allowed.
func TestReturnToAsBrowsersReadIt(t *testing.T) {
	t.Parallel()
	r, err := login.NewReturnTo("https://auth.example.com", []string{
		"https://*.example.com", "https://app.example.org", "https://app.example.org:8443", "http://127.0.0.1:8080",
	})
	if err != nil {
		t.Fatal(err)
	}
	corpus := redirectCorpus(t)
	var accepted []string
	for _, target := range slices.Concat(corpus, confusing()) {
		if to, ok := r.Check(target); ok && target != "" {
			accepted = append(accepted, to)
		}
	}
	if len(corpus) < 400 || len(accepted) < 500 {
		t.Fatalf("%d targets in the corpus, %d accepted in all: the judge has too little to look at", len(corpus), len(accepted))
	}
	for i, leads := range judged(t, accepted) {
		if leads == nil {
			continue
		}
		if origin := leads[0]; !ours(origin) || leads[1] != "" {
			t.Errorf("%q is accepted, and leads a browser to %s with the credentials %q", accepted[i], origin, leads[1])
		}
	}
	// A judge that says yes to everything would prove nothing.
	for i, leads := range judged(t, []string{`/\evil.com`, "/\t/evil.com", "https:evil.com/x", `https://evil.com\.example.com/`, "//evil.com"}) {
		if leads == nil || ours(leads[0]) && i != 2 {
			t.Errorf("the judge takes evil target %d for ours: %v", i, leads)
		}
	}
}

func ours(origin string) bool {
	below := strings.HasPrefix(origin, "https://") && strings.HasSuffix(origin, ".example.com") && !strings.Contains(origin[len("https://"):], ":")
	return below || origin == "https://app.example.org" || origin == "https://app.example.org:8443" || origin == "http://127.0.0.1:8080"
}

// judged asks Node where targets lead: origin and credentials, nil for nowhere.
func judged(t *testing.T, targets []string) [][]string {
	t.Helper()
	question, err := json.Marshal(targets)
	if err != nil {
		t.Fatal(err)
	}
	ask := exec.CommandContext(t.Context(), realtest.Find(t, "node"), "-e", judge)
	ask.Stdin, ask.Stderr = strings.NewReader(string(question)), os.Stderr
	answer, err := ask.Output()
	if err != nil {
		t.Fatal(err)
	}
	var leads [][]string
	if err := json.Unmarshal(answer, &leads); err != nil || len(leads) != len(targets) {
		t.Fatalf("the judge says %d things of %d targets (%v)", len(leads), len(targets), err)
	}
	return leads
}

// redirectCorpus is the corpus of internal/login, and what fuzzing it has left behind.
func redirectCorpus(t *testing.T) (targets []string) {
	t.Helper()
	dir := realtest.Checkout(t, "internal", "login", "testdata")
	text, err := os.ReadFile(filepath.Join(dir, "redirects.txt"))
	if err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(dir, "fuzz", "FuzzReturnTo", "*"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	for _, file := range found {
		one, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, strings.Split(string(one), "\n")...)
	}
	for _, line := range lines {
		if at := strings.IndexByte(line, '"'); at >= 0 {
			target, err := strconv.Unquote(strings.TrimSuffix(line[at:], ")"))
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			targets = append(targets, target)
		}
	}
	return targets
}

// confusing puts targets together from the pieces that parsers disagree on.
func confusing() (targets []string) {
	schemes := []string{"", "https:", "HTTPS:", "http:", "javascript:", "https", "ht\ntps:"}
	slashes := []string{"", "/", "//", "///", `\`, `/\`, `\\`, "/\t/", "/%2f", "/./", "/..//", "/%2e%2e/"}
	hosts := []string{
		"", "evil.com", "app.example.com", "evil.com.example.com", "app.example.org:8443", "127.0.0.1:8080", "app.example.com@evil.com", "evil.com@app.example.com",
		"a.example.com:443", "evil.com:80.example.com", "xn--a.example.com", "0x7f.1.example.com", "[::1]", "%61pp.example.com", "app.example.com.",
	}
	tails := []string{
		"", "/", "/x?y=z#w", "?a=//evil.com", "#//evil.com", `\.example.com`, "//evil.com", "/..//evil.com", "/%2e%2e//evil.com", "@evil.com", ":80", ";.example.com", "%00.example.com",
		".example.com", "/.example.com", "/@evil.com", "/%5cevil.com",
	}
	for _, scheme := range schemes {
		for _, slash := range slashes {
			for _, host := range hosts {
				for _, tail := range tails {
					targets = append(targets, scheme+slash+host+tail)
				}
			}
		}
	}
	return targets
}
