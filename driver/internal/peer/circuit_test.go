package peer

import (
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
)

// ends are the addresses of a connection.
type ends struct{ remote multiaddr.Multiaddr }

func (e ends) LocalMultiaddr() multiaddr.Multiaddr  { return e.remote }
func (e ends) RemoteMultiaddr() multiaddr.Multiaddr { return e.remote }

// TestWhoMayBeBetween: trusted members alone, whoever dials; and only as long as they are.
func TestWhoMayBeBetween(t *testing.T) {
	of := func(s string) peer.ID {
		id, err := peer.Decode(s)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	trusted := of("12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvqPhJcjWFv5LE2cgkvTH")
	member := of("12D3KooWGQcz9twM4nC3414fR8MWrQK5uSKrukyC4JUJaypYdRdy")
	r := newRoster("self")
	r.lists.set("self", Lists{Trusted: []peer.ID{trusted}})
	g := gater{roster: r, mappings: newMappings()}
	asks := func(relay peer.ID) [2]bool {
		seen := multiaddr.Join(multiaddr.StringCast("/ip4/192.0.2.1/tcp/4619"), circuitBy(relay))
		return [2]bool{g.InterceptAddrDial("other", circuitBy(relay)), g.InterceptAccept(ends{seen})}
	}
	if asks(trusted) != [2]bool{} {
		t.Error("a peer that is no member may be between")
	}
	for _, id := range []peer.ID{trusted, member} {
		r.subscribed(id, true, true)
	}
	if got := asks(trusted); got != [2]bool{true, true} {
		t.Errorf("a trusted member: %v", got)
	}
	if got := asks(member); got != [2]bool{} {
		t.Errorf("a member that is not trusted: %v", got)
	}
	r.lists.set("self", Lists{Trusted: []peer.ID{member}})
	if got := asks(trusted); got != [2]bool{} {
		t.Errorf("one that is trusted no more: %v", got)
	}
	if !g.InterceptAccept(ends{multiaddr.StringCast("/ip4/192.0.2.1/tcp/4619")}) {
		t.Error("what comes straight is refused")
	}
}

// TestStraightFirst: a relay waits for what leads straight to a peer, and for nothing where there is nothing else.
func TestStraightFirst(t *testing.T) {
	relay, err := peer.Decode("12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvqPhJcjWFv5LE2cgkvTH")
	if err != nil {
		t.Fatal(err)
	}
	by, straight := circuitBy(relay), multiaddr.StringCast("/ip4/192.168.0.1/tcp/4619")
	for _, d := range rankDials([]multiaddr.Multiaddr{by, straight}) {
		if late := d.Delay >= circuitDelay; late != d.Addr.Equal(by) {
			t.Errorf("%s after %s", d.Addr, d.Delay)
		}
	}
	if d := rankDials([]multiaddr.Multiaddr{by}); len(d) != 1 || d[0].Delay != 0 {
		t.Errorf("%+v", d)
	}
	if RelayIn(by.String()) != relay.String() || RelayIn(straight.String()) != "" || relayOf(circuit) != unknownRelay {
		t.Error("by way of whom")
	}
}

// TestRelaysAreRead as far as they can be, and no more than are asked.
func TestRelaysAreRead(t *testing.T) {
	id := "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvqPhJcjWFv5LE2cgkvTH"
	got := readRelays([]string{"no peer", id, id, "12D3KooWGQcz9twM4nC3414fR8MWrQK5uSKrukyC4JUJaypYdRdy", string(make([]byte, maxID+1))})
	if want := []string{id, "12D3KooWGQcz9twM4nC3414fR8MWrQK5uSKrukyC4JUJaypYdRdy"}; !slices.Equal(formatIDs(got), want) {
		t.Error(got)
	}
}
