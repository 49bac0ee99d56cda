// Package telemetry counts what authd does, for Prometheus. No label holds a person, an address or a token.
package telemetry

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are the counters of one authd.
type Metrics struct {
	registry *prometheus.Registry
	logins   *prometheus.CounterVec
	checks   map[int]prometheus.Counter // :: status → counter, made beforehand: the check looks up no labels
	other    prometheus.Counter

	taken, refused prometheus.Counter // reloads
}

// checkStatuses are the answers of a forward-auth check.
var checkStatuses = map[int]string{200: "allowed", 401: "anonymous", 403: "denied", 503: "unavailable"}

// New makes the counters, with those of the Go runtime and the process.
func New() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), checks: map[int]prometheus.Counter{}}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.logins = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "authd_logins_total", Help: "Logins that have ended, by provider and result: ok, or the error code that the person saw.",
	}, []string{"provider", "result"})
	checks := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "authd_checks_total", Help: "Forward-auth checks by result.",
	}, []string{"result"})
	reloads := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "authd_config_reloads_total", Help: "Reloads by result: ok, or refused, when the configuration in force stays.",
	}, []string{"result"})
	m.taken, m.refused = reloads.WithLabelValues("ok"), reloads.WithLabelValues("refused")
	m.registry.MustRegister(m.logins, checks, reloads)
	for status, result := range checkStatuses {
		m.checks[status] = checks.WithLabelValues(result)
	}
	m.other = checks.WithLabelValues("other")
	return m
}

// Login counts a login that has ended. provider must be a configured id or "".
func (m *Metrics) Login(provider, result string) { m.logins.WithLabelValues(provider, result).Inc() }

// Check counts a forward-auth check by the status that it was answered with.
func (m *Metrics) Check(status int) {
	if counter, ok := m.checks[status]; ok {
		counter.Inc()
		return
	}
	m.other.Inc()
}

// Reload counts a reload: of a configuration that was taken, or of one that was refused.
func (m *Metrics) Reload(taken bool) {
	if taken {
		m.taken.Inc()
		return
	}
	m.refused.Inc()
}

// Handler serves the metrics in Prometheus' text format.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}
