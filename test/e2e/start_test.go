//go:build linux

package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/authd/authd/internal/realtest"
	"github.com/authd/authd/sdk/devidp"
	"github.com/authd/authd/sdk/providertest"
)

// TestColdStart starts authd with four providers of four plugins and tells how long that took and what it weighs. The
// figures are for people: a busy machine says nothing about authd.
func TestColdStart(t *testing.T) {
	idp := providertest.StartIDP(t, devidp.Options{})
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

	p := startProcess(t, nil, "serve", "--config", config)
	took, err := p.Ready(time.Millisecond, patience, func() error {
		got, err := b.try(http.MethodGet, ready, nil)
		if err != nil || got.StatusCode != http.StatusOK {
			return fmt.Errorf("%v %s", err, got.body)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	plugins := p.Children()
	if len(plugins) != 4 {
		t.Errorf("plugins that run: %v, want four", plugins)
	}
	t.Logf("from exec to /readyz with 4 providers: %v", took.Round(time.Millisecond))
	t.Logf("authd: %s", weight(t, p.PID()))
	for _, c := range plugins {
		t.Logf("%s: %s", c.Name, weight(t, c.PID))
	}
}

// weight is the resident memory of a process, and what of it is not just a part of its executable.
func weight(t testing.TB, pid int) string {
	t.Helper()
	m := realtest.MemoryOf(t, pid)
	return fmt.Sprintf("%.1f MB RSS, %.1f MB anonymous", float64(m.Resident)/(1<<20), float64(m.Own)/(1<<20))
}
