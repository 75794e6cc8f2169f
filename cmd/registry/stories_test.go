package main

import (
	flags "flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

var update = flags.Bool("update", false, "write what is printed to testdata")

// requireGolden compares what is printed with a file of testdata.
func requireGolden(t *testing.T, name string, sections []section, lines ...string) {
	t.Helper()
	var b strings.Builder
	if err := printSections(&b, sections); err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		b.WriteString(l + "\n")
	}
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("%s, printed by `go test -update`, is otherwise now:\n%s", file, b.String())
	}
}

const (
	ms    = time.Millisecond
	barn  = "12D3KooWBarnBarnBarnBarnBarnBarnBarnBarnBarnBarnBarn"
	attic = "12D3KooWAtticAtticAtticAtticAtticAtticAtticAtticAtticAt"
)

var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

func ended(before time.Duration) *time.Time {
	at := noon.Add(-before)
	return &at
}

// someStories are of each kind: from two members, from one after a mute one, from nobody, of a client
// that is slow, and of more members than are told of.
func someStories() []driver.TransferStory {
	digest := func(c string) string { return "sha256:" + strings.Repeat(c, 64) }
	return []driver.TransferStory{
		{
			Number: 7, Digest: digest("a"), Size: 40 * mib, Here: 40 * mib, For: "client", Ended: ended(2 * time.Minute), Result: "whole",
			FirstByte: 12 * ms, Took: 1620 * ms, Received: 40 * mib, Waits: map[string]time.Duration{"first byte": 12 * ms, "flow": 1500 * ms, "disk": 108 * ms},
			Limit: driver.TransferLimit{What: "one link", PeerID: barn, Name: "barn", Share: 0.93},
			Sources: []driver.StorySource{
				{PeerID: barn, Name: "barn", Roads: []string{"data port"}, Bytes: 36 * mib, Got: 37 * mib, Rate: 23 * mib},
				{PeerID: attic, Roads: []string{"libp2p", "relay"}, Bytes: 4 * mib, Got: 4 * mib, Rate: 3.5 * mib},
			},
		},
		{
			Number: 8, Digest: digest("b"), Size: 1234, Here: 1234, For: "manifests", Ended: ended(90 * time.Second), Result: "whole",
			FirstByte: 170 * ms, Took: 171 * ms, Received: 1234, Retries: 2, Wrong: 1, Waits: map[string]time.Duration{"first byte": 170 * ms, "disk": 900 * time.Microsecond},
			Limit: driver.TransferLimit{What: "mute holder", PeerID: attic, Share: 0.99},
			Sources: []driver.StorySource{
				{PeerID: barn, Name: "barn", Roads: []string{"data port"}, Bytes: 1234, Got: 1234, Rate: 5000, Wrong: 1, Retries: 1},
				{PeerID: attic, Roads: nil, Mute: 150 * ms, Retries: 1},
			},
		},
		{
			Number: 9, CID: "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy", Size: 3 * mib, For: "client", Ended: ended(time.Minute),
			Result: "unavailable", Error: "fetch it: no reachable member gave it", Took: 3 * time.Second, Waits: map[string]time.Duration{"holders": 3 * time.Second},
			Limit: driver.TransferLimit{What: "no holder", Share: 1},
		},
		{
			Number: 10, Digest: digest("c"), Size: 9 * mib, Here: 9 * mib, For: "client", Ended: ended(time.Second), Result: "whole", Took: 25 * time.Second,
			FirstByte: ms, Received: 6 * mib, Copied: 2 * mib, Before: mib, Waits: map[string]time.Duration{"reader": 24 * time.Second, "flow": time.Second},
			Limit: driver.TransferLimit{What: "client", Share: 0.96}, Others: 5,
			Sources: []driver.StorySource{
				{PeerID: barn, Name: "barn", Roads: []string{"data port"}, Bytes: 5 * mib, Got: 5 * mib, Rate: 5 * mib},
				{Roads: []string{"bitswap"}, Bytes: mib / 2, Got: mib / 2},
				{Roads: []string{"data port"}, Bytes: mib / 2, Got: mib / 2},
			},
		},
	}
}

func TestTablesOfTransfers(t *testing.T) {
	under := someStories()[0]
	under.Number, under.Ended, under.Result, under.Here = 0, nil, "", 17*mib
	all := driver.TransferStories{Running: []driver.TransferStory{under}, Finished: someStories()}
	requireGolden(t, "transfers.txt", transfersSections(all, noon, false, false))
	requireGolden(t, "transfers-terminal.txt", transfersSections(all, noon, true, true))
	requireGolden(t, "transfers-none.txt", transfersSections(driver.TransferStories{}, noon, true, false))
}

// TestLinesOfTransfers is what --follow prints.
func TestLinesOfTransfers(t *testing.T) {
	under := someStories()[0]
	var out strings.Builder
	lines := &transferLines{out: &out, size: func() (int, int) { return 200, 24 }, zone: time.UTC}
	many := make([]driver.TransferStory, maxBars+2)
	for i := range many {
		many[i] = under
	}
	for _, all := range []driver.TransferStories{{Finished: someStories()}, {Running: many}, {}} {
		if err := lines.tell(all); err != nil {
			t.Fatal(err)
		}
	}
	requireGolden(t, "transfers-follow.txt", nil, strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")...)
}

func TestTablesOfATrace(t *testing.T) {
	stories := someStories()
	digest := func(c string) string { return "sha256:" + strings.Repeat(c, 64) }
	pulled := driver.Trace{Of: "team/app:1.4", Took: 28 * time.Second, Received: 46 * mib, Blobs: []driver.TracedBlob{
		{Kind: "manifest", Digest: digest("1"), CID: "c", Size: 700, Here: true},
		{Kind: "config", Digest: digest("2"), CID: "c", Size: 30, Inline: true},
		{Kind: "layer", Digest: digest("a"), CID: "c", Size: 40 * mib, Story: &stories[0]},
		{Kind: "layer", Digest: digest("c"), CID: "c", Size: 9 * mib, Story: &stories[3]},
		{Kind: "layer", Digest: digest("d"), CID: "c", Size: 3 * mib, Story: &stories[2]},
		{Kind: "layer", Digest: digest("e")},
	}}
	requireGolden(t, "trace.txt", traceSections(pulled, false))
	if n := pulled.Lacking(); n != 2 {
		t.Errorf("%d are lacking", n)
	}
	on := func(id, name, road string, whole bool, bytes int64) driver.TraceHolder {
		return driver.TraceHolder{PeerID: id, Name: name, Whole: whole, Bytes: bytes, Road: road}
	}
	dry := driver.Trace{Of: "team/app:1.4", DryRun: true, Silent: []driver.WhereMember{{PeerID: "12D3Quiet", Name: "cellar", Trouble: "is not trusted"}}, Blobs: []driver.TracedBlob{
		{Kind: "manifest", Digest: digest("1"), CID: "c", Size: 700, Here: true, Holders: []driver.TraceHolder{on(barn, "barn", "data port", true, 700)}},
		{Kind: "layer", Digest: digest("a"), CID: "c", Size: 40 * mib, Holders: []driver.TraceHolder{on(barn, "barn", "data port", true, 40*mib), on(attic, "barn", "libp2p", false, 10*mib)}},
		{Kind: "layer", Digest: digest("d"), CID: "c", Size: 3 * mib},
	}}
	requireGolden(t, "trace-dry.txt", traceSections(dry, false))
	if n := dry.Lacking(); n != 1 {
		t.Errorf("%d are lacking", n)
	}
}
