package pathmap_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multihash"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

func entryOf(t testing.TB, content string) pathmap.Entry {
	t.Helper()
	mh, err := multihash.Sum([]byte(content), multihash.SHA2_256, -1)
	if err != nil {
		t.Fatal(err)
	}
	return pathmap.Entry{CID: cid.NewCidV1(cid.Raw, mh), Size: int64(len(content)), ModTime: time.Unix(1700000000, 5).UTC()}
}

func put(t testing.TB, s *seat, path, content string) {
	t.Helper()
	if err := s.m.Put(context.Background(), path, entryOf(t, content)); err != nil {
		t.Fatal(err)
	}
}

func del(t testing.TB, s *seat, paths ...string) {
	t.Helper()
	ops := make([]pathmap.Op, len(paths))
	for i, p := range paths {
		ops[i].Path = p
	}
	if err := s.m.Write(context.Background(), ops...); err != nil {
		t.Fatal(err)
	}
}

func has(s *seat, path, content string, t testing.TB) bool {
	e, err := s.m.View().Get(path)
	return err == nil && e.CID == entryOf(t, content).CID
}

func gone(s *seat, path string) bool {
	_, err := s.m.View().Get(path)
	return errors.Is(err, pathmap.ErrNotFound)
}

func TestReadsOwnWritesAndSurvivesRestart(t *testing.T) {
	a := newFabric(t).add("a")
	put(t, a, "/x/y", "1")
	put(t, a, "/x/y", "2")
	put(t, a, "/x/z", "3")
	del(t, a, "/x/z")
	digest := a.m.View().Digest()
	a.stop()
	a.start()
	if !has(a, "/x/y", "2", t) || !gone(a, "/x/z") || a.m.View().Digest() != digest {
		t.Fatal("the map is not what it was before the restart")
	}
	put(t, a, "/x/y", "4")
	if !has(a, "/x/y", "4", t) || a.m.View().Versions("/x/y") != 1 {
		t.Fatal("a write after the restart does not win")
	}
}

func TestReplicates(t *testing.T) {
	f := newFabric(t)
	a, b, c := f.add("a"), f.add("b"), f.add("c")
	put(t, a, "/p", "from a")
	put(t, b, "/q", "from b")
	agree(t, a, b, c)
	if !has(c, "/p", "from a", t) || !has(c, "/q", "from b", t) {
		t.Fatal("c lacks a path")
	}
	del(t, c, "/p")
	eventually(t, "the delete arrives", func() bool { return gone(a, "/p") && gone(b, "/p") })
	if _, ok := b.m.LastDelta("a"); !ok {
		t.Error("b does not know when it last heard of a")
	}
}

func TestLostAnnouncements(t *testing.T) {
	f := newFabric(t)
	f.loseAll.Store(true)
	a, b := f.add("a"), f.add("b")
	put(t, a, "/p", "1")
	eventually(t, "the exchange of heads carries it", func() bool { return has(b, "/p", "1", t) })
}

// TestLostAnnouncementsInALargerSwarm has more members than one of them asks in
// one round, which come as often as they do in earnest.
func TestLostAnnouncementsInALargerSwarm(t *testing.T) {
	const members, pushes = 20, 3
	f := newFabric(t)
	f.loseAll.Store(true)
	f.interval = 0
	var seats []*seat
	for i := range members {
		seats = append(seats, f.add(fmt.Sprintf("member-%02d", i)))
	}
	for i := range pushes {
		put(t, seats[i], "/p", fmt.Sprint(i))
		agree(t, seats...)
	}
}

func TestCatchUpSeesWhatWasAcknowledged(t *testing.T) {
	f := newFabric(t)
	f.loseAll.Store(true)
	f.interval = time.Hour
	a, b := f.add("a"), f.add("b")
	for i := range 50 {
		path := fmt.Sprintf("/p%d", i)
		put(t, a, path, "1")
		ctx, cancel := context.WithTimeout(t.Context(), within)
		if err := b.m.CatchUp(ctx); err != nil {
			t.Fatal(err)
		}
		cancel()
		if !has(b, path, "1", t) {
			t.Fatalf("%s was acknowledged and is not visible after CatchUp", path)
		}
	}
}

