package archtest

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// layer is one row of the table: what its packages may import of this module. Patterns
// are directories; "x/..." is x and everything below, "./..." is everything below the
// importing package.
type layer struct {
	packages []string
	may      []string
	// testsMay is what test files may import besides; nil stands for usualInTests.
	testsMay []string
}

// usualInTests is what the tests of internal packages may use: the provider SDK with its
// developer identity provider, the real software, and a store.
var usualInTests = []string{
	"sdk/...", "internal/realtest", "internal/store/...", "internal/keys", "internal/identity",
}

// authorTests is what the tests of everything outside internal may use.
var authorTests = []string{"sdk/...", "internal/realtest"}

// layers is the table. The rows stand from the bottom to the top of the house. catalog,
// session, login, issuer and policy never import one another, in tests neither: host
// composes them.
var layers = []layer{
	{packages: []string{"sdk/proto/..."}, testsMay: authorTests},
	{packages: []string{"sdk/userfile"}, testsMay: authorTests},
	{packages: []string{"sdk"}, may: []string{"sdk/proto/..."}, testsMay: authorTests},
	{packages: []string{"sdk/oauth2", "sdk/devidp"}, may: []string{"sdk"}, testsMay: authorTests},
	{packages: []string{"sdk/oidc"}, may: []string{"sdk", "sdk/oauth2"}, testsMay: authorTests},
	{packages: []string{"sdk/providertest"}, may: []string{"sdk", "sdk/proto/...", "sdk/devidp"}, testsMay: authorTests},
	{packages: []string{"plugins/..."}, may: []string{"sdk", "sdk/oauth2", "sdk/oidc", "sdk/userfile", "./..."}, testsMay: authorTests},
	{packages: []string{"examples/..."}, may: []string{"sdk", "sdk/oauth2", "sdk/oidc", "./..."}, testsMay: authorTests},

	{packages: []string{"internal/store"}},
	{packages: []string{"internal/store/storetest", "internal/store/watch"}, may: []string{"internal/store"}},
	{
		packages: []string{"internal/store/file", "internal/store/memory", "internal/store/redis", "internal/store/postgres"},
		may:      []string{"internal/store", "internal/store/watch"},
	},
	{
		packages: []string{"internal/store/open"},
		may: []string{
			"internal/store", "internal/store/file", "internal/store/memory", "internal/store/redis", "internal/store/postgres",
		},
	},
	{packages: []string{"internal/keys"}, may: []string{"internal/store"}},
	{packages: []string{"internal/identity"}, may: []string{"sdk"}},
	{packages: []string{"internal/web", "internal/audit", "internal/telemetry"}},
	{packages: []string{"internal/config"}, may: []string{"sdk"}},
	{packages: []string{"internal/config/importer"}, may: []string{"internal/config"}},

	{packages: []string{"internal/policy"}, may: []string{"sdk", "internal/identity"}},
	{packages: []string{"internal/catalog"}, may: []string{"sdk", "sdk/proto/..."}},
	{packages: []string{"internal/session", "internal/login"}, may: []string{"sdk", "internal/identity", "internal/keys", "internal/store"}},
	{packages: []string{"internal/issuer"}, may: []string{"internal/keys", "internal/store"}},

	{packages: []string{"internal/host"}, may: hostMay},
	{
		packages: []string{"cmd/..."},
		may:      append([]string{"./...", "sdk/...", "internal/host", "internal/config/importer"}, hostMay...),
	},

	{packages: []string{"internal/archtest", "internal/realtest"}},
	{packages: []string{"test/..."}, may: []string{"..."}, testsMay: []string{"..."}},
}

// hostMay is everything that host composes.
var hostMay = []string{
	"sdk",
	"internal/store", "internal/store/open", "internal/keys", "internal/identity", "internal/web", "internal/audit", "internal/telemetry", "internal/config",
	"internal/policy", "internal/catalog", "internal/session", "internal/login", "internal/issuer",
}

// Layers finds imports that cross a line of the table, and packages that are in no row.
func Layers(m *Module) []Finding {
	var found []Finding
	for _, pkg := range m.Packages {
		row, ok := rowOf(pkg.Dir)
		if !ok {
			found = append(found, Finding{pkg.Dir, "the package is in no layer; enter it in the table of internal/archtest/layers.go, as low as it can stand"})
			continue
		}
		for _, file := range pkg.Files {
			found = append(found, crossings(m, pkg, file, row)...)
		}
	}
	return found
}

func rowOf(dir string) (row layer, ok bool) {
	for _, row := range layers {
		if matches(dir, row.packages) {
			return row, true
		}
	}
	return layer{}, false
}

func crossings(m *Module, pkg *Package, file *File, row layer) []Finding {
	var found []Finding
	may := slices.Clone(row.may)
	if file.Test {
		may = append(may, row.testsMay...)
		if row.testsMay == nil {
			may = append(may, usualInTests...)
		}
	}
	for i, pattern := range may {
		if below, ok := strings.CutPrefix(pattern, "./"); ok {
			may[i] = path.Join(pkg.Dir, below)
		}
	}
	imports := file.imports()
	for _, importPath := range slices.Sorted(maps.Keys(imports)) {
		target, ours := m.local(importPath)
		if !ours || target == pkg.Dir || matches(target, may) {
			continue
		}
		found = append(found, Finding{m.at(imports[importPath]), fmt.Sprintf(
			"%s must not import %s; a package of its layer may import %s",
			pkg.Dir, target, listOr(may, "nothing of this module"))})
	}
	return found
}

func listOr(list []string, empty string) string {
	if len(list) == 0 {
		return empty
	}
	return strings.Join(list, ", ")
}
