package dataport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// dialStagger is the time between the dials of one peer's addresses: when one does not answer
// at once, the next is tried beside it (RFC 8305, "happy eyeballs").
const dialStagger = 250 * time.Millisecond

// Dial connects to a peer at one of its addresses, the likeliest first, encrypted and with
// both peer IDs proven. The error says for each address why the peer was not reached, or that
// another peer is there. Dial is bounded by ctx, and remembers no failure.
func (p *Port) Dial(ctx context.Context, id peer.ID, addrs []multiaddr.Multiaddr) (net.Conn, error) {
	if len(addrs) == 0 {
		return nil, errors.New("no address")
	}
	return firstOf(ctx, addrs, func(ctx context.Context, a multiaddr.Multiaddr) (net.Conn, error) {
		return p.dialAt(ctx, id, a)
	})
}

func (p *Port) dialAt(ctx context.Context, id peer.ID, a multiaddr.Multiaddr) (net.Conn, error) {
	network, hostPort, err := manet.DialArgs(a)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	raw, err := d.DialContext(ctx, network, hostPort)
	if err != nil {
		return nil, err
	}
	cfg, who := p.configFor(id)
	for _, secret := range p.cfg.Secrets {
		cfg.NextProtos = append(cfg.NextProtos, prove(secret, id))
	}
	c, _, err := shake(ctx, tls.Client(raw, cfg), who)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", hostPort, err)
	}
	return &conn{Conn: c, local: addr(p.cfg.Self), remote: addr(id), left: func() {}}, nil
}

// firstOf dials the targets in order, each a moment after the previous one or as soon as that
// has failed, and keeps the first connection.
func firstOf(ctx context.Context, targets []multiaddr.Multiaddr,
	dial func(context.Context, multiaddr.Multiaddr) (net.Conn, error),
) (net.Conn, error) {
	type result struct {
		c   net.Conn
		err error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // it ends dials, not a connection that is made
	results := make(chan result)
	var errs []error
	next, running := 0, 0
	for next < len(targets) || running > 0 {
		var stagger <-chan time.Time
		if next < len(targets) {
			stagger = time.After(dialStagger)
			if running == 0 {
				stagger = closedTimer()
			}
		}
		select {
		case <-stagger:
			a := targets[next]
			go func() { c, err := dial(ctx, a); results <- result{c, err} }()
			next++
			running++
		case r := <-results:
			running--
			if r.err == nil {
				cancel()
				for range running { // they end at once
					discard((<-results).c)
				}
				return r.c, nil
			}
			errs = append(errs, r.err)
		}
	}
	return nil, errors.Join(errs...)
}

func closedTimer() <-chan time.Time {
	ch := make(chan time.Time)
	close(ch)
	return ch
}

// discard closes the connections of dials that came too late.
func discard(c net.Conn) {
	if c != nil {
		_ = c.Close()
	}
}
