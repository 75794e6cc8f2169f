package pathmap

import (
	"fmt"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"
)

// wanted is a part of the history that is being completed: deltas that are here but not
// merged, and those of their parents that are missing.
type wanted struct {
	m       *Map
	seen    *cid.Set
	missing *cid.Set
	pending []pending
	count   int   // deltas that arrived
	bytes   int64 // of them
	kept    int   // the first of pending are on disk
	reach   reach
}

// pending is a delta that is to be merged; when it has no content here, it is on disk.
type pending struct {
	place
	delta *delta
}

func (m *Map) newWanted() *wanted {
	return &wanted{m: m, missing: cid.NewSet(), seen: cid.NewSet(), reach: m.newReach()}
}

// need follows a delta to its ancestors that are merged or missing, through blocks that an
// earlier exchange left here.
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
		w.reach.add(d)
		w.pending = append(w.pending, pending{d.place(), nil})
		stack = append(stack, d.parents...)
	}
	return nil
}

// take accepts a delta that was missing, with its signature. It ignores others, since a member cannot know
// which blocks are already here.
func (w *wanted) take(b blocks.Block, signature []byte) (bool, error) {
	if !w.missing.Has(b.Cid()) {
		return false, w.m.takeLate(b, signature)
	}
	d, err := parseDelta(b)
	if err == nil {
		err = d.takeSignature(signature)
	}
	if err != nil {
		return false, err
	}
	w.reach.add(d)
	w.missing.Remove(b.Cid())
	w.pending = append(w.pending, pending{d.place(), d})
	w.count, w.bytes = w.count+1, w.bytes+int64(d.size)
	for _, p := range d.parents {
		if err := w.need(p); err != nil {
			return true, err
		}
	}
	return true, nil
}

// keep writes to disk what is only in memory, when more is to come or the exchange has
// ended.
func (w *wanted) keep() error {
	var all []*delta
	for ; w.kept < len(w.pending); w.kept++ {
		if p := &w.pending[w.kept]; p.delta != nil {
			all = append(all, p.delta)
			p.delta = nil
		}
	}
	return w.m.keep(all)
}

// nextPage doubles the number of deltas to ask for, as long as they fill no more than a page.
func (w *wanted) nextPage(last int) int {
	each := max(1, w.bytes/int64(max(1, w.count)))
	return max(1, min(2*last, maxPage, int(pageBytes/each)))
}
