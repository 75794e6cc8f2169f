package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer/dataport"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer/hearsay"
)

// ErrNoDataPort reports that a member has no data port, or none this peer can use.
var ErrNoDataPort = errors.New("no data port")

var errUnlisted = errors.New("allowedpeers does not name it, or it was revoked")

// openDataPort listens for members' bulk data, on every address of the configuration or none.
func (p *Peer) openDataPort() error {
	if len(p.cfg.DataListen) == 0 || !p.cfg.private() {
		return nil
	}
	identity, err := newIdentity(p.cfg.Key)
	if err != nil {
		return fmt.Errorf("data port: %w", err)
	}
	p.data, err = dataport.Open(dataport.Config{
		Identity: identity, Self: p.ID(), Listen: p.cfg.DataListen, AnyPort: p.cfg.DataAnyPort,
		Secrets: p.Secrets("data port"), Near: p.memberNear, At: p.roster.homes.rank,
		Admit: p.admitData, Rank: p.Rank, Budget: p.cfg.Budget, Log: p.log,
	})
	if err != nil {
		return &ListenError{Data: true, Cause: err}
	}
	return nil
}

// memberNear reports whether a member is connected from an address.
func (p *Peer) memberNear(from net.Addr) bool {
	at, err := netip.ParseAddrPort(from.String())
	return err == nil && p.roster.memberAt(limit.Address(at.Addr()))
}

func (p *Peer) admitData(ctx context.Context, id peer.ID) error {
	if !p.Allows(id) {
		p.unlisted(id, nil)
		return fmt.Errorf("%s: %w", id, errUnlisted)
	}
	if !p.admit(ctx, id) {
		return fmt.Errorf("%s: %w", id, ErrNotMember)
	}
	return nil
}

// ListenData accepts members' connections to the data port. A connection's remote address is
// the peer ID. It returns nil when there is no data port. Call it once.
func (p *Peer) ListenData() net.Listener {
	if p.data == nil {
		return nil
	}
	return dataListener{p.data.Listener(), p}
}

// HasData reports whether a connected member may be reached at a data port.
func (p *Peer) HasData(id peer.ID) bool { return len(p.DataTargets(id)) > 0 }

// DialData connects to a member's data port, encrypted and with both peer IDs proven. The
// error is ErrNoDataPort when the member has none, and ErrNotMember when it is not connected;
// any other error says why it was not reached. No failure is remembered.
func (p *Peer) DialData(ctx context.Context, id peer.ID) (net.Conn, error) {
	if !p.IsMember(id) {
		return nil, fmt.Errorf("dial the data port of %s: %w", id, ErrNotMember)
	}
	targets := p.DataTargets(id)
	if len(targets) == 0 {
		return nil, fmt.Errorf("dial the data port of %s: %w", id, ErrNoDataPort)
	}
	c, err := p.data.Dial(ctx, id, targets)
	if err != nil {
		return nil, fmt.Errorf("dial the data port of %s: %w", id, err)
	}
	return p.opened.add(p.traffic.count(c, id), id), nil
}

// DataTargets are the addresses at which a connected member's data port is tried, the likeliest
// first; none when it has none, or when this peer has none, or is connected by way of others alone, or through routers that
// let nothing else in. That of a member that was of no use yet
// is tried only where the member is seen, since it may name any host.
func (p *Peer) DataTargets(id peer.ID) []multiaddr.Multiaddr {
	if p.data == nil {
		return nil
	}
	said, useful := p.roster.data(id)
	if len(said) == 0 || p.Relayed(id) || p.punching.through(id) {
		return nil
	}
	var seen []multiaddr.Multiaddr
	for _, c := range p.host.Network().ConnsToPeer(id) {
		seen = append(seen, c.RemoteMultiaddr())
	}
	targets := dataport.Targets(said, seen)
	if useful {
		return targets
	}
	return slices.DeleteFunc(targets, func(a multiaddr.Multiaddr) bool {
		return !slices.ContainsFunc(seen, func(at multiaddr.Multiaddr) bool { return sameHost(a, at) })
	})
}

// sameHost reports whether two addresses are of one IP address.
func sameHost(a, b multiaddr.Multiaddr) bool {
	one, ok := hearsay.IPOf(a)
	other, alike := hearsay.IPOf(b)
	return ok && alike && one == other
}

// DataAddrs is what members are told: the addresses announced, or those listened on. An
// unspecified address is sent as it is, and stands for the address at which this peer is
// seen; it is followed by the addresses that this peer announces for libp2p, with the data
// port.
func (p *Peer) DataAddrs() []multiaddr.Multiaddr {
	if p.data == nil {
		return nil
	}
	if len(p.cfg.DataAnnounce) > 0 {
		return p.cfg.DataAnnounce
	}
	return p.data.Addrs(p.host.Addrs())
}

// IsDataAddr reports whether an address can be listened on or dialed for bulk data.
func IsDataAddr(a multiaddr.Multiaddr) bool { return dataport.IsAddr(a) }
