package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// TestTheTableOfASwarm compares the table of a swarm with testdata/swarm.txt: of a registry, a member that is
// behind and had trouble, one that holds changes which are not here and whose disk is full, one that is silent, and one of
// which nothing was ever heard.
func TestTheTableOfASwarm(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	at := func(ago time.Duration) *time.Time { at := now.Add(-ago); return &at }
	number := func(n int64) *int64 { return &n }
	count := func(n int) *int { return &n }
	rate := func(r float64) *float64 { return &r }
	peer := func(end string) string { return "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj" + end }
	s := driver.SwarmStatus{Members: []driver.SwarmMember{
		{PeerID: peer("4kx6nXTN"), Name: "Büro 3", Self: true, Connected: true, Version: "v1.2.3", UpSince: at(50 * time.Hour),
			Map: &driver.SwarmMap{Entries: 12, Digest: "aa", State: "same"}, Kept: &driver.BlobAmount{Blobs: 12, Bytes: 3 << 30},
			Cache: &driver.BlobAmount{Blobs: 1, Bytes: 5 << 20}, OnlyHere: &driver.BlobAmount{}, FreeBytes: number(100 << 30), TotalBytes: number(200 << 30),
			Transfers: count(2), RateIn: rate(12.5 * (1 << 20)), RateOut: rate(0)},
		{PeerID: peer("aaaabbbb"), Name: "attic", Connected: true, Version: "v1.2.3", UpSince: at(5 * time.Minute),
			Map: &driver.SwarmMap{Entries: 9, Digest: "bb", State: "behind", Behind: 3}, FreeBytes: number(7 << 30), TotalBytes: number(9 << 30),
			Transfers: count(0), RateIn: rate(0), RateOut: rate(900),
			LastError: &driver.SwarmTrouble{At: *at(90 * time.Second), Text: "a blob could not be fetched: the next request for it will try again: nobody has it"}},
		{PeerID: peer("ccccdddd"), Name: "barn", Connected: true, Version: "v1.2.2", UpSince: at(time.Hour),
			Map: &driver.SwarmMap{Entries: 9, Digest: "cc", State: "other", AtLeast: true}, Transfers: count(0), NoRoom: &driver.BlobAmount{Blobs: 3, Bytes: 5 << 20}},
		{PeerID: peer("eeeeffff"), Name: "cellar", Connected: true, Version: "v1.1.0", FreeBytes: number(1 << 30), Trouble: "gave no answer within 5s"},
		{PeerID: peer("gggghhhh"), Trouble: "away since 2026-11-27T12:00:00Z"},
	}}
	var out bytes.Buffer
	if err := printSections(&out, swarmSections(s, now, false)); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/swarm.txt")
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != string(want) {
		t.Errorf("it is\n%s", out.String())
	}
	out.Reset()
	if err := printSections(&out, swarmSections(s, now, true)); err != nil {
		t.Fatal(err)
	}
	for _, whole := range []string{peer("eeeeffff"), "will try again: nobody has it"} {
		if !strings.Contains(out.String(), whole) {
			t.Errorf("not wide, without %q:\n%s", whole, out.String())
		}
	}
}
