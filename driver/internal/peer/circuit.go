package peer

import (
	"context"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/transport"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	"github.com/multiformats/go-multiaddr"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer/protector"
)

// circuitDelay is for how long a peer is dialed at its own addresses alone, before it is dialed by way
// of others as well.
const circuitDelay = time.Second

// circuitBy is the address of any peer by way of a relay with which this peer is connected.
func circuitBy(relay peer.ID) multiaddr.Multiaddr {
	c, err := multiaddr.NewComponent("p2p", relay.String())
	if err != nil { // it is no peer ID
		return nil
	}
	return multiaddr.Join(c, circuit)
}

var circuit = multiaddr.StringCast("/p2p-circuit")

// relayOf is the peer by way of which an address leads; "" when it leads straight to its host.
func relayOf(a multiaddr.Multiaddr) peer.ID {
	relay, rest := multiaddr.SplitFunc(a, func(c multiaddr.Component) bool { return c.Protocol().Code == multiaddr.P_CIRCUIT })
	if rest == nil {
		return ""
	}
	if _, id := peer.SplitAddr(relay); id != "" {
		return id
	}
	return unknownRelay
}

// RelayIn is the peer ID of the relay in an address; "" when it leads straight.
func RelayIn(address string) string {
	a, err := multiaddr.NewMultiaddr(address)
	if err != nil {
		return ""
	}
	return relayOf(a).String()
}

// unknownRelay is no peer's ID.
const unknownRelay peer.ID = "?"

// rankDials is libp2p's order of dials, in which a relay waits for what leads straight to the peer.
func rankDials(addrs []multiaddr.Multiaddr) []network.AddrDelay {
	ranked := swarm.DefaultDialRanker(addrs)
	wait := time.Duration(0)
	for _, r := range ranked {
		if relayOf(r.Addr) == "" {
			wait = circuitDelay
		}
	}
	for i, r := range ranked {
		if relayOf(r.Addr) != "" {
			ranked[i].Delay = wait
		}
	}
	return ranked
}

// addCircuits has a host dial and answer by way of relays with either of two protector keys. With one key
// libp2p does so by itself.
func addCircuits(h host.Host, u transport.Upgrader, keys *protector.Keys) error {
	c, err := client.New(h, keys.Upgrader(u))
	if err != nil {
		return err
	}
	n, ok := h.Network().(transport.TransportNetwork)
	if !ok {
		return fmt.Errorf("the host's network is a %T", h.Network())
	}
	if err := n.AddTransport(&twoKeysCircuit{c, keys}); err != nil {
		return err
	}
	if err := n.Listen(circuit); err != nil {
		return err
	}
	c.Start()
	return nil
}

type twoKeysCircuit struct {
	*client.Client
	keys *protector.Keys
}

// Dial implements transport.Transport.
func (t *twoKeysCircuit) Dial(ctx context.Context, at multiaddr.Multiaddr, id peer.ID) (transport.CapableConn, error) {
	return t.keys.Dial(ctx, func(ctx context.Context) (transport.CapableConn, error) { return t.Client.Dial(ctx, at, id) })
}
