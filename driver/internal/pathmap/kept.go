package pathmap

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// keptPatience is how long a connection that is kept may say nothing. Nothing tells that it is
// dead when its member has another address by now; on another connection the member may answer.
const keptPatience = stallLimit / 5

// kept are the connections on which members are asked for their heads, from one round to the
// next: a new stream to each member every second was more than half of what an idle registry
// cost. They are kept only while all members are asked in every round, so there are askAtOnce
// at most, one a member.
type kept struct {
	mu   sync.Mutex
	of   []peer.ID // the members whose connections are kept
	free map[peer.ID]keptExchange
}

// keptExchange is one that nobody uses now.
type keptExchange struct {
	x     *exchange
	since time.Time
}

// take returns the connection to a member, which is the caller's from now on; nil when none
// is kept.
func (k *kept) take(id peer.ID) *exchange {
	k.mu.Lock()
	defer k.mu.Unlock()
	x := k.free[id].x
	delete(k.free, id)
	return x
}

// put keeps a connection; false when it should be closed.
func (k *kept) put(x *exchange) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, twice := k.free[x.id]; twice || !slices.Contains(k.of, x.id) {
		return false
	}
	if k.free == nil {
		k.free = map[peer.ID]keptExchange{}
	}
	k.free[x.id] = keptExchange{x, time.Now()}
	return true
}

// only says who may be asked in the next round, and returns the connections to close: those
// to others, and those that have not been used for long.
func (k *kept) only(ids []peer.ID) (over []*exchange) {
	if len(ids) > askAtOnce {
		ids = nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.of = ids
	for id, e := range k.free {
		if time.Since(e.since) > staleDial || !slices.Contains(ids, id) {
			over = append(over, e.x)
			delete(k.free, id)
		}
	}
	return over
}

// askForHeads asks a member for its heads, on the connection that is kept. When there is
// none, or that one fails in time for another attempt, it dials. The exchange is the caller's.
func (m *Map) askForHeads(ctx context.Context, id peer.ID) (*exchange, []cid.Cid, error) {
	if x := m.kept.take(id); x != nil {
		if heads, ok := x.headsSoon(ctx); ok {
			return x, heads, nil
		}
		x.close()
	}
	x, err := m.dial(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	heads, err := x.heads()
	if err != nil {
		x.close()
		return nil, nil, err
	}
	return x, heads, nil
}

// headsSoon asks for heads, and gives up after keptPatience.
func (x *exchange) headsSoon(ctx context.Context) ([]cid.Cid, bool) {
	soon, cancel := context.WithTimeout(ctx, keptPatience)
	defer cancel()
	if !x.continueUntil(soon) {
		return nil, false
	}
	heads, err := x.heads()
	return heads, err == nil && x.continueUntil(ctx)
}

// lay keeps an exchange for the next round, or closes it. A member that has said more than it
// was asked for is asked on another one.
func (m *Map) lay(x *exchange) {
	if x.r.Buffered() > 0 || !x.continueUntil(m.ctx) || !m.kept.put(x) {
		x.close()
	}
}
