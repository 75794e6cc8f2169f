package peer

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer/dataport"
)

const (
	helloProtocol   protocol.ID = "/distribution-ipfs/members/1.0.0"
	helloVersion                = 1
	maxHello                    = 4 << 20 // bytes; a thousand members take some 300 kB
	maxGreetMembers             = 8192
	trustsAll                   = "*"
)

// hello is what two members tell each other, as JSON: the member that opens the stream
// sends its hello and closes its side, and the other answers with its own. Unknown
// fields are ignored, since releases differ within a swarm.
type hello struct {
	Version int             `json:"version"`
	Trust   string          `json:"trust"`             // digest of the sender's list of trusted peers
	Self    []string        `json:"self"`              // where the sender can be reached
	Data    []string        `json:"data,omitempty"`    // where its data port is, the likeliest first
	Name    string          `json:"name,omitempty"`    // what the sender's operator calls it
	Caps    []string        `json:"caps,omitempty"`    // capabilities of the sender
	Beat    json.RawMessage `json:"beat,omitempty"`    // a heartbeat of the sender
	Want    bool            `json:"want,omitempty"`    // Members are asked for
	Members []helloMember   `json:"members,omitempty"` // members with which the sender is connected
}

type helloMember struct {
	ID    string   `json:"id"`
	Addrs []string `json:"addrs"`
	Caps  []string `json:"caps,omitempty"` // of its capabilities those the sender has, too
}

var errHello = errors.New("malformed hello")

func writeHello(w io.Writer, g hello) error {
	g.Version = helloVersion
	b, err := json.Marshal(g)
	if err != nil {
		return fmt.Errorf("encode hello: %w", err)
	}
	if _, err = w.Write(b); err != nil {
		return fmt.Errorf("send hello: %w", err)
	}
	return nil
}

// readHello reads until the sender closes its side.
func readHello(r io.Reader) (hello, error) {
	var g hello
	b, err := io.ReadAll(io.LimitReader(r, maxHello+1))
	if err != nil {
		return g, fmt.Errorf("receive hello: %w", err)
	}
	if len(b) > maxHello {
		return g, fmt.Errorf("receive hello: %w: more than %d bytes", errHello, maxHello)
	}
	if err := json.Unmarshal(b, &g); err != nil {
		return g, fmt.Errorf("receive hello: %w: %w", errHello, err)
	}
	if g.Version < 1 || len(g.Members) > maxGreetMembers {
		return g, fmt.Errorf("receive hello: %w: version %d, %d members", errHello, g.Version, len(g.Members))
	}
	return g, nil
}

// parseAddrs takes what it can read of a list of addresses, at most maxAddrs.
func parseAddrs(list []string) []multiaddr.Multiaddr {
	var addrs []multiaddr.Multiaddr
	for _, s := range list {
		if len(addrs) == maxAddrs {
			break
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
		return !manet.IsIPLoopback(a) && !manet.IsIPUnspecified(a)
	})
}

// dataUsefulTo is usefulTo for addresses of a data port, where the unspecified address
// stands for the host that the connection shows.
func dataUsefulTo(c network.Conn, addrs []multiaddr.Multiaddr) []multiaddr.Multiaddr {
	loopback := manet.IsIPLoopback(c.RemoteMultiaddr())
	return multiaddr.FilterAddrs(addrs, func(a multiaddr.Multiaddr) bool {
		return dataport.IsAddr(a) && (loopback || !manet.IsIPLoopback(a))
	})
}

// trustDigest names a list of trusted peers, whatever its order, without
// giving it away.
func trustDigest(ids []peer.ID) string {
	if ids == nil {
		return trustsAll
	}
	list := make([]string, 0, len(ids))
	for _, id := range ids {
		list = append(list, id.String())
	}
	slices.Sort(list)
	sum := sha256.Sum256([]byte(strings.Join(slices.Compact(list), "\n")))
	return hex.EncodeToString(sum[:])
}
