package peer

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// How many members that are away are kept in mind, beside those of the configuration. On trial
// are those of which nothing useful has come.
const (
	maxAway         = 4096
	maxAwayOfSite   = 1024 // registries behind one NAT address
	maxTrials       = 1024
	maxTrialsOfSite = 64

	trialTime = 24 * time.Hour // that a member on trial may be away before it is forgotten
)

// lasts reports whether a member is written down. One that is neither trusted nor of use is not:
// nobody waits for it. r.mu is held.
func (r *roster) lasts(e *entry) bool { return e.known && (e.confirmed || r.trusts(e.id)) }

// tidyTrial forgets members that were of no use and are away for longer than they are waited
// for, and those that are too many.
func (p *Peer) tidyTrial(now time.Time) {
	late, many := p.roster.unused(now, min(trialTime, p.cfg.MemberExpiry)), p.roster.tooMany()
	forgotten := 0
	for _, id := range late {
		if !p.wrote(id) && p.forgetLate(id, p.roster.trusts(id)) {
			forgotten++
		}
	}
	for _, id := range many {
		if !p.wrote(id) && p.forgetLate(id, p.roster.isConfirmed(id)) {
			forgotten++
		}
	}
	if forgotten > 0 {
		p.log.WithField("members", forgotten).Debug("members forgotten: they were of no use, or too many")
	}
}

// wrote reports whether a member is of use after all, and is confirmed.
func (p *Peer) wrote(id peer.ID) bool {
	if p.roster.isConfirmed(id) || p.cfg.Wrote == nil || !p.cfg.Wrote(id) {
		return false
	}
	p.Confirm(id)
	return true
}

// forgetLate forgets a member that is away.
func (p *Peer) forgetLate(id peer.ID, tell bool) (ok bool) {
	err := p.forget(p.ctx, id, tell)
	if err != nil && p.ctx.Err() == nil && !errors.Is(err, ErrConnected) && p.once.first("forget", id.String()) {
		p.about(id).WithError(err).Warn("cannot forget this member")
	}
	return err == nil
}

// unused returns the members on trial that have been away for longer than a limit, or, when they
// are not trusted, for as long as a peer is kept that was only named.
func (r *roster) unused(now time.Time, limit time.Duration) (ids []peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, e := range r.records {
		if e.standing(r) != onTrial || e.member() || e.dialing {
			continue
		}
		away := now.Sub(e.lost)
		if !r.trusts(id) && away >= candidateTime || away >= limit && now.Sub(r.started) >= longAway {
			ids = append(ids, id)
		}
	}
	return ids
}

// tooMany returns the members that are away and beyond what is kept in mind, of all or of one
// site: first those on trial, then those that have been away for longest.
func (r *roster) tooMany() (ids []peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var away []*entry
	for _, e := range r.records {
		if e.known && e.standing(r) != chosen && !e.member() && !e.dialing {
			away = append(away, e)
		}
	}
	if len(away) <= maxTrialsOfSite {
		return nil
	}
	slices.SortFunc(away, func(a, b *entry) int { // those to keep come first
		if a.confirmed != b.confirmed {
			return int(a.standing(r) - b.standing(r))
		}
		return b.lost.Compare(a.lost)
	})
	all, trials := 0, 0
	of, trialsOf := map[netip.Prefix]int{}, map[netip.Prefix]int{}
	for _, e := range away {
		fits := all < maxAway && of[e.site] < maxAwayOfSite
		if !e.confirmed {
			fits = fits && trials < maxTrials && trialsOf[e.site] < maxTrialsOfSite
		}
		switch {
		case !fits:
			ids = append(ids, e.id)
			continue
		case !e.confirmed:
			trials++
			trialsOf[e.site]++
		}
		all++
		of[e.site]++
	}
	return ids
}
