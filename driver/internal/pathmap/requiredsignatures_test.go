package pathmap_test

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"testing"

	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
	"github.com/libp2p/go-libp2p/core/peer"
)

// require has a member write that signatures are required.
func require(t testing.TB, s *seat) {
	t.Helper()
	if err := s.m.RequireSignatures(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// requires reports whether all of these have heard that signatures are required.
func requires(t testing.TB, all ...*seat) {
	t.Helper()
	eventually(t, "signatures are required", func() bool {
		return !slices.ContainsFunc(all, func(s *seat) bool { _, ok := s.m.View().SignaturesRequired(); return !ok })
	})
}

var namesChange = regexp.MustCompile(`change (\S+) in the name of`)

// holds waits until a member holds up what another one has, and gives the change that it waits for.
func holds(t testing.TB, s *seat, of peer.ID) (change string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s waits for a signature of what %s has", s.id, of), func() bool {
		found := namesChange.FindStringSubmatch(s.m.Refused()[of].Reason)
		if found != nil {
			change = found[1]
		}
		return found != nil
	})
	return change
}

// TestForgedOnceRequired: what a trusted member writes in another's name without a signature comes in before signatures
// are required, and nowhere from then on: by no history, no state that others give, and no way of others. What is honest goes on beside.
func TestForgedOnceRequired(t *testing.T) {
	for _, states := range []bool{false, true} {
		t.Run(fmt.Sprintf("states=%t", states), func(t *testing.T) {
			f := newFabric(t)
			f.states.Store(states)
			a, _ := f.addSigning()
			b, _ := f.addSigning()
			put(t, a, "/a", "of a")
			m := f.addAs("m", nil, string(a.id)) // it writes in the name of a
			agree(t, a, b, m)
			put(t, m, "/before", "forged")
			agree(t, a, b, m)
			for _, s := range []*seat{a, b} {
				<-s.m.CaughtUp() // who joins takes a state, and believes its giver
			}
			require(t, b)
			requires(t, a, b, m)
			put(t, m, "/a", "forged")
			for _, s := range []*seat{a, b} {
				holds(t, s, m.id)
			}
			put(t, b, "/b", "of b")
			agree(t, a, b)
			b.stop()
			b.start()
			holds(t, b, m.id)
			if err := m.m.DeleteRaw(":signatures"); err != nil {
				t.Fatal(err)
			}
			f.isolate(m.id, states) // likewise
			c, _ := f.addSigning()
			agree(t, a, b, c)
			f.isolate(m.id, false)
			holds(t, c, m.id)
			for _, s := range []*seat{a, b, c} {
				if !has(s, "/a", "of a", t) || !has(s, "/b", "of b", t) || !has(s, "/before", "forged", t) {
					t.Errorf("%s has another map", s.id)
				}
			}
			requires(t, a, b, c)
		})
	}
}

// TestRequiredForGood: who deletes that signatures are required has it as before.
func TestRequiredForGood(t *testing.T) {
	f := newFabric(t)
	a, _ := f.addSigning()
	b, _ := f.addSigning()
	require(t, a)
	requires(t, b)
	if err := b.m.DeleteRaw(":signatures"); err != nil {
		t.Fatal(err)
	}
	put(t, b, "/after", "it")
	eventually(t, "the other has merged that", func() bool { return has(a, "/after", "it", t) })
	requires(t, a)
	restartKeepsTheMap(t, a)
	requires(t, a)
}

// TestCutOffBeforeRequired: what a member of an earlier release wrote while it was cut off, deletes among it, is held
// up and not lost, whoever is stopped in between. Once it is updated all of it comes in; newcomers have it, by history
// and by state, and the history is compacted.
func TestCutOffBeforeRequired(t *testing.T) {
	f := newFabric(t)
	a, _ := f.addSigning()
	b, _ := f.addSigning()
	c, key := f.addSigning()
	earlier(c)
	for i := range 10 {
		put(t, c, fmt.Sprintf("/c/%d", i), "old")
	}
	agree(t, a, b, c)
	f.isolate(c.id, true)
	for i := range 300 {
		put(t, c, fmt.Sprintf("/c/%d", i%20), fmt.Sprint(i))
	}
	del(t, c, "/c/3")
	put(t, c, "/c/last", "last")
	overwrite(t, a, 10, 60)
	require(t, b)
	requires(t, a)
	put(t, a, "/a", "of a")
	f.isolate(c.id, false)
	holds(t, a, c.id)
	holds(t, b, c.id)
	for _, s := range []*seat{a, b} {
		if _, told := s.heldUp.Load(c.id); !told {
			t.Errorf("nobody is told that %s holds up what is pushed elsewhere", s.id)
		}
	}
	a.stop()
	a.start()
	holds(t, a, c.id)
	eventually(t, "it follows the others", func() bool { return has(c, "/a", "of a", t) })
	put(t, b, "/b", "of b")
	agree(t, a, b)

	a.disk.full.Store(true)
	updated(c, key)
	c.stop() // in the midst of it, perhaps
	a.disk.full.Store(false)
	c.start()
	agree(t, a, b, c)
	for _, s := range []*seat{a, b, c} {
		if !has(s, "/c/last", "last", t) || !has(s, "/c/19", "299", t) || !gone(s, "/c/3") || !has(s, "/b", "of b", t) {
			t.Errorf("%s has another map", s.id)
		}
	}
	d, _ := f.addSigning()
	agree(t, a, b, c, d)
	n := 0
	for _, s := range []*seat{a, b} {
		n += compact(t, s, slices.DeleteFunc([]*seat{a, b, c, d}, func(o *seat) bool { return o == s })...)
	}
	if n == 0 {
		t.Error("nothing is compacted")
	}
	f.states.Store(true)
	for _, s := range []*seat{a, b} {
		s.stop()
		s.start()
	}
	e, _ := f.addSigning()
	put(t, c, "/c/again", "again")
	agree(t, a, b, c, d, e)
}

