package fetch

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"go.opentelemetry.io/otel/trace"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/schedule"
)

// window is how many verified leaves may wait for the reader of a stream. With the one that
// is arriving and the one that is being read, a stream has four leaves in memory.
const window = 2

// passage carries the leaves of a blob that cannot be kept to its one reader.
type passage struct {
	leaves chan []byte  // verified; closed when the job has ended
	passed atomic.Int64 // bytes of the leaves that were handed to the reader
}

// NewStream makes the transfer of a blob that cannot be kept. Its leaves, from the given one on,
// are fetched in order, verified, and handed to the one reader of Leaves. Members are not told
// of the transfer, since it cannot pass leaves on to them. It is in the trace of its reader.
func (f *Fetcher) NewStream(ref dag.Ref, leaf int, within trace.SpanContext) *Job {
	j := f.New(ref, Purpose{Leaf: leaf, Within: within})
	j.passage = &passage{leaves: make(chan []byte, window)}
	return j
}

// Leaves returns the channel of a stream's leaves. It is closed when the transfer has ended. For
// other transfers it is nil.
func (j *Job) Leaves() <-chan []byte {
	if j.passage == nil {
		return nil
	}
	return j.passage.leaves
}

// Passed returns how many bytes of a stream were handed to its reader; false for other transfers.
func (j *Job) Passed() (int64, bool) {
	if j.passage == nil {
		return 0, false
	}
	return j.passage.passed.Load(), true
}

// handOn gives the reader a leaf. The time that it waits for the reader does not count as time
// without progress.
func (j *Job) handOn(leaf []byte) error {
	j.meter.held.Add(1)
	defer j.meter.held.Add(-1)
	defer j.meter.progress()
	select {
	case j.passage.leaves <- leaf:
		j.passage.passed.Add(int64(len(leaf)))
		return nil
	case <-j.ctx.Done():
		return context.Cause(j.ctx)
	}
}

// line is how far a blob has come that is handed on and not kept.
type line struct {
	next int // the first leaf that has not been handed on
	most int // how many leaves to request next: few until the reader shows that it goes on

	mute  map[peer.ID]int // the round in which a holder was last cut, since the last leaf
	round int             // each gives the holders twice as long to send something as the one before
}

// maxRounds is after how many rounds a holder is given no longer.
const maxRounds = 7

func (l *line) passed(leaf int) { l.next = leaf + 1 }

func (l *line) finished() { l.most = min(2*l.most, schedule.MaxRun) }

// cut are the holders that have sent nothing in this round.
func (l *line) cut() (ids []peer.ID) {
	for id, round := range l.mute {
		if round == l.round {
			ids = append(ids, id)
		}
	}
	return ids
}

// patience is how much longer than hedge a holder is given in this round. A round that was long
// enough for a leaf is not forgotten: on a line with a long way, a shorter one is of no use.
func (l *line) patience(hedge time.Duration) time.Duration { return hedge<<l.round - hedge }

// absent returns the leaves that have not been handed on.
func (l *line) absent(leaves int) bitset.Set {
	s := bitset.New(leaves)
	for i := l.next; i < leaves; i++ {
		s.Add(i)
	}
	return s
}

// assignNext orders the next leaves of a blob that is handed on.
func (c *coordinator) assignNext(now time.Time) {
	leaves := dag.LeavesOf(c.j.ref.Size)
	c.dropMute(now)
	if c.j.layout() == nil || len(c.orders) > 0 || c.swap.under || !c.hire(true) {
		return
	}
	from := c.line.next
	id, ok := c.roster.Pick(now, from, c.line.cut()...)
	if !ok {
		id, ok = c.roster.Pick(now, from)
	}
	if !ok {
		c.claim.Give(1)
		return
	}
	n := 1
	if c.roster.Holds(id) {
		n = min(c.line.most, leaves-from)
	}
	r := &schedule.Run{First: from, From: from, To: from + n, Holder: id, Began: now, Last: now}
	c.plan.Claim(r)
	c.start(&order{run: r, hold: hold{seats: 1}})
	r.Patience = c.line.patience(c.j.f.Timing.Hedge) // only to be called mute: Timing.Silence stays
}

// dropMute cuts an order that brings nothing, when another holder can be asked. Two orders must not
// bring the same leaf, which the reader would get twice; so the one that is cut may have been slow
// and not mute, and once all have been cut, each is asked again, and given longer.
func (c *coordinator) dropMute(now time.Time) {
	for _, o := range c.orders {
		o.refresh()
		switch {
		case !c.plan.Mute(now, o.run) || context.Cause(o.ctx) != nil:
		case c.roster.Another(now, o.holder, c.line.next, c.line.cut()...):
			c.line.mute[o.holder] = c.line.round
			o.cut(errMute)
		case len(c.line.mute) > 0 && c.line.round < maxRounds:
			c.line.round++
			o.run.Patience = c.line.patience(c.j.f.Timing.Hedge)
		}
	}
}

// outdone holds those to account that were cut while they sent nothing, once somebody has sent the
// leaf.
func (c *coordinator) outdone(by peer.ID) {
	for id := range c.line.mute {
		if id != by {
			c.j.f.Holders.Beaten(id)
			c.judge(id)
		}
	}
	clear(c.line.mute)
}
