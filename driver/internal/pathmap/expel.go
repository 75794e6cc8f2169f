package pathmap

import (
	"context"
	"errors"
	"fmt"

	"github.com/ipfs/go-cid"
	ds "github.com/ipfs/go-datastore"
)

// What stays out is deleted for good by a change of one registry, so that no registry has to know for ever what
// stays out, nor to keep it. What it had replaced comes back with that, where it can be read: a version that
// is left out had its change delete those that it was written over.

// Expel deletes all that stays out of the map, from all registries, but for revocations, which last. In its place
// it writes anew what that had replaced, where nothing else is alive.
func (m *Map) Expel(ctx context.Context) error {
	var ops []Op
	var err error
	snap := m.current.Load()
	snap.out.Scan(func(key string, p packed) bool {
		path := pathOf(key)
		if isRevocation(path) {
			return true
		}
		var more []Op
		more, err = m.expelling(ctx, snap, path, snap.unpackAll(key, p))
		ops = append(ops, more...)
		return err == nil
	})
	if err == nil {
		err = m.Write(ctx, ops...)
	}
	if err != nil {
		return fmt.Errorf("delete what was written after a revocation: %w", err)
	}
	return nil
}

// expelling are the ops that delete what stays out of a path, and that bring back what it had replaced.
func (m *Map) expelling(ctx context.Context, snap *snapshot, path string, out []stored) (ops []Op, err error) {
	for _, st := range out {
		ops = append(ops, Op{Path: path, out: &st.version})
	}
	if len(snap.versionsOf(path)) > 0 {
		return ops, nil
	}
	r := &replaced{m: m, snap: snap, seen: map[string]bool{}}
	for _, st := range out {
		if err := r.by(ctx, path, st.version, ""); err != nil {
			return nil, err
		}
	}
	if r.best.from.Defined() && r.best.Err == nil {
		ops = append(ops, Op{Path: path, Entry: &r.best.Entry, UnlessAlive: true})
	}
	return ops, nil
}

// maxReplaced is how many changes of a path are read for what they replaced: who is revoked may have written it over
// without end, and what lies further back is not brought back.
const maxReplaced = 1000

// replaced looks for the greatest version that was deleted by those that stay out.
type replaced struct {
	m    *Map
	snap *snapshot
	seen map[string]bool // deltas that were read
	best PastVersion
}

// by looks at what a version replaced that stays out, and goes on with those of these that stay out as well. id
// is that of the delta that wrote it, if it is known.
func (r *replaced) by(ctx context.Context, path string, v version, id string) error {
	ids := []string{id}
	if id == "" {
		var err error
		if ids, err = r.m.wroteIt(r.m.cfg.Store, keyOf(path, v).String()); err != nil {
			return err
		}
	}
	for _, id := range ids {
		c, err := cidOf(id)
		if err != nil || r.seen[id] || len(r.seen) == maxReplaced {
			continue
		}
		r.seen[id] = true
		if err := r.in(ctx, path, c); err != nil {
			return err
		}
	}
	return nil
}

// in looks at what a delta deleted of a path. A delta that is not here any more tells nothing.
func (r *replaced) in(ctx context.Context, path string, c cid.Cid) error {
	msg, _, err := r.m.readDelta(ctx, c)
	if err != nil {
		return err
	}
	for _, t := range msg.GetTombstones() {
		of, v, ours, err := parseKey(t.GetKey())
		if err != nil || !ours || of != path {
			continue
		}
		if r.snap.staysOut(v) {
			if err := r.by(ctx, path, v, t.GetId()); err != nil {
				return err
			}
			continue
		}
		from, err := cidOf(t.GetId())
		if err != nil || r.best.from.Defined() && v.less(r.best.version) {
			continue
		}
		found, err := r.m.Recall(ctx, PastVersion{version: v, key: t.GetKey(), from: from})
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		r.best = found
	}
	return nil
}

// expel deletes one version that stays out. Whoever else did so was faster.
func (m *Map) expel(batch ds.Batch, snap *snapshot, op Op) error {
	if _, alive := snap.valueOf(op.Path, *op.out); !alive || !snap.staysOut(*op.out) {
		return nil
	}
	if err := batch.Delete(m.ctx, keyOf(op.Path, *op.out)); err != nil {
		return err
	}
	snap.remove(op.Path, *op.out)
	return nil
}
