package ack

import (
	"cmp"
	"slices"
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/replica/place"
)

// lineup is the members among which the blobs of pushes are placed, as they were last: they are
// the same for many blobs. It is safe for concurrent use.
type lineup struct {
	mu   sync.Mutex
	all  []place.Member
	view *place.View
}

// among is the view of members, which are in the order of their IDs.
func (l *lineup) among(all []place.Member) *place.View {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.view == nil || !slices.Equal(l.all, all) {
		l.all, l.view = all, place.NewView(all)
	}
	return l.view
}

// candidates are the members that can be asked for a blob, in the order in which to ask them: those
// that are to keep it, the others that keep blobs, those that keep none for others, and at last
// those of which that is not known. Before all of them come those that took the upload early.
func (l *lineup) candidates(m Members, b Blob) []peer.ID {
	c := b.CID
	all := append(slices.Clone(m.Here), m.Self)
	slices.SortFunc(all, func(a, b place.Member) int { return cmp.Compare(a.ID, b.ID) })
	view := l.among(all)
	var ids []peer.ID
	if b.Early != nil {
		ids = b.Early.here(m)
	}
	if _, inline := dag.InlineBytes(c); !inline {
		ids = append(ids, view.Keepers(nil, c, place.All)...)
	}
	ids = append(ids, view.Everybody()...)
	for _, of := range all {
		ids = append(ids, of.ID)
	}
	order, seen := make([]peer.ID, 0, len(all)), map[peer.ID]bool{m.Self.ID: true}
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			order = append(order, id)
		}
	}
	return order
}
