package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/multiformats/go-multiaddr"
)

// rebuffsToWarn is how many handshakes have to fail in a row before the protector key is
// blamed: a single one can also fail because the other side is stopping.
const rebuffsToWarn = 2

type verdict int

const (
	unclear     verdict = iota // nothing was tried, or the dial was abandoned
	unreachable                // nothing answers at the address
	stranger                   // another peer answers there
	rebuff                     // something answers, and the handshake fails
)

// judge distinguishes a closed port from a failed handshake. A different protector key
// cannot be recognized: each side reads noise and hangs up.
func judge(err error) verdict {
	var op *net.OpError
	var timeout net.Error
	switch {
	case errors.As(err, &op) && op.Op == "dial":
		return unreachable
	case errors.As(err, new(sec.ErrPeerIDMismatch)):
		return stranger
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout(),
		errors.Is(err, network.ErrResourceLimitExceeded), errors.Is(err, network.ErrReset),
		errors.Is(err, swarm.ErrDialBackoff), errors.Is(err, swarm.ErrDialToSelf),
		errors.Is(err, swarm.ErrDialRefusedBlackHole), errors.Is(err, swarm.ErrNoTransport),
		errors.Is(err, swarm.ErrGaterDisallowedConnection):
		return unclear
	}
	return rebuff
}

// verdicts are the outcomes of one dial, address by address.
func verdicts(err error, each func(multiaddr.Multiaddr, verdict, error)) {
	var de *swarm.DialError
	if !errors.As(err, &de) {
		return
	}
	for _, t := range de.DialErrors {
		v := judge(t.Cause)
		if relayOf(t.Address) != "" {
			v = unclear // a relay answers, whatever it says
		}
		each(t.Address, v, t.Cause)
	}
}

// rebuffed reports whether at one address a handshake failed.
func rebuffed(err error) (yes bool) {
	verdicts(err, func(_ multiaddr.Multiaddr, v verdict, _ error) { yes = yes || v == rebuff })
	return yes
}

// explain logs why a peer cannot be reached when only the operator can help, once for each
// address; for a bootstrapper the reason is always noted.
func (p *Peer) explain(ctx context.Context, t peer.AddrInfo, err error, rebuffs int) {
	log := p.about(t.ID)
	p.roster.failed(t.ID, Failure{time.Now(), reasonOf(err)})
	bootstrapper := p.roster.isBootstrapper(t.ID)
	log.WithError(err).Debug("dial failed")
	told := false
	verdicts(err, func(a multiaddr.Multiaddr, v verdict, cause error) {
		log := log.WithField("address", a).WithError(cause)
		switch {
		case v == rebuff && p.cfg.private() && rebuffs >= rebuffsToWarn && p.once.first("rebuff", a.String()):
			log.Warn("a registry answers, but not with this protector key: check that protectorkey is the same on both; " +
				"if it is, too much comes from this address for the other one, whose log says so")
			told = true
		case v == stranger && bootstrapper && !p.isSelf(cause) && p.once.first("stranger", t.ID.String(), a.String()):
			log.Warn("another peer answers at this address: check the /p2p/ part of the bootstrapper")
			told = true
		}
	})
	if bootstrapper {
		p.roster.troubled(t.ID, p.troubleOf(ctx, t, err), told)
	}
}

// maxReason is how much is kept of why a peer could not be reached, in characters.
const maxReason = 300

// Failure is why a peer could not be reached, in one line.
type Failure struct {
	At     time.Time // zero: it did not happen since Start
	Reason string
}

// reasonOf is the most telling of what went wrong at a peer's addresses.
func reasonOf(err error) string {
	worst, text := unclear, ""
	verdicts(err, func(a multiaddr.Multiaddr, v verdict, cause error) {
		if text == "" || v > worst {
			worst, text = v, fmt.Sprintf("%s: %s", a, oneLine(cause))
		}
	})
	if text == "" {
		text = oneLine(err)
	}
	return string([]rune(text)[:min(len([]rune(text)), maxReason)])
}

// failed notes why a peer that was a member once, or is configured, could not be dialed.
func (r *roster) failed(id peer.ID, f Failure) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.records[id]; e != nil && (e.known || e.keep) {
		e.failure = f
	}
}

// isSelf reports whether this peer itself answered, or would have answered.
func (p *Peer) isSelf(err error) bool {
	var mismatch sec.ErrPeerIDMismatch
	return errors.As(err, &mismatch) && mismatch.Actual == p.ID() || errors.Is(err, swarm.ErrDialToSelf)
}

func (r *roster) isBootstrapper(id peer.ID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.records[id]
	return e != nil && e.bootstraps
}
