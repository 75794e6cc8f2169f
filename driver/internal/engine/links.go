package engine

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	libpeer "github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

// pingTime is how long a member may take to answer a ping before it is shown without a round trip.
const pingTime = 2 * time.Second

// Link is how this registry and a peer are connected.
type Link = peer.Link

// Bootstrapper is a member that the configuration names to join by.
type Bootstrapper = peer.Bootstrapper

// Links are the connections to all peers that are connected now, members or not, sorted by ID.
func (e *Engine) Links() []Link {
	if e.Peer == nil {
		return nil
	}
	return e.Peer.Links()
}

// RelayIn is the peer ID of the member by way of which a connection's address leads; "" when it leads straight.
func RelayIn(address string) string { return peer.RelayIn(address) }

// RelayedHere is how many connections between other members pass over this registry now, and how many bytes it has passed on.
func (e *Engine) RelayedHere() (circuits, bytes int64) {
	if e.Peer == nil {
		return 0, 0
	}
	return e.Peer.RelayedHere()
}

// RoundTrips pings the connected members, side by side, and gives the times by peer ID. Those that do not answer within two
// seconds are left out.
func (e *Engine) RoundTrips(ctx context.Context) map[string]time.Duration {
	if e.Peer == nil {
		return nil
	}
	ids := e.Peer.Connected()
	took := make([]time.Duration, len(ids))
	var g errgroup.Group
	g.SetLimit(askSummaries)
	for i, id := range ids {
		g.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, pingTime)
			defer cancel()
			if d, err := e.Peer.RoundTrip(ctx, id); err == nil {
				took[i] = d
			}
			return nil
		})
	}
	_ = g.Wait() // who is silent is left out
	all := map[string]time.Duration{}
	for i, id := range ids {
		if took[i] > 0 {
			all[id.String()] = took[i]
		}
	}
	return all
}

// RefusedTo is how often a peer was refused what since the start, as far as it is remembered.
func (e *Engine) RefusedTo(id string) map[string]int64 {
	all := map[string]int64{}
	of, err := libpeer.Decode(id)
	if err != nil || e.Peer == nil {
		return all
	}
	for what, n := range e.Peer.Budget().RefusedTo(of) {
		all[string(what)] = n
	}
	return all
}
