package pathmap

import (
	"errors"
	"fmt"
	"math"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
)

// firstStep is how many priorities below this registry's lowest head reading begins when the
// member's history does not follow from that head. It grows with every attempt.
const firstStep = 1 << shelfBits

// maxHistory means that there is no bound on what is read newest first.
const maxHistory = math.MaxInt

// history reads a long part of the history from one member, oldest first, and merges each
// page before it asks for the next: memory does not grow with the history, and after an
// interruption at either end, reading continues from what is merged. It begins at the heads
// that are here, or where the last reading was interrupted, and further down when the member's
// deltas do not follow from there.
func (x *exchange) history(t *turn, heads []cid.Cid) error {
	from, err := x.m.lowestHead()
	if err != nil {
		return err
	}
	from = max(from, x.m.reached.Load())
	for step := uint64(firstStep); ; step *= 4 {
		err := x.pass(t, from)
		if errors.Is(err, errMember) { // its release cannot list, or it has not put its history in order yet
			return x.few(t, heads, maxHistory)
		}
		if err != nil && !errors.Is(err, errOrphan) {
			return err
		}
		unknown, uerr := x.m.unknownHeads(heads)
		if uerr != nil {
			return uerr
		}
		x.m.reached.Store(0)
		if err == nil && len(unknown) == 0 {
			return nil
		}
		if from == 0 {
			return x.few(t, heads, maxHistory) // its list has a hole
		}
		from -= min(from, step)
	}
}

// lowestHead is the least priority of the heads that are here; 0 when there are none.
func (m *Map) lowestHead() (lowest uint64, err error) {
	for i, h := range m.Heads() {
		priority, _, err := m.known(h)
		if err != nil {
			return 0, err
		}
		if i == 0 || priority < lowest {
			lowest = priority
		}
	}
	return lowest, nil
}

// pass merges what a member lists from a priority on. The lists begin small and grow, so
// that there is progress even on a connection that is cut after a few kB.
func (x *exchange) pass(t *turn, from uint64) error {
	at := place{priority: from}
	for names := firstPage; ; names = min(4*names, maxList) {
		list, next, more, err := x.list(t, at, names)
		if err != nil {
			return err
		}
		if err := x.mergeList(t, list); err != nil {
			return err
		}
		if err := x.m.noteReached(list); err != nil {
			return err
		}
		if !more {
			return nil
		}
		if next.compare(at) <= 0 {
			return fmt.Errorf("%w: a list that makes no progress", errProtocol)
		}
		at = next
	}
}

// noteReached remembers how far a history is read, for the case that the exchange ends here. The
// heads do not tell: a delta of this registry that the others have never seen stays a head, and the
// lowest one, until all that they have written since is merged. Whatever a member says of the
// place, it is that of a delta which is merged here.
func (m *Map) noteReached(list []cid.Cid) error {
	if len(list) == 0 {
		return nil
	}
	priority, _, err := m.known(list[len(list)-1])
	if err == nil {
		m.reached.Store(priority)
	}
	return err
}

// list asks for the names of what a member has merged after a place.
func (x *exchange) list(t *turn, at place, most int) (list []cid.Cid, next place, more bool, err error) {
	defer t.wait()()
	alive(x.conn)
	req := request{Op: opList, Priority: at.priority, Page: most}
	if at.cid.Defined() {
		req.After.add(at.cid)
	}
	if err := writeJSON(x.conn, req); err != nil {
		return nil, at, false, err
	}
	a, err := readAnswer(x.r)
	if err == nil {
		list, err = a.List.cids()
	}
	if err != nil {
		return nil, at, false, err
	}
	if len(list) > most || a.More && len(list) == 0 {
		return nil, at, false, fmt.Errorf("%w: a list of %d deltas", errProtocol, len(list))
	}
	if len(list) > 0 {
		at = place{a.Last, list[len(list)-1]}
	}
	t.got(nameSize * len(list)) // of deltas that are merged here nothing else comes
	return list, at, a.More, nil
}

// mergeList merges those of a list's deltas that are missing here, in the list's order, page
// by page; of a page that was cut short it merges what arrived.
func (x *exchange) mergeList(t *turn, list []cid.Cid) error {
	m, stored := x.m, map[cid.Cid]bool{} // by an exchange before
	var missing, ask []cid.Cid
	for _, c := range list {
		if _, ok, err := m.known(c); err != nil || ok {
			if err != nil {
				return err
			}
			continue
		}
		here, err := m.blocks.Has(m.ctx, c)
		if err != nil {
			return fmt.Errorf("look up delta %s: %w", c, err)
		}
		if stored[c] = here; !here {
			ask = append(ask, c)
		}
		missing = append(missing, c)
	}
	for len(missing) > 0 {
		page, err := x.get(t, ask)
		var todo []pending
		far := m.newReach()
		for _, c := range missing {
			d := page[c]
			if d == nil && !stored[c] {
				break
			}
			if d != nil {
				far.add(d)
			}
			todo = append(todo, pending{place{cid: c}, d})
		}
		// Even when the turn was taken away meanwhile: what came is not asked for again.
		if merr := x.mergeAll(m.ctx, todo, &far); merr != nil && (err == nil || errors.Is(merr, errNotStored)) {
			err = merr
		}
		if err != nil {
			return err
		}
		missing, ask = missing[len(todo):], ask[len(page):]
	}
	return nil
}

// get asks for deltas by name and returns those that came, which are the first ones asked
// for.
func (x *exchange) get(t *turn, ask []cid.Cid) (page map[cid.Cid]*delta, err error) {
	page = map[cid.Cid]*delta{}
	if len(ask) == 0 {
		return page, nil
	}
	req, size := request{Op: opGet}, 0
	for _, c := range ask {
		req.Get.add(c)
	}
	_, err = x.deltas(t, req, func(b blocks.Block, signature []byte) error {
		if len(page) == len(ask) || size >= pageBytes {
			return fmt.Errorf("%w: more than a page", errProtocol)
		}
		if b.Cid() != ask[len(page)] {
			return fmt.Errorf("%w: it gives %s for %s", errProtocol, b.Cid(), ask[len(page)])
		}
		d, err := parseDelta(b)
		if err == nil {
			err = d.takeSignature(signature)
		}
		if err != nil {
			return err
		}
		page[b.Cid()] = d
		size += d.size
		t.got(d.size)
		return nil
	})
	if err == nil && len(page) == 0 {
		err = fmt.Errorf("%w: it names deltas that it does not send", errProtocol)
	}
	return page, err
}
