package pathmap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ipfs/go-cid"
	ds "github.com/ipfs/go-datastore"
)

const (
	groupDeltas = 256       // deltas merged in one transaction, at most
	groupBytes  = 512 << 10 // bytes of them, at most, beyond the first
)

// errNotStored reports that deltas are good, but this machine cannot keep them.
var errNotStored = errors.New("changes not stored")

var errOrphan = fmt.Errorf("%w: its parent is not merged", errBadDelta)

// mergeAll is Map.mergeAll for what came with an exchange.
func (x *exchange) mergeAll(ctx context.Context, all []pending, reach *reach) error {
	return x.m.mergeAll(ctx, all, reach, x.accepts)
}

// mergeAll merges deltas that are in order: the parents of each come before it, or are
// merged. Readers and local writers get a turn between two groups, and see each group whole
// or not at all. Those that are vouched for need no signature.
func (m *Map) mergeAll(ctx context.Context, all []pending, reach *reach, vouched bool) error {
	far := reach.greatest()
	for len(all) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		group, err := m.nextGroup(all)
		if err != nil {
			return err
		}
		for _, d := range group {
			d.vouched = vouched
		}
		err = m.mergeSigned(ctx, group, far)
		if err != nil && !errors.Is(err, errBadDelta) {
			return fmt.Errorf("%w: %w", errNotStored, err)
		}
		if err != nil {
			return err
		}
		m.firstHeads.answered()
		all = all[len(group):]
	}
	return nil
}

// nextGroup reads the first deltas of those that are on disk.
func (m *Map) nextGroup(all []pending) (group []*delta, err error) {
	size := 0
	for _, p := range all {
		d := p.delta
		if d == nil {
			b, err := m.blocks.Get(m.ctx, p.cid)
			if err != nil {
				return nil, fmt.Errorf("read delta %s: %w", p.cid, err)
			}
			if d, err = parseDelta(b); err != nil {
				return nil, err
			}
			d.block, d.stored = b, true
		}
		size += d.size
		if len(group) > 0 && (len(group) >= groupDeltas || size > groupBytes) {
			break
		}
		group = append(group, d)
	}
	return group, nil
}

func (m *Map) mergeGroup(group []*delta, reach uint64) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	if err := m.mend(); err != nil {
		return err
	}
	if err := m.ledger.begin(m.ctx); err != nil {
		return err
	}
	if err := m.noteUnfinished(true); err != nil {
		return m.fail(err)
	}
	m.taken.stale.Store(true)
	snap := m.current.Load().clone()
	var bad error
	var added []string
	n := 0
	for _, d := range group {
		if bad = cmp.Or(m.checkPriority(d), d.checkCounters(max(m.counter, reach)), m.checkSigned(snap, d)); bad != nil {
			bad = fmt.Errorf("merge delta %s: %w", d.cid, bad)
			break // the groups before it stand
		}
		if err := m.mergeDelta(snap, d); err != nil {
			return m.fail(fmt.Errorf("merge delta %s: %w", d.cid, err))
		}
		added = d.adds(added)
		n++
	}
	if err := cmp.Or(m.bundle(snap), m.saveCounter(), m.written.note(m, group[:n])); err != nil {
		return m.fail(err)
	}
	if err := m.ledger.commit(m.ctx); err != nil {
		return m.fail(err)
	}
	m.tellNamed(snap, added)
	m.publish(snap)
	m.written.published(group[:n])
	if m.cfg.OnAdded != nil && len(added) > 0 {
		m.cfg.OnAdded(added)
	}
	return bad
}

// adds appends the paths that a delta gives an entry.
func (d *delta) adds(to []string) []string {
	for _, c := range d.changes {
		if c.added && !isSetting(c.path) {
			to = append(to, c.path)
		}
	}
	return to
}

// mergeDelta makes the CRDT merge a delta whose parents are merged, and updates the ordered
// map from what the CRDT then holds.
func (m *Map) mergeDelta(snap *snapshot, d *delta) error {
	if _, ok, err := m.known(d.cid); err != nil || ok {
		return err // another exchange was faster
	}
	if !d.stored {
		if err := m.blocks.Put(m.ctx, d.block); err != nil {
			return err
		}
	}
	if err := m.signVouched(d); err != nil {
		return err
	}
	if err := m.putSignature(d.cid, d.signature); err != nil {
		return err
	}
	unmark, err := m.processed(d)
	if err != nil {
		return err
	}
	if err := m.keepFirst(snap, d); err != nil {
		return err
	}
	block, err := lasting(d)
	if err != nil {
		return err
	}
	m.merging.block.Store(&block)
	defer m.merging.block.Store(nil)
	if err := m.feed.merge(m.ctx, d.cid); err != nil {
		return err
	}
	if err := unmark(); err != nil {
		return err
	}
	if !slices.ContainsFunc(m.liveHeads(), d.cid.Equals) {
		return fmt.Errorf("%w: the CRDT did not take it", errBadDelta)
	}
	if err := m.setKnown(d.cid, d.priority); err != nil {
		return err
	}
	if !slices.ContainsFunc(d.changes, func(c change) bool { return c.added }) {
		m.last.removed(d.cid, "")
	}
	m.last.merged(d.cid)
	for _, c := range d.changes {
		if err := m.refresh(snap, c); err != nil {
			return err
		}
	}
	return nil
}

func (m *Map) checkPriority(d *delta) error {
	var greatest uint64
	for _, p := range d.parents {
		priority, ok, err := m.known(p)
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("%w: %s", errOrphan, p)
		}
		greatest = max(greatest, priority)
	}
	if d.priority != greatest+1 {
		return fmt.Errorf("%w: priority %d over parents of %d", errBadDelta, d.priority, greatest)
	}
	return nil
}

func (m *Map) refresh(snap *snapshot, c change) error {
	value, err := m.crdt.Load().Get(m.ctx, keyOf(c.path, c.version))
	switch {
	case errors.Is(err, ds.ErrNotFound):
		snap.remove(c.path, c.version)
	case err != nil:
		return err
	default:
		snap.set(c.path, c.version, value)
	}
	m.counter = max(m.counter, c.counter)
	if c.added {
		m.last.note(peerOf(c.writer))
		m.incarnation.merged(m.cfg.Self, c.version)
	}
	return nil
}

// unknownHeads returns the heads that are not merged here. It waits for the
// group that is being merged: its deltas are marked before readers see them. A state of which it is
// not known whether it is on disk has such marks, too, and may be one that readers do not see.
func (m *Map) unknownHeads(heads []cid.Cid) ([]cid.Cid, error) {
	m.lock.Lock()
	defer m.lock.Unlock()
	if m.broken != nil && m.broken.whole {
		if err := m.mend(); err != nil {
			return nil, err
		}
	}
	var unknown []cid.Cid
	for _, h := range heads {
		_, ok, err := m.known(h)
		if err != nil {
			return nil, err
		}
		if !ok {
			unknown = append(unknown, h)
		}
	}
	return unknown, nil
}
