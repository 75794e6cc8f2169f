package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	libpeer "github.com/libp2p/go-libp2p/core/peer"
)

// ErrJoining reports that the map may lack changes of other registries.
var ErrJoining = errors.New("this registry has just started and is still catching up with the other registries: try again")

// phase is how far a registry has come in joining its swarm.
type phase int

const (
	joined  phase = iota // it has caught up with a member since the start, or joins nobody
	joining              // changes of other registries may be missing here
	alone                // as joining, but no other registry answers
)

func (p phase) String() string { return [...]string{"joined", "joining", "alone"}[p] }

// joinWatch logs when a registry finds itself alone, and when it no longer is.
type joinWatch struct {
	first chan struct{} // closed when it turned out that there is nobody to join
	joins bool          // decided once: a registry that begins a swarm has nothing to catch up with
	begun time.Time
	awake *awake
	stop  context.CancelFunc
	wg    sync.WaitGroup
}

// joins reports whether this registry joins others, as far as is known: it does when it has
// bootstrappers other than itself or met members in an earlier run, and trusts other peers.
func (e *Engine) joins() bool {
	return e.Peer != nil && (e.joinsOthers() && e.trustsOthers() || e.remembersOthers())
}

// startJoining decides whether this registry joins others.
func (e *Engine) startJoining() {
	ctx, stop := context.WithCancel(context.Background())
	j := &e.join
	j.stop, j.begun, j.first = stop, time.Now(), make(chan struct{})
	j.awake = newAwake(j.begun, e.cfg.AloneTimeout)
	j.joins = e.joins()
	e.Paths.Joining(j.joins)
	if j.joins {
		j.wg.Go(func() { e.watchJoining(ctx) })
		j.wg.Go(func() { j.awake.watch(ctx, e.Paths.CaughtUp()) })
	}
}

func (e *Engine) stopJoining() {
	if e.join.stop != nil {
		e.join.stop()
	}
	e.join.wg.Wait()
}

// watchJoining logs once that no member can be met, and once that this is over.
func (e *Engine) watchJoining(ctx context.Context) {
	for said := false; e.phase() != alone; {
		if e.isFirst() {
			e.beginSwarm()
			return
		}
		select {
		case <-time.After(e.untilAlone()):
		case <-e.Paths.CaughtUp():
			return
		case <-ctx.Done():
			return
		}
		if missed := e.knowBetter(); len(missed) > 0 && !said {
			said = true
			e.Log.WithField("missed", missed).Warn(onlyAPart)
		}
	}
	e.Paths.Joining(false) // of several that began with nothing none would ever have caught up
	e.Log.WithField("since", e.lastAnswer().Format(time.RFC3339)).
		Warn("no member of the swarm can be met: this registry serves what it has, which may be out of date; " +
			"check its bootstrappers and the network between them (`registry ipfs status`)")
	for {
		select {
		case <-time.After(e.untilAlone()):
			if e.isFirst() {
				e.beginSwarm()
				return
			}
		case <-e.Paths.CaughtUp():
			e.Log.Info("a member was met, and this registry has caught up with it")
			return
		case <-ctx.Done():
			return
		}
	}
}

// beginSwarm notes that this registry, which was to join others, is the first.
func (e *Engine) beginSwarm() {
	close(e.join.first)
	e.Paths.Joining(false)
	e.Log.Info("all bootstrappers lead to this registry itself: it begins the swarm")
}

// isFirst reports whether no member has answered until this registry would be alone, because it is
// the first that its bootstrappers lead to, and it has never met another one.
func (e *Engine) isFirst() bool {
	return !time.Now().Before(e.aloneAt()) && !e.Paths.Part() && e.leadsToItself() && !e.remembersOthers()
}

// lastAnswer is when a member answered last, or the start.
func (e *Engine) lastAnswer() time.Time {
	if t, ok := e.Paths.LastAnswer(); ok {
		return t
	}
	return e.join.begun
}

// slowMembers is how many times as long members have to answer that are connected: they are
// there, and may have much to do, or this registry has. One that never answers holds it up for
// no longer.
const slowMembers = 6

// aloneAt is when this registry counts as alone unless a member answers before, as far as is
// known now.
func (e *Engine) aloneAt() time.Time {
	return aloneAt(e.lastAnswer(), e.join.awake.at(time.Now()), e.cfg.AloneTimeout, e.Paths.Expects())
}

