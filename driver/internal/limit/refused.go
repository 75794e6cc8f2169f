package limit

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/sirupsen/logrus"
	"golang.org/x/time/rate"
)

const (
	maxLogged = 1024             // sources of which it is remembered that they were logged
	maxPeers  = 1024             // peers of each rank of which it is remembered what they were refused
	logEvery  = 10 * time.Second // a line of each rank, in the long run
	logAtOnce = 16               // lines of each rank
)

// Refusals are how often things of one kind were refused to peers of one rank.
type Refusals struct {
	What  What
	Rank  Rank
	Count int64
}

// saying is what is logged once: what was refused, and to whom.
type saying struct {
	what What
	from Source
}

// refused counts what is refused, and logs it once a source.
type refused struct {
	log *logrus.Entry

	mu     sync.Mutex
	counts map[What]*[ranks]int64
	logged *lru.Cache[saying, struct{}]
	lines  [ranks]*rate.Limiter
	peers  [ranks]*lru.Cache[peer.ID, map[What]int64] // a rank each, so that none is forgotten for a lower one
}

func newRefused(log *logrus.Entry) *refused {
	r := &refused{log: log, counts: map[What]*[ranks]int64{}}
	r.logged, _ = lru.New[saying, struct{}](maxLogged) // it fails only when the size is not positive
	for i := range ranks {
		r.peers[i], _ = lru.New[peer.ID, map[What]int64](maxPeers)
		r.lines[i] = rate.NewLimiter(rate.Every(logEvery), logAtOnce)
	}
	return r
}

// note counts a refusal, and logs the first of its source.
func (r *refused) note(what What, from Source) {
	if !r.first(what, from) {
		return
	}
	log := r.log.WithField("rank", from.Rank).WithField("what", what)
	if from.Peer != "" {
		log = log.WithField("peer", from.Peer)
	}
	if from.Address.IsValid() {
		log = log.WithField("address", from.Address)
	}
	log.Warnf("too many %s: further ones are refused, and only counted (registry_ipfs_refused_total); to shut it out, %s", what, remedy(from))
}

// count counts a refusal.
func (r *refused) count(what What, from Source) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(what, from)
}

// add is count with r.mu held.
func (r *refused) add(what What, from Source) {
	n := r.counts[what]
	if n == nil {
		n = new([ranks]int64)
		r.counts[what] = n
	}
	n[from.Rank]++
	r.ofPeer(what, from)
}

// first counts, and reports whether it is to be logged.
func (r *refused) first(what What, from Source) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(what, from)
	key := saying{what, from}
	if from.Peer != "" {
		key.from.Address = netip.Prefix{} // one peer, wherever it comes from
	}
	if r.logged.Contains(key) || !r.lines[from.Rank].Allow() {
		return false
	}
	r.logged.Add(key, struct{}{})
	return true
}

// ofPeer counts a refusal for its peer. r.mu is held.
func (r *refused) ofPeer(what What, from Source) {
	if from.Peer == "" {
		return
	}
	counts, ok := r.peers[from.Rank].Get(from.Peer)
	if !ok {
		counts = map[What]int64{}
		r.peers[from.Rank].Add(from.Peer, counts)
	}
	counts[what]++
}

// to is what a peer was refused, whatever its rank was then; nil: nothing that is remembered.
func (r *refused) to(id peer.ID) (sum map[What]int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, of := range r.peers {
		counts, _ := of.Peek(id)
		for what, n := range counts {
			if sum == nil {
				sum = map[What]int64{}
			}
			sum[what] += n
		}
	}
	return sum
}

// remedy is how an operator shuts a source out.
func remedy(from Source) string {
	switch from.Rank {
	case Stranger:
		return "refuse its address at a firewall"
	case Connected, Member:
		return "refuse its address at a firewall, or give all registries another protectorkey"
	}
	return "take it off trustedpeers, and if that is not set, set it"
}

// list is what was refused so far, in order.
func (r *refused) list() (all []Refusals) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for what, counts := range r.counts {
		for i, n := range counts {
			if n > 0 {
				all = append(all, Refusals{what, Rank(i), n})
			}
		}
	}
	slices.SortFunc(all, func(a, b Refusals) int { return cmp.Or(cmp.Compare(a.What, b.What), cmp.Compare(a.Rank, b.Rank)) })
	return all
}
