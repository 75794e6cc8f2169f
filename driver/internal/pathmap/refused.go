package pathmap

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Refusal is why a member is not followed: it has a change that this registry refuses, and
// with it every change that came after.
type Refusal struct {
	Since  time.Time
	Reason string
}

// refusals are the members that are not followed.
type refusals struct {
	mu sync.Mutex
	of map[peer.ID]Refusal
}

// Refused tells for each member that is not followed at present why it is not.
func (m *Map) Refused() map[peer.ID]Refusal {
	m.refused.mu.Lock()
	defer m.refused.mu.Unlock()
	all := make(map[peer.ID]Refusal, len(m.refused.of))
	for id, r := range m.refused.of {
		all[id] = r
	}
	return all
}

func (m *Map) isRefused(id peer.ID) bool {
	m.refused.mu.Lock()
	defer m.refused.mu.Unlock()
	_, refused := m.refused.of[id]
	return refused
}

// refuses notes that a member has a change which this registry refuses, and logs it once.
func (m *Map) refuses(id peer.ID, err error) {
	reason := reasonOf(err)
	m.refused.mu.Lock()
	old, known := m.refused.of[id]
	if m.refused.of == nil {
		m.refused.of = map[peer.ID]Refusal{}
	}
	if !known {
		old.Since = time.Now()
	}
	m.refused.of[id] = Refusal{Since: old.Since, Reason: reason}
	m.refused.mu.Unlock()
	if !known {
		m.log.WithField("peer", id).WithField("reason", reason).Warn("this registry no longer follows a member: " +
			"it refuses a change that the member has, and all that came after; run the same release on all, " +
			"and take a member that made such a change out of trustedpeers")
	}
}

// follows notes that all heads that a member named are merged.
func (m *Map) follows(id peer.ID) {
	m.refused.mu.Lock()
	_, was := m.refused.of[id]
	delete(m.refused.of, id)
	m.refused.mu.Unlock()
	if was {
		m.log.WithField("peer", id).Info("this registry follows a member again")
	}
}

// hasAllOf notes that all heads which a member named are merged here. A member that named none
// has said nothing, unless there is nothing.
func (m *Map) hasAllOf(id peer.ID, named []cid.Cid) {
	m.lagging.hasAll(id, named)
	if m.cfg.OnFollowed != nil && (len(named) > 0 || len(m.Heads()) == 0) {
		m.cfg.OnFollowed(id)
	}
}

// followAll follows all heads of a member.
func (m *Map) followAll(ctx context.Context, x *exchange, heads []cid.Cid) error {
	err := x.follow(ctx, heads)
	if err == nil {
		m.follows(x.id)
		m.hasAllOf(x.id, heads)
	}
	return err
}

// reasonOf is what is wrong with a delta, without where it came from.
func reasonOf(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil || inner == errBadDelta || //nolint:errorlint // this very one: it ends the chain
			!errors.Is(inner, errBadDelta) {
			return err.Error()
		}
		err = inner
	}
}
