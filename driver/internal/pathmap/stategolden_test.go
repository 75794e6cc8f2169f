package pathmap

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-ds-crdt/pb"
	"google.golang.org/protobuf/proto"
)

const stateGoldenFile = "../../../testdata/state.json"

// stateGolden is how a state travels, as every release that knows of states writes and reads it: each
// frame without its length.
type stateGolden struct {
	Request  json.RawMessage `json:"request"`
	Head     json.RawMessage `json:"head"`
	Page     json.RawMessage `json:"page"`     // before its versions
	Versions string          `json:"versions"` // hex, before they are compressed
	Packed   string          `json:"packed"`   // hex of the same as it was compressed once: it may be in other ways
	Same     json.RawMessage `json:"same"`     // a page that the request named
	Rest     json.RawMessage `json:"rest"`     // the last one of versions
	Names    json.RawMessage `json:"names"`    // before names
	Named    string          `json:"named"`    // hex of the names
	Sum      json.RawMessage `json:"sum"`
	Refusal  json.RawMessage `json:"refusal"`
}

// goldenVersions are two versions, one of a path and one of a setting.
func goldenVersions() *pb.Delta {
	e := Entry{CID: fuzzCID("content"), Size: 7, ModTime: time.Unix(1700000000, 5).UTC()}
	page := &pb.Delta{}
	for _, path := range []string{"/docker/a", settingMark + "hash"} {
		page.Elements = append(page.Elements, &pb.Element{
			Key: keyOf(path, version{3, "12D3.abcdefgh"}).String(), Id: idOf(fuzzCID("delta")), Value: e.Marshal(),
		})
	}
	return page
}

// goldenState makes all that a state consists of.
func goldenState(t *testing.T) (g stateGolden) {
	t.Helper()
	text := func(v any) json.RawMessage {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	page := goldenVersions()
	var sum, deltas digest
	for _, e := range page.Elements {
		sum.addVersion(e.Key, string(e.Value))
	}
	var named []byte
	for i, name := range []string{"delta", "another"} {
		var err error
		if named, err = appendName(named, idOf(fuzzCID(name)), uint64(200*i+1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := eachName(named, func(digest []byte, _ string, _ uint64) error { deltas.add(digest); return nil }); err != nil {
		t.Fatal(err)
	}
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(page)
	if err != nil {
		t.Fatal(err)
	}
	var zip codec
	defer zip.close()
	packed, err := zip.encode(page)
	if err != nil {
		t.Fatal(err)
	}
	end := page.Elements[1].Key + page.Elements[1].Id
	return stateGolden{
		Request:  text(request{Op: opState, Had: hadPages{{end, sum[:]}}}),
		Head:     text(stateHead{Heads: []cid.Cid{fuzzCID("another")}, Counter: 3, Paths: 1, Earlier: 1, Written: map[string]uint64{"12D3": 3}}),
		Page:     text(statePage{End: end, Versions: 2}),
		Versions: hex.EncodeToString(raw),
		Packed:   hex.EncodeToString(packed),
		Same:     text(statePage{End: end, Versions: 2, Same: true}),
		Rest:     text(statePage{Rest: true}),
		Names:    text(statePage{Names: 2}),
		Named:    hex.EncodeToString(named),
		Sum:      text(statePage{Sum: &stateSum{Versions: 2, Digest: sum[:], Names: 2, Deltas: deltas[:]}}),
		Refusal:  text(statePage{Error: errGivesOthers.Error(), Busy: true}),
	}
}

func TestGoldenState(t *testing.T) {
	got := goldenState(t)
	if flag.Lookup("update").Value.String() == "true" {
		b, err := json.MarshalIndent(got, "", "  ")
		if err == nil {
			err = os.WriteFile(stateGoldenFile, append(b, '\n'), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(stateGoldenFile)
	if err != nil {
		t.Fatal(err)
	}
	var want stateGolden
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	is, was := reflect.ValueOf(got), reflect.ValueOf(want)
	for i := range is.NumField() {
		name := is.Type().Field(i).Name
		if name == "Packed" {
			continue
		}
		if a, b := compacted(t, is.Field(i).Interface()), compacted(t, was.Field(i).Interface()); a != b {
			t.Errorf("%s: got  %s\nwant %s", name, a, b)
		}
	}
	packed, err := hex.DecodeString(want.Packed)
	if err != nil {
		t.Fatal(err)
	}
	var zip codec
	defer zip.close()
	versions, err := zip.decode(packed)
	if err != nil || len(versions) != 2 {
		t.Fatalf("%d versions: %v", len(versions), err)
	}
	for i, e := range goldenVersions().Elements {
		if v := versions[i]; v.key != e.Key || v.id != e.Id || string(v.value) != string(e.Value) {
			t.Errorf("version %d is read as %+v", i, v)
		}
	}
}

// compacted is a text as it is, and JSON without the spaces of the golden file.
func compacted(t *testing.T, v any) string {
	t.Helper()
	raw, ok := v.(json.RawMessage)
	if !ok {
		return v.(string)
	}
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
