package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"golang.org/x/sync/errgroup"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/replica"
)

// askAtOnce is how many members are asked about copies at the same time.
const askAtOnce = 32

// Copy is what a registry has of a blob.
type Copy = replica.Copy

// MemberCopies is what a registry has of some blobs, in their order.
type MemberCopies struct {
	PeerID string
	Name   string // "" when it is not known
	Copies []Copy
	Err    error // why nothing is known
}

// AskCopies asks this registry and all others that it knows what they have of some blobs: this
// one comes first, then the others by their IDs.
func (e *Engine) AskCopies(ctx context.Context, blobs []cid.Cid) []MemberCopies {
	members := e.missed()
	all := make([]MemberCopies, 1+len(members))
	all[0] = MemberCopies{PeerID: e.Self(), Name: e.Name()}
	all[0].Copies, all[0].Err = e.Copies.Have(blobs)
	var g errgroup.Group
	g.SetLimit(askAtOnce)
	for i, m := range members {
		g.Go(func() error {
			of := &all[1+i]
			of.PeerID, of.Name = m.ID.String(), m.Name
			of.Copies, of.Err = e.askCopies(ctx, m, blobs)
			return nil
		})
	}
	_ = g.Wait() // what failed is said of each
	return all
}

// missed are the members that are connected, or would be missed.
func (e *Engine) missed() []peer.Member {
	if e.Peer == nil {
		return nil
	}
	return slices.DeleteFunc(e.Peer.Members(), func(m peer.Member) bool { return !m.Connected && !m.Confirmed })
}

func (e *Engine) askCopies(ctx context.Context, m peer.Member, blobs []cid.Cid) ([]Copy, error) {
	if err := e.mayAsk(m, "copies", "what it has"); err != nil {
		return nil, err
	}
	return e.Copies.Ask(ctx, m.ID, blobs)
}

// mayAsk says why a member is not asked for something, if it is not.
func (e *Engine) mayAsk(m peer.Member, capability, what string) error {
	switch {
	case !e.Peer.Trusts(m.ID):
		return errors.New("is not trusted")
	case !m.Connected:
		return errors.New(awaySince(m))
	case !slices.Contains(m.Capabilities, capability) && !m.Greeted:
		return errors.New("has just been connected, and has not said yet what it understands: ask again")
	case !slices.Contains(m.Capabilities, capability):
		return fmt.Errorf("is of an earlier release, which does not say %s", what)
	}
	return nil
}

func awaySince(m peer.Member) string { return "away since " + m.Since.Format(time.RFC3339) }

// WhyUnheard says why the registry of that peer ID could not be asked: err, which is what happened
// when it was tried, unless it is away, or was never met.
func (e *Engine) WhyUnheard(id string, err error) string {
	var members []peer.Member
	if e.Peer != nil {
		members = e.Peer.Members()
	}
	i := slices.IndexFunc(members, func(m peer.Member) bool { return m.ID.String() == id })
	switch {
	case i >= 0 && !members[i].Connected:
		return awaySince(members[i])
	case i < 0 && (err == nil || errors.Is(err, peer.ErrNotMember)):
		return "it wrote to the map before, and is no member of this registry now"
	case err == nil:
		return ""
	}
	return err.Error()
}
