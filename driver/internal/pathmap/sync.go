package pathmap

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/errgroup"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

const (
	roundTimeout = 30 * time.Second // of asking one member; a long history takes several
	syncWorkers  = 32               // members asked at once for what they named; they read in turns
	maxAsked     = 64               // members asked at once by CatchUp
)

// ErrBehind reports that a member named changes that did not arrive in time, so
// that a path that is not in the map may still exist.
var ErrBehind = errors.New("still catching up with the other registries: try again")

// join starts answering members and asking them.
func (m *Map) join() error {
	l, err := m.cfg.Swarm.Listen(Protocol)
	if err != nil {
		return fmt.Errorf("answer members: %w", err)
	}
	m.listener = l
	m.run(m.accept)
	m.run(m.publisher)
	m.run(m.ticker)
	for range syncWorkers {
		m.run(m.worker)
	}
	return nil
}

// Announced takes an announcement of heads that a trusted member published. One that is not
// connected cannot be asked for what it names: its changes come from others.
func (m *Map) Announced(from peer.ID, payload []byte) {
	if m.cfg.Swarm.Source(from).Rank < limit.Trusted {
		return
	}
	heads, err := decodeHeads(payload)
	if err != nil {
		m.log.WithField("peer", from).WithError(err).Debug("announcement dropped")
		return
	}
	if counter, ok := counterOf(payload); ok {
		m.hearCounter(counter)
	}
	if len(heads) > 0 {
		m.expect(from, heads[len(heads)-1])
	}
	m.inbox.add(from, heads)
}

// Joined makes the map compare its heads with those of a member that has just appeared.
func (m *Map) Joined(id peer.ID) {
	if m.cfg.Swarm.Trusts(id) {
		m.refused.again(id) // it may be of a later release now
		m.inbox.add(id, nil)
	}
}

func (m *Map) worker() {
	for {
		select {
		case <-m.inbox.wake:
		case <-m.ctx.Done():
			return
		}
		for {
			id, heads, ok := m.inbox.next()
			if !ok {
				break
			}
			err := m.syncWith(id, heads)
			m.noteSync(id, err)
			if errors.Is(err, errOvertaken) {
				m.inbox.add(id, heads) // it continues when no other exchange needs the turn
			}
			m.inbox.done(id)
		}
	}
}

// noteSync logs an exchange that failed. When this machine is to blame, it logs a warning
// once, until an exchange succeeds, because then the map does not advance, and nothing else
// shows that.
func (m *Map) noteSync(id peer.ID, err error) {
	log := m.log.WithField("peer", id).WithError(err)
	switch {
	case err == nil:
		m.stuck.Store(false)
	case m.ctx.Err() != nil:
	case errors.Is(err, errBadDelta):
		m.refuses(id, err)
	case errors.Is(err, errStranded):
		m.stranded(id, err)
	case errors.Is(err, errNotStored) && !m.stuck.Swap(true):
		log.Warn("changes of other registries cannot be stored: this registry does not follow them until it can; is the disk full?")
	default:
		log.Debug("path exchange ended early, it continues later")
	}
}

// syncWith follows a member's heads: those that it announced, or else those that it names
// now.
func (m *Map) syncWith(id peer.ID, heads []cid.Cid) error {
	if len(heads) > 0 {
		unknown, err := m.unknownHeads(heads)
		if err != nil {
			return err
		}
		if len(unknown) == 0 { // others brought it
			m.lagging.hasAll(id, heads)
			return nil
		}
		m.lagging.lacks(id, time.Now()) // also when it named more than was merged just now
	}
	x, err := m.dial(m.ctx, id)
	if err != nil {
		return err
	}
	defer x.close()
	if len(heads) == 0 {
		if heads, err = x.heads(); err != nil {
			return err
		}
		x.await(heads)
		m.firstHeads.met.happen()
		err = m.followAll(m.ctx, x, heads)
	} else if err = x.follow(m.ctx, heads); err == nil {
		m.hasAllOf(id, heads)
	}
	if err != nil {
		return err
	}
	m.noteMerged(id)
	return nil
}

