package peer

import (
	"context"
	"errors"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Revoke replaces those that nobody is to let in again, whatever the lists say, and returns when that holds,
// as SetLists does. This peer itself may be among them: it trusts itself no longer then.
func (p *Peer) Revoke(ids []peer.ID) {
	p.relist(func() (before, now *circle) { return p.roster.lists.revoke(ids) })
}

// Revoked reports whether a peer is not to be let in again.
func (p *Peer) Revoked(id peer.ID) bool { return p.roster.lists.revokes(id) }

// Revokes reports whether these peers are revoked, and no others.
func (p *Peer) Revokes(ids []peer.ID) bool {
	revoked := p.roster.lists.now.Load().revoked
	return len(revoked) == len(ids) && !slices.ContainsFunc(ids, func(id peer.ID) bool { return !revoked[id] })
}

// ForgetRevoked forgets the members that are revoked. Left reports whether some are not disconnected
// yet: it is to be called again then.
func (p *Peer) ForgetRevoked(ctx context.Context) (left bool) {
	for id := range p.roster.lists.now.Load().revoked {
		err := p.forget(ctx, id, false)
		switch {
		case errors.Is(err, ErrConnected):
			left = true
		case err != nil && !errors.Is(err, ErrUnknownMember) && ctx.Err() == nil:
			p.about(id).WithError(err).Debug("a registry that was revoked is not forgotten")
		}
	}
	return left
}

// HangingUp counts the members and bootstrappers that answer when they are dialed, and hang up before they are
// members, as those do that do not allow this peer.
func (p *Peer) HangingUp() (n int) {
	p.roster.mu.Lock()
	defer p.roster.mu.Unlock()
	for _, e := range p.roster.records {
		if e.hangsUp && !e.member() && (e.known || e.keep || e.bootstraps) {
			n++
		}
	}
	return n
}
