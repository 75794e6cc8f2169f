package holders

import (
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	// sunkFirst is how long a member counts as sunk that was mute or wrong; it doubles each time,
	// up to sunkMost. Who was right for that long begins anew.
	sunkFirst = 10 * time.Second
	sunkMost  = 10 * time.Minute
	// maxStandings is how many members are remembered, those that were asked last.
	maxStandings = 4096
)

// Standing is how much it is worth when a member says that it holds a blob, by what it did with all
// blobs. It has the fields of schedule.Standing; neither package may import the other.
type Standing struct {
	Untrusted bool // its word counts for nothing
	Unproved  bool // no verified byte has come from it since it was last mute or wrong
	Sunk      bool // it was lately mute or wrong: it is asked when nobody else is left
}

// standings remember which members bring what they say they have.
type standings struct {
	mu sync.Mutex
	of *lru.LRU[peer.ID, record]
}

type record struct {
	proved bool
	misses int       // in a row
	missed time.Time // when it last was mute or wrong
	until  time.Time // it is sunk until then
}

func newStandings() *standings {
	of, _ := lru.NewLRU[peer.ID, record](maxStandings, nil) // it fails only without a size
	return &standings{of: of}
}

func (s *standings) change(id peer.ID, f func(r *record, now time.Time)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, _ := s.of.Get(id)
	f(&r, time.Now())
	s.of.Add(id, r)
}

func (s *standings) read(id peer.ID) record {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, _ := s.of.Peek(id)
	return r
}

// Standing returns how much a member's word is worth.
func (d *Directory) Standing(id peer.ID) Standing {
	r := d.standings.read(id)
	return Standing{Untrusted: !d.cfg.Trusts(id), Unproved: !r.proved, Sunk: time.Now().Before(r.until)}
}

// Proved notes that verified bytes of a leaf came from a member. It is sunk no longer.
func (d *Directory) Proved(id peer.ID) {
	d.standings.change(id, func(r *record, now time.Time) {
		r.proved, r.until = true, time.Time{}
		if now.Sub(r.missed) > sunkMost {
			r.misses = 0
		}
	})
}

// Sink notes that a member was mute or wrong: for a while, longer each time, it is asked after all
// others, whichever the blob.
func (d *Directory) Sink(id peer.ID) { d.standings.change(id, (*record).sink) }

// Beaten notes that a member sent as good as nothing in the time in which another one, which was
// asked later, sent all. It sinks, but not one that had been right before: that has to be right
// again first.
func (d *Directory) Beaten(id peer.ID) {
	d.standings.change(id, func(r *record, now time.Time) {
		if !r.proved {
			r.sink(now)
		}
		r.proved = false
	})
}

func (r *record) sink(now time.Time) {
	if now.Before(r.until) {
		return // by another request, at the same time
	}
	r.proved, r.missed = false, now
	r.until = now.Add(min(sunkFirst<<min(r.misses, 10), sunkMost))
	r.misses++
}
