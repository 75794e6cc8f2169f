package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// TestTheTablesOfMembers compares them with testdata/members.txt: members that are here, away, waited for,
// shut out, to join by, and some that were never met.
func TestTheTablesOfMembers(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	at := func(ago time.Duration) *time.Time { at := now.Add(-ago); return &at }
	took := func(d time.Duration) *time.Duration { return &d }
	peer := func(end string) string { return "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj" + end }
	day := 24 * time.Hour
	known := driver.KnownMembers{Members: []driver.KnownMember{
		{PeerID: peer("4kx6nXTN"), Name: "attic", State: "connected", Trusted: true, Allowed: true, FirstSeen: at(40 * day), LastHeard: at(4 * time.Second),
			Version: "v1.2.3", Listed: at(time.Hour), Capabilities: []string{"copies", "state"}, Wrote: true},
		{PeerID: peer("aaaabbbb"), Name: "barn", State: "away", Trusted: true, Allowed: true, LastHeard: at(2 * day), Away: took(2 * day),
			ForgottenIn: took(28 * day), Version: "v1.2.2", HoldsUp: []string{"garbage"}, WaitsBecause: "it is away"},
		{PeerID: peer("ccccdddd"), Name: "cellar", State: "away", FirstSeen: at(9 * day), LastHeard: at(time.Hour), Away: took(time.Hour), ForgottenIn: took(30 * day)},
		{PeerID: peer("eeeeffff"), Name: "guest", State: "connected", Allowed: true, FirstSeen: at(time.Minute), LastHeard: at(time.Minute)},
		{PeerID: peer("gggghhhh"), Name: "door", State: "away", Trusted: true, Allowed: true, FirstSeen: at(day), LastHeard: at(time.Hour), Away: took(time.Hour)},
		{PeerID: peer("iiiijjjj"), Name: "shed", State: "never met", Trusted: true, Allowed: true},
		{PeerID: peer("kkkkllll"), Name: "lost", State: "revoked", Revoked: at(3 * day), Wrote: true},
	}}
	requireGolden(t, "members.txt", membersSections(known, now, false))
	var out bytes.Buffer
	if err := printSections(&out, membersSections(known, now, true)); err != nil {
		t.Fatal(err)
	}
	for _, whole := range []string{peer("gggghhhh"), "copies state"} {
		if !strings.Contains(out.String(), whole) {
			t.Errorf("not wide, without %q:\n%s", whole, out.String())
		}
	}
	out.Reset()
	if err := printSections(&out, membersSections(driver.KnownMembers{}, now, false)); err != nil || out.String() != "MEMBERS  0 known, 0 connected\n  none\n" {
		t.Errorf("alone: %q %v", out.String(), err)
	}
}
