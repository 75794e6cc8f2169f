package peer

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
)

var far, farther = netip.MustParseAddr("203.0.113.5"), netip.MustParseAddr("203.0.113.6")

func nth(prefix string, i int) peer.ID { return peer.ID(fmt.Sprintf("%s%05d", prefix, i)) }

func tcpAt(format string, args ...any) []multiaddr.Multiaddr {
	return []multiaddr.Multiaddr{multiaddr.StringCast("/ip4/" + fmt.Sprintf(format, args...))}
}

// TestOneGreetingMakesFewDials: a member that names one port of a third party as that of
// thousands of peers, again and again.
func TestOneGreetingMakesFewDials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoster("self")
		dials, victim := 0, tcpAt("198.51.100.1/tcp/443")
		for end := time.Now().Add(candidateTime); time.Now().Before(end); {
			for i := range maxCandidates {
				r.heard(far, nth("liar's", i), victim, nil, nil)
			}
			for again := time.Now().Add(time.Minute); time.Now().Before(again); {
				due, next := r.due(time.Now())
				for _, c := range due {
					dials += len(c.Addrs)
					r.dialed(c, away, nil)
				}
				time.Sleep(max(next, time.Second))
			}
		}
		if dials == 0 || dials > 8 {
			t.Errorf("%d connections to a third party in %s", dials, candidateTime)
		}
	})
}

// TestNamedStrangersKeepNobodyAway: a member names as many peers as are kept, which take every
// connection and say nothing. A peer of the configuration is dialed at once all the same, and one
// that another member names as soon as a dial has ended.
func TestNamedStrangersKeepNobodyAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer time.Sleep(2 * dialTimeout) // until all dials have ended
		r := newRoster("self")
		for i := range maxCandidates {
			r.heard(far, nth("liar's", i), tcpAt("198.51.%d.%d/tcp/1", i/250, i%250), nil, nil)
		}
		due, _ := r.due(time.Now())
		if len(due) != maxDialsOnTrial {
			t.Fatalf("%d dials at once", len(due))
		}
		mute := func(due []call) {
			for _, c := range due {
				go func() { time.Sleep(c.timeout); r.dialed(c, away, nil) }()
			}
		}
		mute(due)
		r.keep(peer.AddrInfo{ID: "bootstrapper", Addrs: tcpAt("198.51.100.1/tcp/1")}, true)
		due, _ = r.due(time.Now())
		if len(due) != 1 || due[0].ID != "bootstrapper" {
			t.Errorf("%d dials beside those, of %v", len(due), due)
		}
		r.dialed(due[0], func() bool { return true }, nil)
		if !r.heard(farther, "honest", tcpAt("198.51.100.2/tcp/1"), nil, nil) {
			t.Fatal("what an honest member says is not heard")
		}
		began := time.Now()
		for {
			due, next := r.due(time.Now())
			for _, c := range due {
				if c.ID == "honest" {
					if took := time.Since(began); took > trialTimeout+time.Second { // it is looked at once a second
						t.Errorf("it is dialed after %s", took)
					}
					return
				}
			}
			mute(due)
			time.Sleep(min(next, time.Second))
			if time.Since(began) > time.Hour {
				t.Fatal("it is never dialed")
			}
		}
	})
}

// TestALiarDisplacesNobody: what it says of where a peer is does not displace what others say,
// nor what that peer said itself.
func TestALiarDisplacesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoster("self")
		truth, own := tcpAt("198.51.100.2/tcp/1"), tcpAt("198.51.100.3/tcp/1")
		r.heard(farther, "named", truth, nil, nil)
		r.subscribed("member", true, true)
		r.said("member", words{addrs: own, trust: trustsAll})
		r.confirm("member")
		r.connected("member", false)
		for i := range 1000 {
			lie := tcpAt("198.51.101.%d/tcp/%d", i%250, i+1)
			r.heard(far, "named", lie, nil, nil)
			r.heard(far, "member", lie, nil, nil)
		}
		want := map[peer.ID]multiaddr.Multiaddr{"named": truth[0], "member": own[0]}
		for end := time.Now().Add(time.Minute); len(want) > 0 && time.Now().Before(end); {
			due, next := r.due(time.Now())
			for _, c := range due {
				if multiaddr.Contains(c.Addrs, want[c.ID]) {
					delete(want, c.ID)
				}
				r.dialed(c, away, nil)
			}
			time.Sleep(min(next, time.Second))
		}
		if len(want) > 0 {
			t.Errorf("never dialed: %v", want)
		}
	})
}

