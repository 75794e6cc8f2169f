package peer

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	bitswap "github.com/ipfs/boxo/bitswap/message/pb"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-varint"
	"google.golang.org/protobuf/proto"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

const (
	maxWants   = 1024            // taken of one message; bitswap keeps no more of one peer
	maxWanted  = 128             // bytes of a CID
	denialTime = 5 * time.Second // for an answer that says what is not here

	// A message that is larger brings blocks, and is read while the budget has room for it. A
	// thousand wants take some 45 KiB.
	smallMessage = 64 << 10
	messageTime  = time.Minute // for a larger one to come
)

// sieve is a stream of bitswap without the wants that are not to be answered: those of blocks
// which are not here, and those that are too many. Bitswap keeps every want, of whatever it is,
// and looks all of a peer's up again when they become too many.
type sieve struct {
	network.Stream
	in  *bufio.Reader
	out []byte // of a message, what has not been read yet

	from  func() limit.Source // whose stream it is
	large *limit.Bound        // messages that are not small
	wants *limit.Rate
	holds func(cid []byte) bool // whether a block is here
	deny  func(cids [][]byte)   // tells the peer what is not
}

func (p *Peer) sift(s network.Stream) network.Stream {
	id := s.Conn().RemotePeer()
	return &sieve{
		Stream: s, in: bufio.NewReader(s), from: func() limit.Source { return p.Source(id) },
		large: p.cfg.Budget.Bound(limit.BitswapMessages), wants: p.cfg.Budget.Rate(limit.Wants),
		holds: p.holds, deny: func(cids [][]byte) { p.deny(id, cids) },
	}
}

// Read implements network.Stream.
func (s *sieve) Read(b []byte) (int, error) {
	for len(s.out) == 0 {
		msg, err := s.next()
		if err == nil {
			s.out, err = s.pass(msg)
		}
		if err != nil {
			return 0, err
		}
	}
	n := copy(b, s.out)
	s.out = s.out[n:]
	return n, nil
}

// next is the next message; its memory grows as it comes, whatever length is said.
func (s *sieve) next() ([]byte, error) {
	n, err := varint.ReadUvarint(s.in)
	if err != nil {
		return nil, err
	}
	if n > network.MessageSizeMax {
		return nil, fmt.Errorf("bitswap: a message of %d bytes", n)
	}
	if n > smallMessage {
		leave, ok := s.large.Enter(s.from())
		if !ok {
			return nil, fmt.Errorf("bitswap: %w", tooMany(limit.BitswapMessages))
		}
		defer leave()
		_ = s.SetReadDeadline(time.Now().Add(messageTime)) // a stream that has none ends with its peer
		defer func() { _ = s.SetReadDeadline(time.Time{}) }()
	}
	msg, err := io.ReadAll(io.LimitReader(s.in, int64(n)))
	if err == nil && uint64(len(msg)) < n {
		err = io.ErrUnexpectedEOF
	}
	return msg, err
}

// pass is what bitswap is to see of a message, with its length before it; nil for nothing. It
// answers wants of what is not here itself.
func (s *sieve) pass(msg []byte) ([]byte, error) {
	if n := messageParts(msg); n > maxParts {
		return nil, fmt.Errorf("bitswap: a message of more than %d parts", maxParts)
	}
	var m bitswap.Message
	if err := proto.Unmarshal(msg, &m); err != nil {
		return nil, fmt.Errorf("bitswap: %w", err)
	}
	if m.Wantlist == nil || len(m.Wantlist.Entries) == 0 {
		return frame(msg), nil
	}
	kept, denied := s.sort(m.Wantlist.Entries)
	m.Wantlist.Entries = kept
	if len(denied) > 0 {
		s.deny(denied)
	}
	if len(kept)+len(m.Payload)+len(m.Blocks)+len(m.BlockPresences) == 0 {
		return nil, nil
	}
	b, err := proto.Marshal(&m)
	if err != nil {
		return nil, fmt.Errorf("bitswap: %w", err)
	}
	return frame(b), nil
}

// sort splits wants into those that bitswap is to see, among them all that cancel others, and
// those of what is not here of which the peer wants to know that.
func (s *sieve) sort(all []*bitswap.Message_Wantlist_Entry) (kept []*bitswap.Message_Wantlist_Entry, denied [][]byte) {
	from := s.from()
	for _, e := range all[:min(len(all), maxWants)] {
		switch {
		case len(e.Block) > maxWanted || !s.wants.Allow(from, 1):
		case e.Cancel || s.holds(e.Block):
			kept = append(kept, e)
		case e.SendDontHave:
			denied = append(denied, e.Block)
		}
	}
	return kept, denied
}

// holds reports whether a block is here, by the bytes of its CID.
func (p *Peer) holds(b []byte) bool {
	c, err := cid.Cast(b)
	if err != nil {
		return false
	}
	has, err := p.cfg.Blocks.Has(p.ctx, c)
	return err == nil && has
}

// deny tells a peer what is not here, while it waits: what it sends meanwhile is not read.
func (p *Peer) deny(id peer.ID, cids [][]byte) {
	if err := p.sendDenial(id, cids); err != nil {
		p.about(id).WithError(err).Debug("bitswap: what is not here was not answered")
	}
}

func (p *Peer) sendDenial(id peer.ID, cids [][]byte) error {
	var m bitswap.Message
	for _, c := range cids {
		m.BlockPresences = append(m.BlockPresences, &bitswap.Message_BlockPresence{Cid: c, Type: bitswap.Message_DontHave})
	}
	b, err := proto.Marshal(&m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(p.ctx, denialTime)
	defer cancel()
	s, err := p.host.NewStream(network.WithNoDial(ctx, "it has just asked"), id, bitswapProtocols[0])
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = s.Reset() })()
	_, err = s.Write(frame(b))
	return errors.Join(err, s.CloseWrite())
}

// frame is a message with its length before it.
func frame(msg []byte) []byte {
	return append(binary.AppendUvarint(nil, uint64(len(msg))), msg...)
}