// TestASilentMemberDoesNotTurnAMissIntoAnError: a member that is connected and never answers
// is passed over before the request's time is up.
func TestASilentMemberDoesNotTurnAMissIntoAnError(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	f := newFabric(t)
	f.interval, f.mute, f.muted = time.Hour, l.Addr().String(), map[peer.ID]bool{"mute": true}
	f.loseAll.Store(true)
	a, b := f.add("a"), f.add("b")
	f.add("mute")
	put(t, a, "/p", "1")
	ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second) // of which the silent one has a third
	defer cancel()
	if err := b.m.CatchUp(ctx); err != nil {
		t.Fatal(err)
	}
	if !has(b, "/p", "1", t) {
		t.Error("what another member named did not arrive")
	}
}

// TestFollowAsksNobodyElse: it waits for the member to be asked already, and one that never
// answers is not even asked.
func TestFollowAsksNobodyElse(t *testing.T) {
	f := newFabric(t)
	f.interval = time.Hour
	a, b := f.add("a"), f.add("b")
	f.mutes(1)
	for i := range 20 {
		path := fmt.Sprintf("/p%d", i)
		put(t, a, path, "1")
		b.m.Joined(a.id)
		b.m.Follow(t.Context())
		if !has(b, path, "1", t) {
			t.Fatalf("%s is not visible after Follow", path)
		}
	}
	if n := f.asked.Load(); n > 0 {
		t.Errorf("the mute member was asked %d times", n)
	}
}

// TestNotEveryMemberIsAskedAtOnce when a request misses in a large swarm.
func TestNotEveryMemberIsAskedAtOnce(t *testing.T) {
	f := newFabric(t)
	f.interval = time.Hour
	a := f.add("a")
	f.mutes(100)
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second) // of which each of the first has a third
	defer cancel()
	if err := a.m.CatchUp(ctx); err != nil {
		t.Fatal(err)
	}
	if all, most := f.asked.Load(), f.crowd.Load(); all != 100 || most > 64 {
		t.Errorf("%d members were asked, %d at once", all, most)
	}
}

