package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	libpeer "github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/admin"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/membership"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

// revocations are in the path map, which all registries of a swarm have: who is in one is let in by none of
// them again. Whoever may push may revoke, but for those that were revoked before.

// revocable is what a member has to understand to shut out who is revoked. Who does not goes on as before.
const revocable = "revocation"

// Revocation is one registry that is shut out for good.
type Revocation struct {
	membership.Revocation
	ID libpeer.ID
	By string // peer ID of who wrote it
}

// Revoked are those that are shut out, by peer ID.
func (e *Engine) Revoked() (all []Revocation) {
	if e.Peer == nil {
		return nil
	}
	for _, w := range membership.Effective(e.Paths.View().Revocations()) {
		id, err := libpeer.Decode(w.ID)
		if err != nil {
			continue
		}
		if !peer.ValidName(w.Name) {
			w.Name = ""
		}
		all = append(all, Revocation{w.Revocation, id, w.By})
	}
	slices.SortFunc(all, func(a, b Revocation) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// revokedIDs are the peer IDs of Revoked.
func (e *Engine) revokedIDs() (ids []libpeer.ID) {
	for _, r := range e.Revoked() {
		ids = append(ids, r.ID)
	}
	return ids
}

// goByRevocations shuts out who is revoked; left reports whether it is to be called again soon.
func (e *Engine) goByRevocations(ctx context.Context) (left bool) {
	e.lists.looking.Lock()
	defer e.lists.looking.Unlock()
	if ids := e.revokedIDs(); !e.Peer.Revokes(ids) {
		e.relist(func() { e.Peer.Revoke(ids) })
	}
	return e.Peer.ForgetRevoked(ctx)
}

// Revoke shuts a registry out of the swarm for good: all registries that hear of it refuse its connections
// and what it says. It is named as for Forget, or by its whole peer ID, and may be connected.
func (e *Engine) Revoke(ctx context.Context, name string) (Member, error) {
	m, err := e.revocable(name)
	if err != nil {
		return m, err
	}
	if !e.writesMembership() {
		return m, admin.Conflict(fmt.Errorf("revoke %s: %w", describe(m), errNotInList))
	}
	if e.Peer.Revoked(m.ID) {
		return m, nil
	}
	ctx, cancel := context.WithTimeout(ctx, membershipWrite)
	defer cancel()
	r := membership.Revocation{At: time.Now(), Name: m.Name, Bounded: true, UpTo: e.momentOf(ctx, m.ID)}
	op, err := pathmap.SetText(membership.RevokedFamily, m.ID.String(), r.Text())
	if err == nil {
		err = e.Paths.Write(ctx, op)
	}
	if err != nil {
		return m, fmt.Errorf("revoke %s: %w", describe(m), err)
	}
	e.Log.WithField("peer", m.ID.String()).WithField("name", m.Name).Info("registry revoked, as the operator asked")
	e.goByRevocations(ctx)
	e.enrollment.look()
	return m, nil
}

// momentTime is for how long others are asked what they have of a registry that is to be revoked: what none of
// them tells in that time does not stay.
const momentTime = 5 * time.Second

// momentOf is the greatest counter of a registry's versions that the swarm has. What the registry itself has
// acknowledged and nobody has merged yet is fetched first, if it gives it.
func (e *Engine) momentOf(ctx context.Context, id libpeer.ID) uint64 {
	ctx, cancel := context.WithTimeout(ctx, momentTime)
	defer cancel()
	if slices.Contains(e.Peer.Connected(), id) && e.Peer.Trusts(id) {
		fetch, cancel := context.WithTimeout(ctx, momentTime/2)
		defer cancel()
		if err := e.Paths.Hear(fetch, id, 0); err != nil {
			e.Log.WithField("peer", id.String()).WithError(err).Debug("what it wrote last is not fetched before it is revoked")
		}
	}
	return e.Paths.Moment(ctx, id)
}

// revocable finds whom a name means, which may be a peer ID that nobody has met yet.
func (e *Engine) revocable(name string) (Member, error) {
	if e.Peer == nil {
		return Member{}, admin.Conflict(errors.New("revoke: this registry has no network"))
	}
	if name != "" && name == e.Name() {
		return Member{}, errRevokesItself
	}
	m, err := memberNamed(e.Members(), name)
	if !errors.Is(err, errNoMember) {
		return m, err
	}
	id, ok := e.writerNamed(name)
	if !ok {
		of, decodeErr := libpeer.Decode(name)
		id, ok = of, decodeErr == nil
	}
	switch {
	case id == e.self || len(name) >= minShortID && strings.HasSuffix(e.self.String(), name):
		return Member{}, errRevokesItself
	case ok:
		return Member{Member: peer.Member{ID: id}}, nil
	}
	return m, err
}

var errRevokesItself = admin.Conflict(errors.New("revoke: this is the registry itself: run the command on another one"))
