package hearsay

import (
	"maps"
	"net/netip"
	"time"

	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

// How many dials may fail: of what one site named, and of addresses of one host, that many at
// once, and one in each of these times in the long run.
const (
	siteFailures = 64
	siteEvery    = 2 * time.Second
	hostFailures = 64
	hostEvery    = 5 * time.Second

	// A port is given up after portFailures, for portRest at first, and twice as long each
	// further time.
	portFailures = 2
	portRest     = time.Minute
	mostRest     = 16 * time.Minute

	maxKept = 4096 // sites, hosts, and ports
)

// Book keeps account of dials that failed. It is for one goroutine at a time. The zero Book is
// ready for use.
type Book struct {
	sites, hosts map[netip.Prefix]*purse
	ports        map[netip.AddrPort]*port
	swept        time.Time
}

// Try is a dial under way.
type Try struct {
	Addrs []multiaddr.Multiaddr // that may be dialed
	Over  bool                  // some may not, because the site named, or a host had, too many in vain

	site  netip.Prefix
	hosts []netip.Prefix   // charged, one for each address
	ports []netip.AddrPort // likewise
}

// Begin charges a dial of addresses that were named by a site. Try.Addrs are those of them that
// may be dialed now; false when there are none. End ends it.
func (b *Book) Begin(site netip.Prefix, addrs []multiaddr.Multiaddr, now time.Time) (t Try, ok bool) {
	t.site = site
	p := b.purse(&b.sites, site, siteFailures, siteEvery, now)
	if p == nil || p.coins < 1 {
		t.Over = true
		return t, false
	}
	for _, a := range addrs {
		at, isIP := portOf(a)
		if isIP && !b.reserve(&t, at, now) {
			continue
		}
		t.Addrs = append(t.Addrs, a)
	}
	if len(t.Addrs) == 0 {
		return t, false
	}
	p.coins--
	return t, true
}

// reserve charges one address to its host and its port; false when that may not be dialed.
func (b *Book) reserve(t *Try, at netip.AddrPort, now time.Time) bool {
	of, host := b.port(at, now), limit.Address(at.Addr())
	if of != nil && (of.open || now.Before(of.rests)) {
		return false // it is dialed, or does not answer: nobody is to blame
	}
	if of == nil || !b.Charge(at.Addr(), now) {
		t.Over = true
		return false
	}
	of.open = true
	t.hosts, t.ports = append(t.hosts, host), append(t.ports, at)
	return true
}

// Charge charges a dial of an address to its host, for good; false when that may not be dialed
// now.
func (b *Book) Charge(ip netip.Addr, now time.Time) bool {
	p := b.purse(&b.hosts, limit.Address(ip), hostFailures, hostEvery, now)
	if p == nil || p.coins < 1 {
		return false
	}
	p.coins--
	return true
}

// End ends a dial. Unless it failed at all addresses, what it was charged is given back. answers
// reports whether a peer of this network is at an address, though not the one that was looked
// for: that is the fault of the site, and others may go on dialing there.
func (b *Book) End(t Try, failed bool, answers func(netip.AddrPort) bool, now time.Time) {
	if p := b.sites[t.site]; p != nil && !failed {
		p.give(siteFailures)
	}
	for i, at := range t.ports {
		if p := b.hosts[t.hosts[i]]; p != nil && !failed {
			p.give(hostFailures)
		}
		of := b.ports[at]
		if of == nil {
			continue
		}
		of.open = false
		switch {
		case !failed:
			delete(b.ports, at)
		case !answers(at):
			of.fail(now)
		}
	}
}

// purse is what may still fail.
type purse struct {
	coins float64
	at    time.Time // when that was so
}

func (p *purse) give(most float64) { p.coins = min(most, p.coins+1) }

// purse is that of a key, with what it has now; nil when there are too many.
func (b *Book) purse(all *map[netip.Prefix]*purse, key netip.Prefix, most float64, every time.Duration, now time.Time) *purse {
	if *all == nil {
		*all = map[netip.Prefix]*purse{}
	}
	p := (*all)[key]
	if p == nil {
		if len(*all) >= maxKept {
			b.sweep(now)
		}
		if len(*all) >= maxKept {
			return nil
		}
		p = &purse{coins: most, at: now}
		(*all)[key] = p
	}
	if now.After(p.at) {
		p.coins, p.at = min(most, p.coins+float64(now.Sub(p.at))/float64(every)), now
	}
	return p
}

// port is one that was dialed.
type port struct {
	open     bool // it is being dialed
	failures int
	rests    time.Time // until when it is left alone
}

func (p *port) fail(now time.Time) {
	if p.failures++; p.failures < portFailures {
		return
	}
	rest := mostRest
	if n := p.failures - portFailures; n < 8 {
		rest = min(mostRest, portRest<<n)
	}
	p.rests = now.Add(rest)
}

// port is that of an address; nil when there are too many.
func (b *Book) port(at netip.AddrPort, now time.Time) *port {
	if b.ports == nil {
		b.ports = map[netip.AddrPort]*port{}
	}
	p := b.ports[at]
	if p != nil {
		return p
	}
	if len(b.ports) >= maxKept {
		b.sweep(now)
	}
	if len(b.ports) >= maxKept {
		return nil
	}
	p = &port{}
	b.ports[at] = p
	return p
}

// sweep drops what says nothing any more, once a second at most.
func (b *Book) sweep(now time.Time) {
	if now.Sub(b.swept) < time.Second {
		return
	}
	b.swept = now
	maps.DeleteFunc(b.sites, func(_ netip.Prefix, p *purse) bool { return p.full(siteFailures, siteEvery, now) })
	maps.DeleteFunc(b.hosts, func(_ netip.Prefix, p *purse) bool { return p.full(hostFailures, hostEvery, now) })
	maps.DeleteFunc(b.ports, func(_ netip.AddrPort, p *port) bool { return !p.open && now.After(p.rests.Add(mostRest)) })
}

// full reports whether a purse is no different from a new one.
func (p *purse) full(most float64, every time.Duration, now time.Time) bool {
	return p.coins+float64(now.Sub(p.at))/float64(every) >= most
}

// PortOf is the host and the port that an address names; the zero AddrPort when it has a name.
func PortOf(a multiaddr.Multiaddr) netip.AddrPort {
	at, _ := portOf(a)
	return at
}

func portOf(a multiaddr.Multiaddr) (netip.AddrPort, bool) {
	of, err := manet.ToNetAddr(a)
	if err != nil {
		return netip.AddrPort{}, false
	}
	at, err := netip.ParseAddrPort(of.String())
	if err != nil {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port()), true
}
