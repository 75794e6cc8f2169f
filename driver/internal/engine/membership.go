package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	libpeer "github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/membership"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

const (
	membershipEvery = time.Minute      // between two looks at the list, beside those when it changes
	membershipWrite = 30 * time.Second // that one change of it may take
	membershipAgain = time.Second      // after a look when one that was revoked is not gone yet, or a drain is not written down
	maxListed       = 4096             // members that are taken from it
)

// enrollment keeps this registry in the swarm's list of members, which the path map has, and goes by the list:
// who is in it counts as known here, whether or not it was met.
type enrollment struct {
	news chan struct{} // the list may have changed
	stop context.CancelFunc
	done chan struct{}

	expelling expelling
}

func newEnrollment() enrollment { return enrollment{news: make(chan struct{}, 1)} }

// look has the list looked at soon.
func (r *enrollment) look() {
	select {
	case r.news <- struct{}{}:
	default:
	}
}

// followSetting takes a setting that is new. It runs under the map's lock.
func (e *Engine) followSetting(setting, value string) {
	family, _, _ := strings.Cut(setting, "/")
	switch family {
	case hashSetting:
		e.followHash(value)
	case membership.Family, membership.RevokedFamily:
		e.enrollment.look()
	}
}

// startEnrollment looks at the list from time to time, until stopEnrollment.
func (e *Engine) startEnrollment() {
	if e.Peer == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	e.enrollment.stop, e.enrollment.done = cancel, make(chan struct{})
	after, every := cmp.Or(e.cfg.EnrollAfter, membership.EnrollAfter), cmp.Or(e.cfg.EnrollEvery, membership.RenewEvery)
	every -= rand.N(every/10 + 1) // registries that were started together do not all write at once
	go func() {
		defer close(e.enrollment.done)
		e.followMembership(ctx, after, every)
	}()
}

// followMembership goes by the list, and by who is revoked, whenever these are other ones, and looks at them from
// time to time as well.
func (e *Engine) followMembership(ctx context.Context, after, every time.Duration) {
	tick, enroll := time.NewTicker(membershipEvery), time.NewTimer(after)
	defer tick.Stop()
	defer enroll.Stop()
	caughtUp := e.Paths.CaughtUp()
	for {
		var soon <-chan time.Time
		again := e.goByRevocations(ctx)
		again = e.expel(ctx) || again
		if again = e.saveDrainAgain(ctx) || again; again {
			soon = time.After(membershipAgain)
		}
		e.goByMembership(ctx)
		if err := e.enroll(ctx, after, every); err != nil && ctx.Err() == nil {
			e.Log.WithError(err).Debug("this registry is not written into the list of members now")
		}
		select {
		case <-tick.C:
		case <-enroll.C:
		case <-caughtUp:
			caughtUp = nil
		case <-e.enrollment.news:
		case <-soon:
		case <-ctx.Done():
			return
		}
	}
}

func (e *Engine) stopEnrollment() {
	if e.enrollment.stop != nil {
		e.enrollment.stop()
		<-e.enrollment.done
	}
}

// listing is what the list says of one registry.
type listing struct {
	membership.Record
	id      libpeer.ID
	version string
}

// listed are the records that can be read. What says that a registry is a member counts only when that
// registry wrote it itself.
func (e *Engine) listed() (all []listing) {
	if e.Peer == nil {
		return nil
	}
	for text := range e.Paths.View().Family(membership.Family) {
		id, err := libpeer.Decode(text.Name)
		if err != nil {
			continue
		}
		record, err := membership.Read(text.Value)
		if err == nil && !e.Peer.Revoked(id) && (!record.Forgotten.IsZero() || record.In() && text.Writer == text.Name) {
			all = append(all, listing{record, id, text.Version})
		}
	}
	return all
}

func (e *Engine) listingOf(id libpeer.ID) (l listing, ok bool) {
	for _, l := range e.listed() {
		if l.id == id {
			return l, true
		}
	}
	return listing{}, false
}

// goByMembership has all that are in the list be known here, and forgets whom others forgot.
func (e *Engine) goByMembership(ctx context.Context) {
	in := 0
	for _, l := range e.listed() {
		if !l.In() {
			if err := e.Peer.Dismiss(ctx, l.id, l.version); err != nil && ctx.Err() == nil {
				e.Log.WithField("peer", l.id.String()).WithError(err).Debug("a registry that others forgot is not forgotten here")
			}
			continue
		}
		if in++; in <= maxListed {
			e.Peer.Introduce(peer.Introduction{
				ID: l.id, Name: l.Name, Capabilities: l.Capabilities, First: l.First, Heard: l.Heard, Version: l.version,
			})
		}
	}
}

// enroll writes this registry into the list, if it is one of the swarm, and the list does not say so.
func (e *Engine) enroll(ctx context.Context, after, every time.Duration) error {
	if time.Since(e.started) < after || !e.writesMembership() || e.Draining() || e.Twinned() != "" || !e.meetsMembers() {
		return nil
	}
	now := time.Now().Truncate(time.Second).UTC()
	l, _ := e.listingOf(e.self)
	record, write := membership.Renewed(l.Record, e.cfg.name(), e.cfg.capabilities(), now, every)
	if !write {
		return nil
	}
	return e.writeMembership(ctx, e.self, record)
}

// writesMembership reports whether this registry may change the list.
func (e *Engine) writesMembership() bool { return !e.ReadOnly() && e.phase() == joined }

func (e *Engine) writeMembership(ctx context.Context, id libpeer.ID, record membership.Record) error {
	ctx, cancel := context.WithTimeout(ctx, membershipWrite)
	defer cancel()
	op, err := pathmap.SetText(membership.Family, id.String(), record.Text())
	if err == nil {
		err = e.Paths.Write(ctx, op)
	}
	if err != nil {
		return fmt.Errorf("write the list of members: %w", err)
	}
	return nil
}

// strike writes into the list that a registry was forgotten, so that all others forget it, unless nobody
// but this registry waits for it.
func (e *Engine) strike(ctx context.Context, id libpeer.ID) error {
	l, ok := e.listingOf(id)
	written := e.Paths.Writers()[id.String()]
	switch {
	case ok && !l.In() && l.Written >= written:
		return nil // it is written already
	case !ok && written == 0 && !e.Peer.Confirmed(id):
		return nil
	}
	if !e.writesMembership() {
		return errNotInList
	}
	return e.writeMembership(ctx, id, membership.Record{Forgotten: time.Now(), Written: written})
}

var errNotInList = errors.New("the list of members is not changed: this registry is not in its own trustedpeers, or has not caught up with the others yet")

// notWaited gives the writers that nobody is to wait for, as forgotten here or by the list, each up to a
// counter: something newer of it means that it is back.
func (e *Engine) notWaited() (map[string]uint64, error) {
	all, err := e.Paths.NotWaited()
	if err != nil || e.Peer == nil {
		return all, err
	}
	for _, l := range e.listed() {
		if !l.In() {
			all[l.id.String()] = max(all[l.id.String()], l.Written)
		}
	}
	for _, r := range e.Revoked() { // never is it back
		all[r.ID.String()] = math.MaxUint64
	}
	return all, nil
}

// ListedAt is when each of those that are in the list last wrote itself into it, by its own clock, by peer
// ID; this registry is among them.
func (e *Engine) ListedAt() map[string]time.Time {
	all := map[string]time.Time{}
	for _, l := range e.listed() {
		if l.In() {
			all[l.id.String()] = l.Heard
		}
	}
	return all
}
