package transfer

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/errgroup"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/signal"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

const (
	rememberFor = 2 * time.Second // an answer
	maxAsking   = 64              // members asked at the same moment
)

// question is one round of asking every connected member for a blob.
type question struct {
	at      time.Time
	telling bool // that we fetch it
	asked   []peer.ID
	changed *signal.Signal // an answer came
	done    chan struct{}  // all have answered, or had their time

	mu     sync.Mutex
	whole  []peer.ID // in the order of their answers
	some   map[peer.ID]*wire.Part
	silent bool // some did not answer
}

// answers gives what is known so far.
func (q *question) answers() (whole []peer.ID, some map[peer.ID]*wire.Part, silent bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.whole), maps.Clone(q.some), q.silent
}

func (q *question) note(id peer.ID, whole bool, some *wire.Part, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case err != nil:
		q.silent = true
	case whole:
		q.whole = append(q.whole, id)
	case some != nil:
		q.some[id] = some
	}
	q.changed.Raise()
}

// questions remembers briefly which member holds which blob, and asks only once for callers
// that want to know at the same time.
type questions struct {
	t     *Transfers
	mu    sync.Mutex
	known map[dag.Ref]*question
}

// ask joins the question about a blob that is under way, or one not older than age, or
// starts one. When the blob is being fetched here, the question tells the members so, and
// only then learns which leaves other registries that fetch it have. Nil when the transfers
// are closing.
func (s *questions) ask(ref dag.Ref, age time.Duration, telling bool) *question {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q := s.known[ref]; q != nil {
		select {
		case <-q.done:
			if time.Since(q.at) < age {
				return q
			}
		default:
			return q
		}
	}
	if !s.t.hold() {
		return nil
	}
	q := &question{
		at: time.Now(), telling: telling, asked: s.t.cfg.Swarm.Connected(), changed: signal.New(),
		done: make(chan struct{}), some: map[peer.ID]*wire.Part{},
	}
	s.known[ref] = q
	go func() {
		defer s.t.wg.Done()
		s.run(q, ref)
		time.AfterFunc(time.Until(q.at.Add(rememberFor)), func() { s.forget(q, ref) })
	}()
	return q
}

// forget drops questions that are too old to be answers, because each may hold a set of
// leaves for every member.
func (s *questions) forget(q *question, ref dag.Ref) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known[ref] == q {
		delete(s.known, ref)
	}
}

func (s *questions) run(q *question, ref dag.Ref) {
	ctx, cancel := context.WithTimeoutCause(s.t.ctx, s.t.timing.ask, wire.ErrSilent)
	defer cancel()
	var g errgroup.Group
	g.SetLimit(maxAsking)
	for _, id := range q.asked {
		g.Go(func() error {
			whole, some, err := s.t.client.Holds(ctx, id, ref, q.telling)
			q.note(id, whole, some, err)
			return nil
		})
	}
	_ = g.Wait() // nothing in it fails
	close(q.done)
}

// Holders asks the connected members which of them hold a blob whole; self is not among
// them, nor are members that lately sent wrong bytes of it, or that are gone by now.
// Answers are remembered for two seconds. It returns when all have answered, or a moment
// after the first that holds it; members that do not answer are given two seconds. When the
// error is that of ctx, there may be holders all the same.
func (t *Transfers) Holders(ctx context.Context, ref dag.Ref) ([]peer.ID, error) {
	if t.cfg.Swarm == nil {
		return nil, nil
	}
	q := t.questions.ask(ref, rememberFor, false)
	if q == nil {
		return nil, ErrClosing
	}
	err := t.awaitHolders(ctx, q)
	whole, _, _ := q.answers()
	connected := t.cfg.Swarm.Connected() // an answer is remembered for longer than its member may stay connected
	return slices.DeleteFunc(whole, func(id peer.ID) bool {
		return t.grudges.holds(id, ref.CID) || !slices.Contains(connected, id)
	}), err
}

func (t *Transfers) awaitHolders(ctx context.Context, q *question) error {
	var enough <-chan time.Time
	for {
		changed := q.changed.Wait()
		if whole, _, _ := q.answers(); enough == nil && len(whole) > 0 {
			enough = time.After(t.timing.grace)
		}
		select {
		case <-changed:
		case <-q.done:
			return nil
		case <-enough:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