// forgetSignatures has a member have no signatures, as one of an earlier release has none.
func forgetSignatures(t testing.TB, s *seat) {
	t.Helper()
	res, err := s.disk.TxnDatastore.Query(t.Context(), query.Query{Prefix: "/paths/signed", KeysOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	all, err := res.Rest()
	for _, e := range all {
		err = errors.Join(err, s.disk.Delete(t.Context(), ds.RawKey(e.Key)))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestSignaturesOfOthers: a newcomer that meets one first which took the changes of others as an earlier release
// takes their signatures from those others, and what it took is merged meanwhile nowhere.
func TestSignaturesOfOthers(t *testing.T) {
	f := newFabric(t)
	a, _ := f.addSigning()
	b, key := f.addSigning()
	earlier(b)
	require(t, a)
	for i := range 300 {
		put(t, a, fmt.Sprintf("/a/%d", i%20), fmt.Sprint(i))
	}
	agree(t, a, b)
	forgetSignatures(t, b)
	updated(b, key)
	f.part(map[peer.ID]int{a.id: 1})
	d, _ := f.addSigning()
	holds(t, d, b.id)
	f.part(nil)
	agree(t, a, b, d)
	if n := signed(t, d); n < 290 {
		t.Errorf("%d signatures came", n)
	}
}

// inTwo has members on two sides, of which the first ones merge what x writes without a signature, while the others
// require one. They meet when the test joins the sides.
func inTwo(t *testing.T, first, others, writes int) (all []*seat, x *seat) {
	f := newFabric(t)
	for range first + others {
		s, _ := f.addSigning()
		all = append(all, s)
	}
	x = f.add("x")
	put(t, all[0], "/first", "1")
	agree(t, append(slices.Clone(all), x)...)
	sides := map[peer.ID]int{}
	for _, s := range all[first:] {
		sides[s.id] = 1
	}
	f.part(sides)
	for i := range writes {
		put(t, x, "/x", fmt.Sprint("without ", i))
	}
	agree(t, append(slices.Clone(all[:first]), x)...)
	x.stop()
	put(t, all[0], "/of/first", "1")
	require(t, all[first])
	requires(t, all[first:]...)
	return all, x
}

// TestMostHaveMergedIt: what most registries merged before they heard that signatures are required, the others merge.
func TestMostHaveMergedIt(t *testing.T) {
	all, _ := inTwo(t, 3, 1, 1)
	all[0].f.part(nil)
	agree(t, all...)
	d := all[3]
	if !has(d, "/x", "without 0", t) || !has(d, "/of/first", "1", t) {
		t.Error("it has another map")
	}
}

// TestEarlierReleasesDoNotVote: what those have merged that never require a signature is not what most have merged, however
// many they are.
func TestEarlierReleasesDoNotVote(t *testing.T) {
	all, _ := inTwo(t, 3, 1, 1)
	f := all[0].f
	f.mu.Lock()
	f.earlier = map[peer.ID]bool{all[1].id: true, all[2].id: true}
	f.mu.Unlock()
	f.part(nil)
	d := all[3]
	for _, s := range all[:3] {
		holds(t, d, s.id)
	}
	if has(d, "/x", "without 0", t) {
		t.Error("it has merged what one of this release has, and two of an earlier one")
	}
}

// TestAccepted: what one registry alone merged before it heard of that, the others merge as their operators say, or
// most others have done.
func TestAccepted(t *testing.T) {
	all, _ := inTwo(t, 1, 3, 1)
	all[0].f.part(nil)
	a, others := all[0], all[1:]
	var change string
	for _, s := range others {
		change = holds(t, s, a.id)
	}
	put(t, others[1], "/goes", "on")
	agree(t, others...)
	if err := others[0].m.Accept(t.Context(), "nothing"); err == nil {
		t.Error("it accepts what is no change")
	}
	for _, s := range others[:2] {
		if err := s.m.Accept(t.Context(), change); err != nil {
			t.Fatal(err)
		}
	}
	agree(t, all...)
	for _, s := range others {
		eventually(t, "it refuses nobody", func() bool { return len(s.m.Refused()) == 0 })
		if !has(s, "/x", "without 0", t) || !has(s, "/of/first", "1", t) {
			t.Errorf("%s has another map", s.id)
		}
	}
}

// TestAllOfAMemberAccepted: what one registry alone merged in great number the others merge as their operators say, all at
// once, and nothing of it that comes later.
func TestAllOfAMemberAccepted(t *testing.T) {
	const writes = 300 // more than is merged at once, or read newest first
	all, x := inTwo(t, 1, 2, writes)
	all[0].f.part(nil)
	a, others := all[0], all[1:]
	for _, s := range others {
		holds(t, s, a.id)
		if err := s.m.AcceptAll(t.Context(), a.id); err != nil {
			t.Fatal(err)
		}
		if !has(s, "/x", fmt.Sprint("without ", writes-1), t) || !has(s, "/of/first", "1", t) {
			t.Errorf("%s has another map", s.id)
		}
		// An exchange that was under way meanwhile may say so once more, until the next one.
		eventually(t, "it refuses nobody", func() bool { return len(s.m.Refused()) == 0 })
	}
	agree(t, all...)
	x.start()
	put(t, x, "/x", "later")
	for _, s := range all {
		holds(t, s, x.id)
	}
}

// TestTheWriterAccepts: a registry that was wiped signs what it wrote by an earlier release once its own operator says that
// it did, and nobody else has to.
func TestTheWriterAccepts(t *testing.T) {
	f := newFabric(t)
	a, _ := f.addSigning()
	b, _ := f.addSigning()
	c, key := f.addSigning()
	earlier(c)
	d, _ := f.addSigning() // else two have merged it, which are most
	agree(t, a, b, c, d)
	f.part(map[peer.ID]int{b.id: 1, d.id: 1})
	put(t, c, "/c", "old")
	agree(t, a, c)
	c.stop()
	require(t, b)
	c.dir, c.key = t.TempDir(), key
	f.part(map[peer.ID]int{a.id: 1})
	c.start()
	requires(t, c)
	f.part(nil)
	change := holds(t, c, a.id)
	holds(t, b, a.id)
	holds(t, d, a.id)
	if err := c.m.Accept(t.Context(), change); err != nil {
		t.Fatal(err)
	}
	agree(t, a, b, c, d)
	if !has(b, "/c", "old", t) {
		t.Error("it has another map")
	}
}

// TestASignatureThatComesLateIsKept: of a change that is here without one.
func TestASignatureThatComesLateIsKept(t *testing.T) {
	f := newFabric(t)
	b, _ := f.addSigning()
	c, key := f.addSigning()
	earlier(c)
	put(t, c, "/c", "old")
	agree(t, b, c)
	old := c.m.Heads()[0]
	f.isolate(c.id, true)
	put(t, b, "/b", "of b")
	updated(c, key)
	eventually(t, "it is signed", func() bool { raw, err := c.m.SignatureOf(old); return err == nil && raw != nil })
	put(t, c, "/c", "new") // which follows the old one, of which b does not say that it has it
	f.isolate(c.id, false)
	agree(t, b, c)
	eventually(t, "the signature is kept", func() bool { raw, err := b.m.SignatureOf(old); return err == nil && raw != nil })
}

// TestRequiredByTheRevoked: that one who was revoked says later that signatures are required counts for nothing, leaves
// nothing to be deleted, and keeps nobody from saying so.
func TestRequiredByTheRevoked(t *testing.T) {
	f := newFabric(t)
	f.heeds = true
	a, _ := f.addSigning()
	b, _ := f.addSigning()
	x, _ := f.addSigning()
	put(t, x, "/before", "of x")
	agree(t, a, b, x)
	f.part(map[peer.ID]int{a.id: 1})
	revoke(t, a, x, a.m.Writers()[string(x.id)])
	require(t, x)
	requires(t, b)
	f.part(nil)
	know(t, a, b)
	for _, s := range []*seat{a, b} {
		if err := s.m.Expel(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		if _, ok := s.m.View().SignaturesRequired(); ok || s.m.View().LeavesOut() {
			t.Errorf("%s requires signatures, or has something to delete", s.id)
		}
	}
	require(t, a)
	requires(t, a, b)
}
