package transfer

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
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
	for _, j := range jobs {
		all = append(all, j.running())
	}
	for _, s := range streams {
		all = append(all, s.running())
	}
	slices.SortFunc(all, func(a, b Running) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.CID.String(), b.CID.String()))
	})
	return all
}

func (j *job) running() Running {
	r := Running{CID: j.ref.CID, Size: j.ref.Size, Since: j.born, Sources: j.sources()}
	here, leaves := j.plan.verified().Count(), leavesOf(j.ref.Size)
	r.Here = min(j.ref.Size, j.ref.Size*int64(here)/int64(leaves))
	j.mu.Lock()
	defer j.mu.Unlock()
	r.Waiting = j.users
	return r
}

func (s *stream) running() Running {
	return Running{
		CID: s.j.ref.CID, Size: s.j.ref.Size, Here: s.passed.Load(), Since: s.j.born, Waiting: 1,
		Streamed: true, Sources: s.j.sources(),
	}
}

func (j *job) sources() []Source {
	rates := j.plan.rates()
	all := make([]Source, 0, len(rates)+1)
	for id, rate := range rates {
		road := RoadStream
		if j.t.UsesDataPort(id) {
			road = RoadData
		}
		all = append(all, Source{Peer: id, Road: road, Rate: rate})
	}
	slices.SortFunc(all, func(a, b Source) int { return cmp.Compare(a.Peer, b.Peer) })
	if j.bitswapWorks.Load() && len(all) == 0 {
		all = append(all, Source{Road: RoadBitswap})
	}
	return all
}

// rates returns the bytes a second that the requests under way bring, by holder.
func (p *plan) rates() map[peer.ID]float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	rates := map[peer.ID]float64{}
	for _, r := range p.claims {
		rates[r.id] += r.rate()
	}
	return rates
}
