package engine

import (
	"context"
	"math/rand/v2"

	"golang.org/x/sync/errgroup"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

// mostDialBacks is how many members are asked whether they reach this registry.
const mostDialBacks = 8

// MemberReach is how this registry and a member that is connected reach each other.
type MemberReach struct {
	peer.Member
	Asked bool         // it was asked to dial this registry
	Reach peer.Reach   // what it said
	Err   error        // why it did not
	Data  peer.Outcome // of dialing its data port; "": it has none, or this registry has none
}

// Reach dials the data ports of all members that are connected and trusted, and has some of them
// dial this registry. They are in the order of their IDs. It takes up to some ten seconds.
func (e *Engine) Reach(ctx context.Context) []MemberReach {
	if e.Peer == nil {
		return nil
	}
	var all []MemberReach
	for _, m := range e.Peer.Members() {
		if m.Connected && e.Peer.Trusts(m.ID) {
			all = append(all, MemberReach{Member: m})
		}
	}
	for n, i := range rand.Perm(len(all)) {
		all[i].Asked = n < mostDialBacks
	}
	var g errgroup.Group
	g.SetLimit(askAtOnce)
	for i := range all {
		of := &all[i]
		g.Go(func() error {
			if e.Peer.HasData(of.ID) {
				of.Data = e.Peer.TryData(ctx, of.ID)
			}
			return nil
		})
		if !of.Asked {
			continue
		}
		g.Go(func() error {
			if of.Err = e.mayAsk(of.Member, "reach", "whether it reaches this registry"); of.Err == nil {
				of.Reach, of.Err = e.Peer.AskToDial(ctx, of.ID)
			}
			return nil
		})
	}
	_ = g.Wait() // what failed is said of each
	return all
}
