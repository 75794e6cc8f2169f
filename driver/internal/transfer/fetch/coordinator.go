package fetch

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/crew"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/schedule"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// maxQueued is how many events may wait for a coordinator before their senders wait as well.
const maxQueued = 64

// coordinator owns the state of one transfer. Everything that happens reaches it as an event.
// Whatever can take time is done by a goroutine that the coordinator starts, that reports by
// an event, and that the coordinator waits for in the end. Only the coordinator's own goroutine
// may use its fields.
type coordinator struct {
	j      *Job
	plan   *schedule.Plan
	roster *schedule.Roster
	orders map[*schedule.Run]*order
	claim  *crew.Claim // to workers
	wg     sync.WaitGroup

	presumed peer.ID // to hold the blob when the transfer began; empty: nobody

	begun   bool // a leaf has come since the transfer began
	relayed bool // a holder named others to ask
	hashing bool // what an earlier run left is being hashed
	idle    bool // a worker is free, and there is nothing to order
	unsaid  bool // there is news that nobody has been told yet
	first   firstLeaf
	search  search
	polls   polls
	ordered int // orders that were begun
	swap    swap
	line    line
	record  record

	asked map[peer.ID]bool // members
	last  error            // see End.Last
}

func newCoordinator(j *Job) *coordinator {
	t := j.f.Timing
	timing := schedule.Timing{Grace: t.Grace, Hedge: t.Hedge, Yield: t.Yield, Retry: t.Retry, Backoff: t.Backoff, Stall: t.Stall}
	leaves := dag.LeavesOf(j.ref.Size)
	return &coordinator{
		j: j, claim: j.f.Crew.Join(), orders: map[*schedule.Run]*order{}, asked: map[peer.ID]bool{}, line: line{next: max(j.why.Leaf, 0), most: 1, mute: map[peer.ID]int{}},
		record: newRecord(j),
		plan:   schedule.NewPlan(leaves, schedule.NewOrder(j.f.Self, leaves), timing),
		roster: schedule.NewRoster(timing, rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))),
	}
}

// run carries out the transfer, and returns when all that it started has ended. The error is
// nil when the whole blob is here, or was handed on.
func (c *coordinator) run() error {
	c.presume()
	c.begin()
	c.wg.Go(c.j.open)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for c.j.ctx.Err() == nil {
		select {
		case e := <-c.j.events:
			e.apply(c)
			c.applyQueued()
		case <-c.claim.Wake():
		case <-timer.C:
		case <-c.j.ctx.Done():
			continue
		}
		timer.Reset(c.act(time.Now()))
	}
	close(c.j.end.stopped)
	c.wg.Wait()
	c.record.rest(c)
	c.claim.Leave()
	if err := context.Cause(c.j.ctx); !errors.Is(err, errWhole) {
		return err
	}
	return nil
}

// applyQueued applies the events that have queued up, so that one decision covers all of them.
func (c *coordinator) applyQueued() {
	for range maxQueued {
		select {
		case e := <-c.j.events:
			e.apply(c)
		default:
			return
		}
	}
}

// act does what there is to do now, and returns how long to wait before acting again if nothing
// happens.
func (c *coordinator) act(now time.Time) time.Duration {
	next := min(c.watch(), c.seek(now), c.poll(now), c.j.f.Timing.Yield, c.plan.Hedge(now))
	c.assign(now)
	c.lastResort(now)
	c.listen(now)
	c.record.Turn(now, c.phase(now))
	c.tell()
	return max(next, time.Millisecond)
}

// watch fails the job when no byte has come for Timing.Stall, or no verified leaf for
// Timing.Trickle. Bytes that come so slowly that no leaf would be whole by then are as good as none.
// It returns how long to wait before watching again.
func (c *coordinator) watch() time.Duration {
	m, t := &c.j.meter, c.j.f.Timing
	busy := c.hashing || m.held.Load() > 0 // read before the meter: its end counts as progress
	quiet := m.quiet()
	if c.hangs(time.Now()) {
		quiet = m.still()
	}
	left := min(t.Stall-quiet, t.Trickle-m.still())
	switch {
	case busy:
		left = max(left, t.Retry)
	case left <= 0:
		c.j.cancel(ErrStalled)
	}
	return left
}

// tell publishes what other goroutines look at, and wakes them.
func (c *coordinator) tell() {
	torn := c.roster.Torn()
	if c.j.here.torn.Swap(torn) != torn || c.unsaid {
		c.unsaid = false
		c.j.news.Raise()
	}
}

