//go:build linux

package e2e

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/authd/authd/internal/realtest"
	"github.com/authd/authd/sdk/devidp"
)

// TestColdStart starts authd with four providers of four plugins and tells how long that took and what it weighs. The
// figures are for people: a busy machine says nothing about authd.
func TestColdStart(t *testing.T) {
	idp := startDevIDP(t, devidp.Options{})
	opt := options{
		port: realtest.FreePort(t),
		tables: devTable(idp, "company", "oidc", "label", "Company") + devTable(idp, "staff", "keycloak") + devTable(idp, "github", "github") +
			table("project", "descope", "base_url", idp.URL(), "client_id", "demo", "client_secret", "demo-secret"),
	}
	opt.tables = strings.ReplaceAll(opt.tables, "[[providers]]", "[[providers]]\nrequired = true") // /readyz waits for all
	ready := fmt.Sprintf("http://127.0.0.1:%d/readyz", opt.port)
	opt = opt.withDefaults(t)
	config := writeConfig(t, opt)
	b := newBrowser(t)

	began := time.Now()
	p := startProcess(t, nil, "serve", "--config", config)
	var took time.Duration
	awaitEvery(t, time.Millisecond, patience, "authd is ready", func() error {
		got, err := b.try(http.MethodGet, ready, nil)
		took = time.Since(began)
		if err != nil || got.StatusCode != http.StatusOK {
			return fmt.Errorf("%v %s\n%s", err, got.body, tail(p.log()))
		}
		return nil
	})
	plugins := p.children()
	if len(plugins) != 4 {
		t.Errorf("plugins that run: %v, want four", plugins)
	}
	t.Logf("from exec to /readyz with 4 providers: %v", took.Round(time.Millisecond))
	t.Logf("authd: %s", weight(t, p.cmd.Process.Pid))
	for _, c := range plugins {
		t.Logf("%s: %s", c.name, weight(t, c.pid))
	}
}

// weight is the resident memory of a process, and what of it is not just a part of its executable.
func weight(t testing.TB, pid int) string {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	kilobytes := map[string]int{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) == 3 {
			kilobytes[fields[0]], _ = strconv.Atoi(fields[1])
		}
	}
	return fmt.Sprintf("%.1f MB RSS, %.1f MB anonymous", float64(kilobytes["Rss:"])/1024, float64(kilobytes["Anonymous:"])/1024)
}
