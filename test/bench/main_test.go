//go:build linux

// Package bench measures authd against its budgets. It needs Linux, two cores, what make build leaves, nginx, and
// Apache with mod_auth_openidc.
//
// Nothing in here is timed by a plain `go test`. `make bench` runs the benchmarks:
//
//	budgets_test.go   BenchmarkBudgets: real processes beside a bare Fiber server, and a table of what is over
//	check_test.go       the forward-auth check, CPU per request
//	rate_test.go        how long a check takes at a fixed rate
//	nginx_test.go       nginx that asks authd, beside nginx that asks a bare Fiber server
//	peer_test.go        Apache with mod_auth_openidc, which asks nobody
//	login_test.go       a login, CPU of host and plugin
//	call_test.go        a call of a plugin, raw and through authd's facade
//	life_test.go        start, a killed plugin
//	live_test.go        plugins that come and are replaced while authd serves; thirty providers
//	sandbox_test.go     what the strict sandbox and a lock file add to the start of a plugin
//	memory_test.go      host, plugins, sessions, connections
//	inside_test.go    benchmarks of parts: session look-up, login, start
//	site_test.go      authd with four providers against a developer identity provider
//	process_test.go   a process on its own core: CPU, memory, children
//	load_test.go      the load generator
package bench

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/gofiber/fiber/v2"
)

// TestMain makes the test binary the reference server when it runs under that name.
func TestMain(m *testing.M) {
	switch filepath.Base(os.Args[0]) {
	case bareName:
		if err := runBare(os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	default:
		os.Exit(m.Run())
	}
}

// bareName makes the test binary a bare Fiber server.
const bareName = "barefiber"

// answer is what the reference server says at a path, always.
type answer struct {
	Path   string
	Status int
	Fields [][2]string
}

// runBare serves the given answers and nothing else, and prints its address.
func runBare(text string) error {
	var answers []answer
	if err := json.Unmarshal([]byte(text), &answers); err != nil {
		return err
	}
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	for _, a := range answers {
		app.Get(a.Path, func(c *fiber.Ctx) error {
			for _, f := range a.Fields {
				c.Set(f[0], f[1])
			}
			c.Status(a.Status)
			return nil
		})
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return app.Listener(l)
}

// linkSelf puts the test binary into dir under another name and returns its path.
func linkSelf(tb testing.TB, dir, name string) string {
	tb.Helper()
	self, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	path := filepath.Join(dir, name)
	if os.Link(self, path) == nil {
		return path
	}
	body, err := os.ReadFile(self)
	if err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(path, body, 0o755); err != nil {
		tb.Fatal(err)
	}
	return path
}