// absent returns the leaves that have to be fetched; nil until the layout is known.
func (c *coordinator) absent() bitset.Set {
	switch {
	case c.j.layout() == nil:
		return nil
	case c.j.passage != nil:
		return c.line.absent(c.j.layout().Leaves())
	case c.j.Has(0) && c.j.small():
		return bitset.New(1)
	case c.j.small():
		return bitset.Full(1)
	default:
		return c.j.partial().Absent()
	}
}

// endIfWhole ends the job once the blob is complete, and reports whether it is.
func (c *coordinator) endIfWhole() bool {
	leaves := dag.LeavesOf(c.j.ref.Size)
	if c.j.passage == nil && c.j.Verified().Count() < leaves || c.j.passage != nil && c.line.next < leaves {
		return false
	}
	c.j.cancel(errWhole)
	return true
}

// end sums up the transfer.
func (c *coordinator) end(cause error) End {
	return End{
		Cause: cause, Asked: slices.Sorted(maps.Keys(c.asked)), Last: c.last, Received: c.j.meter.got.Load(),
		Story: c.told(time.Now()),
	}
}

// presume guesses a holder, so that leaves can be asked of it before it has said what it
// holds: the likely member of the job's Purpose, else the only other member, else the one that
// served the last blob.
func (c *coordinator) presume() {
	f := c.j.f
	members := f.Holders.Connected()
	id := f.Holders.Last()
	switch {
	case slices.Contains(members, c.j.why.Likely):
		id = c.j.why.Likely
	case len(members) == 1:
		id = members[0]
	}
	if slices.Contains(members, id) && !f.Holders.Blames(id, c.j.ref.CID) && !f.Holders.Standing(id).Sunk {
		c.roster.Guess(id)
		c.judge(id)
		c.presumed = id
	}
}

// judge tells the roster what is known of a member from all transfers.
func (c *coordinator) judge(id peer.ID) {
	c.roster.Judge(id, schedule.Standing(c.j.f.Holders.Standing(id)))
}

// beaten cuts an order whose next leaf is here. Its holder is held to account if it has sent as good
// as nothing: in transfers that end with this leaf nobody would look at how the order ends.
func (c *coordinator) beaten(o *order) {
	o.refresh()
	if !c.plan.Mute(time.Now(), o.run) {
		o.cut(errOvertaken)
		return
	}
	o.cut(errMute)
	c.j.f.Holders.Beaten(o.holder)
	c.judge(o.holder)
	if namer := o.run.Namer; namer != "" {
		c.j.f.Holders.Beaten(namer)
		c.judge(namer)
	}
}

// settle gives a holder back, and notes what it did. A holder that was interrupted is not to
// blame, but did not serve anything either.
func (c *coordinator) settle(id peer.ID, err error) {
	switch {
	case errors.Is(err, errOvertaken), err != nil && c.j.ctx.Err() != nil:
		err = nil
	case errors.Is(err, errMute):
		c.keepCause(err)
	case err != nil:
		c.noteFailure(id, err)
	case c.roster.Holds(id):
		c.j.f.Holders.Served(id)
	}
	c.roster.Done(time.Now(), id, outcomeOf(err))
	c.unsaid = true
}

// noteFailure logs how a holder failed. One that sent wrong bytes is avoided, and told so.
func (c *coordinator) noteFailure(id peer.ID, err error) {
	c.keepCause(err)
	log := c.j.log().WithError(err).WithField("peer", id)
	if errors.Is(err, wire.ErrLied) || errors.Is(err, wire.ErrSilent) || errors.Is(err, errSlow) {
		c.j.f.Holders.Sink(id)
		c.judge(id)
	}
	if !errors.Is(err, wire.ErrLied) {
		log.Debug("a holder failed: trying others")
		return
	}
	c.j.f.Holders.Blame(id, c.j.ref.CID)
	log.Warn("a member sent wrong bytes of a blob: trying others; its copy may be damaged")
	if wrong := new(wrongLeaf); errors.As(err, &wrong) {
		c.j.f.Doubt(id, c.j.ref.CID, wrong.leaf)
	}
}

// keepCause remembers how a holder failed, for the error of the whole transfer. Wrong bytes say
// more than the failures after them: a holder that hears that its copy is damaged sets it aside,
// no longer has it, and may be too busy with that to answer.
func (c *coordinator) keepCause(err error) {
	if !errors.Is(c.last, wire.ErrLied) || errors.Is(err, wire.ErrLied) {
		c.last = err
	}
}

func outcomeOf(err error) schedule.Outcome {
	switch {
	case err == nil:
		return schedule.Delivered
	case errors.Is(err, wire.ErrGone):
		return schedule.Gone
	case errors.Is(err, wire.ErrLied):
		return schedule.Lied
	}
	return schedule.Broke
}
