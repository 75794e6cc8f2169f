package peer

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer/dataport"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer/hearsay"
)

// maxDialBack is how many addresses are dialed of each of a member's two ports.
const maxDialBack = 4

// dialBack dials the member at the other end of c at both of its ports, all addresses at once: at
// what it announces, and at the host that c shows. So that nobody has this peer look for open ports
// of others, an address elsewhere is dialed only where the member may lead, is charged to its
// host, and whatever goes wrong there is told as silence.
func (p *Peer) dialBack(ctx context.Context, c network.Conn) []triedAddr {
	id, seen := c.RemotePeer(), c.RemoteMultiaddr()
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	at := hearsay.Network{Nets: hearsay.Attached()}
	said := p.roster.addrsOf(id)
	targets := p.mayDialBack(ctx, at, seen, slices.Concat(hostsSeen(said, seen), said))
	ports := len(targets)
	data := p.DataTargets(id)
	targets = append(targets, p.mayDialBack(ctx, at, seen, slices.Concat(hostsSeen(data, seen), data))...)
	tried := make([]triedAddr, len(targets))
	var all sync.WaitGroup
	for i, a := range targets {
		all.Go(func() {
			tried[i] = triedAddr{Addr: a.String(), Data: i >= ports}
			if i < ports {
				tried[i].Outcome = outcomeOf(p.dialOnce(ctx, id, a))
			} else {
				tried[i].Outcome = p.tryData(ctx, id, a)
			}
			if tried[i].Outcome != Reached && !sameHost(a, seen) {
				tried[i].Outcome = Silent
			}
		})
	}
	all.Wait()
	return tried
}

// mayDialBack are those of a member's addresses that may be dialed, with names looked up.
func (p *Peer) mayDialBack(ctx context.Context, at hearsay.Network, seen multiaddr.Multiaddr, said []multiaddr.Multiaddr) (may []multiaddr.Multiaddr) {
	teller, _ := hearsay.IPOf(seen)
	for _, a := range at.Useful(teller, said) {
		for _, b := range resolved(ctx, a) {
			if len(may) == maxDialBack {
				return may
			}
			ip, ok := hearsay.IPOf(b)
			if !ok || multiaddr.Contains(may, b) || !at.MayLead(teller, ip) {
				continue
			}
			if sameHost(b, seen) || p.roster.charge(ip, time.Now()) {
				may = append(may, b)
			}
		}
	}
	return may
}

// hostsSeen are a member's addresses with the host at which it is seen: behind a NAT it does not
// know that itself.
func hostsSeen(said []multiaddr.Multiaddr, seen multiaddr.Multiaddr) (all []multiaddr.Multiaddr) {
	for _, a := range said {
		if !dataport.IsAddr(a) { // of another transport
			continue
		}
		if b := dataport.SeenAt(seen, a); b != nil && !multiaddr.Contains(all, b) {
			all = append(all, b)
		}
	}
	return all
}

// resolved is an address whose name, if it has one, was looked up.
func resolved(ctx context.Context, a multiaddr.Multiaddr) (all []multiaddr.Multiaddr) {
	if _, ok := hearsay.IPOf(a); ok || len(a) < 2 {
		return []multiaddr.Multiaddr{a}
	}
	network := map[int]string{multiaddr.P_DNS4: "ip4", multiaddr.P_DNS6: "ip6"}[a[0].Protocol().Code]
	if network == "" {
		network = "ip"
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, network, a[0].Value())
	if err != nil {
		return nil
	}
	for _, ip := range ips {
		if host, err := manet.FromIP(ip.Unmap().AsSlice()); err == nil {
			all = append(all, multiaddr.Join(host, a[1:]))
		}
	}
	return all
}

// dialOnce connects to a peer at one address, beside all connections that there are, and hangs up.
func (p *Peer) dialOnce(ctx context.Context, id peer.ID, a multiaddr.Multiaddr) error {
	tpt := p.swarm.TransportForDialing(a)
	if tpt == nil {
		return errors.New("no transport dials it")
	}
	c, err := tpt.Dial(ctx, a, id)
	if err != nil {
		return err
	}
	return c.Close()
}

// tryData connects to a member's data port at one address, and hangs up.
func (p *Peer) tryData(ctx context.Context, id peer.ID, a multiaddr.Multiaddr) Outcome {
	c, err := p.data.Dial(ctx, id, []multiaddr.Multiaddr{a})
	if err == nil {
		_ = c.Close()
	}
	return outcomeOf(err)
}

// TryData dials a connected member's data port anew; Failed when it has none, or this peer has none.
func (p *Peer) TryData(ctx context.Context, id peer.ID) Outcome {
	targets := p.DataTargets(id)
	if len(targets) == 0 {
		return Failed
	}
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	c, err := p.data.Dial(ctx, id, targets)
	if err == nil {
		_ = c.Close()
	}
	return outcomeOf(err)
}

func outcomeOf(err error) Outcome {
	var timeout net.Error
	switch {
	case err == nil:
		return Reached
	case errors.Is(err, syscall.ECONNREFUSED):
		return Closed
	case errors.As(err, new(sec.ErrPeerIDMismatch)):
		return Other
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout(),
		errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return Silent
	}
	return Failed
}

// addrsOf are the addresses that a member says it has.
func (r *roster) addrsOf(id peer.ID) []multiaddr.Multiaddr {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.records[id]; e != nil && e.member() {
		return slices.Clone(e.addrs)
	}
	return nil
}

// charge charges a dial to a host; false when that may not be dialed now.
func (r *roster) charge(ip netip.Addr, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.book.Charge(ip, now)
}
