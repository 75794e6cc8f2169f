package pathmap

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
)

// TestPackedVersions sets versions of every form, replaces some and removes them: each
// comes back as it was written, in few bytes where it is usual, and the digest of a map
// from which everything was removed is that of an empty one.
func TestPackedVersions(t *testing.T) {
	digest := strings.Repeat("0123456789abcdef", 4)
	entry := func(codec uint64, hash uint64, content string) Entry {
		mh, err := multihash.Sum([]byte(content), hash, -1)
		if err != nil {
			t.Fatal(err)
		}
		return Entry{CID: cid.NewCidV1(codec, mh), Size: int64(len(content)), ModTime: time.Unix(1700000000, 5).UTC()}
	}
	link := entry(cid.Raw, multihash.IDENTITY, "sha256:"+digest)
	longer := link
	longer.Size++
	newer := append([]byte{entryFormat + 1}, "what this release cannot read"...)
	own, other := "/a/_layers/sha256/"+digest+"/link", "/a/_manifests/tags/latest/current/link"
	s := newSnapshot()
	for i, c := range []struct {
		path  string
		value []byte
		most  int // bytes it is packed in
	}{
		{own, link.Marshal(), 16},
		{other, link.Marshal(), 48},
		{"/b/1/data", entry(cid.Raw, multihash.SHA2_256, "1").Marshal(), 48},
		{"/b/2/data", entry(cid.DagProtobuf, multihash.SHA2_256, "2").Marshal(), 48},
		{"/b/3/data", entry(cid.Raw, multihash.BLAKE3, "3").Marshal(), 48},
		{"/b/4/data", entry(cid.DagProtobuf, multihash.BLAKE3, "4").Marshal(), 48},
		{"/c/1", entry(cid.Raw, multihash.SHA2_512, "5").Marshal(), 1000},
		{"/c/2", entry(cid.Raw, multihash.IDENTITY, "text").Marshal(), 1000},
		{"/c/3", entry(cid.Raw, multihash.IDENTITY, "sha256:"+strings.ToUpper(digest)).Marshal(), 1000},
		{"/c/4", longer.Marshal(), 1000},
		{"/c/5", append(link.Marshal(), 0x7a, 1, 'y'), 1000}, // an unknown field
		{"/c/6", newer, 1000},
		{":setting", entry(cid.Raw, multihash.IDENTITY, "value").Marshal(), 1000},
	} {
		for n := range uint64(3) { // three registries write it at the same time, and one again
			s.set(c.path, version{uint64(i + 1), fmt.Sprint("writer-", n%2, "-", n)}, c.value)
		}
		s.set(c.path, version{uint64(i + 1), "writer-0-0"}, c.value)
		vs := s.versionsOf(c.path)
		if len(vs) != 3 {
			t.Fatalf("%s: %d versions", c.path, len(vs))
		}
		for _, v := range vs {
			if v.value() != string(c.value) {
				t.Errorf("%s: %x came back as %x", c.path, c.value, v.value())
			}
		}
		if w := s.winner(sortKey(c.path), s.packedAt(c.path, sortKey(c.path))); w.writer != "writer-1-1" || w.counter != uint64(i+1) {
			t.Errorf("%s: %d by %s wins", c.path, w.counter, w.writer)
		}
		for n := range uint64(3) {
			if p := s.packedAt(c.path, sortKey(c.path)); len(p) > c.most*(3-int(n)) {
				t.Errorf("%s: %d versions take %d bytes", c.path, 3-n, len(p))
			}
			s.remove(c.path, version{uint64(i + 1), fmt.Sprint("writer-", n%2, "-", n)})
		}
	}
	if s.paths.Len() != 0 || s.settings.Len() != 0 || s.digest != newSnapshot().digest {
		t.Errorf("%d paths and %d settings are left, the digest is %s", s.paths.Len(), s.settings.Len(), s.hexDigest())
	}
}
