package limit

import (
	"math"
	"net/netip"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// What is shared fairly leaves room for those who have least of it. Of a stranger nothing is known
// but its address, and who attacks has many: so of the room that there is, a part is kept free of
// whoever comes from an address, a site or a network that has much already, and the part grows with
// what each of these has. Those who flood a door are refused while there is room left, which is
// for an address that has nothing: most of it for one of another network, some for one of another
// site of the same network, and a little for another address of the same site. What floods from
// everywhere at once has as much of each address as everybody else.
const (
	mostKept = 3.0 / 4  // of the room, from those whose address, site and network have very much
	halfKept = 1.0 / 16 // of the room: who has so much is kept from half of that

	// arrivedTime is how long it takes until what happened counts for a third only.
	arrivedTime = time.Minute
)

// around are the prefixes that an Address is in: itself, its site (IPv4: /24, IPv6: /48), and its
// network (/16, /32).
func around(address netip.Prefix) [3]netip.Prefix {
	site, network := 24, 16
	if address.Addr().Is6() {
		site, network = 48, 32
	}
	return [3]netip.Prefix{address, wider(address, site), wider(address, network)}
}

func wider(p netip.Prefix, bits int) netip.Prefix {
	w, err := p.Addr().Prefix(bits)
	if err != nil { // of no address at all
		return netip.Prefix{}
	}
	return w
}

// kept is how much of some room is kept free of an address, by what it and those around it have.
func kept(room float64, address netip.Prefix, has func(netip.Prefix) float64) (part float64) {
	if !address.IsValid() {
		return 0
	}
	prefixes := around(address)
	for _, p := range prefixes {
		n := has(p)
		part += n / (n + room*halfKept)
	}
	return room * mostKept * part / float64(len(prefixes))
}

// arrived is how often something happened of late, by the prefixes around the addresses at which
// it did. It forgets those that were quiet for longest.
type arrived struct {
	of *lru.Cache[netip.Prefix, fading]
}

// fading is a number that becomes smaller with time.
type fading struct {
	n  float64
	at time.Time
}

func newArrived() *arrived {
	of, _ := lru.New[netip.Prefix, fading](3 * maxBuckets) // it fails only when the size is not positive
	return &arrived{of}
}

func (a *arrived) count(p netip.Prefix, now time.Time) float64 {
	f, _ := a.of.Peek(p)
	return f.n * math.Exp(-float64(now.Sub(f.at))/float64(arrivedTime))
}

func (a *arrived) add(address netip.Prefix, n int, now time.Time) {
	if !address.IsValid() {
		return
	}
	for _, p := range around(address) {
		a.of.Add(p, fading{a.count(p, now) + float64(n), now})
	}
}
