//go:build linux

package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/authd/authd/internal/realtest"
)

// shown is a file of examples/ in the page about proxies.
var shown = regexp.MustCompile("(?s)<!-- (examples/[^ ]+) -->\n(```[a-z]+\n)(.*?)```\n")

// The page about proxies shows the very files that the tests run; -update writes them into it.
func TestProxiesPage(t *testing.T) {
	page := realtest.Checkout(t, "docs", "proxies.md")
	text := fileText(t, page)
	found := map[string]bool{}
	whole := shown.ReplaceAllStringFunc(text, func(block string) string {
		parts := shown.FindStringSubmatch(block)
		found[parts[1]] = true
		file := fileText(t, realtest.Checkout(t, parts[1]))
		if parts[3] != file && !*update {
			t.Errorf("docs/proxies.md shows another %s; run: go test ./test/e2e -run TestProxiesPage -update", parts[1])
		}
		return "<!-- " + parts[1] + " -->\n" + parts[2] + file + "```\n"
	})
	if *update {
		if err := os.WriteFile(page, []byte(whole), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"nginx", "caddy", "haproxy", "apache", "traefik", "envoy"} {
		files, err := filepath.Glob(filepath.Join(realtest.Checkout(t, "examples"), name, "*"))
		if err != nil || len(files) == 0 {
			t.Fatalf("examples/%s: %v", name, err)
		}
		for _, file := range files {
			if rel := "examples/" + name + "/" + filepath.Base(file); !found[rel] && !strings.HasSuffix(rel, ".md") {
				t.Errorf("docs/proxies.md does not show %s", rel)
			}
		}
	}
}

// What is replayed of Envoy and Traefik is what their examples make them send.
func TestReplayedConfigurations(t *testing.T) {
	e := example(t, "examples/envoy/envoy.yaml")
	for _, want := range []string{
		"path_prefix: /auth/forward\n", "failure_mode_allow: false", "- exact: cookie\n", "- exact: accept\n", "- exact: upgrade\n", "- exact: sec-fetch-mode\n",
		"- exact: x-requested-with\n", "- exact: x-forwarded-proto\n", "- exact: x-forwarded-for\n", "- exact: location\n", "{ prefix: x-auth-request- }",
	} {
		if !strings.Contains(e, want) {
			t.Errorf("examples/envoy/envoy.yaml does not say %q", want)
		}
	}
	tr := example(t, "examples/traefik/authd.yaml")
	_, quoted, _ := strings.Cut(tr, `authResponseHeadersRegex: "`)
	expression, _, _ := strings.Cut(quoted, `"`)
	strips := regexp.MustCompile(expression)
	names := forged()
	for i := 0; i < len(names); i += 2 {
		if !strips.MatchString(names[i]) {
			t.Errorf("examples/traefik/authd.yaml leaves %s alone", names[i])
		}
	}
	if !strings.Contains(tr, "/auth/forward\n") && !strings.Contains(tr, "/auth/forward ") || !strings.Contains(tr, "trustForwardHeader: false") {
		t.Error("examples/traefik/authd.yaml asks something else than what is replayed")
	}
}
