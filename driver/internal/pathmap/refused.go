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
// with it every change that came after; or it has not got the history that is missing here, and its
// state cannot be taken.
type Refusal struct {
	Since  time.Time
	Reason string

	stranded bool           // the latter: what is missing may come yet, from another member
	awaits   *unsignedError // the change of which a signature is missing; nil: it is another reason
	tried    time.Time      // when others were last asked for that signature
}

// alike reports whether two are of one kind.
func (r Refusal) alike(o Refusal) bool {
	return r.stranded == o.stranded && (r.awaits == nil) == (o.awaits == nil)
}

// errStranded reports that a member cannot be followed, though nothing is wrong with its changes.
var errStranded = errors.New("it joined by state and has not got the history that is missing here, and its state cannot be taken")

// refusals are the members that are not followed.
type refusals struct {
	mu sync.Mutex
	of map[peer.ID]Refusal
}

// note notes that a member is not followed; known: it was not before, for a reason of this kind.
func (r *refusals) note(id peer.ID, of Refusal) (known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old, ok := r.of[id]
	if known = ok && old.alike(of); known {
		of.Since = old.Since
	}
	if ok && old.awaits != nil && old.awaits == of.awaits {
		of.tried = old.tried // nobody was asked since
	}
	if r.of == nil {
		r.of = map[peer.ID]Refusal{}
	}
	r.of[id] = of
	return known
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

// isRefused reports whether this registry refuses a change of a member: what is missing does not
// come, however long one waits.
func (m *Map) isRefused(id peer.ID) bool {
	m.refused.mu.Lock()
	defer m.refused.mu.Unlock()
	r, refused := m.refused.of[id]
	return refused && !r.stranded
}

// refuses notes that a member has a change which this registry refuses, and logs it once.
func (m *Map) refuses(id peer.ID, err error) {
	var u *unsignedError
	if errors.As(err, &u) {
		m.awaits(id, u)
		return
	}
	reason := reasonOf(err)
	if !m.refused.note(id, Refusal{Since: time.Now(), Reason: reason}) {
		m.log.WithField("peer", id).WithField("reason", reason).Warn("this registry no longer follows a member: " +
			"it refuses a change that the member has, and all that came after; run the same release on all, " +
			"and take a member that made such a change out of trustedpeers")
	}
}

// awaits notes that a change of a member is not merged for want of a signature, and logs it once.
func (m *Map) awaits(id peer.ID, u *unsignedError) {
	if m.cfg.OnHeldUp != nil {
		m.cfg.OnHeldUp(id)
	}
	now := time.Now()
	if !m.refused.note(id, Refusal{Since: now, Reason: u.Error(), awaits: u, tried: now}) {
		m.log.WithField("peer", id).WithField("change", u.cid.String()).WithField("writer", u.by()).Warn("this registry waits for the signature of a change " +
			"before it follows a member: update the registry in whose name it is, and start it")
	}
}

// awaited is what a member lacks a signature of, as long as others are not asked for that once more.
func (m *Map) awaited(id peer.ID) error {
	m.refused.mu.Lock()
	r := m.refused.of[id]
	m.refused.mu.Unlock()
	if r.awaits == nil || time.Since(r.tried) > supplyPause*m.cfg.ExchangeInterval {
		return nil
	}
	if _, merged, err := m.known(r.awaits.cid); err != nil || merged {
		return err
	}
	return r.awaits
}

// again has others asked at once for the signature that a member lacks; "": that all lack.
func (r *refusals) again(id peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for of, why := range r.of {
		if id == "" || id == of {
			why.tried = time.Time{}
			r.of[of] = why
		}
	}
}

// stranded notes that neither the history nor the state of a member can be taken, and logs it once.
func (m *Map) stranded(id peer.ID, err error) {
	if !m.refused.note(id, Refusal{Since: time.Now(), Reason: err.Error(), stranded: true}) {
		m.log.WithField("peer", id).WithField("reason", err.Error()).Warn("this registry cannot follow a member: " +
			"it lacks a history that the member has not got either, and cannot take the member's state; " +
			"start a registry that has that history, or have this one join anew with an empty datastore")
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
