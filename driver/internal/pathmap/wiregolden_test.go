package pathmap

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"reflect"
	"testing"
	"time"

	"github.com/ipfs/go-cid"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/golden"
)

// TestGoldenFrames: what members ask each other of the history, and what they announce. How a state
// travels is in TestGoldenState.
func TestGoldenFrames(t *testing.T) {
	c, n, yes := fuzzCID("delta"), uint64(7), true
	var named names
	named.add(c)
	requests := map[string]request{
		"ask for heads":   {Op: opHeads, Run: "run", Lapse: &n, Ticket: "ticket"},
		"ask of a writer": {Op: opHeads, Run: "run", Writer: "writer"},
		"ask for deltas":  {Op: opDeltas, Want: deltas{c}, Have: deltas{c}, Page: 3},
		"ask for more":    {Op: opMore, Page: 3},
		"ask for a list":  {Op: opList, Priority: n, After: named},
		"get":             {Op: opGet, Get: named},
	}
	answers := map[string]answer{
		"heads":       {Heads: deltas{c}, Counter: &n, Written: &n, State: true, Twin: true, Behind: true, Lapsed: &yes, Ticket: "ticket"},
		"of a writer": {Heads: deltas{c}, Counter: &n, Writer: &n},
		"page":        {More: true},
		"list":        {List: named, Last: n, More: true},
		"refusal":     {Error: "no"},
		"of a past":   {Error: "no", Cut: true},
	}
	got := map[string]string{}
	for name, r := range requests {
		got[name] = golden.JSON(t, r)
	}
	for name, a := range answers {
		got[name] = golden.JSON(t, a)
	}
	announced, err := encodeHeads([]cid.Cid{c, fuzzCID("another")})
	if err != nil {
		t.Fatal(err)
	}
	got["announcement"] = hex.EncodeToString(announced)
	var frame bytes.Buffer
	if err := writeFrame(&frame, bytes.Repeat([]byte{'x'}, 200)); err != nil {
		t.Fatal(err)
	}
	got["frame"] = hex.EncodeToString(frame.Bytes())
	stored := golden.Held(t, flag.Lookup("update").Value.String() == "true", "frames.json", got)
	for name, want := range requests {
		var r request
		if err := json.Unmarshal([]byte(stored[name]), &r); err != nil || !reflect.DeepEqual(r, want) {
			t.Errorf("%s: %+v %v", name, r, err)
		}
	}
	for name, want := range answers {
		var a answer
		if err := json.Unmarshal([]byte(stored[name]), &a); err != nil || !reflect.DeepEqual(a, want) {
			t.Errorf("%s: %+v %v", name, a, err)
		}
	}
	if heads, err := decodeHeads(golden.Bytes(t, stored["announcement"])); err != nil || len(heads) != 2 || heads[0] != c {
		t.Errorf("announced: %s %v", heads, err)
	}
	if b, err := readFrame(bytes.NewReader(golden.Bytes(t, stored["frame"])), 200); err != nil || len(b) != 200 {
		t.Errorf("a frame of %d bytes: %v", len(b), err)
	}
}

// TestGoldenBygone: what a compacted history leaves on the disk.
func TestGoldenBygone(t *testing.T) {
	id, done := idOf(fuzzCID("delta")), compactedDeltas{Deltas: 3, At: time.Unix(1700000000, 5).UTC()}
	key, err := bygoneName(id)
	if err != nil {
		t.Fatal(err)
	}
	stored := golden.Held(t, flag.Lookup("update").Value.String() == "true", "bygone.json", map[string]string{
		"name": hex.EncodeToString([]byte(key.String())), "priority": hex.EncodeToString(appendUvarint(300)),
		compactedKey.String(): golden.JSON(t, done),
		"twice":               twiceOf(keyOf("/docker/a", version{3, "12D3.abcdefgh"}).String(), id).String(),
	})
	if back, err := bygoneID(string(golden.Bytes(t, stored["name"]))); err != nil || back != id {
		t.Errorf("%s %v", back, err)
	}
	if n, err := uvarint(golden.Bytes(t, stored["priority"])); err != nil || n != 300 {
		t.Errorf("%d %v", n, err)
	}
	var was compactedDeltas
	if err := json.Unmarshal([]byte(stored[compactedKey.String()]), &was); err != nil || was != done {
		t.Errorf("%+v %v", was, err)
	}
}
