package pathmap_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"

	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

var update = flag.Bool("update", false, "write the golden bytes anew")

const goldenFile = "../../../testdata/paths.json"

// golden are bytes that every release writes and reads.
type golden struct {
	Entry    string `json:"entry"`     // hex
	Delta    string `json:"delta"`     // hex of the block that first writes that entry at /docker/a by peer "writer" in incarnation "abcdefgh"
	DeltaCID string `json:"delta_cid"` // of the same
}

func TestGoldenBytes(t *testing.T) {
	e := entryOf(t, "golden")
	f := newFabric(t)
	f.incarnation = func() string { return "abcdefgh" }
	a := f.add("writer")
	if err := a.m.Put(t.Context(), "/docker/a", e); err != nil {
		t.Fatal(err)
	}
	got := golden{Entry: hex.EncodeToString(e.Marshal()), DeltaCID: a.m.Heads()[0].String()}
	res, err := a.disk.TxnDatastore.Query(t.Context(), query.Query{Prefix: "/paths/blocks"})
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := res.Rest()
	if err != nil || len(blocks) != 1 {
		t.Fatalf("%d blocks: %v", len(blocks), err)
	}
	got.Delta = hex.EncodeToString(blocks[0].Value)
	if *update {
		b, err := json.MarshalIndent(got, "", "  ")
		if err == nil {
			err = os.WriteFile(goldenFile, append(b, '\n'), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	var want golden
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	raw, err := hex.DecodeString(want.Entry)
	if err != nil {
		t.Fatal(err)
	}
	if back, err := pathmap.UnmarshalEntry(raw); err != nil || back != e {
		t.Errorf("decoded %+v %v", back, err)
	}
}

const stateOnDiskFile = "../../../testdata/state-on-disk.json"

// TestGoldenStateOnDisk: what a state leaves in a datastore, as every release reads it that knows of
// states. LABEL stands for one that was made at random.
func TestGoldenStateOnDisk(t *testing.T) {
	f := newFabric(t)
	f.incarnation = func() string { return "abcdefgh" }
	a, c := f.add("a"), f.add("c")
	put(t, a, "/docker/a", "golden")
	put(t, a, "/docker/b", "golden")
	agree(t, a, c)
	f.isolate("c", true)
	del(t, a, "/docker/a")
	put(t, a, "/docker/c", "golden") // so that c lacks a change that b will not have, and has to take a state
	f.states.Store(true)
	a.stop()
	a.start()
	b := f.add("b")
	tookState(t, b, a)
	a.stop()
	c.disk.dropsLeft.Store(1)
	f.isolate("c", false)
	agree(t, b, c)
	eventually(t, "deleting on disk is interrupted", func() bool { return c.disk.failed.Load() > 0 }) // readers see the state before
	got := map[string]string{}
	cut, err := c.disk.Get(t.Context(), pathmap.CutKey)
	if err != nil {
		t.Fatal(err)
	}
	got[pathmap.CutKey.String()] = "LABEL"
	for _, below := range []ds.Key{pathmap.BehindKey, pathmap.DropKey} {
		for _, key := range c.keysBelow(t, below.String()) {
			value, err := c.disk.Get(t.Context(), ds.RawKey(key))
			if err != nil {
				t.Fatal(err)
			}
			got[strings.ReplaceAll(key, string(cut), "LABEL")] = hex.EncodeToString(value)
		}
	}
	text, err := json.MarshalIndent(got, "", "  ")
	if err == nil && *update {
		err = os.WriteFile(stateOnDiskFile, append(text, '\n'), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(stateOnDiskFile)
	if err != nil || string(want) != string(text)+"\n" {
		t.Errorf("got  %s\nwant %s: %v", text, want, err)
	}
}

const notesOnDiskFile = "../../../testdata/notes-on-disk.json"

// TestGoldenNotesOnDisk: what a map keeps beside its changes, its versions and the cuts, as every release reads it.
func TestGoldenNotesOnDisk(t *testing.T) {
	f := stateful(t)
	f.incarnation = func() string { return "abcdefgh" }
	a := f.add("a")
	put(t, a, "/docker/a", "golden")
	put(t, a, "/docker/a", "more")
	del(t, a, "/docker/a")
	if err := a.m.DoNotWait(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	if err := a.m.Accept(t.Context(), a.m.Heads()[0].String()); err != nil {
		t.Fatal(err)
	}
	got := notesOf(t, a)
	manyPaths(t, a, 2000)
	f.cutAfter.Store(40 << 10)
	b := f.add("b")
	eventually(t, "some of a state came", func() bool { return b.m.States().Broken > 0 })
	if value, err := b.disk.Get(t.Context(), pathmap.TakingKey); err != nil || len(value) > 0 {
		t.Errorf("while a state is taken: %x, %v", value, err)
	}
	got[pathmap.TakingKey.String()] = ""
	text, err := json.MarshalIndent(got, "", "  ")
	if err == nil && *update {
		err = os.WriteFile(notesOnDiskFile, append(text, '\n'), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(notesOnDiskFile)
	if err != nil || string(want) != string(text)+"\n" {
		t.Errorf("got  %s\nwant %s: %v", text, want, err)
	}
}

// notesOf is all that a map has on disk but for its changes and versions, in hex.
func notesOf(t *testing.T, s *seat) map[string]string {
	t.Helper()
	notes := map[string]string{}
	for _, key := range s.keysBelow(t, "/paths") {
		if strings.HasPrefix(key, "/paths/crdt/") || strings.HasPrefix(key, "/paths/blocks/") {
			continue
		}
		value, err := s.disk.Get(t.Context(), ds.RawKey(key))
		if err != nil {
			t.Fatal(err)
		}
		notes[key] = hex.EncodeToString(value)
	}
	return notes
}

func TestEntriesOfLaterReleases(t *testing.T) {
	e := entryOf(t, "x")
	more := append(e.Marshal(), 0x7a, 1, 'y') // an unknown field, number 15
	if got, err := pathmap.UnmarshalEntry(more); err != nil || got != e {
		t.Errorf("an unknown field: %+v %v", got, err)
	}
	newer := e.Marshal()
	newer[0] = 2
	if _, err := pathmap.UnmarshalEntry(newer); !errors.Is(err, pathmap.ErrNewerEntry) {
		t.Errorf("a newer format: %v", err)
	}
	for _, bad := range [][]byte{nil, {1}, {1, 0xff}, e.Marshal()[:9]} {
		if _, err := pathmap.UnmarshalEntry(bad); err == nil {
			t.Errorf("%x was taken for an entry", bad)
		}
	}
}

func FuzzUnmarshalEntry(f *testing.F) {
	f.Add(entryOf(f, "x").Marshal())
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := pathmap.UnmarshalEntry(b)
		if err != nil {
			return
		}
		if back, err := pathmap.UnmarshalEntry(e.Marshal()); err != nil || back != e {
			t.Errorf("%+v became %+v: %v", e, back, err)
		}
	})
}
