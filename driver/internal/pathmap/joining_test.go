package pathmap_test

import (
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

func happened(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func caughtUp(t *testing.T, s *seat) {
	t.Helper()
	eventually(t, "it has caught up", func() bool { return happened(s.m.CaughtUp()) })
}

// TestAMemberThatSaysNothingIsNotMet, and one that answers is.
func TestAMemberThatSaysNothingIsNotMet(t *testing.T) {
	f := newFabric(t)
	a := f.add("a")
	f.mutes(1)
	a.m.Joined("mute-0")
	eventually(t, "it was asked", func() bool { return f.asking.Load() > 0 })
	if _, ok := a.m.LastAnswer(); ok || happened(a.m.Met()) || happened(a.m.Told()) || happened(a.m.CaughtUp()) {
		t.Error("a member that says nothing was met")
	}
	f.isolate("b", true) // or a may catch up with it before it has anything
	b := f.add("b")
	put(t, b, "/p", "1")
	f.isolate("b", false)
	caughtUp(t, a)
	caughtUp(t, b)
	if _, ok := a.m.LastAnswer(); !ok || !has(a, "/p", "1", t) || !happened(a.m.Told()) {
		t.Error("it has caught up with a member that it did not hear")
	}
}

// TestNotCaughtUpBeforeAllIsMerged cuts each exchange before the history is through.
func TestNotCaughtUpBeforeAllIsMerged(t *testing.T) {
	f := newFabric(t)
	a := f.add("a")
	for range 50 {
		put(t, a, "/p", "1")
	}
	f.cutAfter.Store(2000) // enough for its heads
	b := f.add("b")
	eventually(t, "it was told", func() bool { return happened(b.m.Told()) })
	for b.m.View().Digest() != a.m.View().Digest() {
		if happened(b.m.CaughtUp()) && b.m.View().Digest() != a.m.View().Digest() {
			t.Fatal("it says that it has caught up")
		}
		f.cutAfter.Add(2000)
		time.Sleep(time.Millisecond)
	}
	caughtUp(t, b)
}

// TestAWriteExceedsTheToldCounter, which came from a third member, though neither this
// registry nor the member that told it has merged that far.
func TestAWriteExceedsTheToldCounter(t *testing.T) {
	f := newFabric(t)
	f.interval = time.Hour
	a, b := f.add("a"), f.add("b")
	for range 5 {
		put(t, a, "/p", "1")
	}
	agree(t, a, b)
	a.m.HearCounter(1000)
	b.m.Joined(a.id)
	eventually(t, "it hears", func() bool { return b.m.Greatest() == 1000 })
	put(t, b, "/p", "2")
	if got := b.m.Greatest(); got != 1001 {
		t.Errorf("the version is %d", got)
	}
	eventually(t, "the announcement tells it", func() bool { return a.m.Greatest() == 1001 })
	a.m.HearCounter(1 << 40)
	if got := a.m.Greatest(); got != 1001 {
		t.Errorf("a counter that nobody can have reached was believed: %d", got)
	}
}

// TestTheCounterInAnAnnouncement is skipped by a release that does not know it, and one
// without it is read as ever.
func TestTheCounterInAnAnnouncement(t *testing.T) {
	a := newFabric(t).add("a")
	put(t, a, "/p", "1")
	plain, err := pathmap.EncodeHeads(a.m.Heads())
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := pathmap.CounterOf(plain); ok {
		t.Error("an announcement of an older release has a counter")
	}
	with := pathmap.WithCounter(plain, 7)
	heads, err := pathmap.DecodeHeads(with) // as every release does
	if err != nil || len(heads) != 1 || heads[0] != a.m.Heads()[0] {
		t.Errorf("heads %v, %v", heads, err)
	}
	if counter, ok := pathmap.CounterOf(with); !ok || counter != 7 {
		t.Errorf("counter %d, %v", counter, ok)
	}
	for n := range with {
		_, _ = pathmap.CounterOf(with[:n]) // whatever it says, it ends
	}
}

// TestAPartOfTheHistoryIsNoWhole, neither to the registry that has it nor to one that joins by
// way of it: a registry that began with nothing got a part, and both were restarted.
func TestAPartOfTheHistoryIsNoWhole(t *testing.T) {
	f := newFabric(t)
	a := f.add("a")
	for i := range 600 { // more than are merged at once
		put(t, a, fmt.Sprintf("/p%d", i%5), fmt.Sprint(i))
	}
	f.cutAfter.Store(2000)
	b := f.add("b")
	b.m.Joining(true)
	eventually(t, "it has a part", func() bool {
		f.cutAfter.Add(2000)
		return len(b.m.Heads()) > 0 && b.m.View().Len() > 0
	})
	if b.m.View().Digest() == a.m.View().Digest() || happened(b.m.CaughtUp()) {
		t.Fatal("it got all of it: the test tests nothing")
	}
	b.stop()
	f.isolate(a.id, true)
	f.cutAfter.Store(0)
	c := f.add("c")
	c.m.Joining(true)
	b.joins = true // members may ask before it could say so
	b.start()
	if !b.m.BeganEmpty() {
		t.Error("after a restart the part counts as a map of its own")
	}
	eventually(t, "they have the same", func() bool { return b.m.View().Digest() == c.m.View().Digest() })
	eventually(t, "each has asked the other", func() bool { return !b.m.Expects() && !c.m.Expects() })
	if happened(b.m.CaughtUp()) || happened(c.m.CaughtUp()) {
		t.Error("two registries have caught up with each other's part")
	}
	f.isolate(a.id, false)
	caughtUp(t, b)
	caughtUp(t, c)
	agree(t, a, b, c)
	b.stop()
	b.start()
	if b.m.BeganEmpty() {
		t.Error("what is whole counts as a part after a restart")
	}
}

// TestWhatANewcomerWritesIsNoWhole: a registry that began with nothing took a push while it joined,
// and was killed before anything came from the others.
func TestWhatANewcomerWritesIsNoWhole(t *testing.T) {
	f := newFabric(t)
	a := f.add("a")
	put(t, a, "/theirs", "1")
	f.isolate("b", true)
	b := f.add("b")
	b.m.Joining(true)
	put(t, b, "/own", "1")
	b.stop()
	b.start()
	b.m.Joining(true)
	if !b.m.BeganEmpty() {
		t.Error("after a restart its own writes count as a map of the swarm")
	}
	f.isolate("b", false)
	caughtUp(t, b)
	agree(t, a, b)
	b.stop()
	b.start()
	if b.m.BeganEmpty() {
		t.Error("what is whole counts as a part after a restart")
	}
	f.isolate("c", true)
	c := f.add("c")
	put(t, c, "/own", "1")
	c.stop()
	c.start()
	if c.m.BeganEmpty() {
		t.Error("the map of a registry that joined nobody counts as a part of others'")
	}
}

// TestWhoIsExpectedToAnswer: a member that has said nothing yet, and one that has named what has
// not come; not one that has itself only a part.
func TestWhoIsExpectedToAnswer(t *testing.T) {
	f := newFabric(t)
	a := f.add("a")
	if a.m.Expects() {
		t.Error("nobody is there")
	}
	f.mutes(1)
	if !a.m.Expects() {
		t.Error("a member that says nothing may only be slow")
	}
	f.mu.Lock()
	delete(f.members, "mute-0")
	f.mu.Unlock()
	a.m.Joining(true)
	f.isolate("b", true)
	b := f.add("b")
	b.m.Joining(true)
	f.isolate("b", false)
	eventually(t, "two that began with nothing expect nothing of each other", func() bool { return !a.m.Expects() && !b.m.Expects() })
	if happened(a.m.CaughtUp()) || happened(b.m.CaughtUp()) {
		t.Error("two that began with nothing have caught up with each other")
	}
	a.m.Joining(false)
	for i := range 600 {
		put(t, a, fmt.Sprintf("/p%d", i%5), fmt.Sprint(i))
	}
	f.cutAfter.Store(2000)
	c := f.add("c")
	f.isolate(b.id, true)
	eventually(t, "it was told", func() bool { return happened(c.m.Told()) })
	if !c.m.Expects() && c.m.View().Digest() != a.m.View().Digest() {
		t.Error("what the member named has not come")
	}
	f.cutAfter.Store(0)
	eventually(t, "it has all of it", func() bool { return !c.m.Expects() })
}

// TestMergingIsNoSilence: what a registry does with what came takes it a while on a busy machine,
// and it is not alone meanwhile. The member falls silent as soon as anything of it is merged.
func TestMergingIsNoSilence(t *testing.T) {
	f := newFabric(t)
	a := f.add("a")
	for i := range 600 { // more than are merged at once
		put(t, a, fmt.Sprintf("/p%d", i), fmt.Sprint(i))
	}
	var mu sync.Mutex
	var conns []net.Conn
	var merging time.Time
	f.wrap = func(_ peer.ID, conn net.Conn) net.Conn {
		mu.Lock()
		defer mu.Unlock()
		conns = append(conns, conn)
		return conn
	}
	f.named = func([]cid.Cid) {
		f.isolate(a.id, true)
		mu.Lock()
		defer mu.Unlock()
		for _, conn := range conns {
			_ = conn.Close()
		}
		merging = time.Now()
	}
	b := f.add("b")
	eventually(t, "something is merged", func() bool { return b.m.View().Len() > 0 })
	eventually(t, "that counts as an answer", func() bool {
		mu.Lock()
		defer mu.Unlock()
		last, ok := b.m.LastAnswer()
		return ok && last.After(merging)
	})
}
