package pathmap

import (
	"context"
	"testing"
	"testing/synctest"
)

// TestFollowWaitsForWhatIsPending, whether it is being run or still to be, and not
// for what comes later.
func TestFollowWaitsForWhatIsPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &Map{inbox: newInbox()}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		follow := func() (over *bool) {
			over = new(bool)
			go func() { m.Follow(ctx); *over = true }()
			synctest.Wait()
			return over
		}
		m.inbox.add("x", nil)
		if *follow() {
			t.Error("it does not wait for what nobody has begun")
		}
		m.inbox.next()
		m.inbox.add("x", nil)
		m.inbox.add("y", nil)
		over := follow()
		if pending := len(m.inbox.pending()); pending != 3 || *over {
			t.Fatalf("of what is begun and what is not %d errands are waited for", pending)
		}
		m.inbox.done("x")
		m.inbox.next()
		m.inbox.next()
		m.inbox.add("x", nil)
		m.inbox.add("later", nil)
		m.inbox.done("x")
		synctest.Wait()
		if *over {
			t.Error("it does not wait for the rest")
		}
		m.inbox.done("y")
		synctest.Wait()
		if !*over {
			t.Error("it waits for what came later")
		}
		if *follow() {
			t.Error("it does not wait for what came later when that is pending")
		}
		stop()
		synctest.Wait()
	})
}

// TestErrandsAreSmall: of a member that announces very much its heads are asked for.
func TestErrandsAreSmall(t *testing.T) {
	i := newInbox()
	some := deltas{aDelta(t, "a"), aDelta(t, "b")}
	for range maxErrand / 2 {
		i.add("a", some)
		i.add("b", some)
	}
	i.add("b", some)
	i.add("c", make(deltas, maxErrand+1))
	if n := len(i.todo["a"].heads); n != maxErrand {
		t.Errorf("%d heads are remembered", n)
	}
	if i.todo["b"].heads != nil || i.todo["c"].heads != nil {
		t.Errorf("%d and %d heads are remembered", len(i.todo["b"].heads), len(i.todo["c"].heads))
	}
}
