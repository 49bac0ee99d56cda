package archtest

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// load makes a module of name → text; go.mod is added.
func load(t *testing.T, files map[string]string) *Module {
	t.Helper()
	fsys := fstest.MapFS{"go.mod": {Data: []byte("module example.org/m\n\ngo 1.26\n")}}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	m, err := Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// bites checks that a rule finds exactly what is wanted: each finding holds the wanted
// text of its place in the list.
func bites(t *testing.T, check func(*Module) []Finding, files map[string]string, want ...string) {
	t.Helper()
	var got []string
	for _, finding := range check(load(t, files)) {
		got = append(got, finding.String())
	}
	if len(got) != len(want) {
		t.Fatalf("found %d breaches, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
	for i, text := range want {
		if !strings.Contains(got[i], text) {
			t.Errorf("finding %d = %q, want one with %q", i, got[i], text)
		}
	}
}

// importing returns a file that imports the given paths.
func importing(pkg string, paths ...string) string {
	text := "package " + pkg + "\n"
	for _, p := range paths {
		text += fmt.Sprintf("import _ %q\n", p)
	}
	return text
}

const ours = "example.org/m/"

func TestLayersBite(t *testing.T) {
	tests := map[string]struct {
		files map[string]string
		want  []string
	}{
		"sdk knows nothing of internal": {
			map[string]string{"sdk/a.go": importing("sdk", ours+"internal/keys")},
			[]string{"sdk/a.go:2: sdk must not import internal/keys"},
		},
		"sdk tests neither": {
			map[string]string{"sdk/a_test.go": importing("sdk", ours+"internal/keys", ours+"internal/realtest")},
			[]string{"sdk must not import internal/keys"},
		},
		"plugins see the sdk only": {
			map[string]string{
				"plugins/acme/main.go": importing("main", ours+"sdk", ours+"sdk/oauth2", ours+"plugins/acme/part"),
				"plugins/acme/a.go":    importing("main", ours+"plugins/other/part"),
				"plugins/acme/b.go":    importing("main", ours+"internal/login", ours+"sdk/devidp"),
			},
			[]string{"import plugins/other/part", "import internal/login", "import sdk/devidp"},
		},
		"plugin tests see the kit": {
			map[string]string{"plugins/acme/a_test.go": importing("main", ours+"sdk/providertest", ours+"sdk/devidp", ours+"internal/realtest", ours+"internal/host")},
			[]string{"import internal/host"},
		},
		"the five never import one another": {
			map[string]string{
				"internal/catalog/a.go":     importing("catalog", ours+"internal/policy"),
				"internal/issuer/a.go":      importing("issuer", ours+"internal/session"),
				"internal/login/a.go":       importing("login", ours+"internal/catalog"),
				"internal/policy/a.go":      importing("policy", ours+"internal/login"),
				"internal/session/a.go":     importing("session", ours+"internal/issuer"),
				"internal/login/a_test.go":  importing("login", ours+"internal/session"),
				"internal/login/b_test.go":  importing("login_test", ours+"internal/login", ours+"sdk/devidp"),
				"internal/policy/id.go":     importing("policy", ours+"internal/identity"),
				"internal/session/store.go": importing("session", ours+"internal/store", ours+"internal/keys"),
			},
			[]string{
				"catalog must not import internal/policy", "issuer must not import internal/session",
				"login must not import internal/catalog", "login must not import internal/session",
				"policy must not import internal/login", "session must not import internal/issuer",
			},
		},
		"config is for cmd and host": {
			map[string]string{
				"internal/login/a.go":  importing("login", ours+"internal/config"),
				"internal/host/a.go":   importing("host", ours+"internal/config"),
				"cmd/authd/main.go":    importing("main", ours+"internal/config", ours+"internal/host", ours+"sdk/devidp"),
				"internal/web/page.go": importing("web", ours+"internal/config"),
			},
			[]string{"login must not import internal/config", "web must not import internal/config"},
		},
		"nobody imports what is above": {
			map[string]string{
				"internal/store/a.go":      importing("store", ours+"internal/store/file"),
				"internal/store/file/a.go": importing("file", ours+"internal/store", ours+"internal/host"),
				"internal/host/a.go":       importing("host", ours+"cmd/authd", ours+"internal/realtest"),
			},
			[]string{
				"host must not import cmd/authd", "host must not import internal/realtest",
				"internal/store must not import internal/store/file", "internal/store/file must not import internal/host",
			},
		},
		"a new package is entered": {
			map[string]string{"internal/novel/a.go": "package novel\n", "internal/store/a.go": "package store\n"},
			[]string{"internal/novel: the package is in no layer; enter it in the table of internal/archtest/layers.go"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { bites(t, Layers, test.files, test.want...) })
	}
}

func TestFencesBite(t *testing.T) {
	tests := map[string]struct {
		files map[string]string
		want  []string
	}{
		"Fiber stays in host": {
			map[string]string{
				"internal/host/a.go":  importing("host", "github.com/gofiber/fiber/v2", "github.com/valyala/fasthttp"),
				"internal/login/a.go": importing("login", "github.com/gofiber/fiber/v2"),
				"sdk/a_test.go":       importing("sdk", "github.com/valyala/fasthttp/fasthttputil"),
				"test/bench/a.go":     importing("bench", "github.com/gofiber/fiber/v2/middleware/recover"),
				"test/bench/b_test.go": importing(
					"bench", "github.com/gofiber/fiber/v2/middleware/recover"),
			},
			[]string{"internal/login must not import github.com/gofiber/fiber/v2", "sdk must not import github.com/valyala/fasthttp", "test/bench must not import github.com/gofiber"},
		},
		"web knows no HTTP": {
			map[string]string{"internal/web/a.go": importing("web", "html/template", "net/http")},
			[]string{"internal/web must not import net/http"},
		},
		"the wire has two ends": {
			map[string]string{
				"sdk/a.go":                      importing("sdk", "github.com/hashicorp/go-plugin", "google.golang.org/grpc/codes"),
				"sdk/providertest/a.go":         importing("providertest", "google.golang.org/grpc"),
				"internal/catalog/a.go":         importing("catalog", "google.golang.org/grpc/status"),
				"sdk/proto/provider/v1/x.pb.go": "// Code generated by x. DO NOT EDIT.\n\n" + importing("v1", "google.golang.org/grpc"),
				"sdk/oauth2/a.go":               importing("oauth2", "google.golang.org/grpc/codes"),
				"sdk/oidc/a.go":                 importing("oidc", "github.com/hashicorp/go-plugin"),
				"plugins/acme/a.go":             importing("main", "google.golang.org/grpc"),
				"internal/host/a.go":            importing("host", "github.com/hashicorp/go-plugin"),
			},
			[]string{"internal/host must not", "plugins/acme must not", "sdk/oauth2 must not", "sdk/oidc must not"},
		},
		"each outside package in its place": {
			map[string]string{
				"internal/session/a.go":      importing("session", "go.etcd.io/bbolt", "github.com/hashicorp/go-hclog"),
				"internal/store/file/a.go":   importing("file", "go.etcd.io/bbolt"),
				"internal/audit/a.go":        importing("audit", "github.com/hashicorp/go-hclog"),
				"internal/issuer/a.go":       importing("issuer", "github.com/coreos/go-oidc/v3/oidc"),
				"internal/issuer/a_test.go":  importing("issuer", "github.com/coreos/go-oidc/v3/oidc"),
				"sdk/oidc/a.go":              importing("oidc", "github.com/coreos/go-oidc/v3/oidc"),
				"internal/policy/a.go":       importing("policy", "cel.dev/cel-go/cel"),
				"internal/host/a.go":         importing("host", "cel.dev/cel-go/cel", "github.com/spf13/cobra"),
				"cmd/authd/a.go":             importing("main", "github.com/spf13/cobra"),
				"internal/keys/a.go":         importing("keys", "testing", "unsafe"),
				"internal/keys/a_test.go":    importing("keys", "testing", "github.com/stretchr/testify/require"),
				"internal/store/redis/a.go":  importing("redis", "github.com/redis/go-redis/v9"),
				"internal/store/memory/a.go": importing("memory", "github.com/jackc/pgx/v5/pgxpool"),
			},
			[]string{
				"host must not import cel.dev", "host must not import github.com/spf13/cobra",
				"issuer must not import github.com/coreos", "keys must not import testing", "keys must not import unsafe",
				"keys must not import github.com/stretchr", "session must not import github.com/hashicorp/go-hclog",
				"session must not import go.etcd.io/bbolt", "memory must not import github.com/jackc",
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { bites(t, Fences, test.files, test.want...) })
	}
}

// function returns a function of n lines.
func function(name string, n int) string {
	return "func " + name + "() {" + strings.Repeat("\n", n-1) + "}\n"
}

func TestBudgetsBite(t *testing.T) {
	long := "package a\n" + function("f", maxFunction+1)
	for i := range 19 {
		long += function(fmt.Sprintf("g%d", i), maxFunction/10)
	}
	bites(t, FunctionLength, map[string]string{"a/a.go": long}, "a/a.go:2: func f has 121 lines, more than 120")
	bites(t, FunctionLength, map[string]string{"a/a_test.go": long})

	many := "package a\n"
	for i := range 20 {
		many += function(fmt.Sprintf("f%d", i), map[bool]int{true: maxFunctionP90 + 1, false: 3}[i >= 17])
	}
	bites(t, FunctionLength, map[string]string{"a/a.go": many}, "one function in ten has more than 41 lines")
	bites(t, FunctionLength, map[string]string{"a/a.go": many + strings.Repeat("func _() {}\n", 20)})

	full := "package a\n" + strings.Repeat("\n", maxFile-1)
	bites(t, FileLength, map[string]string{"a/a.go": full, "a/b_test.go": full + "\n"}, "a/b_test.go: 601 lines, more than 600")
	bites(t, FileLength, map[string]string{"a/a.pb.go": "// Code generated by x. DO NOT EDIT.\n\n" + full})

	bites(t, InterfaceSize, map[string]string{"a/a.go": `package a
		type Small interface { A(); B(); C(); D(); E(); F() }
		type Sum interface { Small; G() }
		type six interface { io.Closer; A(); B(); C(); D(); E() }
	`}, "a/a.go:3: interface Sum has 7 methods, more than 6")
}

func TestImportChainBites(t *testing.T) {
	files := map[string]string{"cmd/authd/main.go": importing("main", ours+"a1"), "a6/a.go": "package a6\n"}
	for i := 1; i < 6; i++ {
		files[fmt.Sprintf("a%d/a.go", i)] = importing(fmt.Sprintf("a%d", i), fmt.Sprintf("%sa%d", ours, i+1), "fmt")
	}
	bites(t, ImportChain, files, "a chain of 7 imports, more than 6: cmd/authd → a1 → a2 → a3 → a4 → a5 → a6")

	// A test may reach further down.
	delete(files, "cmd/authd/main.go")
	files["a6/a_test.go"] = importing("a6", ours+"a7")
	files["a7/a.go"] = "package a7\n"
	bites(t, ImportChain, files)
}

func TestTestShareBites(t *testing.T) {
	files := map[string]string{
		"a/a.go":      "package a\n\nvar x = 1\nvar y = 2\n",
		"a/a_test.go": "package a\n\n\n\n",
		"b/b.pb.go":   "// Code generated by x. DO NOT EDIT.\n\npackage b\n" + strings.Repeat("var _ = 1\n", 50),
		"c/c.go":      "package c\n",
		"c/c_test.go": "package c\n",
	}
	bites(t, TestShare, files, "2 lines of tests for 4 of code, 0.50; the budget is 1.0. Tests/code where most is missing: a 1/3")
	files["internal/realtest/a.go"] = "package realtest\n\nvar x = 1\n" // only tests import it: it counts with them
	bites(t, TestShare, files)
}

func TestNoInitBites(t *testing.T) {
	bites(t, NoInit, map[string]string{"a/a.go": "package a\n\nfunc init() {}\n\ntype t int\n\nfunc (t) init() {}\n"}, "a/a.go:3: no init")
}

func TestNoChangingVariablesBites(t *testing.T) {
	const declared = `package a
	var n, m int
	var table = map[string]int{"a": 1}
	var list = []int{1}
	var conf struct{ deep struct{ x int } }
	var pointer = new(int)
	var pipe = make(chan int)
	var Public = 1
	`
	tests := map[string]string{
		"n = 2":                    "variable n is assigned to",
		"n++":                      "variable n is counted",
		"m += 2":                   "variable m is assigned to",
		"_ = &n":                   "variable n has its address taken",
		`table["b"] = 2`:           "variable table is assigned to",
		`delete(table, "a")`:       "variable table is changed by delete",
		"clear(table)":             "variable table is changed by clear",
		"list[0], x = 1, 2; _ = x": "variable list is assigned to",
		"copy(list[1:], nil)":      "variable list is changed by copy",
		"(conf.deep).x--":          "variable conf is counted",
		"*pointer = 3":             "variable pointer is assigned to",
		"pipe <- 1":                "variable pipe is sent to",
		"close(pipe)":              "variable pipe is changed by close",
		"for n = range list {}":    "variable n is assigned to",
		"func() { n = 1 }()":       "variable n is assigned to",

		"n := 2; n++; _ = &n":            "", // a local one hides it
		`for _, v := range list { v++ }`: "",
		"x = n + list[0]":                "",
		"var table []int; table[0] = 1":  "",
	}
	for statement, want := range tests {
		t.Run(statement, func(t *testing.T) {
			files := map[string]string{"a/a.go": declared + "func f(x int) {\n" + statement + "\n}\n"}
			if want == "" {
				bites(t, NoChangingVariables, files)
				return
			}
			bites(t, NoChangingVariables, files, want)
		})
	}

	bites(t, NoChangingVariables, map[string]string{
		"a/a.go":      declared + "\ntype kept struct{ n int }\nfunc (k *kept) add() { k.n++ }\nfunc (k kept) get() {}\nvar k kept\nfunc f() { k.add(); k.get() }\n",
		"a/a_test.go": "package a\nvar free int\nfunc g() { free = 1; n = 3 }\n",
		"a/x_test.go": "package a_test\nimport \"example.org/m/a\"\nfunc g() { a.Public = 2 }\n",
		"b/b.go":      "package b\nimport alias \"example.org/m/a\"\nfunc g() { alias.Public++ }\nfunc h(alias struct{ Public int }) { alias.Public++ }\n",
	}, "variable k has its address taken by add", "a/a_test.go:3: package-level variable n is assigned to",
		"a/x_test.go:3: package-level variable a.Public is assigned to", "b/b.go:3: package-level variable alias.Public is counted")

	bites(t, NoChangingVariables, map[string]string{"a/a.go": `package a
		import ("sync"; "sync/atomic")
		var mu sync.Mutex
		var count = &atomic.Int64{}
		var p atomic.Pointer[int]
		var lazy = sync.OnceValue(func() int { return 1 })
		var sentinel = errors.New("x")
	`}, "variable mu is a sync.Mutex", "variable count is a atomic.Int64", "variable p is a atomic.Pointer")
}

func TestDocumentedBites(t *testing.T) {
	bites(t, Documented, map[string]string{"a/a.go": `package a

func Bare() {}

// It does something.
func Wrong() {}

// Right does something.
func Right() {}

// The Article is fine.
type Article struct {
	Field int
	Key   int ` + "`toml:\"key\"`" + `
	// Told is documented.
	Told int ` + "`toml:\"told\"`" + `
}

func (Article) Method() {}

type hidden struct{}

func (hidden) Method() {}

// Two is an interface.
type Two interface {
	// A is documented.
	A()
	B()
}

// One has a single method, which its own comment explains.
type One interface{ A() }

var Loose = 1

// Sentinels of this package.
var (
	ErrA = 1
	ErrB = 2
)

const (
	C = 1
	D = 2 // D is documented
)
`, "b/b_test.go": "package b\n\nfunc Exported() {}\n"},
		"a.go:3: Bare is exported and has no comment",
		"a.go:6: the comment of Wrong does not start with its name",
		"a.go:14: Article.Key is exported",
		"a.go:19: Method is exported",
		"a.go:29: Two.B is exported",
		"a.go:35: Loose is exported",
		"a.go:44: C is exported",
		"a: the package has no package comment",
	)
}

func TestHouseRulesBite(t *testing.T) {
	bites(t, PackageNames, map[string]string{
		"internal/util/a.go": "package util\n", "internal/x/a.go": "package helpers\n", "sdk/a_test.go": "package sdk_test\n",
	}, "internal/util/a.go: package util", "internal/x/a.go: package helpers")

	todo := markers[0]
	bites(t, Markers, map[string]string{
		"a/a.go": "package a\n\n// " + todo + ": later\n", "a/a_test.go": "package a\n\n// " + todo + "\n",
		"a/b.go": "package a\n\nvar _ = context." + todo + "()\n",
	}, "a/a.go:3: "+todo, "a/b.go:3: "+todo)

	bites(t, TestsWait, map[string]string{
		"a/a_test.go": "package a\nfunc TestA(t *testing.T) {\n\tt.Skip(\"later\")\n\ttime.Sleep(1)\n}\n",
		"a/b_test.go": "package a\nimport \"testing/synctest\"\nfunc TestB(t *testing.T) { time.Sleep(1); list.Skip() }\n",
		"a/a.go":      "package a\nfunc f() { time.Sleep(1) }\n",
	}, "a/a_test.go:3: no skipped tests", "a/a_test.go:4: no time.Sleep")
}

func TestPluginShapeBites(t *testing.T) {
	lines := func(n int) string { return "package main\n" + strings.Repeat("\n", n-1) }
	good := map[string]string{
		"plugins/acme/main.go": lines(15), "plugins/acme/acme.go": lines(200),
		"plugins/acme/acme_test.go": lines(500), "plugins/acme/README.md": "# acme\n",
		"examples/custom-provider/main.go": lines(80), "examples/custom-provider/a_test.go": lines(9),
		"examples/custom-provider/README.md": "# example\n",
	}
	bites(t, PluginShape, good)
	bites(t, PluginShape, map[string]string{
		"plugins/acme/main.go": lines(16), "plugins/acme/acme.go": lines(201),
		"plugins/bare/bare.go": lines(3), "plugins/bare/README.md": "",
		"examples/custom-provider/main.go": lines(81), "examples/custom-provider/second.go": lines(1),
	},
		"custom-provider/main.go: 81 lines, more than 80", "custom-provider: no test", "custom-provider: no README.md", "2 files of code",
		"acme.go: 201 lines, more than 200", "plugins/acme: no test", "plugins/acme: no README.md", "plugins/acme: a plugin has a main.go of at most 15",
		"plugins/bare: no test", "plugins/bare: a plugin has a main.go",
	)
}

// A module without a fault passes every rule.
func TestRulesLeaveGoodCodeAlone(t *testing.T) {
	m := load(t, map[string]string{
		"internal/keys/keys.go": "// Package keys keeps keys.\npackage keys\n\nimport \"example.org/m/internal/store\"\n\n" +
			"// Ring is a ring.\ntype Ring struct{ store.Store }\n",
		"internal/keys/keys_test.go":   "package keys\n\nimport \"testing\"\n\nfunc TestRing(t *testing.T) {\n\tvar r Ring\n\tr.Store = nil\n\t_ = r\n}\n",
		"internal/store/store.go":      "// Package store keeps things.\npackage store\n\n// Store keeps.\ntype Store interface{ Get() }\n",
		"internal/store/store_test.go": "package store\n\nimport \"testing\"\n\nfunc TestNothing(*testing.T) {}\n",
	})
	for _, rule := range Rules() {
		if found := rule.Check(m); len(found) > 0 {
			t.Errorf("%s: %v", rule.Name, found)
		}
	}
}

func TestLoadLeavesOut(t *testing.T) {
	m := load(t, map[string]string{
		"a/a.go":                    "package a\n",
		"a/testdata/b/b.go":         "not Go",
		".cache/c/c.go":             "not Go",
		"_old/d.go":                 "not Go",
		"test/node_modules/e/e.go":  "not Go",
		"tools/go.mod":              "module example.org/tools\n",
		"tools/f.go":                "not Go",
		"b/a_windows.go":            "//go:build windows\n\npackage b\n",
		"b/b.pb.go":                 "// Code generated by x. DO NOT EDIT.\n\npackage b\n",
		"b/notes.txt":               "text",
		"internal/vendor/x/vend.go": "not Go",
	})
	got := map[string][]string{}
	for _, pkg := range m.Packages {
		for _, file := range pkg.Files {
			got[pkg.Dir] = append(got[pkg.Dir], file.Name)
		}
	}
	want := map[string][]string{"a": {"a/a.go"}, "b": {"b/a_windows.go", "b/b.pb.go"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	for name, fsys := range map[string]fstest.MapFS{
		"no go.mod":      {"a.go": {Data: []byte("package a\n")}},
		"no module line": {"go.mod": {Data: []byte("go 1.26\n")}},
		"not Go":         {"go.mod": {Data: []byte("module m\n")}, "a.go": {Data: []byte("no package")}},
	} {
		if _, err := Load(fsys); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
