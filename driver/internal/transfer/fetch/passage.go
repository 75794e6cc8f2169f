package fetch

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/schedule"
)

// window is how many verified leaves wait for the reader of a stream. With the one that
// is arriving and the one that is being read, a stream has four leaves in memory.
const window = 2

// passage is the way by which the leaves of a blob that cannot be kept go to its one reader.
type passage struct {
	leaves chan []byte  // verified; closed when the job has ended
	passed atomic.Int64 // bytes of the leaves that were handed to the reader
}

// NewStream makes the transfer of a blob that cannot be kept: from a leaf on, its leaves
// come one after the other, are verified and handed to the one reader of Leaves. Members are
// not told of it, since it cannot feed others that fetch the blob.
func (f *Fetcher) NewStream(ref dag.Ref, leaf int) *Job {
	j := f.New(ref, Purpose{Leaf: leaf})
	j.passage = &passage{leaves: make(chan []byte, window)}
	return j
}

// Leaves gives the leaves of a stream, and is closed after the last, when the transfer has
// ended. It is nil for other transfers.
func (j *Job) Leaves() <-chan []byte {
	if j.passage == nil {
		return nil
	}
	return j.passage.leaves
}

// Passed is how many bytes of a stream were handed to its reader; false for other transfers.
func (j *Job) Passed() (int64, bool) {
	if j.passage == nil {
		return 0, false
	}
	return j.passage.passed.Load(), true
}

// handOn gives the reader a leaf. Time spent waiting for the reader does not count
// as waiting for members.
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

// line is the leaves of a blob that is handed on and not kept, one after the other.
type line struct {
	next int
	most int // leaves of the next request: few until the reader shows that it goes on
}

func (l *line) passed(leaf int) { l.next = leaf + 1 }

func (l *line) finished() { l.most = min(2*l.most, schedule.MaxRun) }

// absent is all that was not handed on.
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
	if c.j.layout() == nil || len(c.orders) > 0 || c.swap.under || !c.hire(true) {
		return
	}
	from := c.line.next
	id, ok := c.roster.Pick(now, from)
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
}
