package pathmap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	ds "github.com/ipfs/go-datastore"
)

// A local delta has to fit into maxDelta. Gathering requests while another commit runs
// stops early, because the last request may fill a delta alone; 64 KiB are left for the
// links to maxHeads parents.
const (
	deltaBudget  = 896 << 10 // bytes of keys and values of one write, by opCost
	gatherBudget = maxDelta - deltaBudget - 64<<10
)

// ErrClosed is returned by writes to a map that is closing.
var ErrClosed = errors.New("path map is closed")

type writeRequest struct {
	ops   []Op
	done  chan error // buffered, so that the writer never waits for a caller
	heads []cid.Cid  // once it is done
}

// Put writes one entry. It returns when the entry is on this registry's disk; other
// registries hear of it afterwards.
func (m *Map) Put(ctx context.Context, path string, e Entry) error {
	return m.Write(ctx, Op{Path: path, Entry: &e})
}

// Write applies the ops in order, in one delta unless they exceed 896 KiB. A delete of a
// path removes the versions this registry sees at that moment; when one of them is of a
// later release, nothing is written, and the error is ErrNewerEntry. A put to a path with
// such a version leaves that alive. When ctx ends first the write may still happen.
func (m *Map) Write(ctx context.Context, ops ...Op) error {
	_, err := m.Commit(ctx, ops...)
	return err
}

// Commit is Write, and names the heads of the map in which the ops are written, as they were
// then: one, if anything was written. A registry that has merged these has merged all of it.
func (m *Map) Commit(ctx context.Context, ops ...Op) (heads []cid.Cid, err error) {
	if err := m.Check(ops...); err != nil {
		return nil, err
	}
	heads = m.Heads()
	for len(ops) > 0 {
		n := splitOps(m.View(), ops)
		if heads, err = m.commitOps(ctx, ops[:n]); err != nil {
			return nil, err
		}
		ops = ops[n:]
	}
	return heads, nil
}

