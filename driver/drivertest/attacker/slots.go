package attacker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-varint"
)

const (
	pathsProtocol protocol.ID = "/distribution-ipfs/paths/1.0.0"
	slotPace                  = 300 * time.Millisecond // between two questions of an exchange that is held
	maxAnswer                 = 8 << 20                // bytes of a frame that are read
)

// Slots holds path exchanges open: it asks for heads, and again just before it would be taken for
// idle. Now counts those that were answered and not broken off.
func Slots(t Target, n int) Attack {
	return func(ctx context.Context, p *Peer, tally *Tally) {
		again(ctx, n, tally, func(ctx context.Context) error { return p.holdSlot(ctx, t, tally) })
	}
}

// holdSlot returns only when the exchange is refused, broken off, or over.
func (p *Peer) holdSlot(ctx context.Context, t Target, tally *Tally) error {
	s, err := p.stream(ctx, t, pathsProtocol)
	if err != nil {
		return err
	}
	defer func() { _ = s.Reset() }()
	defer context.AfterFunc(ctx, func() { _ = s.Reset() })()
	r := bufio.NewReader(s)
	var leave func()
	for ctx.Err() == nil {
		_ = s.SetDeadline(time.Now().Add(patience))
		if err = WriteFrame(s, []byte(`{"op":"heads"}`)); err == nil {
			_, err = ReadFrame(r)
		}
		if err != nil {
			return err
		}
		if leave == nil {
			leave = tally.add()
			defer leave()
			tally.did.Add(1)
		}
		rest(ctx, slotPace)
	}
	return ctx.Err()
}

func (p *Peer) stream(ctx context.Context, t Target, proto protocol.ID) (network.Stream, error) {
	if p.host == nil {
		return nil, ErrStranger
	}
	return p.host.NewStream(network.WithNoDial(ctx, "it is connected"), t.Peer.ID, proto)
}

// WriteFrame writes a frame of the path exchange.
func WriteFrame(w io.Writer, b []byte) error {
	_, err := w.Write(append(varint.ToUvarint(uint64(len(b))), b...))
	return err
}

// ReadFrame reads a frame of the path exchange.
func ReadFrame(r *bufio.Reader) ([]byte, error) {
	n, err := varint.ReadUvarint(r)
	if err != nil {
		return nil, err
	}
	if n > maxAnswer {
		return nil, fmt.Errorf("a frame of %d bytes: %w", n, errors.ErrUnsupported)
	}
	b := make([]byte, n)
	_, err = io.ReadFull(r, b)
	return b, err
}
