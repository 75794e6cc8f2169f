package hearsay

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/multiformats/go-multiaddr"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

var (
	liar   = limit.Address(netip.MustParseAddr("203.0.113.5"))
	honest = limit.Address(netip.MustParseAddr("203.0.113.6"))
	start  = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
)

func nobody(netip.AddrPort) bool { return false }

// inVain dials each address in turn, at one moment, and counts what is dialed.
func inVain(b *Book, site netip.Prefix, now time.Time, all []multiaddr.Multiaddr) (dialed int) {
	for _, a := range all {
		if t, ok := b.Begin(site, []multiaddr.Multiaddr{a}, now); ok {
			dialed++
			b.End(t, true, nobody, now)
		}
	}
	return dialed
}

func ports(host string, n int) (all []multiaddr.Multiaddr) {
	for i := range n {
		all = append(all, multiaddr.StringCast(fmt.Sprintf("/ip4/%s/tcp/%d", host, 1000+i)))
	}
	return all
}

func hosts(n int) (all []multiaddr.Multiaddr) {
	for i := range n {
		all = append(all, multiaddr.StringCast(fmt.Sprintf("/ip4/198.51.%d.%d/tcp/4619", i/250, i%250)))
	}
	return all
}

func TestAPortIsGivenUp(t *testing.T) {
	var b Book
	victim := ports("198.51.100.1", 1)
	var same []multiaddr.Multiaddr
	for range 4005 {
		same = append(same, victim...)
	}
	if n := inVain(&b, liar, start, same); n != portFailures {
		t.Errorf("%d dials at once", n)
	}
	n := 0
	for s := range 3600 {
		n += inVain(&b, liar, start.Add(time.Duration(s)*time.Second), victim)
		n += inVain(&b, honest, start.Add(time.Duration(s)*time.Second), victim)
	}
	if n == 0 || n > 8 { // after 1, 2, 4, 8, 16 minutes, and each 16 minutes
		t.Errorf("%d dials in the next hour", n)
	}
}

func TestAHostIsGivenUp(t *testing.T) {
	var b Book
	many := ports("198.51.100.1", 3000)
	if n := inVain(&b, liar, start, many[:200]); n != hostFailures {
		t.Errorf("%d dials at once", n)
	}
	for i := range 100 { // other sites have no more
		site := limit.Address(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}))
		if n := inVain(&b, site, start, many[200+i:201+i]); n != 0 {
			t.Fatalf("%d more, named by another site", n)
		}
	}
	if n := inVain(&b, honest, start.Add(time.Minute), many[1000:]); n != int(time.Minute/hostEvery) {
		t.Errorf("%d dials in the next minute", n)
	}
}

func TestASiteIsNotBelieved(t *testing.T) {
	var b Book
	if n := inVain(&b, liar, start, hosts(1000)); n != siteFailures {
		t.Errorf("%d dials at once", n)
	}
	if n := inVain(&b, honest, start, hosts(2000)[1000:1010]); n != 10 {
		t.Errorf("%d of ten named by another site", n)
	}
	if n := inVain(&b, liar, start.Add(time.Minute), hosts(4000)[2000:]); n != int(time.Minute/siteEvery) {
		t.Errorf("%d dials in the next minute", n)
	}
}

// TestTruthIsFree: a swarm of a thousand members behind one address costs the site that names
// them nothing.
func TestTruthIsFree(t *testing.T) {
	var b Book
	for i, a := range ports("198.51.100.1", 5000) {
		try, ok := b.Begin(honest, []multiaddr.Multiaddr{a}, start)
		if !ok {
			t.Fatal("refused after", i)
		}
		b.End(try, false, nobody, start)
	}
	if len(b.ports) > 0 {
		t.Errorf("%d ports are remembered", len(b.ports))
	}
}

// TestAPeerUnderAnotherIDIsNotGivenUp: nobody is cut off by a liar that names its address.
func TestAPeerUnderAnotherIDIsNotGivenUp(t *testing.T) {
	var b Book
	at := ports("198.51.100.1", 1)
	for range 10 {
		try, ok := b.Begin(liar, at, start)
		if !ok {
			t.Fatal("given up")
		}
		if _, ok := b.Begin(honest, at, start); ok {
			t.Fatal("dialed twice at the same time")
		}
		b.End(try, true, func(netip.AddrPort) bool { return true }, start)
	}
	try, ok := b.Begin(honest, at, start)
	if !ok {
		t.Fatal("an honest site cannot name it")
	}
	b.End(try, false, nobody, start)
}

// TestNamesAreChargedToTheSite, since where they lead is not known yet.
func TestNamesAreChargedToTheSite(t *testing.T) {
	var b Book
	var names []multiaddr.Multiaddr
	for i := range 1000 {
		names = append(names, multiaddr.StringCast(fmt.Sprintf("/dns4/a%d.example/tcp/1", i)))
	}
	if n := inVain(&b, liar, start, names); n != siteFailures {
		t.Errorf("%d dials at once", n)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	var b Book
	now := start
	for i := range 3 * maxKept {
		site := limit.Address(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
		to := multiaddr.StringCast(fmt.Sprintf("/ip4/100.%d.%d.%d/tcp/1", 70+i>>16, i>>8&255, i&255))
		inVain(&b, site, now, []multiaddr.Multiaddr{to})
	}
	if len(b.sites) > maxKept || len(b.hosts) > maxKept || len(b.ports) > maxKept {
		t.Errorf("%d sites, %d hosts, %d ports", len(b.sites), len(b.hosts), len(b.ports))
	}
	now = now.Add(2 * mostRest)
	if n := inVain(&b, honest, now, hosts(10)); n != 10 {
		t.Errorf("%d of ten dials later", n)
	}
}
