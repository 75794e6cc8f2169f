package engine

import (
	"maps"
	"slices"
	"time"

	libpeer "github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/lease"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

// ListedName is what the lists of peers call one; "": nothing.
func (e *Engine) ListedName(id libpeer.ID) (name string) {
	if e.lists == nil {
		return ""
	}
	e.lists.mu.Lock()
	defer e.lists.mu.Unlock()
	for _, f := range e.lists.both() {
		if name = f.list.Names[id]; name != "" {
			return name
		}
	}
	return ""
}

// NeverMet are those that this registry does not know as members: whom its lists name, and who once wrote
// to its map, and has not been forgotten since. They are sorted by ID, and without this registry.
func (e *Engine) NeverMet() ([]Member, error) {
	if e.Peer == nil {
		return nil, nil
	}
	forgotten, err := e.notWaited()
	if err != nil {
		return nil, err
	}
	ids := map[libpeer.ID]bool{}
	for _, writer := range lease.Known(e.Self(), nil, e.Paths.Writers(), forgotten) {
		if id, err := libpeer.Decode(writer); err == nil {
			ids[id] = true
		}
	}
	lists := e.lists.peers()
	for _, id := range slices.Concat(lists.Trusted, lists.Allowed) {
		ids[id] = true
	}
	delete(ids, e.self)
	for _, m := range e.Peer.Members() {
		delete(ids, m.ID)
	}
	for _, id := range e.revokedIDs() {
		delete(ids, id)
	}
	var all []Member
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		all = append(all, Member{Member: peer.Member{ID: id}, Trusted: e.Peer.Trusts(id), Allowed: e.Peer.Allows(id)})
	}
	return all, nil
}

// Expiry is how long a member may be away before it is forgotten.
func (e *Engine) Expiry() time.Duration { return e.cfg.MemberExpiry }
