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
)

// unanswered are the members that have answered, or should have, and since when each does not.
type unanswered struct {
	mu    sync.Mutex
	since map[peer.ID]time.Time // zero: it answers
}

// heard notes that a member answered.
func (u *unanswered) heard(id peer.ID) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.note(id, time.Time{})
}

// note is for the holder of u.mu.
func (u *unanswered) note(id peer.ID, since time.Time) {
	if u.since == nil {
		u.since = map[peer.ID]time.Time{}
	}
	u.since[id] = since
}

// knows reports whether a member has ever answered.
func (u *unanswered) knows(id peer.ID) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	_, ok := u.since[id]
	return ok
}

// missed notes that a member, which is there, did not answer a question, and reports whether it
// may have something that is not known here. One that has not answered yet may only when it is
// known otherwise that it is a registry.
func (u *unanswered) missed(id peer.ID, registry bool, now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	since, ok := u.since[id]
	switch {
	case !ok && !registry:
		return false
	case since.IsZero():
		since = now
		u.note(id, since)
	}
	return now.Sub(since) < behindFor
}

// knowsAny reports whether any member has answered, or should have.
func (u *unanswered) knowsAny() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.since) > 0
}

// only forgets all but these members.
func (u *unanswered) only(ids []peer.ID) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for id := range u.since {
		if !slices.Contains(ids, id) {
			delete(u.since, id)
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
	refused := errors.Is(err, errBusy)
	return (alive || refused) && m.unanswered.missed(id, refused || m.cfg.Swarm.Confirmed(id), time.Now())
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
