package peer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/multiformats/go-multiaddr"
)

// warnAfter are the times since Start at which the log warns of a bootstrapper that was not
// met; after the last it warns every hour.
var warnAfter = []time.Duration{10 * time.Second, time.Minute, 10 * time.Minute, time.Hour}

// Bootstrapper is a peer that the configuration names to join by, with what this peer knows
// of it.
type Bootstrapper struct {
	ID      peer.ID               // "": it is not known, and one of several may answer
	Addrs   []multiaddr.Multiaddr // as configured, without /p2p/
	Met     bool                  // it has been a member since Start
	Trouble string                // why it could not be met when it was last tried; "" not tried yet, or met
	Tried   time.Time             // when it was last dialed in vain; zero: not yet
}

// Bootstrappers are those of the configuration, sorted by ID, without this peer and the seeds that
// lead to nobody else; seeds come first.
func (p *Peer) Bootstrappers() []Bootstrapper {
	var all []Bootstrapper
	for _, s := range p.Seeds() {
		if !s.Sole {
			all = append(all, s.bootstrapper())
		}
	}
	p.roster.mu.Lock()
	defer p.roster.mu.Unlock()
	for _, e := range p.roster.records {
		if e.bootstraps {
			all = append(all, p.roster.bootstrapper(e))
		}
	}
	slices.SortStableFunc(all, func(a, b Bootstrapper) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

const notOnTopic = "it answers, but is not on this topic: check that pubsubtopic is the same on both"

// notAllowed and hangsUp are what the lists of this registry, and of the other one, do to a bootstrapper.
const (
	notAllowed = "it is not dialed: allowedpeers does not name it"
	hangsUp    = "it answers, and hangs up at once: its allowedpeers may not name this registry, or this one was revoked"
)

// hungUp notes of a peer that it answered, and is gone without having been a member.
func (e *entry) hungUp(now time.Time) {
	e.trouble, e.hangsUp = hangsUp, true
	if e.known || e.keep {
		e.failure = Failure{now, hangsUp}
	}
}

// bootstrapper is what is told of one. r.mu is held.
func (r *roster) bootstrapper(e *entry) Bootstrapper {
	b := Bootstrapper{ID: e.id, Addrs: slices.Clone(e.fixed), Met: e.met, Tried: e.failure.At}
	switch {
	case e.met:
	case !r.lists.allows(e.id):
		b.Trouble = notAllowed
	case e.connected:
		b.Trouble = notOnTopic
	default:
		b.Trouble = e.trouble
	}
	return b
}

// keepWarning logs which bootstrappers are not met, at the times of warnAfter, until there is
// none to warn of any more.
func (p *Peer) keepWarning() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for more := true; more || !p.roster.warnedOfAll(); {
		select {
		case now := <-tick.C:
			var due []Bootstrapper
			due, more = p.unmetSeeds(now)
			for _, b := range append(due, p.roster.unmet(now)...) {
				p.warnOf(b)
			}
		case <-p.ctx.Done():
			return
		}
	}
}

func (p *Peer) warnOf(b Bootstrapper) {
	log := p.log
	if b.ID != "" {
		log = p.about(b.ID)
	}
	log.WithField("addresses", b.Addrs).WithField("cause", cmp.Or(b.Trouble, "no answer yet")).
		Warn("bootstrapper has not been met since the start, it is tried again until it is")
}

// begin notes when Start was called.
func (r *roster) begin(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.started = now
}

func (r *roster) hasBegun() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.started.IsZero()
}

// unmet are the bootstrappers to warn about now. Once another member has been met, this
// registry has joined, and one warning about each is enough.
func (r *roster) unmet(now time.Time) (due []Bootstrapper) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.started.IsZero() {
		return nil
	}
	for _, e := range r.records {
		if r.quiet(e) || now.Sub(r.started) < warnTime(e.warned) {
			continue
		}
		for now.Sub(r.started) >= warnTime(e.warned) {
			e.warned++ // more than once where this machine slept
		}
		due = append(due, r.bootstrapper(e))
	}
	return due
}

// quiet reports whether nothing will be said of a peer. r.mu is held.
func (r *roster) quiet(e *entry) bool { return !e.bootstraps || e.met || r.met && e.warned > 0 }

// warnedOfAll reports whether that holds of all.
func (r *roster) warnedOfAll() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.records {
		if !r.quiet(e) {
			return false
		}
	}
	return true
}

// warnTime is the time since Start at which warning number n, counted from 0, is due.
func warnTime(n int) time.Duration {
	last := len(warnAfter) - 1
	if n <= last {
		return warnAfter[n]
	}
	return warnAfter[last] * time.Duration(n-last+1)
}

// troubled notes why a bootstrapper could not be met; told means that a warning about it was
// logged already, which replaces the first of those after Start.
func (r *roster) troubled(id peer.ID, trouble string, told bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.records[id]
	if e == nil {
		return
	}
	e.trouble = trouble
	if told {
		e.warned = max(e.warned, 1)
	}
}

// troubleOf describes in one line why a bootstrapper could not be dialed, and what to do, for
// the most telling of its addresses.
func (p *Peer) troubleOf(ctx context.Context, t peer.AddrInfo, err error) string {
	worst, text := unclear, ""
	verdicts(err, func(a multiaddr.Multiaddr, v verdict, cause error) {
		if text == "" || v > worst {
			worst, text = v, fmt.Sprintf("%s: %s: %s", a, p.remedy(v, cause), oneLine(cause))
		}
	})
	var dial *swarm.DialError
	switch {
	case text != "":
		return text
	case errors.As(err, &dial) && errors.Is(err, swarm.ErrNoGoodAddresses):
		if unresolved := unresolved(ctx, t.Addrs); unresolved != "" {
			return unresolved
		}
	}
	return oneLine(err)
}

// remedy says what a verdict means for the operator who configured the address.
func (p *Peer) remedy(v verdict, cause error) string {
	switch {
	case v == rebuff && p.cfg.private():
		return "answers, but not with this protector key; check that protectorkey is the same on both registries"
	case p.isSelf(cause):
		return "leads back to this registry, whose peer ID is another one; correct or remove this bootstrapper"
	case v == stranger:
		return "another peer answers; check the /p2p/ part of the bootstrapper"
	}
	return "does not answer; check the address, and that its registry runs and can be reached"
}

// unresolved returns the host name in the addresses that does not resolve, or "".
func unresolved(ctx context.Context, addrs []multiaddr.Multiaddr) string {
	for _, a := range addrs {
		for _, code := range []int{multiaddr.P_DNS, multiaddr.P_DNS4, multiaddr.P_DNS6} {
			name, err := a.ValueForProtocol(code)
			if err != nil {
				continue // it has none of these addresses
			}
			if _, err := net.DefaultResolver.LookupHost(ctx, name); err != nil {
				return fmt.Sprintf("%s: its name does not resolve; check the name, and this machine's resolver: %s", a, oneLine(err))
			}
		}
	}
	return ""
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
