package pathmap

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// A trusted member that does not answer may have what is asked for: what it acknowledged must not
// become "there is none" because it is busy. One that is gone, or was never a registry, must not
// keep everybody waiting.
const (
	behindFor = time.Minute           // for how long a member counts that is there and does not answer
	askBusy   = 50 * time.Millisecond // after which a member that was busy is asked again; doubles

	// lateAfter is for how long a member that answered counts as there without a sign of life. A machine
	// that gives its registry no processor for a moment must not make a 404 of what that acknowledged;
	// a member that is cut off makes it a 503 for no longer than this.
	lateAfter = 3 * time.Second
)

// unanswered are the members that have answered, or should have.
type unanswered struct {
	mu sync.Mutex
	of map[peer.ID]silence
}

// silence is when a member answered last, and since when it does not; zero: it never did, it answers.
type silence struct{ heard, since time.Time }

// heard notes that a member answered.
func (u *unanswered) heard(id peer.ID, now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.note(id, silence{heard: now})
}

// lately reports whether a member answered a moment ago.
func (u *unanswered) lately(id peer.ID, now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return now.Sub(u.of[id].heard) < lateAfter
}

// note is for the holder of u.mu.
func (u *unanswered) note(id peer.ID, s silence) {
	if u.of == nil {
		u.of = map[peer.ID]silence{}
	}
	u.of[id] = s
}

// knows reports whether a member has ever answered.
func (u *unanswered) knows(id peer.ID) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	_, ok := u.of[id]
	return ok
}

// missed notes that a member, which is there, did not answer a question, and reports whether it
// may have something that is not known here. One that has not answered yet may only when it is
// known otherwise that it is a registry.
func (u *unanswered) missed(id peer.ID, registry bool, now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	s, ok := u.of[id]
	switch {
	case !ok && !registry:
		return false
	case s.since.IsZero():
		s.since = now
		u.note(id, s)
	}
	return now.Sub(s.since) < behindFor
}

// knowsAny reports whether any member has answered, or should have.
func (u *unanswered) knowsAny() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.of) > 0
}

// only forgets all but these members.
func (u *unanswered) only(ids []peer.ID) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for id := range u.of {
		if !slices.Contains(ids, id) {
			delete(u.of, id)
		}
	}
}

// didNotAnswer notes that a question to a member failed, and reports whether that member may have
// something that is not known here. A connection that is silent altogether may be one whose loss
// has not been noticed yet: what is asked for must not depend on that.
func (m *Map) didNotAnswer(id peer.ID, err error, alive bool) bool {
	if m.ctx.Err() != nil || !slices.Contains(m.cfg.Swarm.Connected(), id) {
		return false
	}
	m.log.WithField("peer", id).WithError(err).Debug("a member did not name its heads")
	now, refused := time.Now(), errors.Is(err, errBusy)
	there := alive || refused || m.unanswered.lately(id, now)
	return there && m.unanswered.missed(id, refused || m.cfg.Swarm.Confirmed(id), now)
}

// askIfAlive asks a member for a sign of life in a while, unless it is stopped. stop gives the
// result once ctx has ended.
func (m *Map) askIfAlive(ctx context.Context, id peer.ID, in time.Duration) (stop func() bool) {
	alive := make(chan bool, 1)
	t := time.AfterFunc(in, func() { alive <- m.cfg.Swarm.Alive(ctx, id) })
	return func() bool { return !t.Stop() && <-alive }
}

// errBusy reports that a member ended an exchange in place of an answer.
var errBusy = errors.New("it is busy")

// busy is err, and errBusy as well if it is not due to the end of the time that there was.
func (x *exchange) busy(err error) error {
	var timeout net.Error
	if x.ctx.Err() != nil || errors.As(err, &timeout) && timeout.Timeout() {
		return err
	}
	return errors.Join(errBusy, err)
}

// headsOf asks a member for its heads; again while it is busy, until ctx ends.
func (m *Map) headsOf(ctx context.Context, id peer.ID) (*exchange, []cid.Cid, error) {
	for pause := askBusy; ; pause *= 2 {
		x, err := m.dial(ctx, id)
		if err != nil {
			return nil, nil, err
		}
		heads, err := x.heads()
		if err == nil {
			return x, heads, nil
		}
		x.close()
		if !errors.Is(err, errBusy) {
			return nil, nil, err
		}
		again := time.NewTimer(pause)
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return nil, nil, err
		}
	}
}
