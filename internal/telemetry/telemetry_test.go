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
	m.Providers(func(report func(string, bool, int)) {
		report("github", true, 3)
		report("staff", false, 0)
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
		`go_goroutines `,
	} {
		if !strings.Contains(rec.Body.String(), line) {
			t.Errorf("the metrics lack %q:\n%s", line, rec.Body)
		}
	}
}
