package conns

import "github.com/prometheus/client_golang/prometheus"

var (
	connections = prometheus.NewDesc("registry_ipfs_http_connections",
		"Connections of HTTP clients, by whether a request is worked on or waited for.", []string{"state"}, nil)
	closings = prometheus.NewDesc("registry_ipfs_http_connections_closed_total",
		"Connections of HTTP clients that were closed because there were too many: they waited (waiting), their address had too many (address), or none was waiting (full).",
		[]string{"why"}, nil)
)

// Describe implements prometheus.Collector.
func (t *Table) Describe(out chan<- *prometheus.Desc) { out <- connections; out <- closings }

// Collect implements prometheus.Collector.
func (t *Table) Collect(out chan<- prometheus.Metric) {
	t.mu.Lock()
	defer t.mu.Unlock()
	gauge := func(state string, n int) {
		out <- prometheus.MustNewConstMetric(connections, prometheus.GaugeValue, float64(n), state)
	}
	gauge("waiting", t.waiting.Len())
	gauge("working", len(t.conns)-t.waiting.Len())
	for _, why := range []reason{forOthers, ofAddress, nobodyWait} {
		out <- prometheus.MustNewConstMetric(closings, prometheus.CounterValue, float64(t.closed[why]), string(why))
	}
}
