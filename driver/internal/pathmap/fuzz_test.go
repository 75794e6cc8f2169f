package pathmap

import (
	"bufio"
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	"github.com/ipfs/boxo/ipld/merkledag"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-ds-crdt/pb"
	ipld "github.com/ipfs/go-ipld-format"
	"github.com/multiformats/go-multihash"
	"google.golang.org/protobuf/proto"
)

func fuzzCID(content string) cid.Cid {
	mh, _ := multihash.Sum([]byte(content), multihash.SHA2_256, -1) // it cannot fail
	return cid.NewCidV1(cid.DagProtobuf, mh)
}

// FuzzFrames: whatever comes in frames is a request, an answer or an error, and what is read is
// written again as something that is read alike.
func FuzzFrames(f *testing.F) {
	c, n := fuzzCID("a"), uint64(7)
	var list names
	list.add(c)
	for _, v := range []any{
		request{Op: opHeads, Run: "x", Lapse: &n, Ticket: "t"}, request{Op: opGet, Get: list, Have: []cid.Cid{c}, Page: 9},
		answer{Heads: []cid.Cid{c}, Counter: &n, Written: &n, Twin: true}, answer{List: list, Last: 8, More: true},
		answer{Error: "no"}, answer{Error: "no", Cut: true}, answer{Heads: []cid.Cid{c}, State: true},
		request{Op: opState, Had: hadPages{{End: "/f/a", Digest: []byte{1}}, {End: "/f/b"}}},
	} {
		var b bytes.Buffer
		_ = writeJSON(&b, v)
		f.Add(b.Bytes())
	}
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0x7f, '{'})
	f.Fuzz(func(t *testing.T, b []byte) {
		for r := bufio.NewReader(bytes.NewReader(b)); ; {
			frame, err := readFrame(r, maxDelta)
			if err != nil {
				return
			}
			var q, again request
			if json.Unmarshal(frame, &q) == nil {
				rewritten(t, q, &again)
				if _, err := q.After.cids(); (err == nil) != (len(q.After)%nameSize == 0) {
					t.Error(err)
				}
			}
			var a, answered answer
			if json.Unmarshal(frame, &a) == nil {
				rewritten(t, a, &answered)
				if cids, err := a.List.cids(); err == nil && len(cids)*nameSize != len(a.List) {
					t.Errorf("%d names of %d bytes", len(cids), len(a.List))
				}
			}
		}
	})
}

// rewritten writes a value, reads it, and asks that it is written alike again.
func rewritten(t *testing.T, v, again any) {
	t.Helper()
	first, err := json.Marshal(v)
	if err != nil {
		return // a CID that was left out
	}
	if err := json.Unmarshal(first, again); err != nil {
		t.Fatalf("%s: %v", first, err)
	}
	if second, err := json.Marshal(again); err != nil || !bytes.Equal(first, second) {
		t.Errorf("%s became %s: %v", first, second, err)
	}
}

// FuzzHeads: heads of an announcement come back as they were announced.
func FuzzHeads(f *testing.F) {
	one, _ := encodeHeads([]cid.Cid{fuzzCID("a")})
	two, _ := encodeHeads([]cid.Cid{fuzzCID("a"), fuzzCID("b")})
	f.Add(one)
	f.Add(two)
	f.Fuzz(func(t *testing.T, b []byte) {
		heads, err := decodeHeads(b)
		if err != nil {
			return
		}
		if len(heads) > maxHeads {
			t.Errorf("%d heads", len(heads))
		}
		back, err := encodeHeads(heads)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := decodeHeads(back); err != nil || !slices.Equal(again, heads) {
			t.Errorf("%v became %v: %v", heads, again, err)
		}
	})
}

// FuzzDelta: a delta that is taken names no more parents than there may be, and keys that are
// written as they were read.
func FuzzDelta(f *testing.F) {
	entry := Entry{CID: fuzzCID("a"), Size: 5}.Marshal()
	add := func(parents int, msg *pb.Delta) {
		data, _ := proto.Marshal(msg)
		node := merkledag.NodeWithData(data)
		for range parents {
			_ = node.AddRawLink("", &ipld.Link{Cid: fuzzCID("parent")})
		}
		f.Add(node.RawData())
	}
	add(1, &pb.Delta{Priority: 3, Elements: []*pb.Element{{Key: "/f/docker/a:000000000000000a-w", Value: entry}}})
	add(2, &pb.Delta{Priority: 9, Tombstones: []*pb.Element{{Key: "/f/docker/a:000000000000000a-w", Id: "x"}}})
	add(0, &pb.Delta{Priority: 1, Elements: []*pb.Element{{Key: "/s/hash:0000000000000001-w", Value: []byte{9, 9}}}})
	add(0, &pb.Delta{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		b := blocks.NewBlock(raw)
		d, err := parseDelta(b)
		if err != nil {
			return
		}
		if parents, err := parentsOf(b); err != nil || !slices.Equal(parents, d.parents) || len(parents) > maxHeads {
			t.Errorf("parents %v and %v: %v", parents, d.parents, err)
		}
		for _, c := range d.changes {
			path, v, ours, err := parseKey(keyOf(c.path, c.version).String())
			if path != c.path || v != c.version || !ours || err != nil {
				t.Errorf("%q %v became %q %v: %v", c.path, c.version, path, v, err)
			}
		}
	})
}

