package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// TestTheTablesOfPeers compares them with testdata/peers.txt: members by both roads, one that dialed
// this registry and whose changes do not count, a peer that is no member, and members that are away.
func TestTheTablesOfPeers(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	at := func(ago time.Duration) *time.Time { at := now.Add(-ago); return &at }
	rate := func(r float64) *float64 { return &r }
	took := func(d time.Duration) *time.Duration { return &d }
	peer := func(end string) string { return "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj" + end }
	peers := driver.Peers{More: 3, Peers: []driver.PeerLink{
		{PeerID: peer("4kx6nXTN"), Name: "attic", Rank: "trusted", Version: "v1.2.3", Connected: true, Since: at(50 * time.Hour), Dialed: true,
			Address: "/ip4/192.0.2.10/tcp/4619", Road: "tcp", DataPort: true, RoundTrip: took(1_234_567), BytesIn: 3 << 30, BytesOut: 5 << 20,
			RateIn: rate(12.5 * (1 << 20)), RateOut: rate(900)},
		{PeerID: peer("aaaabbbb"), Name: "barn", Rank: "trusted", Version: "v1.2.2", Connected: true, Since: at(5 * time.Minute),
			Address: "/ip4/192.0.2.10/tcp/4619/p2p/" + peer("4kx6nXTN") + "/p2p-circuit", Road: "relay", Relay: peer("4kx6nXTN"), RoundTrip: took(82 * time.Millisecond), RateIn: rate(0), RateOut: rate(0),
			LastError: &driver.PeerTrouble{At: *at(6 * time.Minute), Text: "/ip4/192.0.2.11/tcp/4619: dial tcp4 192.0.2.11:4619: connect: connection refused"}},
		{PeerID: peer("ccccdddd"), Name: "guest", Rank: "member", Version: "v1.2.2", Connected: true, Since: at(time.Hour),
			Address: "/ip4/192.0.2.12/tcp/40113", Road: "tcp", RateIn: rate(0), RateOut: rate(0), Refused: map[string]int64{"requests": 12, "announcements": 3}},
		{PeerID: peer("eeeeffff"), Rank: "connected", Connected: true, Since: at(time.Second), Address: "/ip4/192.0.2.13/tcp/40114", Road: "tcp"},
		{PeerID: peer("gggghhhh"), Name: "cellar", Rank: "trusted", Version: "v1.1.0", Since: at(26 * time.Hour), Address: "/ip4/192.0.2.14/tcp/4619",
			LastError: &driver.PeerTrouble{At: *at(4 * time.Second), Text: "/ip4/192.0.2.14/tcp/4619: i/o timeout"}},
		{PeerID: peer("iiiijjjj"), Rank: "stranger", Address: "/dns4/shed.example.org/tcp/4619"},
	}}
	requireGolden(t, "peers.txt", peersSections(peers, now, false))
	var out bytes.Buffer
	if err := printSections(&out, peersSections(peers, now, true)); err != nil {
		t.Fatal(err)
	}
	for _, whole := range []string{peer("gggghhhh"), "connect: connection refused"} {
		if !strings.Contains(out.String(), whole) {
			t.Errorf("not wide, without %q:\n%s", whole, out.String())
		}
	}
	out.Reset()
	if err := printSections(&out, peersSections(driver.Peers{}, now, false)); err != nil || out.String() != "PEERS  0 connected\n  none\n" {
		t.Errorf("alone: %q %v", out.String(), err)
	}
}
