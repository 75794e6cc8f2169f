package transfer

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// Running is one transfer that is under way.
type Running struct {
	CID     cid.Cid
	Size    int64 // bytes of the blob
	Here    int64 // of these, verified by this transfer or found here
	Since   time.Time
	Waiting int // clients that read it, and others of this registry that wait for it
	// Streamed says that there is no room for the blob: what is verified goes to its one
	// reader, and is not kept.
	Streamed bool
	Sources  []Source
}

// Road is the way by which bytes come from a member.
type Road string

// Roads.
const (
	RoadData    Road = "data port"
	RoadStream  Road = "libp2p"
	RoadBitswap Road = "bitswap"
)

// Source is a member from which bytes of a blob come at the moment.
type Source struct {
	Peer peer.ID // empty: any peer that answers by bitswap
	Road Road
	Rate float64 // bytes a second, of all requests under way
}

// Running returns the transfers under way, streams among them, the oldest first.
func (t *Transfers) Running() []Running {
	t.mu.Lock()
	jobs, streams := slices.Collect(maps.Values(t.jobs)), slices.Collect(maps.Keys(t.streams))
	t.mu.Unlock()
	all := make([]Running, 0, len(jobs)+len(streams))
	for _, j := range append(jobs, streams...) {
		all = append(all, j.running())
	}
	slices.SortFunc(all, func(a, b Running) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.CID.String(), b.CID.String()))
	})
	return all
}

func (j *job) running() Running {
	r := Running{CID: j.ref.CID, Size: j.ref.Size, Since: j.meter.born, Waiting: j.users(), Sources: j.sources()}
	if j.passage != nil {
		r.Here, r.Waiting, r.Streamed = j.passage.passed.Load(), 1, true
		return r
	}
	here, leaves := j.verified().Count(), dag.LeavesOf(j.ref.Size)
	r.Here = min(j.ref.Size, j.ref.Size*int64(here)/int64(leaves))
	return r
}

func (j *job) sources() []Source {
	f := j.flows()
	all := make([]Source, 0, len(f.rates)+1)
	for id, rate := range f.rates {
		road := RoadStream
		if j.t.UsesDataPort(id) {
			road = RoadData
		}
		all = append(all, Source{Peer: id, Road: road, Rate: rate})
	}
	slices.SortFunc(all, func(a, b Source) int { return cmp.Compare(a.Peer, b.Peer) })
	if f.bitswap && len(all) == 0 {
		all = append(all, Source{Road: RoadBitswap})
	}
	return all
}

// flows asks the coordinator from whom bytes come.
func (j *job) flows() (f flows) {
	answer := make(chan flows, 1)
	if !j.send(looked{answer}) {
		return f
	}
	select {
	case f = <-answer:
	case <-j.end.stopped:
	}
	return f
}