func (m *Map) trusted() []peer.ID {
	var ids []peer.ID
	for _, id := range m.cfg.Swarm.Connected() {
		if m.cfg.Swarm.Trusts(id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// CatchUp asks every trusted member for its heads, and returns when all heads that they
// named are merged: everything that they had acknowledged before the call is then visible
// here. When heads that a member named did not arrive, the error is ErrBehind; likewise, for a
// minute, when a member refuses to answer, or one that has answered before, or was of use, does not,
// though it is there. After that, and when it is not known to be a registry, or gives no sign of
// life, it is passed over.
func (m *Map) CatchUp(ctx context.Context) error {
	return m.CatchUpUntil(ctx, func() bool { return false })
}

// CatchUpUntil is CatchUp for who has enough before: a member that is slow to answer keeps nobody
// waiting for what another one has brought. enough is asked at first, and after each change of the map.
func (m *Map) CatchUpUntil(ctx context.Context, enough func() bool) error {
	if m.cfg.Swarm == nil || len(m.trusted()) == 0 {
		return nil
	}
	all := m.rounds.join(ctx, m.run, func(deadline time.Time) error {
		ctx, cancel := context.WithDeadline(m.ctx, deadline)
		defer cancel()
		return m.askAll(ctx)
	})
	for {
		changed := m.published.wait() // first, so that no change is missed
		if enough() {
			return nil
		}
		select {
		case <-changed:
			continue
		case <-all.done:
			if all.err == nil || !m.mayLack() {
				return nil
			}
			return all.err
		case <-ctx.Done():
			if !m.mayLack() {
				return nil
			}
			return ErrBehind
		}
	}
}

// Unasked is CatchUp for who has no time to ask: ErrBehind, if there is a trusted member to ask that
// may know more.
func (m *Map) Unasked() error {
	if m.cfg.Swarm == nil || len(m.trusted()) == 0 || !m.mayLack() {
		return nil
	}
	return ErrBehind
}

// mayLack reports whether a member can have heads that did not arrive: none can before one has named
// some, or should have.
func (m *Map) mayLack() bool { return m.firstHeads.named.Load() || m.unanswered.knowsAny() }

// askAll asks all members at once, up to maxAsked.
func (m *Map) askAll(ctx context.Context) error {
	var behind atomic.Bool
	var g errgroup.Group
	g.SetLimit(maxAsked)
	for _, id := range m.trusted() {
		g.Go(func() error {
			if m.askOne(ctx, id) {
				behind.Store(true)
			}
			return nil
		})
	}
	_ = g.Wait()
	if behind.Load() {
		return ErrBehind
	}
	return nil
}

// askOne reports whether the member named heads that are not merged now, or may have some that
// it could not name. It is given a third of the time to name them: the rest is for merging.
func (m *Map) askOne(ctx context.Context, id peer.ID) (behind bool) {
	patience := roundTimeout
	if deadline, ok := ctx.Deadline(); ok {
		patience = time.Until(deadline) / 3
	}
	first, cancel := context.WithTimeout(ctx, patience)
	isAlive := m.askIfAlive(first, id, patience/2)
	x, heads, err := m.headsOf(first, id)
	if err == nil {
		defer x.close()
		heard := x.continueUntil(ctx)
		cancel()
		_ = isAlive()
		return !heard || m.merges(ctx, x, heads)
	}
	alive := isAlive()
	cancel()
	return m.didNotAnswer(id, err, alive)
}

// merges follows the heads that a member has named, and reports whether some are not merged then.
func (m *Map) merges(ctx context.Context, x *exchange, heads []cid.Cid) (behind bool) {
	err := m.followAll(ctx, x, heads)
	if errors.Is(err, errBadDelta) {
		m.refuses(x.id, err)
		return false // what is missing does not come, however long one waits
	}
	if errors.Is(err, errStranded) {
		m.stranded(x.id, err)
	} else if err != nil {
		m.log.WithField("peer", x.id).WithError(err).Debug("catching up")
	}
	unknown, err := m.unknownHeads(heads)
	if err != nil || len(unknown) > 0 {
		return true
	}
	x.caughtUp()
	return false
}

// rounds lets requests that miss at the same time share one round of asking. A request
// never joins a round that began before it, because it must see everything that was
// acknowledged before it.
type rounds struct {
	mu      sync.Mutex
	running *round
	waiting *round
}

type round struct {
	done     chan struct{}
	deadline time.Time
	err      error
}

// join gives a round that begins now, or later, and goes on when nobody waits for it any more.
func (r *rounds) join(ctx context.Context, start func(func()), ask func(time.Time) error) *round {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(roundTimeout)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	mine := r.waiting
	if mine == nil {
		mine = &round{done: make(chan struct{})}
		r.waiting = mine
	}
	if mine.deadline.Before(deadline) {
		mine.deadline = deadline
	}
	if r.running == nil {
		r.next(start, ask)
	}
	return mine
}

// next starts the waiting round; r.mu is held.
func (r *rounds) next(start func(func()), ask func(time.Time) error) {
	cur := r.waiting
	r.running, r.waiting = cur, nil
	if cur == nil {
		return
	}
	start(func() {
		cur.err = ask(cur.deadline)
		close(cur.done)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.next(start, ask)
	})
}
