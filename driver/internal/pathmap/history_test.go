package pathmap_test

import (
	"context"
	"fmt"
	"runtime/metrics"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ipfs/go-datastore/query"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// write makes deltas of some paths each.
func write(t testing.TB, s *seat, deltas, paths int, name string) {
	t.Helper()
	for i := range deltas {
		var ops []pathmap.Op
		for j := range paths {
			e := entryOf(t, name)
			ops = append(ops, pathmap.Op{Path: fmt.Sprintf("/%s/%04d/%04d", name, i, j), Entry: &e})
		}
		if err := s.m.Write(t.Context(), ops...); err != nil {
			t.Fatal(err)
		}
	}
}

// heldBack has members with the same history, of which two are behind slow lines; one
// joins that first sees only those, and reads from both.
func heldBack(t *testing.T, rate int) {
	f := newFabric(t)
	a, c, fast := f.add("a"), f.add("c"), f.add("fast")
	write(t, a, 100, 20, "p")
	agree(t, a, c, fast)
	f.isolate(fast.id, true)
	lines := []*line{f.slow(a.id, rate), f.slow(c.id, rate)}
	b := f.add("b")
	eventually(t, "it reads more than heads", func() bool {
		return lines[0].read.Load() > 0 && lines[1].read.Load() > 0 && lines[0].read.Load()+lines[1].read.Load() > 800
	})
	f.isolate(fast.id, false)
	agree(t, fast, b)
	for _, l := range lines {
		t.Logf("%d bytes came over a slow line", l.read.Load())
	}
	f.noneSlow()
}

// TestTricklingMembersHoldUpNobody: the history is half a MB, which no slow line carries
// while the test waits.
func TestTricklingMembersHoldUpNobody(t *testing.T) { heldBack(t, 300) }

func TestSlowMembersHoldUpNobody(t *testing.T) { heldBack(t, 5_000) }

// TestATricklingMemberHoldsUpNoPush: it has a history of its own, that is read for as long
// as the test takes.
func TestATricklingMemberHoldsUpNoPush(t *testing.T) {
	f := newFabric(t)
	a, b, drip := f.add("a"), f.add("b"), f.add("drip")
	put(t, a, "/base", "1")
	agree(t, a, b, drip)
	f.isolate(drip.id, true)
	write(t, drip, 300, 10, "own")
	l := f.slow(drip.id, 1000)
	f.isolate(drip.id, false)
	eventually(t, "its history is read", func() bool { return l.read.Load() > 0 })
	f.isolate(a.id, true) // a knows nothing of it
	put(t, a, "/p", "1")
	f.isolate(a.id, false)
	eventually(t, "a push arrives", func() bool { return has(b, "/p", "1", t) })
	if b.m.View().Len() > 300*10 {
		t.Error("the slow history had arrived: nothing was tested")
	}
	f.noneSlow()
	agree(t, a, b, drip)
}

// TestAHistoryIsReadOnce by a newcomer to which several members offer it at once. On a
// busy machine each is slow enough to be left for another, which costs what was on its
// way: some kB, not a page.
func TestAHistoryIsReadOnce(t *testing.T) {
	const deltas = 1100 // more than a list names
	f := newFabric(t)
	a, c, d := f.add("a"), f.add("c"), f.add("d")
	write(t, a, deltas, 1, "p")
	agree(t, a, c, d)
	for try := 0; ; try++ {
		before := f.deltas.Load()
		b := f.add(fmt.Sprint("b", try))
		agree(t, a, b)
		b.stop()
		if n := f.deltas.Load() - before; n < deltas || n > deltas+deltas/20 {
			t.Errorf("%d deltas were read, of a history of %d", n, deltas)
		}
		if n := b.disk.blocksRead.Load(); n == 0 {
			b.start()
			agree(t, a, b)
			return
		} else if try == 4 { // on a busy machine one member may be left for another, and what it sent is on the disk
			t.Fatalf("%d of them were read from the disk as well", n)
		}
	}
}

// TestJoiningContinuesAfterAKill from where it was, with any member.
func TestJoiningContinuesAfterAKill(t *testing.T) {
	const deltas = 600
	f := newFabric(t)
	a, c := f.add("a"), f.add("c")
	write(t, a, deltas, 1, "p")
	agree(t, a, c)
	f.loseAll.Store(true)
	before, kills := f.deltas.Load(), 0
	b := f.add("b")
	f.cutAfter.Store(20_000) // no connection carries more
	for ; a.m.View().Digest() != b.m.View().Digest(); kills++ {
		had := b.m.View().Len()
		eventually(t, "it goes on", func() bool { return b.m.View().Len() > had || b.m.View().Len() == deltas })
		b.stop()
		b.start()
	}
	if kills < 3 {
		t.Errorf("it was killed only %d times", kills)
	}
	if n := f.deltas.Load() - before; n > 2*deltas {
		t.Errorf("%d deltas were read, of a history of %d", n, deltas)
	}
}

// TestTwoHistoriesMeet that are longer than what is read newest first, both ways: each
// side reads what is the other's.
func TestTwoHistoriesMeet(t *testing.T) {
	const own = 600
	f := newFabric(t)
	a, b := f.add("a"), f.add("b")
	write(t, a, own, 1, "common")
	agree(t, a, b)
	f.isolate(a.id, true)
	write(t, a, own, 1, "a")
	write(t, b, own+50, 1, "b")
	before := f.deltas.Load()
	f.isolate(a.id, false)
	agree(t, a, b)
	if n := a.m.View().Len(); n != 3*own+50 {
		t.Errorf("%d paths", n)
	}
	a.stop()
	b.stop()
	if n := f.deltas.Load() - before; n > 2*own+50 {
		t.Errorf("%d deltas were read, where each lacked some %d", n, own)
	}
	a.start()
	b.start()
}

// TestAHistoryOfAnOlderRelease: that release gave deltas no order. A registry that has such
// a history puts it in order; until it has done so the history is read newest first.
func TestAHistoryOfAnOlderRelease(t *testing.T) {
	const deltas = 600
	f := newFabric(t)
	a := f.add("a")
	write(t, a, deltas, 1, "p")
	a.m.Disorder(true)
	b := f.add("b")
	agree(t, a, b)
	for _, part := range []string{"/paths/order", "/paths/ordered"} {
		forget(t, a, part)
		a.stop()
		a.start()
		eventually(t, "it is put in order", a.m.Ordered)
		places, err := a.m.CountOrdered()
		if err != nil || places != deltas {
			t.Errorf("without %s: %d deltas are in order: %v", part, places, err)
		}
	}
	c := f.add("c")
	agree(t, a, b, c)
}

func forget(t *testing.T, s *seat, prefix string) {
	t.Helper()
	res, err := s.disk.TxnDatastore.Query(t.Context(), query.Query{Prefix: prefix, KeysOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	all, err := res.Rest()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if err := s.disk.Delete(t.Context(), dsKey(e.Key)); err != nil {
			t.Fatal(err)
		}
	}
	_ = s.disk.Delete(t.Context(), dsKey(prefix))
}

// datastoreHolds is what a datastore and the garbage of decoding hold while it is written to, whatever the history.
const datastoreHolds = 160 << 20

// TestMemoryWhileJoining watches what is in use while a registry joins.
func TestMemoryWhileJoining(t *testing.T) {
	if testing.Short() {
		t.Skip("what the datastore holds is more than a history that takes seconds: make test-long has one of 80 MB")
	}
	const deltas = 400
	f := newFabric(t)
	a := f.add("a")
	name := strings.Repeat("long", 30)
	write(t, a, deltas, 1000, name) // 200 kB each
	heap()
	before := live()
	var most atomic.Uint64
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			most.Store(max(most.Load(), live()))
			time.Sleep(5 * time.Millisecond)
		}
	}()
	b := f.add("b")
	agree(t, a, b)
	stop()
	<-done
	heap()
	grown, stays := int64(most.Load())-int64(before), int64(live())-int64(before)
	t.Logf("%d MB of deltas: %d MB more in use at most, %d MB stay", f.size(a)>>20, grown>>20, stays>>20)
	if limit := stays + datastoreHolds; grown > limit {
		t.Errorf("%d MB more were in use, at most %d", grown>>20, limit>>20)
	}
}

func (f *fabric) size(s *seat) (n int) {
	res, err := s.disk.TxnDatastore.Query(f.t.Context(), query.Query{Prefix: "/paths/blocks"})
	if err != nil {
		f.t.Fatal(err)
	}
	for r := range res.Next() {
		n += len(r.Value)
	}
	return n
}

// live is what the last collection of garbage found in use.
func live() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
