package peer

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer/dataport"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer/hearsay"
)

const helloProtocol protocol.ID = "/distribution-ipfs/members/1.0.0"

const (
	helloVersion    = 1
	maxGreetMembers = 2048 // of those that earlier releases name, up to 8192, the rest is not read
	maxID           = 128  // bytes of a peer ID as text
)

// hello is what two members tell each other, as JSON: the member that opens the stream
// sends its hello and closes its side, and the other answers with its own. Unknown
// fields are ignored, since releases differ within a swarm.
type hello struct {
	Version int             `json:"version"`
	Trust   string          `json:"trust"`            // digest of the sender's list of trusted peers
	Self    []string        `json:"self"`             // where the sender can be reached
	Data    []string        `json:"data,omitempty"`   // where its data port is, the likeliest first
	Relays  []string        `json:"relays,omitempty"` // peer IDs of members by way of which the sender is reached
	Name    string          `json:"name,omitempty"`   // what the sender's operator calls it
	Caps    []string        `json:"caps,omitempty"`   // capabilities of the sender
	Beat    json.RawMessage `json:"beat,omitempty"`   // a heartbeat of the sender
	Want    bool            `json:"want,omitempty"`   // members are asked for

	// "members", only in an answer to Want, names those with which the sender is connected, as
	// a list of helloMember.
}

type helloMember struct {
	ID    string   `json:"id"`
	Addrs []string `json:"addrs"`
	Caps  []string `json:"caps,omitempty"` // of its capabilities those the sender has, too

	Relays []string `json:"relays,omitempty"` // as in hello
}

var errHello = errors.New("malformed hello")

// writeHello sends a hello, and the members one by one: all of them take much memory.
func writeHello(to io.Writer, g hello, members iter.Seq[helloMember]) error {
	g.Version = helloVersion
	b, err := json.Marshal(g)
	if err != nil {
		return fmt.Errorf("encode hello: %w", err)
	}
	w, begun := bufio.NewWriter(to), false
	_, _ = w.Write(b[:len(b)-1]) // without the last brace; Flush tells the error
	for m := range members {
		if b, err = json.Marshal(m); err != nil {
			return fmt.Errorf("encode hello: %w", err)
		}
		if !begun {
			_, _ = w.WriteString(`,"members":[`)
		} else {
			_ = w.WriteByte(',')
		}
		begun = true
		if _, err := w.Write(b); err != nil {
			return fmt.Errorf("send hello: %w", err)
		}
	}
	if begun {
		_ = w.WriteByte(']')
	}
	_ = w.WriteByte('}')
	if err := w.Flush(); err != nil {
		return fmt.Errorf("send hello: %w", err)
	}
	return nil
}

// parseAddrs takes what it can read of a list of addresses, at most maxAddrs.
func parseAddrs(list []string) []multiaddr.Multiaddr {
	var addrs []multiaddr.Multiaddr
	for _, s := range list {
		if len(addrs) == maxAddrs {
			break
		}
		if len(s) > maxText {
			continue
		}
		if a, err := multiaddr.NewMultiaddr(s); err == nil && !multiaddr.Contains(addrs, a) {
			addrs = append(addrs, a)
		}
	}
	return addrs
}

func formatAddrs(addrs []multiaddr.Multiaddr) []string {
	list := make([]string, 0, len(addrs))
	for _, a := range addrs {
		list = append(list, a.String())
	}
	return list
}

// usefulTo returns the addresses that mean the same at both ends of a connection; a
// loopback address does so only on one machine.
func usefulTo(c network.Conn, addrs []multiaddr.Multiaddr) []multiaddr.Multiaddr {
	if manet.IsIPLoopback(c.RemoteMultiaddr()) {
		return addrs
	}
	return multiaddr.FilterAddrs(addrs, func(a multiaddr.Multiaddr) bool {
		return !manet.IsIPLoopback(a) && !manet.IsIPUnspecified(a) && !isLinkLocal(a)
	})
}

// dataUsefulTo is usefulTo for addresses of a data port, where the unspecified address
// stands for the host that the connection shows.
func dataUsefulTo(c network.Conn, addrs []multiaddr.Multiaddr) []multiaddr.Multiaddr {
	loopback := manet.IsIPLoopback(c.RemoteMultiaddr())
	return multiaddr.FilterAddrs(addrs, func(a multiaddr.Multiaddr) bool {
		return dataport.IsAddr(a) && (loopback || !manet.IsIPLoopback(a) && !isLinkLocal(a))
	})
}

// isLinkLocal reports whether only neighbors reach an address; clouds answer there, too.
func isLinkLocal(a multiaddr.Multiaddr) bool {
	ip, ok := hearsay.IPOf(a)
	return ok && ip.IsLinkLocalUnicast()
}

func formatIDs(ids []peer.ID) (list []string) {
	for _, id := range ids {
		list = append(list, id.String())
	}
	return list
}
