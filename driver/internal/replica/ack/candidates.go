package ack

import (
	"cmp"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/replica/place"
)

// candidates are the members that can be asked for a blob, in the order in which to ask them: those
// that are to keep it, the others that keep blobs, those that keep none for others, and at last
// those of which that is not known. Before all of them come those that took the upload early.
func candidates(m Members, b Blob) []peer.ID {
	c := b.CID
	all := append(slices.Clone(m.Here), m.Self)
	slices.SortFunc(all, func(a, b place.Member) int { return cmp.Compare(a.ID, b.ID) })
	view := place.NewView(all)
	var ids []peer.ID
	if _, inline := dag.InlineBytes(c); !inline {
		ids = view.Keepers(nil, c, place.All)
	}
	ids = append(ids, view.Everybody()...)
	for _, of := range all {
		ids = append(ids, of.ID)
	}
	var order []peer.ID
	if b.Early != nil {
		ids = append(b.Early.here(m), ids...)
	}
	for _, id := range ids {
		if id != m.Self.ID && !slices.Contains(order, id) {
			order = append(order, id)
		}
	}
	return order
}
