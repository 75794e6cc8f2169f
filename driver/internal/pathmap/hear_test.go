package pathmap_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// quietFabric exchanges nothing by itself: what arrives was heard.
func quietFabric(t *testing.T) *fabric {
	f := newFabric(t)
	f.interval = time.Hour
	f.loseAll.Store(true)
	return f
}

func hear(t *testing.T, a, b *seat, counter uint64) {
	t.Helper()
	if err := a.m.Hear(t.Context(), b.id, counter); err != nil {
		t.Fatal(err)
	}
}

// TestHearingWaitsForWhatIsUnderWay: a member names its heads when the requests have ended
// that it was answering when it was asked. It does not wait for later ones.
func TestHearingWaitsForWhatIsUnderWay(t *testing.T) {
	f := quietFabric(t)
	a, b := f.add("a"), f.add("b")
	put(t, b, "/p", "0")
	end := b.m.Rely()
	heard := make(chan error, 1)
	go func() { heard <- a.m.Hear(t.Context(), b.id, b.m.Greatest()) }()
	eventually(t, "b was asked", func() bool { return !b.m.Wrote("/p", time.Hour) })
	later := b.m.Rely()
	defer later()
	put(t, b, "/q", "of the request under way")
	select {
	case err := <-heard:
		t.Fatalf("heard before the request has ended: %v", err)
	default:
	}
	end()
	if err := <-heard; err != nil {
		t.Fatal(err)
	}
	if !has(a, "/q", "of the request under way", t) {
		t.Error("what the request wrote is not here")
	}
}

// TestABusyMemberIsHeard, though requests always overlap: only those are waited for that it
// was answering when it was first asked, however long they take.
func TestABusyMemberIsHeard(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for seconds")
	}
	f := quietFabric(t)
	b := f.add("b")
	end := b.m.Rely()
	done, ticket := b.m.Lapsed(1, "")
	if done {
		t.Fatal("done while a request is under way")
	}
	later := b.m.Rely()
	defer later()
	end()
	if done, _ := b.m.Lapsed(1, ticket); !done {
		t.Error("a request is waited for that began later")
	}
}

// TestAMemberThatIsBusyForTooLong is not heard, and that is in time.
func TestAMemberThatIsBusyForTooLong(t *testing.T) {
	f := quietFabric(t)
	a, b := f.add("a"), f.add("b")
	end := b.m.Rely()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := a.m.Hear(ctx, b.id, 1); err == nil {
		t.Error("heard while a request is under way")
	}
	end()
	hear(t, a, b, 1)
}

// TestWhatLapsedIsRenewed: a version that was let lapse is not relied on, a newer one is, up
// to the next hearing. Nobody uses up a member's counters.
func TestWhatLapsedIsRenewed(t *testing.T) {
	f := quietFabric(t)
	a, b := f.add("a"), f.add("b")
	put(t, b, "/p", "0")
	hear(t, a, b, 0)
	if !b.m.Wrote("/p", time.Hour) {
		t.Error("a hearing lets lapse what it does not name")
	}
	_, counter := a.m.Cut()
	put(t, b, "/q", "0")
	hear(t, a, b, counter)
	if b.m.Wrote("/p", time.Hour) || !b.m.Wrote("/q", time.Hour) {
		t.Error("not what the mark names has lapsed")
	}
	hear(t, a, b, math.MaxUint64)
	if b.m.Wrote("/q", time.Hour) {
		t.Error("all was to lapse")
	}
	put(t, b, "/q", "1")
	if !b.m.Wrote("/q", time.Hour) {
		t.Error("what was written since has lapsed")
	}
	if err := b.m.Lapse(t.Context(), b.m.Greatest()); err != nil || b.m.Wrote("/q", time.Hour) {
		t.Errorf("a registry does not let its own lapse: %v", err)
	}
}

func TestOwnReliancesAreAwaited(t *testing.T) {
	f := quietFabric(t)
	a := f.add("a")
	end := a.m.Rely()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := a.m.Lapse(ctx, 1); !errors.Is(err, pathmap.ErrBusy) {
		t.Errorf("while a request is under way: %v", err)
	}
	end()
	end()
	if err := a.m.Lapse(t.Context(), 1); err != nil {
		t.Error(err)
	}
}

// TestOneThatIsNotTrustedIsNotObeyed: only trusted members have others renew what they wrote.
// To the one that asked it is as a member of an older release.
func TestOneThatIsNotTrustedIsNotObeyed(t *testing.T) {
	f := quietFabric(t)
	a, b := f.add("a"), f.add("b")
	put(t, b, "/p", "0")
	f.mu.Lock()
	f.untrusted["a"] = true
	f.mu.Unlock()
	if err := a.m.Hear(t.Context(), b.id, 100); !errors.Is(err, pathmap.ErrCannotLapse) {
		t.Errorf("heard: %v", err)
	}
	if !b.m.Wrote("/p", time.Hour) {
		t.Error("it had b renew what it wrote")
	}
	if err := b.m.Hear(t.Context(), a.id, 100); err == nil {
		t.Error("one that is not trusted is heard")
	}
}

// TestNothingIsHeardOverACutLink: wherever the link is cut, a hearing without an error means
// that everything is here.
func TestNothingIsHeardOverACutLink(t *testing.T) {
	f := quietFabric(t)
	b := f.add("b")
	for i := range 40 {
		put(t, b, fmt.Sprintf("/dir/%d", i), "content")
	}
	whole := b.m.View().Digest()
	failed := 0
	for cut := int64(100); ; cut += cut / 2 {
		a := f.add(fmt.Sprintf("a%d", cut))
		f.cutAfter.Store(cut)
		err := a.m.Hear(t.Context(), b.id, b.m.Greatest())
		f.cutAfter.Store(0)
		if err == nil && a.m.View().Digest() != whole {
			t.Fatalf("heard over a link cut after %d bytes, with %d of 40 entries", cut, a.m.View().Len())
		}
		if err == nil {
			break
		}
		failed++
		hear(t, a, b, 0)
		if a.m.View().Digest() != whole {
			t.Fatal("heard without everything")
		}
		a.stop()
	}
	if failed < 3 {
		t.Errorf("only %d links were cut", failed)
	}
	a := f.add("a")
	f.isolate("b", true)
	if a.m.Hear(t.Context(), b.id, 0) == nil {
		t.Error("one that is cut off is heard")
	}
}

// TestARestartedMemberReliesOnNothing of its earlier run, in which it may have promised so.
func TestARestartedMemberReliesOnNothing(t *testing.T) {
	f := quietFabric(t)
	a := f.add("a")
	put(t, a, "/p", "0")
	a.stop()
	a.start()
	if a.m.Wrote("/p", time.Hour) {
		t.Error("it relies on what an earlier run wrote")
	}
}
