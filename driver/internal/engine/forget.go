package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	libpeer "github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/admin"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

// minShortID is how much of the end of a peer ID names a member.
const minShortID = 4

// Forget drops a member that is away from those that the registries of the swarm know and dial. The
// member is named by its peer ID, by the end of its peer ID, or by its name. A member that
// comes back is simply a member again. A registry that once wrote, and that this one has never
// met, is named by its peer ID: collections of garbage wait for it no longer.
func (e *Engine) Forget(ctx context.Context, name string) (Member, error) {
	m, err := memberNamed(e.Members(), name)
	if id, ok := e.writerNamed(name); ok && errors.Is(err, errNoMember) {
		return e.forgetWriter(ctx, id)
	}
	if err != nil {
		return m, err
	}
	if !m.Connected {
		if err := e.strike(ctx, m.ID); err != nil {
			return m, admin.Conflict(fmt.Errorf("forget %s: %w", describe(m), err))
		}
	}
	switch err := e.Peer.Forget(ctx, m.ID); {
	case errors.Is(err, peer.ErrConnected):
		return m, admin.Conflict(fmt.Errorf("%s is connected: stop it first, or shut it out (allowedpeers)", describe(m)))
	case err != nil && !errors.Is(err, peer.ErrUnknownMember): // by the list it is forgotten already
		return m, err
	}
	e.Log.WithField("peer", m.ID.String()).WithField("name", m.Name).Info("registry forgotten, as the operator asked")
	return m, nil
}

var errNoMember = errors.New("no member is called")

func memberNamed(members []Member, name string) (Member, error) {
	var found []Member
	var all []string
	for _, m := range members {
		if m.ID.String() == name {
			return m, nil
		}
		if name != "" && m.Name == name || len(name) >= minShortID && strings.HasSuffix(m.ID.String(), name) {
			found, all = append(found, m), append(all, describe(m))
		}
	}
	switch len(found) {
	case 0:
		return Member{}, admin.NotFound(fmt.Errorf("%w %q: `registry ipfs status` lists them", errNoMember, name))
	case 1:
		return found[0], nil
	}
	return Member{}, admin.Invalid(fmt.Errorf("%q names several members, give the peer ID of one: %s", name, strings.Join(all, ", ")))
}

func describe(m Member) string {
	return strings.TrimSpace(cmp.Or(m.Name, "member") + " " + m.ID.String())
}

// forgotten tells the swarm of a member that is forgotten here, and has nothing wait for it.
func (e *Engine) forgotten(id libpeer.ID) {
	if err := e.strike(context.Background(), id); err != nil {
		e.Log.WithField("peer", id.String()).WithError(err).Debug("others are not told that a registry was forgotten")
	}
	e.stopWaiting(id)
}

// stopWaiting has collections of garbage not wait for a registry that was forgotten.
func (e *Engine) stopWaiting(id libpeer.ID) {
	if err := e.Paths.DoNotWait(context.Background(), id.String()); err != nil {
		e.Log.WithField("peer", id.String()).WithError(err).Warn("collections of garbage still wait for a registry that was forgotten: forget it again")
	}
}

// writerNamed finds another registry that once wrote, and is not a member that this one remembers, by
// its peer ID or the end of that.
func (e *Engine) writerNamed(name string) (id libpeer.ID, ok bool) {
	for writer := range e.Paths.Writers() {
		if len(name) < minShortID || !strings.HasSuffix(writer, name) {
			continue
		}
		if ok { // several
			return "", false
		}
		of, err := libpeer.Decode(writer)
		id, ok = of, err == nil
	}
	return id, ok
}

// forgetWriter has collections of garbage not wait for a registry that was never met.
func (e *Engine) forgetWriter(ctx context.Context, id libpeer.ID) (Member, error) {
	m := Member{Member: peer.Member{ID: id}}
	if err := e.strike(ctx, id); err != nil {
		e.Log.WithField("peer", id.String()).WithError(err).Debug("others are not told that a registry was forgotten")
	}
	if err := e.Paths.DoNotWait(ctx, id.String()); err != nil {
		return m, err
	}
	e.Log.WithField("peer", id.String()).Info("registry forgotten, as the operator asked: it once wrote, and was never met")
	return m, nil
}
