package pathmap

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/ipfs/boxo/ipld/merkledag"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multihash"
)

const (
	firstPage = 16  // deltas; doubles with every page
	fewDeltas = 256 // are read newest first; when more are missing, the history is read in order
)

var errMany = errors.New("more is missing than is read newest first")

// exchange is one conversation with a member.
type exchange struct {
	m    *Map
	id   peer.ID
	conn net.Conn
	r    *bufio.Reader
	ctx  context.Context // with which it ends
	stop func() bool

	asked  bool // the member has named its heads
	behind bool // it said with them that it lacks a part of the history
	offers bool // and that it gives its state
	cut    bool // it has not got the history that was asked for

	accepts bool // what comes is merged without signatures
}

// dial opens an exchange that ends with ctx.
func (m *Map) dial(ctx context.Context, id peer.ID) (*exchange, error) {
	conn, err := m.cfg.Swarm.Dial(ctx, id, Protocol)
	if err != nil {
		return nil, fmt.Errorf("ask %s for its paths: %w", id, err)
	}
	x := &exchange{m: m, id: id, conn: conn, r: bufio.NewReader(conn), ctx: ctx}
	x.stop = context.AfterFunc(ctx, func() { _ = conn.Close() })
	return x, nil
}

// dialAnew replaces a connection that was idle for so long that the member may have closed
// it.
func (x *exchange) dialAnew(ctx context.Context) error {
	x.close()
	fresh, err := x.m.dial(ctx, x.id)
	if err == nil {
		fresh.asked, fresh.behind, fresh.offers, fresh.cut, fresh.accepts = x.asked, x.behind, x.offers, x.cut, x.accepts
		*x = *fresh
	}
	return err
}

// continueUntil lets an exchange outlive the context with which it was dialed; false when
// that context has already ended it.
func (x *exchange) continueUntil(ctx context.Context) bool {
	ok := x.stop()
	x.ctx = ctx
	x.stop = context.AfterFunc(ctx, func() { _ = x.conn.Close() })
	return ok
}

func (x *exchange) close() {
	x.stop()
	_ = x.conn.Close()
}

// heads asks the member for its heads.
func (x *exchange) heads() ([]cid.Cid, error) {
	a, err := x.ask(request{Op: opHeads, Run: x.m.nonce})
	return a.Heads, err
}

// ask asks for heads, and takes what comes with them.
func (x *exchange) ask(req request) (answer, error) {
	alive(x.conn)
	if err := writeJSON(x.conn, req); err != nil {
		return answer{}, fmt.Errorf("ask %s for its heads: %w", x.id, x.busy(err))
	}
	a, err := readAnswer(x.r)
	if err != nil {
		return answer{}, fmt.Errorf("ask %s for its heads: %w", x.id, x.busy(err))
	}
	x.m.unanswered.heard(x.id, time.Now())
	x.m.firstHeads.named.Store(true)
	x.asked, x.behind, x.offers = true, a.Behind, a.State
	if !x.behind && !x.m.isRefused(x.id) { // a member that is refused cannot be caught up with
		x.m.firstHeads.answered()
	}
	if a.Counter != nil && x.m.hearCounter(*a.Counter) && !x.behind {
		x.m.firstHeads.told.happen()
	}
	if a.Written != nil {
		x.m.incarnation.hear(x.id, *a.Written)
	}
	if a.Twin {
		x.m.SawTwin()
	}
	return a, nil
}

// follow reads what is missing of the heads' ancestry and merges it. What arrived is kept,
// whatever happens next: the next exchange, with any member, continues from there.
func (x *exchange) follow(ctx context.Context, heads []cid.Cid) error {
	whole := len(x.m.Heads()) == 0 || x.m.reached.Load() > 0
	for {
		unknown, err := x.m.unknownHeads(heads)
		if err != nil || len(unknown) == 0 {
			return err
		}
		if err := x.m.awaited(x.id); err != nil && !x.accepts {
			return err
		}
		if !whole && !x.m.lacksHistory() { // a newcomer that wrote before it met anybody
			if whole, err = x.takesState(); err != nil {
				return err
			}
		}
		err = x.inTurn(ctx, unknown, whole)
		if !x.meetsCut(err) && (!errors.Is(err, errMany) || whole) {
			return x.asStranded(err)
		}
		whole = true
	}
}

// inTurn waits for its turn to read from the member, and then reads: a few deltas that
// follow what is here, or a whole history.
func (x *exchange) inTurn(ctx context.Context, heads []cid.Cid, whole bool) (err error) {
	began := time.Now()
	t, err := x.m.turns.take(ctx, x.id, heads, whole)
	if err != nil {
		return err
	}
	defer t.end()
	if heads, err = x.m.unknownHeads(heads); err != nil || len(heads) == 0 {
		return err // they came from another member meanwhile
	}
	if time.Since(began) > staleDial {
		if err := x.dialAnew(ctx); err != nil {
			return err
		}
	}
	stop := context.AfterFunc(t.ctx, func() { _ = x.conn.Close() })
	defer stop()
	if whole {
		err = x.whole(t, heads)
	} else {
		err = x.few(t, heads, fewDeltas)
	}
	if err != nil && errors.Is(context.Cause(t.ctx), errOvertaken) {
		return fmt.Errorf("%w: %w", errOvertaken, err)
	}
	if err != nil && !errors.Is(err, errMany) {
		t.failed = true
		return fmt.Errorf("fetch deltas from %s: %w", x.id, err)
	}
	return err
}

