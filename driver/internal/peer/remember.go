package peer

import (
	"context"
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
	rememberEvery   = 24 * time.Hour // while connected: earlier releases, which do not keep the time of the last run, use Seen
	aliveEvery      = time.Minute
)

// membersKey is the prefix of the keys that hold one remembered member each.
var membersKey = datastore.NewKey("/peer/members")

// remembered is a member as the datastore has it, in JSON.
type remembered struct {
	Version   int       `json:"version"`
	Addrs     []string  `json:"addrs"`
	First     time.Time `json:"first,omitzero"` // when it became a member for the first time; zero: an earlier release wrote the first record
	Seen      time.Time `json:"seen"`
	Connected bool      `json:"connected,omitempty"` // when this was written; then it was seen until this peer's last moment

	// How long this peer had run without the member when this was written, and how long
	// since the peer's own start: neither a changed clock nor a long stop counts as time
	// away.
	Away   time.Duration `json:"away,omitempty"`
	Uptime time.Duration `json:"uptime,omitempty"`

	Name string   `json:"name,omitempty"`
	Caps []string `json:"caps,omitempty"` // what it said that it understands

	Unused bool   `json:"unused,omitempty"` // nothing useful has come of it yet
	Site   string `json:"site,omitempty"`   // the prefix of addresses where it was last seen

	Beat json.RawMessage `json:"beat,omitempty"` // its last heartbeat, as it was received

	// The version of what the swarm's list says of it, and how long this peer had run with that when this was
	// written.
	Listed string        `json:"listed,omitempty"`
	Told   time.Duration `json:"told,omitempty"`
}

func memberKey(id peer.ID) datastore.Key { return membersKey.ChildString(id.String()) }

// aliveKey holds the last moment of this peer, in JSON: a member that was connected
// then was last seen then, however this process ended.
var aliveKey = datastore.NewKey("/peer/alive")

// moment is when a run of this peer was last alive, by the clock and since its start.
type moment struct {
	Time   time.Time     `json:"time"`
	Uptime time.Duration `json:"uptime"` // nanoseconds
}

// remember writes what is known of members, in one batch. ctx outlives p.ctx when this peer
// is closing.
func (p *Peer) remember(ctx context.Context, ids ...peer.ID) {
	p.saving.Lock()
	defer p.saving.Unlock()
	err := p.saveMembers(ctx, ids)
	if err != nil && ctx.Err() == nil && p.once.first("remember") {
		p.log.WithError(err).Warn("cannot write down the members: after a restart this registry knows them as they were before")
	}
}

func (p *Peer) saveMembers(ctx context.Context, ids []peer.ID) error {
	batch, err := p.cfg.Store.Batch(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	for _, id := range ids {
		m, ok := p.roster.saving(id, now)
		if !ok {
			continue
		}
		old, err := p.cfg.Store.Get(ctx, memberKey(id))
		if err != nil && !errors.Is(err, datastore.ErrNotFound) {
			return err
		}
		b, err := updated(old, m)
		if errors.Is(err, errLaterRecord) {
			continue
		}
		if err == nil {
			err = batch.Put(ctx, memberKey(id), b)
		}
		if err != nil {
			return err
		}
	}
	alive, err := json.Marshal(moment{Time: now.UTC(), Uptime: p.roster.uptime(now)})
	if err == nil {
		err = batch.Put(ctx, aliveKey, alive)
	}
	if err != nil {
		return err
	}
	return batch.Commit(ctx)
}

// errLaterRecord reports that a record is of a release that this one cannot read.
var errLaterRecord = errors.New("remembered by a later release")

// updated is a member's record with what is known now, in place of the old one, whose
// fields of later releases stay.
func updated(old []byte, m remembered) ([]byte, error) {
	fields := map[string]json.RawMessage{}
	if len(old) > 0 {
		var was remembered
		if json.Unmarshal(old, &fields) != nil || json.Unmarshal(old, &was) != nil || was.Version > rememberVersion {
			return nil, errLaterRecord
		}
	}
	fresh, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	for _, known := range []string{"connected", "away", "uptime", "name", "caps", "unused", "site", "beat", "first", "listed", "told"} { // those that may be left out
		delete(fields, known)
	}
	if err := json.Unmarshal(fresh, &fields); err != nil {
		return nil, err
	}
	return json.Marshal(fields)
}

// saveLast writes down this peer's last moment, with the members that are connected.
func (p *Peer) saveLast() {
	if !p.roster.hasBegun() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	p.saving.Lock()
	defer p.saving.Unlock()
	if err := p.saveMembers(ctx, p.roster.stale(time.Now())); err != nil {
		p.log.WithError(err).Debug("members not written down at the end")
	}
}

// lastAlive is when the last run of this peer was alive; zero when there was none, or when
// its release did not write that down.
func (p *Peer) lastAlive() (alive moment, err error) {
	b, err := p.cfg.Store.Get(p.ctx, aliveKey)
	if errors.Is(err, datastore.ErrNotFound) {
		return moment{}, nil
	}
	if err != nil {
		return moment{}, fmt.Errorf("read datastore: %w", err)
	}
	if err := json.Unmarshal(b, &alive); err != nil {
		p.log.WithField("key", aliveKey).WithError(err).Debug("time of the last run not understood")
		return moment{}, nil
	}
	return alive, nil
}

// recall reads the members of earlier runs. Records that cannot be read are left alone,
// because another release may have written them.
func (p *Peer) recall() (err error) {
	alive, err := p.lastAlive()
	if err != nil {
		return err
	}
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
		p.roster.recall(id, m, alive, time.Now())
	}
	return nil
}

