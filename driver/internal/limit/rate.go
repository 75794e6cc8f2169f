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
}

func newRate(what What, rates Rates, refused *refused) *Rate {
	r := &Rate{what: what, refused: refused}
	for i := range ranks {
		r.all[i] = rates.All[i].limiter()
		r.peers[i] = buckets[peer.ID]{pace: rates.Peer[i]}
		r.addrs[i] = buckets[netip.Prefix]{pace: rates.Address[i]}
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
	of := []*rate.Limiter{r.all[from.Rank]}
	if from.Peer != "" {
		of = append(of, r.peers[from.Rank].of(from.Peer, now))
	}
	if from.Address.IsValid() {
		of = append(of, r.addrs[from.Rank].of(from.Address, now))
	}
	for _, l := range of {
		if l == nil || l.Limit() != rate.Inf && l.TokensAt(now) < float64(n) {
			return false
		}
	}
	for _, l := range of {
		l.AllowN(now, n)
	}
	return true
}

// buckets are the token buckets of one rank's sources.
type buckets[K comparable] struct {
	pace  Pace
	known map[K]*rate.Limiter
	swept time.Time
}

// of is a source's bucket; nil when there are too many.
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
