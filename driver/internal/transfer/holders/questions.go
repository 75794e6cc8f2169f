package holders

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

// RememberFor is how long a question, with its answers, is remembered after it began.
const RememberFor = 2 * time.Second

// maxAsking is how many members are asked at the same moment.
const maxAsking = 64

// Question is one round of asking every connected member for a blob. It is safe for
// concurrent use.
type Question struct {
	at      time.Time
	telling bool // members are told that we fetch the blob
	asked   []peer.ID
	changed *signal.Signal // an answer has come
	done    chan struct{}  // closed when all have answered or had their time
	expiry  *time.Timer    // guarded by the directory's mu

	mu     sync.Mutex
	whole  []peer.ID // in the order of their answers
	some   map[peer.ID]*wire.Part
	silent []peer.ID // trusted ones that have failed to answer
}

func newQuestion(asked []peer.ID, telling bool) *Question {
	return &Question{
		at: time.Now(), telling: telling, asked: asked, changed: signal.New(),
		done: make(chan struct{}), some: map[peer.ID]*wire.Part{},
	}
}

// Asked returns the members that are asked. The caller must not modify the slice.
func (q *Question) Asked() []peer.ID { return q.asked }

// Telling reports whether the members are told that the blob is being fetched here.
func (q *Question) Telling() bool { return q.telling }

// Changed returns a channel that is closed when another member has answered.
func (q *Question) Changed() <-chan struct{} { return q.changed.Wait() }

// Done returns a channel that is closed when all members have answered or had their time.
func (q *Question) Done() <-chan struct{} { return q.done }

// Answers returns what is known so far: the members that have the whole blob, in the order of their
// answers; those that have a part of it; and whether a trusted member has failed to answer.
func (q *Question) Answers() (whole []peer.ID, some map[peer.ID]*wire.Part, silent bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.whole), maps.Clone(q.some), len(q.silent) > 0
}

// Silent returns the trusted members that have failed to answer so far.
func (q *Question) Silent() []peer.ID {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.silent)
}

func (q *Question) note(id peer.ID, whole bool, some *wire.Part, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case err != nil:
		q.silent = append(q.silent, id)
	case whole:
		q.whole = append(q.whole, id)
	case some != nil:
		q.some[id] = some
	}
	q.changed.Raise()
}

// Ask returns the question about a blob that is under way, or the last one if it began less than
// age ago, or else a new one. So callers that want to know at the same time ask only once. With
// telling, a new question tells the members that the blob is being fetched here, and only then do
// the answers say which leaves the others have. Ask returns nil when the directory is closing.
func (d *Directory) Ask(ref dag.Ref, age time.Duration, telling bool) *Question {
	d.mu.Lock()
	defer d.mu.Unlock()
	last := d.known[ref]
	if last != nil {
		select {
		case <-last.done:
			if time.Since(last.at) < age {
				return last
			}
		default:
			return last
		}
	}
	return d.begin(ref, telling)
}

// askAnew is Ask for a caller to whom no question that has begun is recent enough.
func (d *Directory) askAnew(ref dag.Ref) *Question {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.begin(ref, false)
}

// begin begins a question. The lock is held.
func (d *Directory) begin(ref dag.Ref, telling bool) *Question {
	if d.ctx.Err() != nil {
		return nil
	}
	if last := d.known[ref]; last != nil && last.expiry != nil {
		last.expiry.Stop()
	}
	q := newQuestion(d.cfg.Connected(), telling)
	d.known[ref] = q
	d.wg.Go(func() { d.run(q, ref) })
	return q
}

func (d *Directory) run(q *Question, ref dag.Ref) {
	ctx, cancel := context.WithTimeoutCause(d.ctx, d.cfg.Ask, wire.ErrSilent)
	defer cancel()
	var g errgroup.Group
	g.SetLimit(maxAsking)
	for _, id := range q.asked {
		g.Go(func() error {
			whole, some, err := d.cfg.Client.Holds(ctx, id, ref, q.telling)
			if err != nil && !d.cfg.Trusts(id) {
				err = nil // nobody waits for what it might have said
			}
			q.note(id, whole, some, err)
			return nil
		})
	}
	_ = g.Wait() // no function of it returns an error
	close(q.done)
	d.forgetLater(q, ref)
}

// forgetLater drops a question once it is too old to be used, because it may hold a set of leaves
// for every member.
func (d *Directory) forgetLater(q *Question, ref dag.Ref) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ctx.Err() != nil || d.known[ref] != q {
		return
	}
	q.expiry = time.AfterFunc(time.Until(q.at.Add(RememberFor)), func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.known[ref] == q {
			delete(d.known, ref)
		}
	})
}
