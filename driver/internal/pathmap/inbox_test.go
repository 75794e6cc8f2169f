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
