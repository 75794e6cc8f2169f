package pathmap_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/membership"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// revoke has a member shut out another one, whose versions stay up to a counter.
func revoke(t testing.TB, by, of *seat, upTo uint64) {
	t.Helper()
	r := membership.Revocation{At: time.Unix(1, 0), Bounded: true, UpTo: upTo}
	op, err := pathmap.SetText(membership.RevokedFamily, string(of.id), r.Text())
	if err == nil {
		err = by.m.Write(t.Context(), op)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// lateOf are the versions of a writer in a map beyond a counter.
func lateOf(s *seat, writer peer.ID, upTo uint64) (all []string) {
	view := s.m.View()
	view.Under("/", func(path string, _ pathmap.Entry) bool {
		for _, name := range view.VersionsOf(path) {
			counter, by, _ := strings.Cut(name, "-")
			if n, _ := strconv.ParseUint(counter, 16, 64); n > upTo && strings.HasPrefix(by, string(writer)+".") {
				all = append(all, path+" "+name)
			}
		}
		return true
	})
	return all
}

// TestRevokedAtAnyMoment runs random histories of four members, one of which is revoked in the middle and
// goes on writing. Partitions have some merge what it writes, and write upon it, before they hear of that; maps are
// compacted, and taken as states. In the end, all have the same map, and so has a newcomer that met the revoked one
// first, and nothing in it was written later than the moment. PATHMAP_SEEDS has it run more of them.
func TestRevokedAtAnyMoment(t *testing.T) {
	seeds := 12
	if testing.Short() {
		seeds = 3
	}
	if n, err := strconv.Atoi(os.Getenv("PATHMAP_SEEDS")); err == nil {
		seeds = n
	}
	var left, dropped int
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			h := &shutOut{t: t, r: rand.New(rand.NewPCG(uint64(seed), 36)), f: newFabric(t)}
			h.run()
			left, dropped = left+h.left, dropped+h.dropped
		})
	}
	if left == 0 || dropped == 0 {
		t.Errorf("%d times something was left out, %d deltas were compacted: nothing was tried", left, dropped)
	}
	t.Logf("%d times something was left out, %d deltas were compacted", left, dropped)
}

// shutOut is one history.
type shutOut struct {
	t       *testing.T
	r       *rand.Rand
	f       *fabric
	honest  []*seat
	out     *seat // who is revoked
	moment  uint64
	revoked bool
	left    int
	dropped int
}

func (h *shutOut) run() {
	h.f.interval, h.f.heeds = 20*time.Millisecond, true
	h.f.states.Store(h.r.IntN(2) == 0)
	for _, name := range []string{"a", "b", "c"} {
		h.honest = append(h.honest, h.f.add(name))
	}
	h.out = h.f.add("x")
	events, at := 80, 20+h.r.IntN(40)
	for i := range events {
		if i == at {
			h.revoke()
		}
		h.event(i)
	}
	h.end()
}

func (h *shutOut) revoke() {
	a := h.honest[0]
	h.moment, h.revoked = a.m.Writers()[string(h.out.id)], true
	revoke(h.t, a, h.out, h.moment)
	put(h.t, h.out, "/late", "late")
}

func (h *shutOut) event(i int) {
	s := append(slices.Clone(h.honest), h.out, h.out)[h.r.IntN(len(h.honest)+2)]
	path := fmt.Sprintf("/tags/%d", h.r.IntN(10))
	switch n := h.r.IntN(100); {
	case n < 15:
		del(h.t, s, path)
	case n < 25:
		sides := map[peer.ID]int{}
		for _, s := range append(slices.Clone(h.honest), h.out) {
			sides[s.id] = h.r.IntN(2)
		}
		h.f.part(sides)
	case n < 32:
		h.f.part(nil)
		agree(h.t, h.honest...)
	case n < 36:
		s.stop()
		s.start()
	case n < 40:
		h.f.part(nil)
		agree(h.t, h.honest...)
		for i, s := range h.honest {
			h.dropped += compact(h.t, s, slices.Delete(slices.Clone(h.honest), i, i+1)...)
		}
	case n < 46 && h.revoked:
		h.expel()
	default:
		put(h.t, s, path, fmt.Sprint(i, s.id))
	}
	if h.r.IntN(3) == 0 { // give what was written some time to spread
		time.Sleep(time.Duration(h.r.IntN(10)) * time.Millisecond)
	}
}

