package pathmap

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"testing"
	"time"
)

const compactGoldenFile = "../../../testdata/compacted.json"

// compactGolden is what compacting leaves in a datastore, as every release reads it that compacts.
type compactGolden struct {
	Name      string          `json:"name"`      // hex of the key of a delta's name
	Priority  string          `json:"priority"`  // hex of its value, for a priority of 300
	Compacted json.RawMessage `json:"compacted"` // how much was dropped, and when last
	Twice     string          `json:"twice"`     // the key of a value that one of two deltas wrote
}

func TestGoldenCompacted(t *testing.T) {
	id := idOf(fuzzCID("delta"))
	name, err := bygoneName(id)
	if err != nil {
		t.Fatal(err)
	}
	done := compactedDeltas{Deltas: 7, At: time.Unix(1, 5).UTC()}
	text, err := json.Marshal(done)
	if err != nil {
		t.Fatal(err)
	}
	got := compactGolden{
		Name: hex.EncodeToString([]byte(name.String())), Priority: hex.EncodeToString(appendUvarint(300)), Compacted: text,
		Twice: twiceOf(keyOf("/docker/a", version{3, "12D3.abcdefgh"}).String(), id).String(),
	}
	if flag.Lookup("update").Value.String() == "true" {
		b, err := json.MarshalIndent(got, "", "  ")
		if err == nil {
			err = os.WriteFile(compactGoldenFile, append(b, '\n'), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(compactGoldenFile)
	if err != nil {
		t.Fatal(err)
	}
	var want compactGolden
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	if got.Name != want.Name || got.Priority != want.Priority || got.Twice != want.Twice || compacted(t, got.Compacted) != compacted(t, want.Compacted) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	var read compactedDeltas
	if err := json.Unmarshal(want.Compacted, &read); err != nil || read != done {
		t.Errorf("%+v is read: %v", read, err)
	}
	key, err := hex.DecodeString(want.Name)
	if err != nil {
		t.Fatal(err)
	}
	if back, err := bygoneID(string(key)); err != nil || back != id {
		t.Errorf("%q is read as the name of %s: %v", key, back, err)
	}
}
