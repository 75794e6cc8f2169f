package pathmap

import (
	"context"
	"sync"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// inbox holds what is to be asked of which member: one errand per member, however often the
// member announced something, in addition to the one that is being run.
type inbox struct {
	mu   sync.Mutex
	todo map[peer.ID]*errand
	busy map[peer.ID]*errand
	wake chan struct{}
}

// maxErrand is how many heads an errand remembers. A registry announces one at a time.
const maxErrand = 64

// errand is what is to be asked of one member.
type errand struct {
	heads []cid.Cid     // empty: ask for the heads
	over  chan struct{} // closed when it has been run, successfully or not
}

func newInbox() inbox {
	return inbox{todo: map[peer.ID]*errand{}, busy: map[peer.ID]*errand{}, wake: make(chan struct{}, 1)}
}

func (i *inbox) add(id peer.ID, heads []cid.Cid) {
	i.mu.Lock()
	e := i.todo[id]
	if len(heads) > maxErrand {
		heads = nil
	}
	switch {
	case e == nil:
		i.todo[id] = &errand{heads: heads, over: make(chan struct{})}
	case len(e.heads) == 0 || len(heads) == 0 || len(e.heads)+len(heads) > maxErrand:
		e.heads = nil
	default:
		e.heads = append(e.heads, heads...)
	}
	i.mu.Unlock()
	i.poke()
}

func (i *inbox) poke() {
	select {
	case i.wake <- struct{}{}:
	default:
	}
}

// next picks a member to which no worker is talking.
func (i *inbox) next() (id peer.ID, heads []cid.Cid, ok bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for id, e := range i.todo {
		if i.busy[id] != nil {
			continue
		}
		delete(i.todo, id)
		i.busy[id] = e
		if len(i.todo) > 0 {
			i.poke()
		}
		return id, e.heads, true
	}
	return "", nil, false
}

func (i *inbox) done(id peer.ID) {
	i.mu.Lock()
	close(i.busy[id].over)
	delete(i.busy, id)
	more := len(i.todo) > 0
	i.mu.Unlock()
	if more {
		i.poke()
	}
}

// pending are the errands that are not done yet.
func (i *inbox) pending() (all []*errand) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, of := range []map[peer.ID]*errand{i.todo, i.busy} {
		for _, e := range of {
			all = append(all, e)
		}
	}
	return all
}

// Follow waits until the map has followed, as far as it could, what members named before
// the call. It sends no new questions, and ends with ctx at the latest.
func (m *Map) Follow(ctx context.Context) {
	for _, e := range m.inbox.pending() {
		select {
		case <-e.over:
		case <-ctx.Done():
			return
		}
	}
}
