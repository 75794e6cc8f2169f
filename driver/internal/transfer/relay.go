package transfer

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

const (
	// fanout is to how many registries a member that had the blob before sends a leaf; each
	// of these sends it to as many others.
	fanout = 2
	// maxRelays is how many relays a holder names, beside those above the asking registry.
	maxRelays = 8
)

// relays decides which registry passes a leaf on to which, when many ask for it at the same
// time: they form a tree, in the order in which they asked. So what the member that they
// asked has to send does not grow with their number.
type relays struct {
	lasts time.Duration // a tree
	mu    sync.Mutex
	trees map[place]*tree
	swept time.Time
}

// place is a leaf of a blob.
type place struct {
	root cid.Cid
	leaf int
}

type tree struct {
	born time.Time
	ids  []peer.ID // the parent of i is i/fanout-1; the first fanout have none
}

func newRelays(lasts time.Duration) *relays {
	return &relays{lasts: lasts, trees: map[place]*tree{}}
}

// enter gives id its place in the trees of leaves of a blob. When id would rather be
// relayed, and others came before it, it gets a place for the first leaf only, and the
// members that can give it that leaf.
func (r *relays) enter(root cid.Cid, first, last int, id peer.ID, rather bool) (above []peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.swept) > r.lasts/10 {
		r.swept = time.Now()
		maps.DeleteFunc(r.trees, func(_ place, t *tree) bool { return time.Since(t.born) > r.lasts })
	}
	for leaf := first; leaf <= last; leaf++ {
		above = r.tree(place{root, leaf}).enter(id)
		if rather && leaf == first && len(above) > 0 {
			return above
		}
	}
	return nil
}

// tree returns the tree of a leaf, a new one when the last is too old; mu is held.
func (r *relays) tree(at place) *tree {
	t := r.trees[at]
	if t == nil || time.Since(t.born) > r.lasts {
		t = &tree{born: time.Now()}
		r.trees[at] = t
	}
	return t
}

// enter returns the members above id, its parent first, and others at the same height.
func (t *tree) enter(id peer.ID) (above []peer.ID) {
	i := slices.Index(t.ids, id)
	if i < 0 {
		i, t.ids = len(t.ids), append(t.ids, id)
	}
	if i < fanout {
		return nil
	}
	for up := i; up >= fanout; {
		up = up/fanout - 1
		above = append(above, t.ids[up])
	}
	for _, other := range t.ids[:max(i/fanout, fanout)] {
		if len(above) < maxRelays && !slices.Contains(above, other) {
			above = append(above, other)
		}
	}
	return above
}

// relayed notes which member gets which leaves of a blob. The error names those that have
// the first of them earlier, if there are any and the asking member prefers to be relayed.
func (t *Transfers) relayed(q *wire.BlobRequest, size int64) error {
	if !q.Ranged || q.Peer == "" {
		return nil
	}
	first := leafAt(q.From)
	last := min(leafAt(min(q.To, size-1)), first+maxRun-1)
	if above := t.relays.enter(q.CID, first, last, q.Peer, q.Relay); len(above) > 0 {
		return &wire.RelayedError{IDs: above}
	}
	return nil
}

// firstLeaf receives a leaf of a blob of which nothing is here yet, from the run's holder
// or from members that this one names. The run that it returns is that of the member which
// sent the bytes, or failed last.
func (j *job) firstLeaf(r *run, from int64, buf []byte) (*run, error) {
	err := j.inPieces(r, from, buf, wire.Terms{Relay: true})
	var relayed *wire.RelayedError
	if !errors.As(err, &relayed) {
		return r, err
	}
	return j.fromRelays(r, relayed.IDs, j.t.timing.relay, from, buf)
}

// laterLeaf receives the next leaf of a run whose holder named others to ask.
func (j *job) laterLeaf(r *run, ids []peer.ID, buf []byte) (*run, error) {
	leaf := r.from
	_, from, length := j.plan.layout.Leaf(leaf)
	r, err := j.fromRelays(r, ids, j.t.timing.ask, from, buf[:length])
	if err == nil {
		err = j.keep(r, leaf, buf[:length])
	}
	return r, err
}

// fromRelays receives the next leaf of a run from members that get it as well, and may
// themselves still be waiting for it; when they fail, or have nothing for too long, from
// the run's holder after all. A slow member is overtaken as any holder is.
func (j *job) fromRelays(r *run, ids []peer.ID, patience time.Duration, from int64, buf []byte) (*run, error) {
	j.relayed.Store(true)
	holder, until := r.id, time.Now().Add(patience)
	ids = j.relays(r, ids)
	if !j.plan.shorten(r) {
		return r, errOvertaken
	}
	var err error
	for len(ids) > 0 && time.Now().Before(until) && !errors.Is(err, wire.ErrSilent) {
		id := ids[0]
		j.roster.meet(id)
		r = j.hand(r, id, j.t.timing.ask, err)
		err = j.inPieces(r, from, buf, j.whenHere())
		if err == nil || j.needless(leafAt(from), err) {
			return r, err
		}
		ids = ids[1:]
		if errors.Is(err, wire.ErrNotYet) && time.Since(r.began) > j.t.timing.ask/2 {
			ids, err = append(ids, id), nil // the member waited, and may have the leaf soon
		}
	}
	r = j.hand(r, holder, 0, err)
	return r, j.inPieces(r, from, buf, wire.Terms{})
}

// whenHere asks a member to wait for a leaf, as long as a run that is handed to it may.
func (j *job) whenHere() wire.Terms { return wire.Terms{Wait: j.t.timing.ask} }

// needless reports whether a leaf that did not come need not come any more.
func (j *job) needless(leaf int, err error) bool {
	return j.ctx.Err() != nil || errors.Is(err, errOvertaken) || j.plan.has(leaf)
}

// relays returns those of some members that can be asked for the next leaf of a run:
// connected ones that have not failed, have no bad copy, and are not being asked for that
// leaf already.
func (j *job) relays(r *run, ids []peer.ID) []peer.ID {
	connected := j.t.cfg.Swarm.Connected()
	return slices.DeleteFunc(ids, func(id peer.ID) bool {
		return !slices.Contains(connected, id) || j.t.grudges.holds(id, j.ref.CID) ||
			j.roster.failed(id) || j.plan.asks(id, r.from)
	})
}

// hand gives a run to another holder; err is how the one before failed, if it did.
func (j *job) hand(r *run, id peer.ID, patience time.Duration, err error) *run {
	if err == nil {
		j.roster.free(r.id)
	} else {
		j.settle(j.ctx, r.id, err)
	}
	j.roster.take(id)
	return j.plan.hand(r, id, patience)
}
