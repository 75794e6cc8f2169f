package pathmap

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/ipfs/boxo/ipld/merkledag"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multihash"
)

const (
	maxFetches = 2  // histories fetched at once
	firstPage  = 16 // deltas; doubles with every page
)

// exchange is one conversation with a member.
type exchange struct {
	m    *Map
	id   peer.ID
	conn net.Conn
	r    *bufio.Reader
	stop func() bool
}

// dial opens an exchange that ends with ctx.
func (m *Map) dial(ctx context.Context, id peer.ID) (*exchange, error) {
	conn, err := m.cfg.Swarm.Dial(ctx, id, Protocol)
	if err != nil {
		return nil, fmt.Errorf("ask %s for its paths: %w", id, err)
	}
	x := &exchange{m: m, id: id, conn: conn, r: bufio.NewReader(conn)}
	x.stop = context.AfterFunc(ctx, func() { _ = conn.Close() })
	return x, nil
}

// continueUntil lets an exchange outlive the context it was dialled with; false
// when that has ended it already.
func (x *exchange) continueUntil(ctx context.Context) bool {
	ok := x.stop()
	x.stop = context.AfterFunc(ctx, func() { _ = x.conn.Close() })
	return ok
}

func (x *exchange) close() {
	x.stop()
	_ = x.conn.Close()
}

// heads asks the member for its heads.
func (x *exchange) heads() ([]cid.Cid, error) {
	alive(x.conn)
	if err := writeJSON(x.conn, request{Op: opHeads, Run: x.m.nonce}); err != nil {
		return nil, fmt.Errorf("ask %s for its heads: %w", x.id, err)
	}
	a, err := readAnswer(x.r)
	if err != nil {
		return nil, fmt.Errorf("ask %s for its heads: %w", x.id, err)
	}
	if len(a.Heads) > maxHeads {
		return nil, fmt.Errorf("ask %s for its heads: %w: %d heads", x.id, errBadDelta, len(a.Heads))
	}
	x.m.meeting.named.Store(true)
	if !x.m.isRefused(x.id) { // one that is not followed is nobody to catch up with
		x.m.meeting.answered()
	}
	if a.Counter != nil && x.m.hearCounter(*a.Counter) {
		x.m.meeting.told.happen()
	}
	if a.Written != nil {
		x.m.incarnation.hear(x.id, *a.Written)
	}
	if a.Twin {
		x.m.SawTwin()
	}
	return a.Heads, nil
}

// follow fetches what is missing of the heads' ancestry and merges it. Blocks
// that arrived are kept, whatever happens next: the next exchange, with
// whomever, goes on from there.
func (x *exchange) follow(ctx context.Context, heads []cid.Cid) error {
	unknown, err := x.m.unknownHeads(heads)
	if err != nil || len(unknown) == 0 {
		return err
	}
	if err := x.m.fetches.Acquire(ctx, 1); err != nil {
		return err
	}
	defer x.m.fetches.Release(1)
	w := &wanted{m: x.m, missing: cid.NewSet(), seen: cid.NewSet()}
	for _, h := range heads {
		if err := w.need(h); err != nil {
			return err
		}
	}
	for w.missing.Len() > 0 {
		if err := x.fetch(w); err != nil {
			return fmt.Errorf("fetch deltas from %s: %w", x.id, err)
		}
	}
	return x.m.mergeAll(ctx, w.pending)
}

// fetch asks for everything missing, page by page, until nothing is.
func (x *exchange) fetch(w *wanted) error {
	want := w.missing.Keys()
	if len(want) > maxHeads {
		want = want[:maxHeads]
	}
	req := request{Op: opDeltas, Want: want, Have: x.m.Heads(), Page: firstPage}
	if len(req.Have) > maxHeads {
		req.Have = req.Have[:maxHeads]
	}
	for total := 0; ; {
		alive(x.conn)
		if err := writeJSON(x.conn, req); err != nil {
			return err
		}
		got, more, err := x.page(w)
		if err != nil {
			return err
		}
		total += got
		if w.missing.Len() == 0 {
			return nil
		}
		if !more && total == 0 {
			return fmt.Errorf("%w: it names deltas that it does not give", errProtocol)
		}
		if !more {
			return nil // ask anew for what is still missing
		}
		req = request{Op: opMore, Page: min(req.Page*2, maxPage)}
	}
}

