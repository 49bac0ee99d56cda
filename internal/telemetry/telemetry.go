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
	m.registry.MustRegister(m.logins, checks)
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

// Providers reports for each configured provider whether it is up, and how often its process was restarted, as
// read says at the time of the scrape.
func (m *Metrics) Providers(read func(report func(provider string, up bool, restarts int))) {
	m.registry.MustRegister(&providerCollector{read: read})
}

type providerCollector struct {
	read func(func(string, bool, int))
}

var (
	upDesc       = prometheus.NewDesc("authd_provider_up", "Whether the provider can be used (1) or not (0).", []string{"provider"}, nil)
	restartsDesc = prometheus.NewDesc("authd_provider_restarts_total", "Starts of the provider's process after the first.", []string{"provider"}, nil)
)

// Describe tells Prometheus what Collect sends.
func (c *providerCollector) Describe(out chan<- *prometheus.Desc) { out <- upDesc; out <- restartsDesc }

// Collect reads the providers' states.
func (c *providerCollector) Collect(out chan<- prometheus.Metric) {
	c.read(func(provider string, up bool, restarts int) {
		value := 0.0
		if up {
			value = 1
		}
		out <- prometheus.MustNewConstMetric(upDesc, prometheus.GaugeValue, value, provider)
		out <- prometheus.MustNewConstMetric(restartsDesc, prometheus.CounterValue, float64(restarts), provider)
	})
}

// Handler serves the metrics in Prometheus' text format.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}
