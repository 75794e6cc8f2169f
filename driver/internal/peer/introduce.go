package peer

import (
	"context"
	"errors"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Introduction is what the swarm's list of members says of one.
type Introduction struct {
	ID           peer.ID
	Name         string
	Capabilities []string
	First, Heard time.Time // when the member first wrote into the list, and when it did last, by its own clock
	Version      string    // another one each time that what the list says is written
}

// Introduce has a member of the swarm's list count as one that was met, and is away, if it has not been met
// here. That the list has a new version of it is a sign of life: a member that others hear is not forgotten
// here, whether or not this peer reaches it. It may be called again with what it was called with.
func (p *Peer) Introduce(i Introduction) {
	if p.roster.introduce(i, time.Now()) {
		p.remember(p.ctx, i.ID)
		p.wakeDialler()
	}
}

// introduce reports whether that is news.
func (r *roster) introduce(i Introduction, now time.Time) (news bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i.ID == r.self || !r.trusts(i.ID) {
		return false
	}
	e := r.entry(i.ID)
	if e.known && e.version == i.Version {
		return false
	}
	e.version, e.told, e.unsaved = i.Version, now, true
	if !e.greeted {
		e.name, e.capabilities = readName(i.Name), readCapabilities(i.Capabilities)
	}
	e.confirmed = true
	if e.known {
		return true
	}
	r.named.remove(e)
	e.known, e.first, e.since = true, i.First, i.Heard
	if e.since.IsZero() || e.since.After(now) {
		e.since = now
	}
	return true
}

// Dismiss forgets a member because the swarm's list says, in this version of it, that it was forgotten. One
// that is connected stays: it has come back, and sees that as well. A version counts once.
func (p *Peer) Dismiss(ctx context.Context, id peer.ID, version string) error {
	if !p.roster.dismissed(id, version) {
		return nil
	}
	err := p.forget(ctx, id, false)
	if errors.Is(err, ErrConnected) || errors.Is(err, ErrUnknownMember) {
		return nil
	}
	return err
}

// dismissed reports whether a member is to be forgotten.
func (r *roster) dismissed(id peer.ID, version string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.records[id]
	if e == nil || !e.known || e.version == version {
		return false
	}
	if e.member() {
		e.version, e.unsaved = version, true
		return false
	}
	return true
}

// unheard is since when nothing has been heard of a member that is away, neither by a connection nor by the
// swarm's list, in time that this peer ran.
func (e *entry) unheard() time.Time {
	if e.told.After(e.lost) {
		return e.told
	}
	return e.lost
}