// tidy forgets members that were away for too long, writes down changes, and reconnects
// members that seem unsubscribed.
func (p *Peer) tidy() {
	now := time.Now()
	for _, id := range p.roster.expired(now, p.cfg.MemberExpiry) {
		if p.forgetLate(id, true) {
			p.about(id).WithField("memberexpiry", p.cfg.MemberExpiry).Info("registry forgotten: it was away for longer than memberexpiry")
		}
	}
	p.tidyLeft()
	p.tidyTrial(now)
	p.warnOfTrust(now)
	p.roster.dropCandidates(now)
	if ids := p.roster.stale(now); len(ids) > 0 || now.Sub(p.roster.lastSaved()) > aliveEvery {
		p.remember(p.ctx, ids...)
	}
	// When one of two connections breaks, pubsub at one end can take the other
	// end for unsubscribed, and nothing tells it again until both start afresh.
	for _, id := range p.roster.estranged(now) {
		if p.punching.through(id) { // it might not be met again
			p.about(id).Debug("connected but not on the topic: the topic begins afresh")
			p.restartTopic(id)
			continue
		}
		p.about(id).Debug("connected but not on the topic: connecting afresh")
		_ = p.host.Network().ClosePeer(id) // it is dialed again either way
	}
}

// saving returns what to write of a member, and marks it as written.
func (r *roster) saving(id peer.ID, now time.Time) (remembered, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.saved = now
	e := r.records[id]
	if e == nil || !r.lasts(e) {
		return remembered{}, false
	}
	m := remembered{
		Version: rememberVersion, Addrs: formatAddrs(e.addrs), Seen: now.UTC(), Connected: e.member(),
		Uptime: now.Sub(r.started), Name: e.name, Caps: e.capabilities, Unused: !e.confirmed, First: e.first.UTC(),
	}
	if e.site.IsValid() {
		m.Site = e.site.String()
	}
	if !m.Connected {
		m.Seen, m.Away = e.since.UTC(), now.Sub(e.lost)
	}
	if e.beat != nil {
		m.Beat = e.beat.raw
	}
	if m.Listed = e.version; m.Listed != "" {
		m.Told = now.Sub(e.told)
	}
	e.saved, e.savedConnected, e.unsaved = now, m.Connected, false
	return m, true
}

func (r *roster) lastSaved() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.saved
}

func (r *roster) uptime(now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return now.Sub(r.started)
}

// stale returns the members that came or went since they were written down, or said something
// new in a heartbeat, or that were written down in an earlier run or long ago.
func (r *roster) stale(now time.Time) (ids []peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, e := range r.records {
		if r.lasts(e) && (e.unsaved || e.saved.IsZero() || e.savedConnected != e.member() || e.member() && now.Sub(e.saved) > rememberEvery) {
			ids = append(ids, id)
		}
	}
	return ids
}

// expired returns the members of which nothing was heard for too long while this registry ran, and
// for at least an hour in this run, so that it has had time to meet them.
func (r *roster) expired(now time.Time, limit time.Duration) (ids []peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.started) < longAway {
		return nil
	}
	for id, e := range r.records {
		if e.known && !e.keep && !e.member() && now.Sub(e.unheard()) >= limit {
			ids = append(ids, id)
		}
	}
	return ids
}

// estranged returns former members that are connected and, for too long, not subscribed.
// The wait doubles each time, because a peer may have moved to another topic.
func (r *roster) estranged(now time.Time) (ids []peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, e := range r.records {
		wait := max(e.lonelyWait, unsubscribedWait)
		if !e.known || e.lonely.IsZero() || now.Sub(e.lonely) < wait {
			continue
		}
		e.lonelyWait = min(2*wait, longAway)
		e.lonely, e.answered = time.Time{}, false // this peer is the one that hangs up
		ids = append(ids, id)
	}
	return ids
}
