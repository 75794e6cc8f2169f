package pathmap

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// askAtOnce is how many members are asked for their heads in one round, once a second.
// A swarm that is no larger hears of a push in the next round. In a larger one members also
// learn of it from members that learned of it before: of a thousand, some 16 have it after
// one round, a quarter after two, all but a hundredth after three, and all after four. So
// it takes 4 s when every announcement was lost, and a round costs 16 small round trips
// however many members there are.
const askAtOnce = 16

// comparer asks members for their heads round by round. A member that does not answer is
// passed over until it does or is given up on, and keeps no other waiting.
type comparer struct {
	mu     sync.Mutex
	asking map[peer.ID]bool
}

// pick chooses the members of a round, at random beyond askAtOnce, and marks them.
func (c *comparer) pick(members []peer.ID) (ids []peer.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asking == nil {
		c.asking = map[peer.ID]bool{}
	}
	for _, i := range rand.Perm(len(members)) {
		if id := members[i]; !c.asking[id] && len(ids) < askAtOnce {
			c.asking[id] = true
			ids = append(ids, id)
		}
	}
	return ids
}

func (c *comparer) done(id peer.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.asking, id)
}

// While nothing changes and all members are asked in every round, rounds are further apart. A
// push whose announcement is lost is heard of in the next round all the same, within 2 s.
const (
	calmAfter = 10 // rounds without a change
	calmPause = 2  // intervals between two rounds from then on
)

// calm counts the rounds in which heads and members stayed the same.
type calm struct {
	heads *[]cid.Cid
	ids   []peer.ID
	n     int
}

// pause returns how many intervals pass until the round after one in which these are asked.
func (c *calm) pause(heads *[]cid.Cid, ids []peer.ID, anxious bool) time.Duration {
	ids = slices.Sorted(slices.Values(ids))
	if anxious || heads != c.heads || !slices.Equal(ids, c.ids) {
		*c = calm{heads: heads, ids: ids}
	}
	if c.n++; c.n <= calmAfter || len(ids) > askAtOnce {
		return 1
	}
	return calmPause
}

// anxious reports whether this map waits for what others say.
func (m *Map) anxious() bool {
	_, twin := m.Twin()
	return twin || m.behind()
}

// ticker compares heads with members, because announcements can be lost.
func (m *Map) ticker() {
	tick := time.NewTimer(m.cfg.ExchangeInterval)
	defer tick.Stop()
	var calm calm
	for {
		select {
		case <-tick.C:
		case <-m.ctx.Done():
			return
		}
		m.checkTwin()
		ids := append(m.trusted(), m.unheard()...)
		m.forgetGone(ids)
		tick.Reset(calm.pause(m.heads.Load(), ids, m.anxious()) * m.cfg.ExchangeInterval)
		for _, x := range m.kept.only(ids) {
			m.run(x.close) // it waits for a member that takes nothing
		}
		for _, id := range m.comparer.pick(ids) {
			m.run(func() {
				defer m.comparer.done(id)
				m.compare(id)
			})
		}
	}
}

// Members in unheard are asked as well: they may be listening to another registry with this
// one's peer ID.
func (m *Map) unheard() []peer.ID {
	return slices.DeleteFunc(m.cfg.Swarm.Unheard(), func(id peer.ID) bool { return !m.cfg.Swarm.Trusts(id) })
}

// compare asks a member for its heads, and leaves those that are not merged here
// to the workers.
func (m *Map) compare(id peer.ID) {
	ctx, cancel := context.WithTimeout(m.ctx, stallLimit)
	defer cancel()
	x, heads, err := m.askForHeads(ctx, id)
	if err != nil {
		return // it is asked again: when it is a member, or in another round
	}
	defer m.lay(x)
	unknown, err := m.unknownHeads(heads)
	if err != nil {
		m.noteSync(id, err)
		return
	}
	if len(unknown) > 0 {
		m.lagging.lacks(id, time.Now())
		x.await(heads)
		m.inbox.add(id, heads)
	} else {
		m.follows(id)
		m.hasAllOf(id, heads)
		x.caughtUp()
	}
	m.firstHeads.met.happen()
}
