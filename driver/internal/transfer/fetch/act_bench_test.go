package fetch

import (
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/schedule"
)

// BenchmarkALeaf is what a leaf costs the coordinator, without the leaf: that it has landed, and what
// is decided then, with seven orders under way.
func BenchmarkALeaf(b *testing.B) {
	const leaves = 1 << 20
	f := idleFetcher(b)
	ref := dag.Ref{CID: cid.NewCidV1(cid.Raw, []byte{0, 0}), Size: leaves * dag.LeafSize}
	j := f.New(ref, Purpose{Leaf: -1})
	defer j.cancel(ErrUnread)
	c := newCoordinator(j)
	c.search.looked, c.polls.under, c.first.over = time.Now().Add(time.Hour), true, true
	var of *order
	for i := range schedule.MaxStreams {
		id := peer.ID([]byte{byte(i)})
		c.roster.Add(id, nil)
		of = &order{run: &schedule.Run{From: i * 1000, To: leaves, Holder: id, Began: time.Now()}, holder: id, began: time.Now()}
		of.cut = func(error) {}
		c.plan.Claim(of.run)
		c.orders[of.run] = of
	}
	leaf := 0
	b.ResetTimer()
	for b.Loop() {
		of.flow.got.Add(dag.LeafSize)
		of.flow.last.Store(int64(time.Since(of.began)))
		landed{leaf, of}.apply(c)
		c.act(time.Now())
		leaf = (leaf + 1) % leaves
	}
}
