package replica

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multihash"
	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/replica/place"
)

func blobOf(i int) cid.Cid {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i)))
	mh, err := multihash.Encode(sum[:], multihash.SHA2_256)
	if err != nil {
		panic(err)
	}
	return cid.NewCidV1(cid.Raw, mh)
}

// mapOf is a map of images with two blobs and five links each.
func mapOf(images int) pathmap.View {
	return pathmap.ViewOf(func(yield func(pathmap.Version) bool) {
		n := uint64(0)
		add := func(path string, c cid.Cid, size int64) bool {
			n++
			e := pathmap.Entry{CID: c, Size: size, ModTime: time.Unix(0, 0)}
			return yield(pathmap.Version{Path: path, Counter: n, Writer: "12D3KooWwriter", Value: e.Marshal()})
		}
		link, _ := dag.Identity([]byte("sha256:0123"))
		for i := range images {
			for b := range 2 {
				c := blobOf(2*i + b)
				if !add("/docker/registry/v2/blobs/sha256/"+c.String()[10:12]+"/"+c.String()+"/data", c, 1000) {
					return
				}
			}
			for l := range 5 {
				if !add(fmt.Sprintf("/docker/registry/v2/repositories/r%d/_layers/%d/link", i, l), link, 11) {
					return
				}
			}
		}
	})
}

func members(n int) (all []place.Member) {
	for i := range n {
		all = append(all, place.Member{ID: peer.ID(fmt.Sprintf("member %03d", i)), Zone: fmt.Sprint(i % 3), Capacity: 1e12})
	}
	return all
}

// keeperAmong is one of n members, with which nothing is wrong.
func keeperAmong(n, copies int, log *logrus.Entry) (*Keeper, *[]place.Member) {
	all := members(n)
	others := all[1:]
	k := New(Config{
		Self: all[0].ID, Copies: copies, Delay: time.Hour, Log: log,
		Members: func() (place.Member, []place.Member) { return all[0], others },
	})
	k.judge()
	return k, &others
}

// pages looks through a map, so many paths at a time.
func pages(view pathmap.View, n int, lacks func(pathmap.Entry) bool) iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		for last, more := "", true; more; {
			var found []missing
			found, last, more = lacking(view, last, n, lacks)
			var paths []string
			for _, m := range found {
				paths = append(paths, m.path)
			}
			if !yield(paths) {
				return
			}
		}
	}
}

// TestLooksThroughTheWholeMap: every blob that is to be kept is found once, however long the
// pages are, and no link is.
func TestLooksThroughTheWholeMap(t *testing.T) {
	view := mapOf(300)
	k, _ := keeperAmong(5, 2, nil)
	var want []string
	view.Under("/", func(path string, e pathmap.Entry) bool {
		if k.Keeps(e.CID) {
			want = append(want, path)
		}
		return true
	})
	if len(want) < 100 || len(want) > 400 {
		t.Fatalf("of 600 blobs it keeps %d", len(want))
	}
	for _, n := range []int{1, 7, view.Len(), 10 * view.Len()} {
		var got []string
		for found := range pages(view, n, func(e pathmap.Entry) bool { return k.Keeps(e.CID) }) {
			got = append(got, found...)
		}
		if !slices.Equal(got, want) {
			t.Errorf("by %d paths: %d found, not %d", n, len(got), len(want))
		}
	}
	for range pages(pathmap.ViewOf(func(func(pathmap.Version) bool) {}), 3, nil) {
	}
}

// TestWhenTheMapIsLookedThrough: once the members have stayed the same for a while, unless
// something speaks against it, and again once nothing does any more.
func TestWhenTheMapIsLookedThrough(t *testing.T) {
	hook := &test.Hook{}
	log := logrus.New()
	log.SetOutput(t.Output())
	log.AddHook(hook)
	k, others := keeperAmong(7, 2, logrus.NewEntry(log))
	var w watching
	const while = time.Second
	at := time.Unix(0, 0)
	step := func(name string, settled, moves bool) {
		t.Helper()
		now := k.judge()
		stays := w.stays(now, at, while)
		if stays != settled {
			t.Errorf("%s: members settled: %v", name, stays)
		}
		if did := stays && w.moves(now); did != moves {
			t.Errorf("%s: moves: %v", name, did)
		}
		k.say(&w, now, at)
		at = at.Add(while)
	}
	step("at the start", false, false)
	step("a while later", true, true)
	step("nothing new", true, false)
	(*others)[2].Capacity = 3e12
	step("one changes", false, false)
	(*others)[2].Capacity = 1e12
	step("and is as before", false, false)
	step("what was placed meanwhile is placed anew", true, true)
	(*others)[2].Away = time.Minute
	step("one is away", true, false)
	(*others)[2].Away = time.Hour + 1
	step("for long", false, false)
	step("and a while later", true, true)
	*others = append(*others, place.Member{ID: "new", Capacity: 1e12})
	step("a new one", false, false)
	(*others)[6].Capacity = 2e12
	step("that changes", false, false)
	step("and no more", true, true)
	(*others)[3].Away, (*others)[4].Away = 1, 1
	step("three of eight are away", false, false)
	step("and stay away", true, false)
	step("and stay away", true, false)
	(*others)[3].Away, (*others)[4].Away = 0, 0
	step("they are back", false, false)
	step("for a while", true, true)
	step("and nothing happens", true, false)
	if n := len(hook.AllEntries()); n != 2 {
		t.Errorf("%d lines in the log", n)
	}
}

// BenchmarkLookThrough is what looking through a map of 100,000 blobs costs.
func BenchmarkLookThrough(b *testing.B) {
	view := mapOf(50_000)
	for _, n := range []int{3, 200} {
		k, _ := keeperAmong(n, 2, nil)
		b.Run(fmt.Sprintf("%d members", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for range pages(view, page, func(e pathmap.Entry) bool { return k.Keeps(e.CID) }) {
				}
			}
		})
	}
}

// BenchmarkJudge is what judging 200 members costs.
func BenchmarkJudge(b *testing.B) {
	k, _ := keeperAmong(200, 2, nil)
	for b.Loop() {
		k.judge()
	}
}

// TestAMemberThatHasJustCome is not said to be silent before it had time to say anything, however
// long nobody came before.
func TestAMemberThatHasJustCome(t *testing.T) {
	logger, hook := test.NewNullLogger()
	k := New(Config{Delay: time.Hour, Log: logrus.NewEntry(logger)})
	defer k.Stop()
	silent := &judgment{Verdict: place.Verdict{Hold: place.Silent, Silent: []peer.ID{"b"}}}
	var w watching
	at := time.Unix(1e9, 0)
	for i, c := range []struct {
		after  time.Duration
		is     *judgment
		logged int
		mute   bool
	}{
		{0, &judgment{}, 0, false}, {time.Hour, silent, 0, false}, {time.Second, &judgment{}, 0, false},
		{time.Hour, silent, 0, false}, {time.Second, silent, 0, false}, {k.pace(), silent, 1, true}, {time.Hour, silent, 1, true},
		{time.Second, &judgment{}, 2, false}, {time.Second, silent, 2, false},
	} {
		at = at.Add(c.after)
		if k.say(&w, c.is, at); len(hook.AllEntries()) != c.logged {
			t.Errorf("%d: %d lines, not %d", i, len(hook.AllEntries()), c.logged)
		}
		if mute := k.State().Mute; mute != c.mute {
			t.Errorf("%d: mute: %v", i, mute)
		}
	}
}