// page reads one page and keeps what it asked for.
func (x *exchange) page(w *wanted) (got int, more bool, err error) {
	var keep []blocks.Block
	for {
		alive(x.conn)
		raw, err := readFrame(x.r)
		if errors.Is(err, errFrame) {
			err = fmt.Errorf("%w: %w", errBadDelta, err)
		}
		if err != nil {
			return got, false, joinKeep(err, x.m.keep(keep))
		}
		x.m.meeting.answered()
		if len(raw) == 0 {
			break
		}
		b, err := blockOf(raw)
		if err != nil {
			return got, false, err
		}
		ok, err := w.take(b)
		if err != nil {
			return got, false, joinKeep(err, x.m.keep(keep))
		}
		if ok {
			keep = append(keep, b)
			got++
		}
	}
	a, err := readAnswer(x.r)
	return got, a.More, joinKeep(err, x.m.keep(keep))
}

func joinKeep(err, kept error) error {
	if err != nil {
		return err
	}
	return kept
}

// keep stores blocks that are not merged yet.
func (m *Map) keep(bs []blocks.Block) error {
	if len(bs) == 0 {
		return nil
	}
	m.lock.Lock() // the ledger may be in a transaction that is thrown away
	defer m.lock.Unlock()
	if err := m.keepLocked(bs); err != nil {
		return fmt.Errorf("%w: %w", errNotStored, err)
	}
	return nil
}

func (m *Map) keepLocked(bs []blocks.Block) error {
	if err := m.ledger.begin(m.ctx); err != nil {
		return err
	}
	for i, b := range bs {
		if err := m.blocks.Put(m.ctx, b); err != nil {
			m.ledger.discard(m.ctx)
			return fmt.Errorf("keep delta %s: %w", b.Cid(), err)
		}
		if i%64 == 63 { // a transaction holds a few MiB
			if err := m.ledger.commit(m.ctx); err != nil {
				return err
			}
			if err := m.ledger.begin(m.ctx); err != nil {
				return err
			}
		}
	}
	return m.ledger.commit(m.ctx)
}

// blockOf names a delta's block by its own bytes, so that a member can only
// send what was asked for.
func blockOf(raw []byte) (blocks.Block, error) {
	c, err := merkledag.V1CidPrefix().Sum(raw)
	if err != nil {
		return nil, err
	}
	return blocks.NewBlockWithCid(raw, c)
}

// wanted is a part of the history that is being completed: deltas that are
// here and not merged, and the parents of theirs that are nowhere here.
type wanted struct {
	m       *Map
	seen    *cid.Set
	missing *cid.Set
	pending []*delta
}

// need follows a delta to what is merged or missing, through blocks an earlier
// exchange left here.
func (w *wanted) need(c cid.Cid) error {
	for stack := []cid.Cid{c}; len(stack) > 0; {
		c := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if !w.seen.Visit(c) {
			continue
		}
		if !isDeltaCID(c) {
			return fmt.Errorf("%w: %s is not the CID of a delta", errBadDelta, c)
		}
		if _, ok, err := w.m.known(c); err != nil || ok {
			if err != nil {
				return err
			}
			continue
		}
		b, err := w.m.blocks.Get(w.m.ctx, c)
		if ipld.IsNotFound(err) {
			w.missing.Add(c)
			continue
		}
		if err != nil {
			return fmt.Errorf("read delta %s: %w", c, err)
		}
		d, err := parseDelta(b)
		if err != nil {
			return err
		}
		w.pending = append(w.pending, d)
		stack = append(stack, d.parents...)
	}
	return nil
}

// take accepts a block that was missing; others are what the member could not
// know is here already.
func (w *wanted) take(b blocks.Block) (bool, error) {
	if !w.missing.Has(b.Cid()) {
		return false, nil
	}
	d, err := parseDelta(b)
	if err != nil {
		return false, err
	}
	w.missing.Remove(b.Cid())
	w.pending = append(w.pending, d)
	for _, p := range d.parents {
		if err := w.need(p); err != nil {
			return true, err
		}
	}
	return true, nil
}

// isDeltaCID reports whether a CID can be a delta's: what go-ds-crdt makes, and
// what blockOf gives.
func isDeltaCID(c cid.Cid) bool {
	p := c.Prefix()
	return p.Version == 1 && p.Codec == cid.DagProtobuf && p.MhType == multihash.SHA2_256 && p.MhLength == 32
}