// TestManyVersionsAreDeletedInDeltasThatFit deletes many paths that several
// registries wrote at the same time: each delete names all their versions.
func TestManyVersionsAreDeletedInDeltasThatFit(t *testing.T) {
	t.Parallel()
	f := newFabric(t)
	var seats []*seat
	for i := range 5 {
		seats = append(seats, f.add(fmt.Sprintf("writer-%d", i)))
	}
	const n = 500 // whose 5 versions each are more than a delta's 1 MiB
	name := strings.Repeat("long/", 51)
	var paths []string
	for i := range n {
		paths = append(paths, fmt.Sprintf("/docker/registry/v2/repositories/%s_layers/sha256/%064d/link", name, i))
	}
	for _, s := range seats {
		f.isolate(s.id, true)
	}
	for _, s := range seats {
		var ops []pathmap.Op
		for _, p := range paths {
			e := entryOf(t, p)
			ops = append(ops, pathmap.Op{Path: p, Entry: &e})
		}
		if err := s.m.Write(t.Context(), ops...); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range seats {
		f.isolate(s.id, false)
	}
	agree(t, seats...)
	if v := seats[0].m.View().Versions(paths[0]); v != 5 {
		t.Fatalf("%d versions", v)
	}
	del(t, seats[0], paths...)
	put(t, seats[0], "/after", "1")
	for _, s := range seats {
		eventually(t, "the deletes arrive", func() bool { return s.m.View().Len() == 1 && has(s, "/after", "1", t) })
	}
}

func TestConcurrentWritesConverge(t *testing.T) {
	f := newFabric(t)
	a, b, c := f.add("a"), f.add("b"), f.add("c")
	for _, s := range []*seat{a, b, c} {
		f.isolate(s.id, true)
	}
	put(t, a, "/tag", "a")
	put(t, b, "/tag", "b1")
	put(t, b, "/tag", "b2")
	put(t, c, "/tag", "c")
	for _, s := range []*seat{a, b, c} {
		f.isolate(s.id, false)
	}
	agree(t, a, b, c)
	for _, s := range []*seat{a, b, c} {
		if !has(s, "/tag", "b2", t) {
			t.Error("the greater version did not win")
		}
		if n := s.m.View().Versions("/tag"); n != 3 {
			t.Errorf("%d versions are visible, 3 were written at the same time", n)
		}
	}
	put(t, c, "/tag", "next")
	agree(t, a, b, c)
	if n := a.m.View().Versions("/tag"); n != 1 || !has(a, "/tag", "next", t) {
		t.Errorf("%d versions after a write that saw all", n)
	}
}

func TestAddWinsOverADeleteThatNeverSawIt(t *testing.T) {
	f := newFabric(t)
	a, b := f.add("a"), f.add("b")
	put(t, a, "/p", "1")
	agree(t, a, b)
	f.isolate(a.id, true)
	put(t, a, "/p", "2")
	del(t, b, "/p")
	f.isolate(a.id, false)
	agree(t, a, b)
	if !has(b, "/p", "2", t) {
		t.Fatal("an acknowledged write was lost to a delete that never saw it")
	}
}

func TestDeletedStaysDeletedWhenOneReturns(t *testing.T) {
	f := newFabric(t)
	a, b := f.add("a"), f.add("b")
	put(t, a, "/p", "1")
	agree(t, a, b)
	b.stop()
	del(t, a, "/p")
	put(t, a, "/q", "1")
	b.start()
	agree(t, a, b)
	if !gone(a, "/p") || !gone(b, "/p") {
		t.Fatal("a delete came back")
	}
}

// TestCutAnywhere cuts every exchange after ever more bytes until a history
// went through whole: no cut leaves a hole.
func TestCutAnywhere(t *testing.T) {
	f := newFabric(t)
	f.loseAll.Store(true)
	f.interval = time.Hour
	a := f.add("a")
	for i := range 40 {
		put(t, a, fmt.Sprintf("/p/%d", i), "x")
	}
	b := f.add("b")
	for cut := int64(50); a.m.View().Digest() != b.m.View().Digest(); cut += 101 {
		f.cutAfter.Store(cut)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		err := b.m.CatchUp(ctx)
		cancel()
		if err == nil && a.m.View().Digest() != b.m.View().Digest() && cut > 4000 {
			t.Fatalf("cut at %d: caught up, it says, and is not", cut)
		}
		checkNoHole(t, b)
		if cut%7 == 0 {
			b.stop()
			b.start()
		}
	}
}

// checkNoHole: a's paths are written in order, so b must hold a prefix of them.
func checkNoHole(t *testing.T, b *seat) {
	t.Helper()
	n := b.m.View().Len()
	for i := range n {
		if gone(b, fmt.Sprintf("/p/%d", i)) {
			t.Fatalf("of %d paths, number %d is missing: a hole", n, i)
		}
	}
}

func TestUntrustedChangesDoNotCount(t *testing.T) {
	f := newFabric(t)
	a, evil := f.add("a"), f.add("evil")
	f.mu.Lock()
	f.untrusted[evil.id] = true
	f.mu.Unlock()
	put(t, evil, "/tag", "evil")
	put(t, a, "/p", "1")
	eventually(t, "a follower still follows", func() bool { return has(evil, "/p", "1", t) })
	put(t, evil, "/tag", "evil again") // now on top of a's head
	if err := a.m.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.m.Joined(evil.id)
	a.m.Follow(t.Context())
	put(t, a, "/q", "1")
	eventually(t, "the next push arrives", func() bool { return has(evil, "/q", "1", t) })
	if !gone(a, "/tag") {
		t.Fatal("an untrusted registry moved a tag")
	}
}

func TestLateJoiner(t *testing.T) {
	n := 20_000
	if testing.Short() {
		n = 1_000
	}
	f := newFabric(t)
	a, c := f.add("a"), f.add("c")
	var wg sync.WaitGroup
	for _, s := range []*seat{a, c} {
		wg.Go(func() {
			for i := range n / 2 {
				put(t, s, fmt.Sprintf("/%s/%d", s.id, i), "x")
			}
		})
	}
	wg.Wait()
	agree(t, a, c)
	begin := time.Now()
	b := f.add("b")
	agree(t, a, b)
	t.Logf("%d writes followed in %s", n, time.Since(begin))
}

// TestOverwritesCostTheSameAtAnyAge shows what a tag costs that is overwritten
// on alternating registries: no version is left behind, and the time is logged.
func TestOverwritesCostTheSameAtAnyAge(t *testing.T) {
	t.Parallel()
	const n = 2_000
	f := newFabric(t)
	a, b := f.add("a"), f.add("b")
	var took [2]time.Duration // of the first and of the last tenth
	for i := range n {
		s, o := a, b
		if i%2 == 1 {
			s, o = b, a
		}
		content := fmt.Sprint(i)
		began := time.Now()
		put(t, s, "/tag", content)
		if d := time.Since(began); i < n/10 {
			took[0] += d
		} else if i >= n-n/10 {
			took[1] += d
		}
		eventually(t, "the overwrite arrives", func() bool { return has(o, "/tag", content, t) })
		if v := o.m.View().Versions("/tag"); v != 1 {
			t.Fatalf("%d versions are alive after %d overwrites", v, i)
		}
	}
	began := time.Now()
	del(t, a, "/tag")
	t.Logf("the first tenth of %d overwrites took %s, the last %s, the delete %s", n, took[0], took[1], time.Since(began))
	eventually(t, "the delete arrives", func() bool { return gone(b, "/tag") })
}

func TestChildrenAgainstAPlainList(t *testing.T) {
	a := newFabric(t).add("a")
	rng := rand.New(rand.NewPCG(1, 2))
	names := []string{"a", "a-b", "a.b", "b", "ab", "a_b", "0", "z"}
	var ops []pathmap.Op
	var all []string
	for range 200 {
		path := ""
		for range 1 + rng.IntN(4) {
			path += "/" + names[rng.IntN(len(names))]
		}
		e := entryOf(t, path)
		ops = append(ops, pathmap.Op{Path: path, Entry: &e})
		all = append(all, path)
	}
	if err := a.m.Write(t.Context(), ops...); err != nil {
		t.Fatal(err)
	}
	for _, dir := range append([]string{"/"}, all...) {
		var got []string
		a.m.View().Children(dir, "", func(c pathmap.Child) bool { got = append(got, c.Path); return true })
		want := plainChildren(all, dir)
		if !slices.Equal(got, want) {
			t.Fatalf("children of %s: %v, want %v", dir, got, want)
		}
	}
}

func plainChildren(all []string, dir string) []string {
	set := map[string]bool{}
	prefix := strings.TrimSuffix(dir, "/") + "/"
	for _, p := range all {
		if rest, ok := strings.CutPrefix(p, prefix); ok {
			name, _, _ := strings.Cut(rest, "/")
			set[prefix+name] = true
		}
	}
	var out []string
	for p := range set {
		out = append(out, p)
	}
	slices.Sort(out)
	return out
}

// TestADeleteOfAViewLeavesWhatCameAfter it, though it is written later.
func TestADeleteOfAViewLeavesWhatCameAfter(t *testing.T) {
	a := newFabric(t).add("a")
	put(t, a, "/tag", "seen")
	put(t, a, "/other", "seen")
	seen := a.m.View()
	put(t, a, "/tag", "pushed meanwhile")
	if err := a.m.Write(t.Context(), pathmap.Op{Path: "/tag", Seen: &seen}, pathmap.Op{Path: "/other", Seen: &seen}); err != nil {
		t.Fatal(err)
	}
	if !has(a, "/tag", "pushed meanwhile", t) || !gone(a, "/other") {
		t.Error("a push was lost to a delete that never saw it, or what was seen is still there")
	}
}
