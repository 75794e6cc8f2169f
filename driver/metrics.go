package driver

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Collector gives Prometheus what Status tells, as metrics registry_ipfs_*.
// Register it once; it reads the driver each time it is collected and costs no
// walk over the paths.
func (d *Driver) Collector() prometheus.Collector { return collector{d.rooms} }

type collector struct{ *rooms }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("registry_ipfs_"+name, help, labels, nil)
}

var (
	infoDesc        = desc("info", "Always 1; labels name this registry.", "peer_id", "topic", "network", "version")
	entriesDesc     = desc("map_entries", "Paths in the path map.")
	headsDesc       = desc("map_heads", "Deltas of the path map that nothing follows yet.")
	membersDesc     = desc("members", "Known members of the swarm.", "state")
	trustDesc       = desc("members_trust_differs", "Members whose list of trusted peers is another one.")
	blobsDesc       = desc("blobs", "Blobs whose bytes are here whole.")
	blobBytesDesc   = desc("blob_bytes", "Bytes of the blobs that are here.")
	diskFreeDesc    = desc("disk_free_bytes", "Bytes free for this registry's data.")
	transfersDesc   = desc("transfers_active", "Blobs on their way here.")
	transferInDesc  = desc("transfer_received_bytes_total", "Bytes of blobs received from members.", "by")
	transferOutDesc = desc("transfer_sent_bytes_total", "Bytes of blobs sent to members.")
	readOnlyDesc    = desc("read_only", "1 when this registry is outside its own list of trusted peers.")
)

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(infoDesc, 1, c.self.String(), c.params.PubsubTopic, c.network(), Version())
	gauge(entriesDesc, float64(c.paths.View().Len()))
	gauge(headsDesc, float64(len(c.paths.Heads())))
	connected, lost, differ := c.countMembers()
	gauge(membersDesc, float64(connected), "connected")
	gauge(membersDesc, float64(lost), "lost")
	gauge(trustDesc, float64(differ))
	here, bytes := c.blobs.Usage()
	gauge(blobsDesc, float64(here))
	gauge(blobBytesDesc, float64(bytes))
	free, _ := diskSpace(c.params.DatastorePath)
	gauge(diskFreeDesc, float64(free))
	gauge(transfersDesc, float64(c.transfers.Active()))
	in, out := c.transfers.Totals()
	data := c.transfers.DataIn()
	ch <- prometheus.MustNewConstMetric(transferInDesc, prometheus.CounterValue, float64(data), "data_port")
	ch <- prometheus.MustNewConstMetric(transferInDesc, prometheus.CounterValue, float64(max(0, in-data)), "stream")
	ch <- prometheus.MustNewConstMetric(transferOutDesc, prometheus.CounterValue, float64(out))
	readOnly := 0.0
	if c.ReadOnly() {
		readOnly = 1
	}
	gauge(readOnlyDesc, readOnly)
}

func (c collector) countMembers() (connected, lost, differ int) {
	if c.peer == nil {
		return 0, 0, 0
	}
	for _, m := range c.peer.Members() {
		if m.Connected {
			connected++
		} else {
			lost++
		}
		if m.TrustDiffers {
			differ++
		}
	}
	return connected, lost, differ
}