// aloneAt gives members as long after a pause of this process, or after its start, as after an
// answer, and longer when an answer is expected of one that is connected.
func aloneAt(answered, awake time.Time, timeout time.Duration, expected bool) time.Time {
	last := answered
	if awake.After(last) {
		last = awake
	}
	if expected {
		timeout *= slowMembers
	}
	return last.Add(timeout)
}

// untilAlone is how long to wait before the phase is looked at again: members come and go, and are
// forgotten.
func (e *Engine) untilAlone() time.Duration {
	long := max(e.cfg.AloneTimeout, time.Millisecond)
	if left := time.Until(e.aloneAt()); left > 0 {
		return min(left, long)
	}
	return min(long, time.Second)
}

// onlyAPart is why a registry that nobody answers serves nothing.
const onlyAPart = "this registry joined its swarm, has only a part of what the others have, and cannot meet them: " +
	"it serves no tags and no lists, since its part may be of any age; start one of the others, or, " +
	"if they are gone for good, `registry ipfs forget` them, and take them out of its bootstrappers"

// knowBetter are the members without which this registry does not serve what it has, though nobody
// answers: it has only a part of their history, and they are away.
func (e *Engine) knowBetter() (names []string) {
	if !e.Paths.Part() || time.Now().Before(e.aloneAt()) {
		return nil
	}
	named := map[libpeer.ID]bool{}
	for _, m := range e.Peer.Members() {
		if named[m.ID] = m.Connected || m.Confirmed; !m.Connected && m.Confirmed && e.Peer.Trusts(m.ID) {
			names = append(names, cmp.Or(m.Name, m.ID.String()))
		}
	}
	for _, s := range e.Peer.Seeds() {
		if !s.Connected && e.trustsOthers() {
			names = append(names, s.Addr.String())
		}
	}
	for _, b := range e.Peer.Bootstrappers() { // members are confirmed only once all of the history has come
		if b.ID != "" && !named[b.ID] && e.Peer.Trusts(b.ID) {
			names = append(names, b.ID.String())
		}
	}
	return names
}

func (e *Engine) phase() phase {
	if !e.join.joins {
		return joined
	}
	select {
	case <-e.Paths.CaughtUp():
		return joined
	case <-e.join.first:
		return joined
	default:
	}
	switch {
	case e.isFirst():
		return joined
	case time.Now().Before(e.aloneAt()), len(e.knowBetter()) > 0:
		return joining
	}
	return alone
}

// Phase is how far this registry has come in joining its swarm: joined, joining, or alone.
func (e *Engine) Phase() string { return e.phase().String() }

// Joins reports whether this registry joins others, so that Paths.CaughtUp will happen.
func (e *Engine) Joins() bool { return e.join.joins }

// Joining reports whether changes of other registries may be missing here.
func (e *Engine) Joining() bool { return e.phase() == joining }

// AwaitJoined waits until this registry has caught up with a member, knows that it is alone,
// or a further event comes that is enough for the caller. It fails with ErrJoining when ctx
// ends first.
func (e *Engine) AwaitJoined(ctx context.Context, enough <-chan struct{}) error {
	for e.phase() == joining {
		select {
		case <-enough:
			return nil
		default:
		}
		select {
		case <-enough:
			return nil
		case <-time.After(e.untilAlone()):
		case <-ctx.Done():
			return ErrJoining
		}
	}
	return nil
}

// unjoined is the reason for which a registry that joins others is not ready.
func (e *Engine) unjoined() string {
	switch e.phase() {
	case joining:
		if missed := e.knowBetter(); len(missed) > 0 {
			return onlyAPart + ": " + strings.Join(missed, ", ")
		}
		if _, met := e.Paths.LastAnswer(); !met {
			return "no member has been met since the start: see the bootstrappers in `registry ipfs status`"
		}
		return "still catching up with the other registries"
	case alone:
		return fmt.Sprintf("no member can be met since %s, what is served may be out of date: see the bootstrappers in `registry ipfs status`",
			e.lastAnswer().Format(time.RFC3339))
	}
	return ""
}

// AwaitCaughtUp waits until the map is as other registries know it, or ctx ends.
func (e *Engine) AwaitCaughtUp(ctx context.Context) {
	if !e.Joins() {
		return
	}
	select {
	case <-e.Paths.CaughtUp():
	case <-e.join.first:
	case <-ctx.Done():
	}
}
