package peer

import (
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/pb"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	"github.com/multiformats/go-multiaddr"
)

// What this peer does at most for members that cannot reach each other. docs/operations.md names the numbers.
const (
	reservationTime    = time.Hour // after which a member has to ask anew
	maxReservations    = 1024
	maxCircuits        = 1024     // in all
	maxCircuitsOfOne   = 256      // of one member, to members that cannot reach it
	relayBuffer        = 64 << 10 // bytes of a circuit in each direction, beside its streams' windows
	noLimitOfAddresses = math.MaxInt
)

// relaying lets trusted members that cannot reach each other meet by way of this peer, by libp2p's circuit
// relay (https://github.com/libp2p/specs/blob/master/relay/circuit-v2.md): it passes on bytes that it cannot
// read. Circuits end neither after some time nor after some bytes, which libp2p would take for connections
// that are not to be used for long; all circuits of a member pass over its one connection with this peer.
type relaying struct {
	peer     *Peer
	service  *relay.Relay
	circuits atomic.Int64 // that are open
	bytes    atomic.Int64 // passed on
}

// openRelay begins to relay, if the configuration lets it.
func (p *Peer) openRelay() (err error) {
	if !p.cfg.Relay || !p.cfg.private() {
		return nil
	}
	r := &relaying{peer: p}
	r.service, err = newRelay(p.host, r)
	if err != nil {
		return fmt.Errorf("relay: %w", err)
	}
	p.relaying = r
	return nil
}

func newRelay(h host.Host, r *relaying) (*relay.Relay, error) {
	return relay.New(h, relay.WithACL(r), relay.WithMetricsTracer(r),
		relay.WithResources(relay.Resources{
			ReservationTTL: reservationTime, MaxReservations: maxReservations, MaxCircuits: maxCircuitsOfOne, BufferSize: relayBuffer,
			MaxReservationsPerIP: noLimitOfAddresses, MaxReservationsPerASN: noLimitOfAddresses, // many may be behind one NAT
		}),
		// Who is to dial by way of this peer is connected with it.
		relay.WithReservationAddressFilter(func(multiaddr.Multiaddr) bool { return false }))
}

func (r *relaying) close() error {
	if r == nil {
		return nil
	}
	return r.service.Close()
}

// serves reports whether a peer may meet others here.
func (r *relaying) serves(id peer.ID) bool { return r.peer.IsMember(id) && r.peer.Trusts(id) }

// AllowReserve implements relay.ACLFilter.
func (r *relaying) AllowReserve(id peer.ID, _ multiaddr.Multiaddr) bool { return r.serves(id) }

// AllowConnect implements relay.ACLFilter.
func (r *relaying) AllowConnect(from peer.ID, _ multiaddr.Multiaddr, to peer.ID) bool {
	return r.serves(from) && r.serves(to) && r.circuits.Load() < maxCircuits
}

// ConnectionOpened implements relay.MetricsTracer, as the methods below do.
func (r *relaying) ConnectionOpened() { r.circuits.Add(1) }

// ConnectionClosed is called once for each ConnectionOpened.
func (r *relaying) ConnectionClosed(time.Duration) { r.circuits.Add(-1) }

// BytesTransferred is told of bytes that were passed on.
func (r *relaying) BytesTransferred(n int) { r.bytes.Add(int64(n)) }

// RelayStatus takes no part.
func (*relaying) RelayStatus(bool) {}

// ConnectionRequestHandled takes no part.
func (*relaying) ConnectionRequestHandled(pb.Status) {}

// ReservationAllowed takes no part.
func (*relaying) ReservationAllowed(bool) {}

// ReservationClosed takes no part.
func (*relaying) ReservationClosed(int) {}

// ReservationRequestHandled takes no part.
func (*relaying) ReservationRequestHandled(pb.Status) {}

// RelayedHere is how many connections between other members pass over this peer now, and how many bytes
// it has passed on since it was made.
func (p *Peer) RelayedHere() (circuits, bytes int64) {
	if p.relaying == nil {
		return 0, 0
	}
	return p.relaying.circuits.Load(), p.relaying.bytes.Load()
}
