package peer

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	rememberVersion = 1
	rememberEvery   = 24 * time.Hour // while connected, so that Seen stays true
)

// membersKey holds one remembered member a key.
var membersKey = datastore.NewKey("/peer/members")

// remembered is a member as the datastore has it, in JSON.
type remembered struct {
	Version int       `json:"version"`
	Addrs   []string  `json:"addrs"`
	Seen    time.Time `json:"seen"`
	Name    string    `json:"name,omitempty"`
	Caps    []string  `json:"caps,omitempty"` // what it said that it understands
}

func memberKey(id peer.ID) datastore.Key { return membersKey.ChildString(id.String()) }

// remember writes where a member is now.
func (p *Peer) remember(id peer.ID) {
	m, ok := p.roster.saving(id, time.Now())
	if !ok {
		return
	}
	b, err := json.Marshal(m)
	if err == nil {
		err = p.cfg.Store.Put(p.ctx, memberKey(id), b)
	}
	if err != nil && p.ctx.Err() == nil {
		p.about(id).WithError(err).Warn("cannot remember this member's addresses")
	}
}

// recall reads the members of earlier runs. What cannot be read, another
// release may have written: it is left alone.
func (p *Peer) recall() (err error) {
	res, err := p.cfg.Store.Query(p.ctx, query.Query{Prefix: membersKey.String()})
	if err != nil {
		return fmt.Errorf("query datastore: %w", err)
	}
	defer func() { err = errors.Join(err, res.Close()) }()
	for r := range res.Next() {
		if r.Error != nil {
			return fmt.Errorf("query datastore: %w", r.Error)
		}
		var m remembered
		id, err := peer.Decode(datastore.RawKey(r.Key).BaseNamespace())
		if err == nil {
			err = json.Unmarshal(r.Value, &m)
		}
		if err != nil || m.Version != rememberVersion {
			p.log.WithField("key", r.Key).WithError(err).Debug("remembered member not understood")
			continue
		}
		p.roster.recall(id, m)
	}
	return nil
}

// tidy forgets who is away for too long, and cures what needs it.
func (p *Peer) tidy() {
	now := time.Now()
	for _, id := range p.roster.forget(now) {
		p.host.ConnManager().Unprotect(id, memberTag)
		if err := p.cfg.Store.Delete(p.ctx, memberKey(id)); err != nil && p.ctx.Err() == nil {
			p.about(id).WithError(err).Warn("cannot forget this member")
		}
	}
	for _, id := range p.roster.stale(now) {
		p.remember(id)
	}
	// When one of two connections breaks, pubsub at one end can take the other
	// end for unsubscribed, and nothing tells it again until both start afresh.
	for _, id := range p.roster.estranged(now) {
		p.about(id).Debug("connected but not on the topic: connecting afresh")
		_ = p.host.Network().ClosePeer(id) // it is dialled again either way
	}
}

// saving says what to write of a member, and takes it as written.
func (r *roster) saving(id peer.ID, now time.Time) (remembered, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.records[id]
	if e == nil || !e.confirmed {
		return remembered{}, false
	}
	e.saved = now
	return remembered{
		Version: rememberVersion, Addrs: formatAddrs(e.addrs), Seen: now.UTC(), Name: e.name, Caps: e.capabilities,
	}, true
}

// stale are the members connected whose record grows old.
func (r *roster) stale(now time.Time) (ids []peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, e := range r.records {
		if e.member() && now.Sub(e.saved) > rememberEvery {
			ids = append(ids, id)
		}
	}
	return ids
}

// forget drops who is not worth dialling any more, and returns the members
// among them.
func (r *roster) forget(now time.Time) (members []peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, e := range r.records {
		limit := candidateTime
		if e.confirmed {
			limit = forgetTime
		}
		if e.keep || e.member() || e.dialing || now.Sub(e.since) < limit {
			continue
		}
		delete(r.records, id)
		if e.confirmed {
			members = append(members, id)
		}
	}
	return members
}

// estranged are the members of old that are connected and, for too long, not
// subscribed. Each time the wait doubles: one may have moved to another topic.
func (r *roster) estranged(now time.Time) (ids []peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, e := range r.records {
		wait := max(e.lonelyWait, unsubscribedWait)
		if !e.confirmed || e.lonely.IsZero() || now.Sub(e.lonely) < wait {
			continue
		}
		e.lonelyWait = min(2*wait, longAway)
		e.lonely = time.Time{}
		ids = append(ids, id)
	}
	return ids
}
