package simulate

import (
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/schedule"
)

// Member is a registry.
type Member struct {
	swarm     *Swarm
	id        peer.ID
	link      Link
	here      bitset.Set // leaves that are undamaged, as far as the member knows
	rotten    bitset.Set // those of them that are damaged
	whole     bool
	damaged   bool // it knows that its copy is damaged
	started   bool
	dead      bool
	mute      bool
	trees     *schedule.Trees
	waiters   []*waiter
	sending   int        // slots in use
	queue     []*attempt // that wait for a slot
	out, in   []*stream
	level     fair
	sent, got float64 // bytes
	pull      *pull   // nil: it had the blob from the start
}

// waiter is a request for a leaf that will come.
type waiter struct {
	leaf int
	a    *attempt
	late *event
}

// Die breaks all connections of the member, which is gone from then on.
func (m *Member) Die() {
	m.dead = true
	if m.pull != nil && !m.whole {
		m.swarm.pulling--
		m.pull.stop()
	}
	for _, st := range slices.Clone(m.out) {
		st.a.finish(answer{kind: broke})
	}
}

// Fall makes the member mute: its connections stay, but nothing comes through them any more.
func (m *Member) Fall() {
	m.mute = true
	for _, st := range m.out {
		st.a.silence = m.swarm.after(silenceTime, func() { st.a.finish(answer{kind: broke, silent: true}) })
	}
	m.swarm.shared = append(m.swarm.shared, m)
}

// Slow gives the member another link, for example a slower one.
func (m *Member) Slow(l Link) {
	m.link = l
	m.swarm.shared = append(m.swarm.shared, m)
}

// Rot damages leaves of the member's copy. The member does not know of that.
func (m *Member) Rot(leaves ...int) {
	for _, i := range leaves {
		m.rotten.Add(i)
	}
}

// oneWay returns how long a byte takes to another member.
func (m *Member) oneWay(to *Member) time.Duration { return m.link.Latency + to.link.Latency }

// serve answers a request for leaves.
func (m *Member) serve(a *attempt) {
	leaf := a.f.run.From
	switch {
	case m.mute:
	case m.dead:
		a.answer(answer{kind: broke})
	case m.whole:
		last := min(a.f.run.To, leaf+schedule.MaxRun) - 1
		if a.one {
			last = leaf
		}
		above := m.trees.Enter(m.swarm.clock(), cid.Undef, leaf, last, a.f.p.m.id, a.how == ratherRelayed)
		if len(above) > 0 && !m.swarm.Habits.NoTrees {
			a.answer(answer{kind: named, ids: above})
			return
		}
		m.send(a)
	case m.here.Has(leaf):
		a.stream()
	case !m.started || m.damaged:
		a.answer(answer{kind: gone})
	case a.how == whenHere:
		w := &waiter{leaf: leaf, a: a}
		w.late = m.swarm.after(askTime, func() {
			m.waiters = slices.DeleteFunc(m.waiters, func(o *waiter) bool { return o == w })
			a.answer(answer{kind: notYet})
		})
		m.waiters = append(m.waiters, w)
	default:
		a.answer(answer{kind: notYet})
	}
}

// send begins to send, or has the request wait for a slot.
func (m *Member) send(a *attempt) {
	if slots := m.swarm.Habits.Slots; slots > 0 {
		if m.sending == slots {
			m.queue = append(m.queue, a)
			return
		}
		m.sending++
		a.sent = true
	}
	a.stream()
}

// sentTo notes that a request is done, and gives its slot to the next one.
func (m *Member) sentTo() {
	m.sending--
	for len(m.queue) > 0 {
		next := m.queue[0]
		m.queue = m.queue[1:]
		if !next.ended {
			m.send(next)
			return
		}
	}
}

// landed answers the requests that wait for a leaf.
func (m *Member) landed(leaf int) {
	m.waiters = slices.DeleteFunc(m.waiters, func(w *waiter) bool {
		if w.leaf == leaf {
			m.swarm.cancel(w.late)
			w.a.stream()
		}
		return w.leaf == leaf
	})
}

// doubt tells the member that a leaf of its copy is wrong. The member checks all of its leaves, and
// keeps those that are undamaged.
func (m *Member) doubt(leaf int) {
	if !m.rotten.Has(leaf) || m.dead || m.mute {
		return
	}
	m.whole, m.damaged = false, true
	for i := range m.swarm.leaves {
		if m.rotten.Has(i) {
			m.here.Drop(i)
		}
	}
	m.rotten = bitset.New(m.swarm.leaves)
}
