package engine

import (
	"context"
	"math/rand/v2"
	"time"
)

// What was written after a revocation is left out by every registry that has heard of it, and is deleted for
// good by one of them: by the one that was told to revoke, or by whoever comes first.

// expelling is when this registry deletes what is left out.
type expelling struct {
	at     time.Time // zero: nothing is left out
	anyway bool      // also that of which it does not know what it had replaced
}

// expelAfter is the time, for each member, within which one of all deletes what is left out: so it takes some
// seconds, and few do it at the same time, however many they are.
const expelAfter = time.Second

// expelAnyway is for how long what is left out stays where it is not known here what it had replaced, as in what was
// compacted, or came with a state: another registry may know, and bring that back.
const expelAnyway = time.Minute

// expel deletes what the map leaves out, when it is this registry's turn; left reports whether it is to be called
// again soon. It is called by one goroutine.
func (e *Engine) expel(ctx context.Context) (left bool) {
	x := &e.enrollment.expelling
	if !e.Paths.View().LeavesOut() {
		*x = expelling{}
		return false
	}
	if !e.writesMembership() || e.Draining() || e.Twinned() != "" {
		return false
	}
	if x.at.IsZero() {
		x.at = time.Now()
		if !e.revokedHere() {
			x.at = x.at.Add(e.spread())
		}
	}
	if time.Now().Before(x.at) {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, membershipWrite)
	defer cancel()
	if err := e.Paths.Expel(ctx, x.anyway); err != nil {
		if ctx.Err() == nil {
			e.Log.WithError(err).Debug("what was written after a revocation is deleted later")
		}
		return true
	}
	again := !x.anyway
	if *x = (expelling{}); !e.Paths.View().LeavesOut() {
		return false
	}
	if again {
		*x = expelling{time.Now().Add(expelAnyway + e.spread()), true}
	}
	return true
}

// spread is a moment in which one of all does what all would do.
func (e *Engine) spread() time.Duration {
	return rand.N(expelAfter * time.Duration(1+len(e.Peer.Connected())))
}

// revokedHere reports whether this registry was told to revoke somebody.
func (e *Engine) revokedHere() bool {
	for _, w := range e.Paths.View().Revocations() {
		if w.By == e.self.String() {
			return true
		}
	}
	return false
}
