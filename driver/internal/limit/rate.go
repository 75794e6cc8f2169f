package limit

import (
	"net/netip"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/time/rate"
)

// maxBuckets is how many peers, and how many addresses, of one rank are remembered at the same
// time. A bucket that is full again is forgotten: a new one is no different.
const (
	maxBuckets = 4096
	sweepEvery = time.Second
)

// Pace is how often something may happen: so many a second in the long run, and that many at
// once. The zero Pace bounds nothing.
type Pace struct {
	PerSecond float64
	Burst     int
}

// Rates are how often one kind of thing may happen, by rank. All bounds what all peers of one
// rank do together, so that each rank has its own.
type Rates struct {
	All, Peer, Address [ranks]Pace
	Fair               bool // of strangers, who did it least comes first: see kept
}

// EachPace is the same pace for all ranks.
func EachPace(perSecond float64, burst int) [ranks]Pace {
	p := Pace{perSecond, burst}
	return [ranks]Pace{p, p, p, p}
}

// Rate bounds how often one kind of thing happens. It is safe for concurrent use.
type Rate struct {
	what    What
	refused *refused

	mu    sync.Mutex
	all   [ranks]*rate.Limiter
	peers [ranks]buckets[peer.ID]
	addrs [ranks]buckets[netip.Prefix]
	fair  *arrived // what strangers did; nil: who comes first, is served first
}

func newRate(what What, rates Rates, refused *refused) *Rate {
	r := &Rate{what: what, refused: refused}
	for i := range ranks {
		r.all[i] = rates.All[i].limiter()
		r.peers[i] = buckets[peer.ID]{pace: rates.Peer[i]}
		r.addrs[i] = buckets[netip.Prefix]{pace: rates.Address[i], open: rates.Fair}
	}
	if rates.Fair {
		r.fair = newArrived()
	}
	return r
}

func (p Pace) limiter() *rate.Limiter {
	if p == (Pace{}) {
		return rate.NewLimiter(rate.Inf, 0)
	}
	return rate.NewLimiter(rate.Limit(p.PerSecond), p.Burst)
}

// Allow reports whether n more may happen now. What is refused is not taken from the source's
// own share: it may come again.
func (r *Rate) Allow(from Source, n int) bool {
	r.mu.Lock()
	ok := r.allow(from, n, time.Now())
	r.mu.Unlock()
	if !ok {
		r.refused.note(r.what, from)
	}
	return ok
}

// allow takes from all buckets or from none. r.mu is held.
func (r *Rate) allow(from Source, n int, now time.Time) bool {
	all := r.all[from.Rank]
	if !has(all, float64(n)+r.kept(from, now), now) {
		return false // and nothing is remembered of it
	}
	of := []*rate.Limiter{all}
	if from.Peer != "" {
		of = append(of, r.peers[from.Rank].of(from.Peer, now))
	}
	if from.Address.IsValid() {
		of = append(of, r.addrs[from.Rank].of(from.Address, now))
	}
	for _, l := range of {
		if l == nil || !has(l, float64(n), now) {
			return false
		}
	}
	for _, l := range of {
		l.AllowN(now, n)
	}
	if r.fair != nil && from.Rank == Stranger {
		r.fair.add(from.Address, n, now)
	}
	return true
}

// has reports whether a bucket has so many tokens.
func has(l *rate.Limiter, n float64, now time.Time) bool {
	return l.Limit() == rate.Inf || l.TokensAt(now) >= n
}

// kept is how many are kept for others, who had fewer of late. r.mu is held.
func (r *Rate) kept(from Source, now time.Time) float64 {
	if r.fair == nil || from.Rank != Stranger {
		return 0
	}
	return kept(float64(r.all[Stranger].Burst()), from.Address, func(p netip.Prefix) float64 { return r.fair.count(p, now) })
}

// buckets are the token buckets of one rank's sources.
type buckets[K comparable] struct {
	pace  Pace
	open  bool // those that are too many are not bounded one by one
	known map[K]*rate.Limiter
	swept time.Time
}

// of is a source's bucket; when there are too many, nil or one that is forgotten at once.
func (b *buckets[K]) of(key K, now time.Time) *rate.Limiter {
	if l := b.known[key]; l != nil {
		return l
	}
	l := b.pace.limiter()
	if b.pace == (Pace{}) {
		return l
	}
	if len(b.known) >= maxBuckets {
		if now.Sub(b.swept) >= sweepEvery {
			b.sweep(now)
		}
		if len(b.known) >= maxBuckets && b.open {
			return l
		}
		if len(b.known) >= maxBuckets {
			return nil
		}
	}
	if b.known == nil {
		b.known = map[K]*rate.Limiter{}
	}
	b.known[key] = l
	return l
}

func (b *buckets[K]) sweep(now time.Time) {
	b.swept = now
	for key, l := range b.known {
		if l.TokensAt(now) >= float64(l.Burst()) {
			delete(b.known, key)
		}
	}
}