// few reads newest first, and merges once everything has come: for recent writes that takes
// one round trip, and members of an older release know no other way.
func (x *exchange) few(t *turn, heads []cid.Cid, most int) error {
	w := x.m.newWanted()
	for _, h := range heads {
		if err := w.need(h); err != nil {
			return err
		}
	}
	for w.missing.Len() > 0 {
		if err := x.fetch(t, w, most); err != nil {
			return errors.Join(err, w.keep())
		}
	}
	slices.SortFunc(w.pending, func(a, b pending) int { return a.compare(b.place) })
	err := x.mergeAll(t.ctx, w.pending, &w.reach)
	if t.ctx.Err() != nil { // the turn was taken away meanwhile
		err = errors.Join(err, w.keep())
	}
	return err
}

// fetch asks for everything missing, page by page, until nothing is.
func (x *exchange) fetch(t *turn, w *wanted, most int) error {
	want := w.missing.Keys()
	if len(want) > maxHeads {
		want = want[:maxHeads]
	}
	req := request{Op: opDeltas, Want: want, Have: x.m.Heads(), Page: firstPage}
	if len(req.Have) > maxHeads {
		req.Have = req.Have[:maxHeads]
	}
	for total := 0; ; {
		got, more, err := x.page(t, w, req)
		if err != nil && (w.missing.Len() > 0 || !errors.Is(err, errBehindCut)) { // else what it has not got is here
			return err
		}
		if total += got; w.missing.Len() == 0 {
			return nil
		}
		if !more && total == 0 {
			return fmt.Errorf("%w: it names deltas that it does not send", errProtocol)
		}
		if err := w.keep(); err != nil {
			return err
		}
		if total >= most || w.bytes >= pageBytes && most == fewDeltas {
			return errMany
		}
		if !more {
			return nil // ask again for what is still missing
		}
		req = request{Op: opMore, Page: w.nextPage(req.Page)}
	}
}

// page reads one page and takes of it what was missing.
func (x *exchange) page(t *turn, w *wanted, req request) (got int, more bool, err error) {
	frames := 0
	more, err = x.deltas(t, req, func(b blocks.Block, signature []byte) error {
		if frames++; frames > req.Page {
			return fmt.Errorf("%w: more deltas than were asked for", errProtocol)
		}
		ok, err := w.take(b, signature)
		if ok {
			t.got(len(b.RawData()))
			got++
		}
		return err
	})
	return got, more, err
}

// deltas asks for deltas and calls f for each as it comes, with its signature, if it has one.
func (x *exchange) deltas(t *turn, req request, f func(b blocks.Block, signature []byte) error) (more bool, err error) {
	req.Signed = true
	var signature []byte // of the next one
	defer t.wait()()
	alive(x.conn)
	if err := writeJSON(x.conn, req); err != nil {
		return false, err
	}
	for {
		alive(x.conn)
		raw, err := readFrame(x.r, maxDelta)
		if errors.Is(err, errFrame) {
			err = fmt.Errorf("%w: %w", errBadDelta, err)
		}
		if err != nil {
			return false, err
		}
		x.m.firstHeads.answered()
		if len(raw) == 0 {
			break
		}
		if raw[0] == signatureMark && signature == nil {
			signature = raw
			continue
		}
		b, err := blockOf(raw)
		if err == nil {
			err = f(b, signature)
		}
		if signature = nil; err != nil {
			return false, err
		}
	}
	a, err := readAnswer(x.r)
	return a.More, err
}

// keep stores deltas that are not merged yet.
func (m *Map) keep(all []*delta) error {
	if len(all) == 0 {
		return nil
	}
	m.lock.Lock() // the ledger may be in a transaction that will be discarded
	defer m.lock.Unlock()
	if err := m.keepLocked(all); err != nil {
		return fmt.Errorf("%w: %w", errNotStored, err)
	}
	return nil
}

func (m *Map) keepLocked(all []*delta) error {
	if err := m.ledger.begin(m.ctx); err != nil {
		return err
	}
	for i, d := range all {
		if err := errors.Join(m.blocks.Put(m.ctx, d.block), m.putSignature(d.cid, d.signature)); err != nil {
			m.ledger.discard(m.ctx)
			return fmt.Errorf("keep delta %s: %w", d.cid, err)
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

// isDeltaCID reports whether a CID can be a delta's: what go-ds-crdt makes, and
// what blockOf gives.
func isDeltaCID(c cid.Cid) bool {
	p := c.Prefix()
	return p.Version == 1 && p.Codec == cid.DagProtobuf && p.MhType == multihash.SHA2_256 && p.MhLength == 32
}
