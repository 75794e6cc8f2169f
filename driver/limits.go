package driver

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

// LimitStatus is what peers may have of this registry, of one kind of thing, and what they were
// refused. docs/security.md has the whole table.
type LimitStatus struct {
	What    string           `json:"what"`      // such as connections
	Total   int              `json:"total"`     // of all peers; 0: it is not bounded in number
	OfAPeer int              `json:"of_a_peer"` // that is trusted; 0: not bounded
	Refused map[string]int64 `json:"refused"`   // since the start, by the rank of the peer: stranger, connected, member or trusted; those with none are left out
}

func (s *store) limitStatus() []LimitStatus {
	all := []LimitStatus{}
	for _, l := range s.engine.Limits() {
		of := LimitStatus{What: string(l.What), Total: l.Bounds.Total, OfAPeer: l.Bounds.Peer[limit.Trusted], Refused: map[string]int64{}}
		for _, r := range limit.Ranks() {
			if n := l.Refused[r]; n > 0 {
				of.Refused[r.String()] = int64(n)
			}
		}
		all = append(all, of)
	}
	return all
}

var refusedDesc = desc("refused_total", "What peers were refused because they had too much of it, by their rank: "+
	"stranger, connected (they have the protector key), member, trusted.", "what", "rank")

// collectLimits counts also what nobody was refused: that something begins to be refused is seen.
func collectLimits(ch chan<- prometheus.Metric, limits []LimitStatus) {
	for _, l := range limits {
		for _, r := range limit.Ranks() {
			ch <- prometheus.MustNewConstMetric(refusedDesc, prometheus.CounterValue, float64(l.Refused[r.String()]), l.What, r.String())
		}
	}
}
