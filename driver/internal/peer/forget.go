package peer

import (
	"context"
	"errors"
	"fmt"

	"github.com/ipfs/go-datastore"
	"github.com/libp2p/go-libp2p/core/peer"
)

var (
	// ErrConnected reports that a member cannot be forgotten, because it is connected.
	ErrConnected = errors.New("the member is connected")
	// ErrUnknownMember reports that no such member is remembered.
	ErrUnknownMember = errors.New("no such member")
)

// Forget drops a member that is away, here and in the datastore. A bootstrapper of the
// configuration is still dialed. A member that comes back is a member again.
func (p *Peer) Forget(ctx context.Context, id peer.ID) error { return p.forget(ctx, id, true) }

// forget is Forget; without tell, nobody else has to know, because nobody waits for the member.
func (p *Peer) forget(ctx context.Context, id peer.ID, tell bool) error {
	p.saving.Lock() // so that it is not written down again meanwhile
	defer p.saving.Unlock()
	if err := p.roster.mayForget(id); err != nil {
		return err
	}
	if err := p.mayDelete(ctx, id); err != nil {
		return fmt.Errorf("forget %s: %w", id, err)
	}
	if tell && p.onForgotten != nil {
		p.onForgotten(id)
	}
	if err := p.cfg.Store.Delete(ctx, memberKey(id)); err != nil {
		return fmt.Errorf("forget %s: %w", id, err)
	}
	p.host.ConnManager().Unprotect(id, memberTag)
	p.roster.drop(id)
	return nil
}

// mayDelete returns an error for a record that this release cannot read.
func (p *Peer) mayDelete(ctx context.Context, id peer.ID) error {
	old, err := p.cfg.Store.Get(ctx, memberKey(id))
	if err == nil {
		_, err = updated(old, remembered{})
	}
	if errors.Is(err, datastore.ErrNotFound) {
		return nil
	}
	return err
}

func (r *roster) mayForget(id peer.ID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch e := r.records[id]; {
	case e == nil || !e.known:
		return ErrUnknownMember
	case e.member():
		return ErrConnected
	}
	return nil
}

// drop treats a peer as one that was never met, unless it has become a member meanwhile.
func (r *roster) drop(id peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.records[id]
	if e == nil || e.member() {
		return
	}
	r.named.remove(e)
	delete(r.records, id)
	if e.keep || e.connected {
		fresh := r.entry(id)
		fresh.keep, fresh.bootstraps, fresh.fixed, fresh.met = e.keep, e.bootstraps, e.fixed, e.met
		fresh.connected, fresh.dialing, fresh.due, fresh.trying = e.connected, e.dialing, e.due, e.trying
	}
}
