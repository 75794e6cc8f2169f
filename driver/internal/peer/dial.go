package peer

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
)

const (
	dialTick    = 250 * time.Millisecond
	dialTimeout = 15 * time.Second
	dialsAtOnce = 16
	firstRedial = 500 * time.Millisecond
	lastRedial  = 30 * time.Second
)

// attempt is the state of dialling one peer.
type attempt struct {
	wait *backoff.ExponentialBackOff
	due  time.Time
	busy bool
}

// keepConnected dials bootstrappers and members that are not connected, each
// less and less often. It owns the attempts.
func (p *Peer) keepConnected() {
	attempts := map[peer.ID]*attempt{}
	warned := map[string]bool{}
	results := make(chan dialResult, dialsAtOnce)
	tick := time.NewTicker(dialTick)
	defer tick.Stop()
	for running := 0; ; {
		running += p.dialDue(attempts, dialsAtOnce-running, results)
		select {
		case <-tick.C:
		case r := <-results:
			running--
			p.settle(attempts[r.id], r, warned)
		case <-p.ctx.Done():
			for ; running > 0; running-- {
				<-results
			}
			return
		}
	}
}

type dialResult struct {
	id  peer.ID
	err error
}

// dialDue starts up to n dials and returns how many.
func (p *Peer) dialDue(attempts map[peer.ID]*attempt, n int, results chan<- dialResult) (started int) {
	for _, info := range p.wantedPeers() {
		a := attempts[info.ID]
		if a == nil {
			a = &attempt{wait: backoff.NewExponentialBackOff()}
			a.wait.InitialInterval, a.wait.MaxInterval = firstRedial, lastRedial
			attempts[info.ID] = a
		}
		if p.host.Network().Connectedness(info.ID) == network.Connected {
			a.wait.Reset()
			a.due = time.Time{}
			continue
		}
		if a.busy || time.Now().Before(a.due) || started >= n {
			continue
		}
		a.busy = true
		started++
		p.wg.Go(func() { results <- dialResult{info.ID, p.dial(info)} })
	}
	return started
}

// wantedPeers are the bootstrappers and the known members.
func (p *Peer) wantedPeers() []peer.AddrInfo {
	var infos []peer.AddrInfo
	byID := map[peer.ID]int{}
	add := func(info peer.AddrInfo) {
		if info.ID == p.host.ID() {
			return
		}
		if i, ok := byID[info.ID]; ok {
			infos[i].Addrs = append(infos[i].Addrs, info.Addrs...)
			return
		}
		byID[info.ID] = len(infos)
		infos = append(infos, info)
	}
	for _, info := range p.cfg.Bootstrappers {
		add(peer.AddrInfo{ID: info.ID, Addrs: append(info.Addrs[:0:0], info.Addrs...)})
	}
	for _, m := range p.members.list() {
		add(peer.AddrInfo{ID: m.ID, Addrs: m.Addrs})
	}
	return infos
}

func (p *Peer) dial(info peer.AddrInfo) error {
	ctx, cancel := context.WithTimeout(p.ctx, dialTimeout)
	defer cancel()
	if s, ok := p.host.Network().(*swarm.Swarm); ok {
		s.Backoff().Clear(info.ID) // ours decides when
	}
	return p.host.Connect(ctx, info)
}

func (p *Peer) settle(a *attempt, r dialResult, warned map[string]bool) {
	a.busy = false
	if r.err == nil {
		a.wait.Reset()
		return
	}
	a.due = time.Now().Add(a.wait.NextBackOff())
	if p.ctx.Err() == nil {
		p.explain(r, warned)
	}
}

// explain warns once an address that something answers at which cannot be
// joined; that nobody answers is ordinary.
func (p *Peer) explain(r dialResult, warned map[string]bool) {
	var failed *swarm.DialError
	if !errors.As(r.err, &failed) {
		return
	}
	for _, t := range failed.DialErrors {
		if warned[t.Address.String()] || !answered(t.Cause) {
			continue
		}
		warned[t.Address.String()] = true
		entry := p.log.WithFields(logrusFields(r.id, t.Address.String())).WithError(t.Cause)
		var other sec.ErrPeerIDMismatch
		if errors.As(t.Cause, &other) {
			entry.Warnf("another peer answers here, %s: correct the address in bootstrappers", other.Actual)
			continue
		}
		entry.Warn("somebody answers here, but not with this protector key: copy the key of a member into protectorkey or protectorkeyfile")
	}
}

// answered tells a handshake that failed from an address nobody answers at.
func answered(err error) bool {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return false
	}
	for _, ordinary := range []error{context.Canceled, context.DeadlineExceeded, swarm.ErrDialBackoff, swarm.ErrDialRefusedBlackHole, swarm.ErrGaterDisallowedConnection, swarm.ErrNoTransport} {
		if errors.Is(err, ordinary) {
			return false
		}
	}
	return true
}
