package engine

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/summary"
)

// askSummaries is how many members are asked how they are at the same time: all, in a swarm of any
// usual size, so that the silent ones make nobody wait for longer than one does.
const askSummaries = 256

// MemberSummary is what a member says of itself.
type MemberSummary struct {
	peer.Member
	Summary summary.Summary
	Err     error // why there is none
}

// AskSummaries asks all other registries that this one knows how they are, side by side. They come
// by their IDs.
func (e *Engine) AskSummaries(ctx context.Context) []MemberSummary {
	return e.askSummaries(ctx, e.missed())
}

// AskAgain asks those that answered.
func (e *Engine) AskAgain(ctx context.Context, before []MemberSummary) []MemberSummary {
	var members []peer.Member
	for _, m := range before {
		if m.Err == nil {
			members = append(members, m.Member)
		}
	}
	return e.askSummaries(ctx, members)
}

func (e *Engine) askSummaries(ctx context.Context, members []peer.Member) []MemberSummary {
	all := make([]MemberSummary, len(members))
	var g errgroup.Group
	g.SetLimit(askSummaries)
	for i, m := range members {
		g.Go(func() error {
			of := &all[i]
			of.Member = m
			if of.Err = e.mayAsk(m, "summary", "how it is"); of.Err == nil {
				of.Summary, of.Err = e.summaries.Ask(ctx, m.ID)
			}
			return nil
		})
	}
	_ = g.Wait() // what failed is said of each
	return all
}
