package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// dialStagger is between the dials of one member's data addresses: the next one is
// tried meanwhile when one does not answer (RFC 8305, "happy eyeballs").
const dialStagger = 250 * time.Millisecond

// ErrNoDataPort reports that a member has no data port, or none this peer can use.
var ErrNoDataPort = errors.New("no data port")

// HasData reports whether a connected member may be reached at a data port.
func (p *Peer) HasData(id peer.ID) bool { return p.data != nil && len(p.roster.data(id)) > 0 }

// DialData connects to a member's data port, encrypted and with both peer IDs proven.
// ErrNoDataPort when it has none, ErrNotMember when it is not connected; any other error
// says why it was not reached. It remembers no failure.
func (p *Peer) DialData(ctx context.Context, id peer.ID) (net.Conn, error) {
	if !p.IsMember(id) {
		return nil, fmt.Errorf("dial the data port of %s: %w", id, ErrNotMember)
	}
	var targets []multiaddr.Multiaddr
	if p.data != nil {
		targets = p.dataTargets(id)
	}
	if len(targets) == 0 {
		return nil, fmt.Errorf("dial the data port of %s: %w", id, ErrNoDataPort)
	}
	c, err := firstOf(ctx, targets, func(ctx context.Context, a multiaddr.Multiaddr) (net.Conn, error) {
		return p.dialDataAt(ctx, id, a)
	})
	if err != nil {
		return nil, fmt.Errorf("dial the data port of %s: %w", id, err)
	}
	return c, nil
}

func (p *Peer) dialDataAt(ctx context.Context, id peer.ID, a multiaddr.Multiaddr) (net.Conn, error) {
	network, addr, err := manet.DialArgs(a)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	raw, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	cfg, who := p.data.configFor(id)
	c, _, err := shake(ctx, tls.Client(raw, cfg), who)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", addr, err)
	}
	return &dataConn{Conn: c, local: dataAddr(p.ID()), remote: dataAddr(id), left: func() {}}, nil
}

// firstOf dials the targets in order, each a moment after the one before or as soon as that
// failed, and keeps the first connection.
func firstOf(ctx context.Context, targets []multiaddr.Multiaddr,
	dial func(context.Context, multiaddr.Multiaddr) (net.Conn, error),
) (net.Conn, error) {
	type result struct {
		c   net.Conn
		err error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // it ends dials, not a connection that is made
	results := make(chan result)
	var errs []error
	next, running := 0, 0
	for next < len(targets) || running > 0 {
		var stagger <-chan time.Time
		if next < len(targets) {
			stagger = time.After(dialStagger)
			if running == 0 {
				stagger = closedTimer()
			}
		}
		select {
		case <-stagger:
			a := targets[next]
			go func() { c, err := dial(ctx, a); results <- result{c, err} }()
			next++
			running++
		case r := <-results:
			running--
			if r.err == nil {
				cancel()
				for range running { // they end at once
					discard((<-results).c)
				}
				return r.c, nil
			}
			errs = append(errs, r.err)
		}
	}
	return nil, errors.Join(errs...)
}

func closedTimer() <-chan time.Time {
	ch := make(chan time.Time)
	close(ch)
	return ch
}

// discard closes the connections of dials that came too late.
func discard(c net.Conn) {
	if c != nil {
		_ = c.Close()
	}
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
	var addrs []multiaddr.Multiaddr
	add := func(a multiaddr.Multiaddr) {
		if a != nil && !multiaddr.Contains(addrs, a) {
			addrs = append(addrs, a)
		}
	}
	for _, l := range p.data.sockets {
		a, err := manet.FromNetAddr(l.Addr())
		if err != nil {
			continue // only of a network that is not TCP
		}
		add(a)
		if !manet.IsIPUnspecified(a) {
			continue
		}
		for _, h := range p.host.Addrs() {
			add(withPort(h, l.Addr()))
		}
	}
	return addrs
}

// withPort is the host of an address with the port of a TCP listener; nil where the
// address is not TCP.
func withPort(a multiaddr.Multiaddr, listener net.Addr) multiaddr.Multiaddr {
	tcp, ok := listener.(*net.TCPAddr)
	if !ok || len(a) == 0 {
		return nil
	}
	if _, err := a.ValueForProtocol(multiaddr.P_TCP); err != nil {
		return nil
	}
	port, err := multiaddr.NewComponent("tcp", strconv.Itoa(tcp.Port))
	if err != nil {
		return nil
	}
	return multiaddr.Join(a[:1].Multiaddr(), port.Multiaddr())
}

// dataTargets are the addresses to try for a member, the likeliest first.
func (p *Peer) dataTargets(id peer.ID) []multiaddr.Multiaddr {
	var seen, others []multiaddr.Multiaddr
	for _, a := range p.roster.data(id) {
		if !manet.IsIPUnspecified(a) {
			others = append(others, a)
			continue
		}
		for _, c := range p.host.Network().ConnsToPeer(id) {
			if t := seenAt(c, a); t != nil && !multiaddr.Contains(seen, t) {
				seen = append(seen, t)
			}
		}
	}
	for _, a := range others {
		if !multiaddr.Contains(seen, a) {
			seen = append(seen, a)
		}
	}
	return seen
}

// seenAt is a data address with the host that a connection comes from or goes to.
func seenAt(c network.Conn, a multiaddr.Multiaddr) multiaddr.Multiaddr {
	remote, err := manet.ToIP(c.RemoteMultiaddr())
	if err != nil {
		return nil // through a relay, for one
	}
	ip, err := manet.FromIP(remote)
	if err != nil || len(a) < 2 {
		return nil
	}
	return multiaddr.Join(ip, a[1:])
}

// IsDataAddr reports whether an address can be listened on or dialed for bulk data.
func IsDataAddr(a multiaddr.Multiaddr) bool {
	_, _, err := manet.DialArgs(a)
	if err != nil || len(a) != 2 {
		return false
	}
	_, err = a.ValueForProtocol(multiaddr.P_TCP)
	return err == nil
}
