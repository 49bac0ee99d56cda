package archtest

import (
	"fmt"
	"maps"
	"slices"
)

// fence says where packages from outside the module may be imported.
type fence struct {
	outside []string // import paths
	only    []string // directories; nothing of the kind: nowhere
	never   []string // directories; used when only is empty
	tests   []string // more directories, for test files
	why     string
}

// inTests is where end-to-end tests and benchmarks live; they look at authd from outside.
var inTests = []string{"test/..."}

// fences is the table.
var fences = []fence{
	{
		outside: []string{"github.com/gofiber/...", "github.com/valyala/fasthttp/..."},
		only:    []string{"internal/host"},
		tests:   inTests,
		why:     "its strings alias the request buffer: one package must remember to copy them, not all",
	},
	{
		outside: []string{"net/http/..."},
		never:   []string{"internal/web"},
		why:     "web renders pages and knows no HTTP",
	},
	{
		outside: []string{
			"github.com/hashicorp/go-plugin/...", "google.golang.org/grpc/...",
			"google.golang.org/genproto/googleapis/rpc/...",
		},
		only:  []string{"sdk", "sdk/proto/...", "sdk/providertest", "internal/catalog"},
		tests: inTests,
		why:   "the wire between host and plugin is known to both ends only",
	},
	{
		outside: []string{"github.com/hashicorp/go-hclog/..."},
		only: []string{
			"sdk", "sdk/providertest", "internal/catalog", "internal/host", "internal/audit", "internal/telemetry", "cmd/...",
		},
		tests: []string{"..."},
		why:   "everybody else is handed a logger of the standard library",
	},
	{
		outside: []string{"github.com/coreos/go-oidc/..."},
		only:    []string{"sdk/oidc"},
		tests:   []string{"internal/issuer", "internal/host", "internal/realtest", "sdk/devidp", "test/..."},
		why:     "ID tokens are verified in one place; tests use it as a client of somebody else's make",
	},
	{outside: []string{"go.etcd.io/bbolt/..."}, only: []string{"internal/store/file"}, why: "the rest knows store.Store"},
	{outside: []string{"github.com/redis/..."}, only: []string{"internal/store/redis"}, why: "the rest knows store.Store"},
	{outside: []string{"github.com/jackc/..."}, only: []string{"internal/store/postgres"}, why: "the rest knows store.Store"},
	{outside: []string{"cel.dev/...", "github.com/google/cel-go/..."}, only: []string{"internal/policy"}, why: "rules are compiled and judged in one place"},
	{outside: []string{"github.com/spf13/..."}, only: []string{"cmd/..."}, why: "flags belong to the command line"},
	{outside: []string{"github.com/chromedp/..."}, only: []string{"internal/realtest"}, tests: inTests, why: "browsers are for tests"},
	{
		outside: []string{"testing", "testing/...", "net/http/httptest", "github.com/google/go-cmp/..."},
		only:    []string{"sdk/providertest", "internal/store/storetest", "internal/realtest", "test/..."},
		tests:   []string{"..."},
		why:     "test code does not belong in the program",
	},
	{outside: []string{"github.com/stretchr/..."}, never: []string{"..."}, why: "tests use the standard library and go-cmp"},
	{outside: []string{"unsafe"}, only: []string{"internal/catalog"}, why: "no speed is worth it in an authentication server; the catalog makes two system calls that no library has"},
}

// Fences finds imports of outside packages where they have no place. Generated code is
// left out.
func Fences(m *Module) []Finding {
	var found []Finding
	for _, pkg := range m.Packages {
		for _, file := range pkg.Files {
			if file.Generated {
				continue
			}
			imports := file.imports()
			for _, importPath := range slices.Sorted(maps.Keys(imports)) {
				for _, f := range fences {
					if !matches(importPath, f.outside) || f.allows(pkg.Dir, file.Test) {
						continue
					}
					found = append(found, Finding{m.at(imports[importPath]), fmt.Sprintf(
						"%s must not import %s: %s (internal/archtest/fences.go)", pkg.Dir, importPath, f.why)})
				}
			}
		}
	}
	return found
}

func (f fence) allows(dir string, test bool) bool {
	if test && matches(dir, f.tests) {
		return true
	}
	if len(f.only) > 0 {
		return matches(dir, f.only)
	}
	return !matches(dir, f.never)
}