// TestSitesShareWhatIsKept of peers that were only named.
func TestSitesShareWhatIsKept(t *testing.T) {
	r := newRoster("self")
	for i := range 2 * maxCandidates {
		r.heard(far, nth("liar's", i), tcpAt("198.51.100.1/tcp/1"), nil, nil)
	}
	if r.named.all != maxCandidates || len(r.records) != maxCandidates {
		t.Errorf("%d are kept of one, %d in all", r.named.all, len(r.records))
	}
	for i := range maxCandidates {
		r.heard(farther, nth("honest", i), tcpAt("198.51.100.2/tcp/1"), nil, nil)
		r.heard(far, nth("more", i), tcpAt("198.51.100.1/tcp/1"), nil, nil)
	}
	a, b := 0, 0
	for _, e := range r.records {
		if e.teller == farther {
			a++
		} else {
			b++
		}
	}
	if a+b != maxCandidates || r.named.all != maxCandidates || a < maxCandidates/2-2 || b < maxCandidates/2-2 {
		t.Errorf("%d of the one, %d of the other, counted as %d", a, b, r.named.all)
	}
	r.records[nth("honest", 0)].since = time.Now().Add(-candidateTime)
	r.dropCandidates(time.Now())
	if r.named.all != maxCandidates-1 {
		t.Errorf("%d are counted after one was dropped", r.named.all)
	}
}

// TestWhereStrangersLead: what comes from the DHT, for example, of a peer that nobody knows.
func TestWhereStrangersLead(t *testing.T) {
	r := newRoster("self")
	r.keep(peer.AddrInfo{ID: "configured", Addrs: []multiaddr.Multiaddr{multiaddr.StringCast("/dns4/a.example/tcp/1")}}, true)
	r.subscribed("member", true, true)
	r.seenAt("member", far)
	r.said("member", words{addrs: tcpAt("203.0.113.5/tcp/1/ws"), trust: trustsAll})
	r.confirm("member")
	r.subscribed("local", true, true)
	r.seenAt("local", near)
	r.heard(far, "named", tcpAt("198.51.100.1/tcp/1"), nil, nil)
	may := func(id peer.ID, a string) bool {
		return r.mayDialAt(id, multiaddr.StringCast(a), func() []netip.Prefix { return nil }, time.Now())
	}
	for _, c := range []struct {
		id   peer.ID
		a    string
		want bool
	}{
		{"nobody", "/ip4/198.51.100.1/tcp/1", true},
		{"nobody", "/ip4/198.51.100.1/tcp/1/ws", false},
		{"nobody", "/ip4/127.0.0.1/tcp/5001", false},
		{"nobody", "/ip4/10.0.0.1/tcp/1", false},
		{"named", "/ip4/127.0.0.1/tcp/5001", false},
		{"named", "/ip4/169.254.169.254/tcp/80", false},
		{"member", "/ip4/203.0.113.5/tcp/1/ws", true}, // as it said itself
		{"member", "/ip4/127.0.0.1/tcp/5001", false},
		{"local", "/ip4/127.0.0.1/tcp/1", true},
		{"configured", "/ip4/127.0.0.1/tcp/1", true}, // its name leads there
	} {
		if got := may(c.id, c.a); got != c.want {
			t.Errorf("%s at %s: %v", c.id, c.a, got)
		}
	}
	n := 0
	for i := range 1000 {
		if may(nth("stranger", i), fmt.Sprintf("/ip4/198.51.100.9/tcp/%d", i+1)) {
			n++
		}
	}
	if n == 0 || n > 100 {
		t.Errorf("%d dials of one host that strangers named", n)
	}
}
