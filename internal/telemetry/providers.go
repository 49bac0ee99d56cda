package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Provider is how a configured provider is at the time of a scrape. ID is the only thing of it that becomes a label.
type Provider struct {
	ID string
	// Up: calls are answered. Degraded: but not with the plugin or configuration that is wanted.
	Up, Degraded bool
	// BreakerOpen: so many calls have failed that they are refused, but for one now and then. Quarantined: the same of
	// the starts of its process.
	BreakerOpen, Quarantined bool
	// Restarts, Swaps and CandidateFailures since the start of authd.
	Restarts, Swaps, CandidateFailures int
	// InFlight counts the calls that are being made.
	InFlight int
	// LinesDropped counts log lines that were over the limit.
	LinesDropped uint64
	// Memory that its process occupies, in bytes; 0: there is no process, or it can't be told.
	Memory uint64
}

// Providers reports each configured provider as read says at the time of the scrape.
func (m *Metrics) Providers(read func(report func(Provider))) {
	m.registry.MustRegister(&providerCollector{read: read})
}

type providerCollector struct {
	read func(func(Provider))
}

// providerSeries are what is told of each provider.
var providerSeries = []struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(Provider) float64
}{
	{about("up", "Whether the provider can be used (1) or not (0)."), prometheus.GaugeValue, func(p Provider) float64 { return flag(p.Up) }},
	{
		about("degraded", "Whether a new plugin or configuration could not take over and the one before goes on serving."),
		prometheus.GaugeValue, func(p Provider) float64 { return flag(p.Degraded) },
	},
	{
		about("breaker_open", "Whether so many calls have failed that they are refused, but for one now and then, until one succeeds."),
		prometheus.GaugeValue, func(p Provider) float64 { return flag(p.BreakerOpen) },
	},
	{
		about("quarantined", "Whether the process failed so often that it is only started now and then."),
		prometheus.GaugeValue, func(p Provider) float64 { return flag(p.Quarantined) },
	},
	{about("restarts_total", "Starts of the provider's process after the first."), prometheus.CounterValue, func(p Provider) float64 { return float64(p.Restarts) }},
	{
		about("swaps_total", "How often another process took over while one was serving."),
		prometheus.CounterValue, func(p Provider) float64 { return float64(p.Swaps) },
	},
	{
		about("candidate_failures_total", "How often a new plugin or configuration could not take over."),
		prometheus.CounterValue, func(p Provider) float64 { return float64(p.CandidateFailures) },
	},
	{about("in_flight", "Calls to the provider that are being made."), prometheus.GaugeValue, func(p Provider) float64 { return float64(p.InFlight) }},
	{
		about("log_lines_dropped_total", "Log lines of the plugin that were over the limit."),
		prometheus.CounterValue, func(p Provider) float64 { return float64(p.LinesDropped) },
	},
}

var memoryDesc = about("resident_memory_bytes", "Memory that the provider's process occupies; absent without a process.")

func about(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("authd_provider_"+name, help, []string{"provider"}, nil)
}

func flag(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// Describe tells Prometheus what Collect sends.
func (c *providerCollector) Describe(out chan<- *prometheus.Desc) {
	for _, s := range providerSeries {
		out <- s.desc
	}
	out <- memoryDesc
}

// Collect reads the providers' states.
func (c *providerCollector) Collect(out chan<- prometheus.Metric) {
	c.read(func(p Provider) {
		for _, s := range providerSeries {
			out <- prometheus.MustNewConstMetric(s.desc, s.kind, s.of(p), p.ID)
		}
		if p.Memory > 0 {
			out <- prometheus.MustNewConstMetric(memoryDesc, prometheus.GaugeValue, float64(p.Memory), p.ID)
		}
	})
}