// expel has some member that leaves something out delete it.
func (h *shutOut) expel() {
	s := h.honest[h.r.IntN(len(h.honest))]
	if s.m.View().LeavesOut() {
		h.left++
	}
	if err := s.m.Expel(h.t.Context(), true); err != nil {
		h.t.Fatal(err)
	}
}

func (h *shutOut) end() {
	t := h.t
	h.f.part(map[peer.ID]int{"a": 1, "b": 1, "c": 1})
	d := h.f.add("d")
	eventually(t, "the newcomer has the map of the revoked", func() bool { _, err := d.m.View().Get("/late"); return err == nil || revokes(d.m, "x") })
	put(t, d, "/of/d", "d")
	h.f.part(nil)
	all := append(slices.Clone(h.honest), d)
	know(t, all...)
	if d.m.View().LeavesOut() {
		h.left++
	}
	h.check(all)
	if err := all[h.r.IntN(len(all))].m.Expel(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	know(t, all...)
	h.check(all)
	eventually(t, "nobody leaves out what was deleted", func() bool {
		return !slices.ContainsFunc(all, func(s *seat) bool { return s.m.View().LeavesOut() })
	})
	for _, s := range all {
		restartKeepsTheMap(t, s)
	}
	h.check(all)
}

func (h *shutOut) check(all []*seat) {
	h.t.Helper()
	for _, s := range all {
		if late := lateOf(s, h.out.id, h.moment); len(late) > 0 {
			h.t.Errorf("%s has what was written after the moment %d: %q", s.id, h.moment, late)
		}
		if !revokes(s.m, h.out.id) {
			h.t.Errorf("%s has not heard of the revocation", s.id)
		}
	}
}

// TestWhatTheRevokedReplacedComesBack: what it wrote over after its moment, by way of one that had not heard, is what
// it was. What others deleted or wrote meanwhile is as these left it. What the revoked one deleted outright stays
// deleted, and what it writes late under a counter of before the moment stays, too: both are known limits.
func TestWhatTheRevokedReplacedComesBack(t *testing.T) {
	f := newFabric(t)
	f.heeds = true
	a, b, x := f.add("a"), f.add("b"), f.add("x")
	for _, path := range []string{"/overwritten", "/twice", "/deleted", "/taken", "/erased"} {
		put(t, a, path, "of a")
	}
	put(t, x, "/before", "of x")
	agree(t, a, b, x)
	f.part(map[peer.ID]int{"a": 1})
	revoke(t, a, x, a.m.Writers()["x"])

	for _, path := range []string{"/overwritten", "/twice", "/deleted", "/taken", "/new"} {
		put(t, x, path, "late")
	}
	put(t, x, "/twice", "later")
	del(t, x, "/erased")
	if err := x.m.PutRaw(pathmap.KeyOf("/backdated", 1, "x.backdate"), entryOf(t, "late")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other one has all of it", func() bool { return has(b, "/backdated", "late", t) && gone(b, "/erased") })
	del(t, b, "/deleted")
	put(t, b, "/taken", "of b")
	f.part(nil)
	know(t, a, b)
	for _, path := range []string{"/overwritten", "/twice", "/deleted", "/new"} {
		if !gone(a, path) || !gone(b, path) {
			t.Errorf("%s is there", path)
		}
	}
	if err := a.m.Expel(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	know(t, a, b)
	want := map[string]string{"/overwritten": "of a", "/twice": "of a", "/taken": "of b", "/before": "of x", "/backdated": "late"}
	for _, s := range []*seat{a, b} {
		for path, content := range want {
			if !has(s, path, content, t) {
				t.Errorf("%s has not %q at %s", s.id, content, path)
			}
		}
		if n := s.m.View().Len(); n != len(want) || s.m.View().LeavesOut() {
			t.Errorf("%s has %d paths", s.id, n)
		}
	}
}

// TestARevocationLasts: neither the revoked nor anybody else takes one back, by a delete or by writing it anew,
// and of several the smallest moment counts.
func TestARevocationLasts(t *testing.T) {
	f := newFabric(t)
	a, b, x := f.add("a"), f.add("b"), f.add("x")
	put(t, x, "/early", "early")
	agree(t, a, b, x)
	moment := a.m.Writers()["x"]
	revoke(t, a, x, moment)
	agree(t, a, b, x)
	put(t, x, "/late", "late")
	if err := x.m.DeleteRaw(":" + membership.RevokedFamily + "/x"); err != nil {
		t.Fatal(err)
	}
	revoke(t, x, x, math.MaxInt64)
	revoke(t, b, x, moment+1000)
	know(t, a, b, x)
	for _, s := range []*seat{a, b} { // x has done to its own what it likes
		restartKeepsTheMap(t, s)
		if got := membership.Moments(s.m.View().Revocations()); got["x"] != moment {
			t.Errorf("%s goes by %v, not by %d", s.id, got, moment)
		}
		if late := lateOf(s, "x", moment); len(late) > 0 {
			t.Errorf("%s has %q", s.id, late)
		}
	}
}

// TestWhatStaysOutComesBackIn when the one that shut its writer out turns out to have been shut out before that. It is told
// what that names then, as of any change, and not before.
func TestWhatStaysOutComesBackIn(t *testing.T) {
	f := newFabric(t)
	var named atomic.Int64
	f.named = func(cids []cid.Cid) {
		if slices.Contains(cids, entryOf(t, "while out").CID) {
			named.Add(1)
		}
	}
	a, x, y := f.add("a"), f.add("x"), f.add("y")
	put(t, x, "/of-x", "1")
	agree(t, a, x, y)
	moment := a.m.Writers()["y"]
	revoke(t, y, x, 0)
	eventually(t, "all have heard", func() bool { return gone(a, "/of-x") && gone(x, "/of-x") })
	put(t, x, "/out", "while out")
	know(t, a, x, y)
	before := a.m.View()
	if n := named.Load(); n > 0 || !gone(a, "/out") {
		t.Errorf("%d were told of what stays out", n)
	}
	revoke(t, a, y, moment)
	know(t, a, x, y)
	for _, s := range []*seat{a, x, y} {
		if !has(s, "/of-x", "1", t) || !has(s, "/out", "while out", t) || s.m.View().LeavesOut() {
			t.Errorf("%s goes on leaving out what nobody shut out", s.id)
		}
		restartKeepsTheMap(t, s)
	}
	if n := named.Load(); n != 3 {
		t.Errorf("%d were told of what is back", n)
	}
	if !before.LeavesOut() {
		t.Error("a view has changed")
	}
}

// TestWhatStaysOutOutlivesAState of a member that never had it: it stays out, and is deleted.
func TestWhatStaysOutOutlivesAState(t *testing.T) {
	f := newFabric(t)
	f.heeds, f.interval = true, 20*time.Millisecond
	a, b, x := f.add("a"), f.add("b"), f.add("x")
	agree(t, a, b, x)
	f.part(map[peer.ID]int{"a": 1})
	put(t, x, "/late", "late")
	eventually(t, "b has it", func() bool { return !gone(b, "/late") })
	revoke(t, b, x, 0)
	if !b.m.View().LeavesOut() {
		t.Fatal("it is not left out")
	}
	overwrite(t, a, 5, 4)
	compact(t, a)
	f.part(nil)
	agree(t, a, b)
	eventually(t, "b takes a's state", func() bool { return b.m.States().Taken > 0 })
	know(t, a, b)
	if !b.m.View().LeavesOut() || !gone(b, "/late") {
		t.Error("what stays out is in the map, or nobody knows of it")
	}
	restartKeepsTheMap(t, b)
	if err := b.m.Expel(t.Context(), true); err != nil || b.m.View().LeavesOut() {
		t.Error("it is not deleted", err)
	}
	eventually(t, "a has nothing to leave out", func() bool { return !a.m.View().LeavesOut() && gone(a, "/late") && revokes(a.m, "x") })
}

// TestAStateTakesBackNoRevocation that its member has lost, as one of an earlier release does.
func TestAStateTakesBackNoRevocation(t *testing.T) {
	f := newFabric(t)
	f.interval = 20 * time.Millisecond
	a, c := f.add("a"), f.add("c")
	revoke(t, a, &seat{id: "x"}, 0)
	agree(t, a, c)
	f.isolate("c", true)
	if err := a.m.DeleteRaw(":" + membership.RevokedFamily + "/x"); err != nil {
		t.Fatal(err)
	}
	a.stop()
	a.start()
	overwrite(t, a, 5, 4)
	compact(t, a)
	f.isolate("c", false)
	eventually(t, "it takes a state", func() bool { return c.m.States().Taken > 0 })
	if revokes(a.m, "x") || !revokes(c.m, "x") {
		t.Error("the revocation is gone")
	}
	restartKeepsTheMap(t, c)
	if !revokes(c.m, "x") {
		t.Error("the revocation is gone after a start")
	}
}