// FuzzPacked: what another registry wrote at a path is kept in memory in fewer bytes, and comes
// back as it was written.
func FuzzPacked(f *testing.F) {
	f.Add("/a", Entry{CID: fuzzCID("a"), Size: 5}.Marshal(), []byte("second"))
	f.Add("/x/link", []byte{entryFormat + 1}, []byte{})
	f.Fuzz(func(t *testing.T, path string, first, second []byte) {
		w, key := newWriters(), sortKey(path)
		var p packed
		values := slices.DeleteFunc([][]byte{first, second}, func(v []byte) bool { return len(v) == 0 }) // a delta is refused for one
		for i, value := range values {
			p = w.pack(p, key, version{uint64(i) << 40, "writer"}, value)
		}
		for i, value := range values {
			var got stored
			got, p = w.unpack(key, p)
			if got.value() != string(value) || got.version != (version{uint64(i) << 40, "writer"}) {
				t.Errorf("%x came back as %x of %v", value, got.value(), got.version)
			}
		}
		if len(p) != 0 {
			t.Errorf("%x is left", p)
		}
	})
}

// FuzzPlace: a key that names the place of a delta is the one of that place.
func FuzzPlace(f *testing.F) {
	f.Add(place{7, fuzzCID("a")}.key().String())
	f.Add("/x/00-")
	f.Fuzz(func(t *testing.T, key string) {
		p, err := placeOf(ds.NewKey(key).String()) // as keys of the datastore are
		if err != nil {
			return
		}
		if again, err := placeOf(p.key().String()); err != nil || again.priority != p.priority || !again.cid.Equals(p.cid) {
			t.Errorf("%v became %v: %v", p, again, err)
		}
	})
}

// FuzzState: of a page of a state only versions are taken that are written as they were read, and in
// memory that was bounded before.
func FuzzState(f *testing.F) {
	entry := Entry{CID: fuzzCID("a"), Size: 5}.Marshal()
	var zip codec
	add := func(names []byte, page *pb.Delta) {
		b, err := zip.encode(page)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, names)
	}
	names, err := appendName(nil, idOf(fuzzCID("a")), 300)
	if err != nil {
		f.Fatal(err)
	}
	one := &pb.Element{Key: "/f/docker/a:000000000000000a-w", Id: idOf(fuzzCID("a")), Value: entry}
	add(names, &pb.Delta{Elements: []*pb.Element{one, {Key: "/s/hash:0000000000000001-w", Id: idOf(fuzzCID("b")), Value: []byte{9, 9}}}})
	add(append(names, 1), &pb.Delta{Elements: []*pb.Element{{Key: one.Key, Id: "x", Value: entry}}})
	add(nil, &pb.Delta{Elements: []*pb.Element{{Key: "/f/a", Id: one.Id}}})
	add(names[:20], &pb.Delta{Priority: 1})
	bomb, _ := zip.encode(&pb.Delta{Elements: []*pb.Element{{Key: one.Key, Id: one.Id, Value: make([]byte, 2*maxStatePage)}}})
	f.Add(bomb, []byte{})
	f.Fuzz(func(t *testing.T, page, names []byte) {
		var zip codec
		defer zip.close()
		versions, err := zip.decode(page)
		for _, v := range versions {
			key, id := splitPlace(v.place())
			if err == nil && (keyOf(v.path, v.version).String() != v.key || key != v.key || id != v.id) {
				t.Errorf("%+v is written as %s", v, keyOf(v.path, v.version))
			}
		}
		var back []byte
		err = eachName(names, func(digest []byte, id string, priority uint64) error {
			back, err = appendName(back, id, priority)
			if err != nil || !bytes.Equal(back[bytes.LastIndex(back, digest):][:nameSize], digest) {
				t.Errorf("%x became %s: %v", digest, id, err)
			}
			return nil
		})
		if err == nil && len(back) > len(names) {
			t.Errorf("%x became %x", names, back)
		}
	})
}
