package pathmap

import (
	"context"
	"testing"
	"time"
)

// TestFollowWaitsForWhatIsPending, whether it is being run or still to be, and not
// for what comes later.
func TestFollowWaitsForWhatIsPending(t *testing.T) {
	m := &Map{inbox: newInbox()}
	waits := func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		m.Follow(ctx)
		return ctx.Err() != nil
	}
	m.inbox.add("x", nil)
	if !waits() {
		t.Error("it does not wait for what nobody has begun")
	}
	m.inbox.next()
	m.inbox.add("x", nil)
	m.inbox.add("y", nil)
	pending := m.inbox.pending()
	if len(pending) != 3 || !waits() {
		t.Fatalf("of what is begun and what is not %d errands are waited for", len(pending))
	}
	m.inbox.done("x")
	m.inbox.next()
	m.inbox.next()
	m.inbox.add("x", nil)
	m.inbox.add("later", nil)
	m.inbox.done("x")
	if !waits() {
		t.Error("it does not wait for the rest")
	}
	m.inbox.done("y")
	for _, e := range pending {
		select {
		case <-e.over:
		default:
			t.Error("whoever waited still does, for what came later")
		}
	}
}