// commitOps has ops written that fit one delta.
func (m *Map) commitOps(ctx context.Context, ops []Op) ([]cid.Cid, error) {
	req := &writeRequest{ops: ops, done: make(chan error, 1)}
	select {
	case m.writes <- req:
	case <-m.ctx.Done():
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case err := <-req.done:
		return req.heads, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Check returns the error with which Write would refuse the ops.
func (m *Map) Check(ops ...Op) error {
	for _, op := range ops {
		if err := m.checkOp(op); err != nil {
			return err
		}
	}
	return nil
}

func (r *writeRequest) adds() bool {
	return slices.ContainsFunc(r.ops, func(op Op) bool { return op.Entry != nil })
}

// writer is the only goroutine that commits local deltas. Requests that wait
// while one commit syncs share the next one.
func (m *Map) writer() {
	for {
		select {
		case req := <-m.writes:
			m.commitGroup(m.gather(req))
		case <-m.ctx.Done():
			return
		}
	}
}

func (m *Map) gather(first *writeRequest) []*writeRequest {
	view := m.View()
	group, size, beside := []*writeRequest{first}, first.cost(view), first.beside()
	for size < gatherBudget && beside < besideBudget {
		select {
		case req := <-m.writes:
			group = append(group, req)
			size, beside = size+req.cost(view), beside+req.beside()
		default:
			return group
		}
	}
	return group
}

func (m *Map) commitGroup(group []*writeRequest) {
	err := m.commit(group)
	if errors.Is(err, errUnacceptable) && len(group) > 1 {
		for _, req := range group { // a failing request does not affect the others
			m.commitGroup([]*writeRequest{req})
		}
		return
	}
	for _, req := range group {
		req.done <- err
	}
	if err == nil {
		m.announceHeads(m.feed.take())
	}
}

func (m *Map) commit(group []*writeRequest) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	if err := m.mend(); err != nil {
		return err
	}
	if err := m.ledger.begin(m.ctx); err != nil {
		return err
	}
	m.own.note(time.Now(), m.counter)
	snap, before := m.current.Load().clone(), m.Heads()
	writer, err := m.writerName(group)
	if err == nil && m.joining.Load() {
		err = m.noteUnfinished(false)
	}
	if err == nil {
		err = m.bundle(snap)
	}
	if err == nil {
		err = m.commitDelta(snap, group, writer)
	}
	if err != nil {
		return m.fail(err)
	}
	if err := m.ledger.commit(m.ctx); err != nil {
		return m.fail(err)
	}
	tellOnDisk(group)
	m.incarnation.wrote(writer, m.counter) // before others can know
	m.tellNamed(snap, entered(group))
	m.publish(snap)
	if writer == "" && !sameHeads(before, m.Heads()) {
		m.last.removed(m.Heads()[0], m.cfg.Self) // it follows all others
	}
	for _, req := range group {
		req.heads = m.Heads()
	}
	return nil
}

// entered are the paths that requests give an entry.
func entered(group []*writeRequest) (paths []string) {
	for _, req := range group {
		for _, op := range req.ops {
			if op.Entry != nil && !isSetting(op.Path) {
				paths = append(paths, op.Path)
			}
		}
	}
	return paths
}

// commitDelta makes one delta of the group's ops inside the transaction.
func (m *Map) commitDelta(snap *snapshot, group []*writeRequest, writer string) error {
	before := m.liveHeads()
	batch, err := m.crdt.Load().Batch(m.ctx)
	if err != nil {
		return err
	}
	for _, req := range group {
		for _, op := range req.ops {
			if err := errors.Join(m.putBeside(op), m.addOp(batch, snap, op, writer)); err != nil {
				return fmt.Errorf("write %s: %w", op.Path, err)
			}
		}
	}
	if len(m.liveHeads()) != len(before) || !sameHeads(before, m.liveHeads()) {
		return errTooLarge // go-ds-crdt has committed a part by itself
	}
	m.merging.own.Store(true)
	defer m.merging.own.Store(false)
	if err := batch.Commit(m.ctx); err != nil {
		return fmt.Errorf("commit delta: %w", err)
	}
	if err := m.saveCounter(); err != nil {
		return err
	}
	return m.recordHeads(before)
}

// errTooLarge refuses a delta that the other registries would refuse. Write splits its ops,
// so this happens only when opCost's estimate is far off.
var errTooLarge = fmt.Errorf("%w: they do not fit one delta of 1 MiB: write fewer at once", errUnacceptable)

func sameHeads(a, b []cid.Cid) bool {
	set := cid.NewSet()
	for _, h := range a {
		set.Add(h)
	}
	for _, h := range b {
		if !set.Has(h) {
			return false
		}
	}
	return true
}

func (m *Map) addOp(batch ds.Batch, snap *snapshot, op Op, writer string) error {
	if op.UnlessAlive && len(snap.versionsOf(op.Path)) > 0 {
		return nil
	}
	if op.out != nil && !snap.leavesOut(op.Path, *op.out) {
		return nil
	}
	if op.out != nil && op.Entry == nil {
		return m.expel(batch, snap, op)
	}
	for _, old := range snap.versionsOf(op.Path) {
		if old.err != nil || isLasting(op.Path) {
			continue // of a later release, which alone knows what may replace it; or for good
		}
		if op.Seen != nil && !op.Seen.has(op.Path, old.version) {
			continue
		}
		if err := batch.Delete(m.ctx, keyOf(op.Path, old.version)); err != nil {
			return err
		}
		snap.remove(op.Path, old.version)
	}
	if op.Entry == nil {
		return nil
	}
	counter, err := m.nextCounter()
	if err != nil {
		return err
	}
	v, value := version{counter, writer}, op.Entry.Marshal()
	if err := batch.Put(m.ctx, keyOf(op.Path, v), value); err != nil {
		return err
	}
	snap.set(op.Path, v, value)
	return nil
}

// recordHeads checks the deltas committed since before, and marks them as known.
func (m *Map) recordHeads(before []cid.Cid) error {
	old := cid.NewSet()
	for _, h := range before {
		old.Add(h)
	}
	for _, h := range m.liveHeads() {
		if old.Has(h) {
			continue
		}
		priority, err := m.checkOwn(h)
		if err != nil {
			return err
		}
		if err := errors.Join(m.setKnown(h, priority), m.signOwn(h)); err != nil {
			return err
		}
	}
	return nil
}
