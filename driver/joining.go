package driver

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
)

// errJoining refuses a request whose answer would come from a map that lacks changes of the
// others.
var errJoining = errors.New("this registry has just started and is still catching up with the others: try again")

// phase is how far a registry has come in joining its swarm.
type phase int

const (
	joined  phase = iota // it has caught up with a member since the start, or joins nobody
	joining              // changes of the others may be missing here
	alone                // as before, but none of them answers
)

func (p phase) String() string { return [...]string{"joined", "joining", "alone"}[p] }

// joinWatch logs when a registry finds itself alone, and when it no longer is.
type joinWatch struct {
	joins bool // decided once: a registry that begins a swarm has nothing to catch up with
	begun time.Time
	stop  context.CancelFunc
	wg    sync.WaitGroup
}

// startJoining decides whether this registry joins others: it does when it has
// bootstrappers other than itself or met members in an earlier run, and trusts other peers.
func (r *rooms) startJoining() {
	ctx, stop := context.WithCancel(context.Background())
	j := &r.join
	j.stop, j.begun = stop, time.Now()
	j.joins = r.peer != nil && (r.joinsOthers() && r.trustsOthers() || r.remembersOthers())
	r.paths.Joining(j.joins)
	if j.joins {
		j.wg.Go(func() { r.watchJoining(ctx) })
	}
}

func (r *rooms) stopJoining() {
	if r.join.stop != nil {
		r.join.stop()
	}
	r.join.wg.Wait()
}

// watchJoining logs once that no member can be met, and once that this is over.
func (r *rooms) watchJoining(ctx context.Context) {
	for r.phase() != alone {
		select {
		case <-time.After(time.Until(r.aloneAt())):
		case <-r.paths.CaughtUp():
			return
		case <-ctx.Done():
			return
		}
	}
	r.paths.Joining(false) // of several that began with nothing none would ever have caught up
	r.log.WithField("since", r.lastAnswer().Format(time.RFC3339)).
		Warn("no member of the swarm can be met: this registry serves what it has, which may be out of date; " +
			"check its bootstrappers and the network between them (`registry ipfs status`)")
	select {
	case <-r.paths.CaughtUp():
		r.log.Info("a member was met, and this registry has caught up with it")
	case <-ctx.Done():
	}
}

// lastAnswer is when a member answered last, or the start.
func (r *rooms) lastAnswer() time.Time {
	if t, ok := r.paths.LastAnswer(); ok {
		return t
	}
	return r.join.begun
}

// aloneAt is when this registry counts as alone unless a member answers before. A member
// that is connected but silent does not count.
func (r *rooms) aloneAt() time.Time { return r.lastAnswer().Add(r.params.AloneTimeout) }

func (r *rooms) phase() phase {
	if !r.join.joins {
		return joined
	}
	select {
	case <-r.paths.CaughtUp():
		return joined
	default:
	}
	if time.Now().Before(r.aloneAt()) {
		return joining
	}
	return alone
}

// awaitJoined waits until this registry has caught up with a member, or knows that it is
// alone, for as long as the request may wait. When that was not enough it returns a
// Refusal. Every operation that reports something missing, lists, deletes, or follows a
// name that can move calls it first, because right after a start the map is that of the
// last run, or empty.
func (r *rooms) awaitJoined(ctx context.Context) error {
	return r.awaitPhase(ctx, r.paths.CaughtUp())
}

// awaitPhase is awaitJoined with a further event that may end the wait.
func (r *rooms) awaitPhase(ctx context.Context, enough <-chan struct{}) error {
	if r.phase() != joining {
		return nil
	}
	wait, cancel, ok := r.waits.begin(ctx, requestKeyOf(ctx), r.params.SyncTimeout)
	if ok {
		defer cancel()
	} else {
		wait, cancel = context.WithCancel(ctx)
		cancel()
	}
	for r.phase() == joining {
		select {
		case <-enough:
			return nil
		default:
		}
		select {
		case <-enough:
			return nil
		case <-time.After(time.Until(r.aloneAt())):
		case <-wait.Done():
			if err := ctx.Err(); err != nil {
				return err
			}
			return behind(ctx, errJoining)
		}
	}
	return nil
}

// unjoined is the reason for which a registry that joins others is not ready.
func (r *rooms) unjoined() string {
	switch r.phase() {
	case joining:
		if _, met := r.paths.LastAnswer(); !met {
			return "no member has been met since the start: see the bootstrappers in `registry ipfs status`"
		}
		return "still catching up with the other registries"
	case alone:
		return fmt.Sprintf("no member can be met since %s, what is served may be out of date: see the bootstrappers in `registry ipfs status`",
			r.lastAnswer().Format(time.RFC3339))
	}
	return ""
}

// isTag reports whether a path is a tag's own, which moves.
func isTag(path string) bool { return ocipath.Parse(path).Tag != "" }
