package survey

import (
	"cmp"
	"context"
	"iter"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer"
)

// Config is what a survey is made of.
type Config struct {
	Self peer.ID
	// Blobs yields the blobs of this disk that come after one, in an order of their own.
	Blobs func(ctx context.Context, after cid.Cid) iter.Seq2[dag.Ref, error]
	// Keepers appends the keepers of a blob; none: no copies are kept of it.
	Keepers func(dst []peer.ID, c cid.Cid) []peer.ID
	Kept    func(cid.Cid) bool // by this registry
	// Members are those that can be asked now.
	Members func() []peer.ID
	Ask     func(ctx context.Context, id peer.ID, blobs []cid.Cid) ([]transfer.Copy, error)
	// State changes with what a round depends on: the members and the blobs of this disk.
	State func() State
	// Least is the least time from one round to the next; 0: ten seconds.
	Least time.Duration
	// Rest is how many times as long as a round the rest after it is, at least; 0: twenty.
	Rest int
	Log  *logrus.Entry
}

// State is what a round depends on.
type State struct {
	Members string // that can be asked
	Keepers string // among whom blobs are placed
	Blobs   int
	Bytes   int64
}

const (
	least = 10 * time.Second
	most  = time.Hour // between two rounds, also when nothing changed here
	// While something is not safe, there are so many times the least time between two rounds.
	worried = 6
	// A round is followed by a rest of so many times as long.
	rest = 20
)

// Sum is a number of blobs, and of their bytes.
type Sum struct {
	Blobs int
	Bytes int64
}

func (s *Sum) add(size int64) { s.Blobs, s.Bytes = s.Blobs+1, s.Bytes+size }

// Result is what a round found.
type Result struct {
	OnlyHere Sum       // on no other registry that answered
	Few      Sum       // kept by fewer registries that answered than are to keep them
	Alone    []dag.Ref // the first of OnlyHere
	At       time.Time // the round ended
	Silent   int       // members that were asked and did not answer

	known known
}

// Copies is how many registries have a blob whole, this one among them; 0 for one that was not on
// this disk. Members that are no keepers of it were asked only until one had it, so that it may
// have more copies.
func (r Result) Copies(c cid.Cid) int { return r.known.of(c) }

// Survey makes rounds until it is closed. It is safe for concurrent use.
type Survey struct {
	cfg    Config
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu   sync.Mutex
	last *Result
}

// New makes a survey, which does nothing before Start.
func New(cfg Config) *Survey {
	cfg.Least, cfg.Rest = cmp.Or(cfg.Least, least), cmp.Or(cfg.Rest, rest)
	s := &Survey{cfg: cfg}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Start makes rounds from now on.
func (s *Survey) Start() { s.wg.Go(s.run) }

// Close ends a round that is under way, and waits for that. It may be called again, and without
// Start.
func (s *Survey) Close() {
	s.cancel()
	s.wg.Wait()
}

// Last is what the last round found; false before the first has ended.
func (s *Survey) Last() (Result, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil {
		return Result{}, false
	}
	return *s.last, true
}

func (s *Survey) run() {
	for s.pause(s.cfg.Least) { // members are just being met
		state, began := s.cfg.State(), time.Now()
		r := round{cfg: s.cfg, pause: s.pause}
		if err := r.run(s.ctx); err != nil {
			if s.ctx.Err() == nil {
				s.cfg.Log.WithError(err).Debug("how safe the blobs of this disk are is not known")
			}
			continue
		}
		r.result.At, r.result.Silent = time.Now(), len(r.silent)
		s.mu.Lock()
		s.last = &r.result
		s.mu.Unlock()
		s.rest(r.result, state, time.Duration(s.cfg.Rest)*time.Since(began))
	}
}

// rest waits until the next round is due: for the time that this one earned, at least.
func (s *Survey) rest(r Result, state State, earned time.Duration) {
	for waited := s.cfg.Least; s.pause(s.cfg.Least); waited += s.cfg.Least {
		if waited >= pauseAfter(r, s.cfg.State() != state, earned, s.cfg.Least)-s.cfg.Least {
			return // the next round begins with a pause
		}
	}
}

// pauseAfter is the time between two rounds.
func pauseAfter(r Result, changed bool, earned, least time.Duration) time.Duration {
	pause := most
	switch {
	case changed:
		pause = least
	case r.OnlyHere.Blobs+r.Few.Blobs+r.Silent > 0:
		pause = worried * least
	}
	return max(min(pause, most), earned)
}

func (s *Survey) pause(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-s.ctx.Done():
		return false
	}
}
