package telemetry

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func TestMetrics(t *testing.T) {
	m := New()
	m.Login("github", "ok")
	m.Login("github", "access_denied")
	for _, status := range []int{200, 200, 401, 403, 503, 418} {
		m.Check(status)
	}
	m.Reload(true)
	m.Reload(false)
	m.Reload(false)
	m.Providers(func(report func(Provider)) {
		report(Provider{ID: "github", Up: true, Degraded: true, Restarts: 3, Swaps: 4, CandidateFailures: 5, InFlight: 6, LinesDropped: 7, Memory: 8192})
		report(Provider{ID: "staff", BreakerOpen: true, Quarantined: true})
	})
	rec := httptest.NewRecorder()
	m.Handler().ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	for _, line := range []string{
		`authd_logins_total{provider="github",result="ok"} 1`,
		`authd_logins_total{provider="github",result="access_denied"} 1`,
		`authd_checks_total{result="allowed"} 2`,
		`authd_checks_total{result="anonymous"} 1`,
		`authd_checks_total{result="denied"} 1`,
		`authd_checks_total{result="unavailable"} 1`,
		`authd_checks_total{result="other"} 1`,
		`authd_provider_up{provider="github"} 1`,
		`authd_provider_up{provider="staff"} 0`,
		`authd_provider_restarts_total{provider="github"} 3`,
		`authd_provider_degraded{provider="github"} 1`,
		`authd_provider_degraded{provider="staff"} 0`,
		`authd_provider_swaps_total{provider="github"} 4`,
		`authd_provider_candidate_failures_total{provider="github"} 5`,
		`authd_provider_in_flight{provider="github"} 6`,
		`authd_provider_log_lines_dropped_total{provider="github"} 7`,
		`authd_provider_resident_memory_bytes{provider="github"} 8192`,
		`authd_provider_breaker_open{provider="github"} 0`,
		`authd_provider_breaker_open{provider="staff"} 1`,
		`authd_provider_quarantined{provider="staff"} 1`,
		`authd_config_reloads_total{result="ok"} 1`,
		`authd_config_reloads_total{result="refused"} 2`,
		`go_goroutines `,
	} {
		if !strings.Contains(rec.Body.String(), line) {
			t.Errorf("the metrics lack %q:\n%s", line, rec.Body)
		}
	}
	if strings.Contains(rec.Body.String(), `authd_provider_resident_memory_bytes{provider="staff"}`) {
		t.Error("a provider without a process has memory")
	}
}
