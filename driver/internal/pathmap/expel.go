package pathmap

import (
	"context"
	"fmt"

	ds "github.com/ipfs/go-datastore"
)

// What stays out is deleted for good by a change of one registry, so that no registry has to know for ever what
// stays out, nor to keep it. What it had replaced comes back with that, where it can be read: a version that
// is left out had its change delete those that it was written over.

// maxExpelled is of how many paths it is read at once what was replaced, and then written: so that what is done stays
// done, whatever follows.
const maxExpelled = 256

// Expel deletes all that stays out of the map, from all registries, but for revocations, which last. In its place
// it writes anew what that had replaced, where nothing else is alive. Unless it is to do so anyway, it leaves alone
// the paths of which it cannot read all that was replaced: another registry may.
func (m *Map) Expel(ctx context.Context, anyway bool) error {
	snap, from := m.current.Load(), ""
	for {
		some := snap.outFrom(from, maxExpelled)
		if len(some) == 0 {
			return nil
		}
		from = sortKey(some[len(some)-1].path) + "\x00"
		ops, err := m.expelling(ctx, snap, some, anyway)
		if err == nil {
			err = m.Write(ctx, ops...)
		}
		if err != nil {
			return fmt.Errorf("delete what was written after a revocation: %w", err)
		}
	}
}

// outAt is what stays out of a path.
type outAt struct {
	path string
	out  []stored
}

// outFrom are the first paths from a key on of which Expel deletes something, up to a limit.
func (s *snapshot) outFrom(from string, limit int) (some []outAt) {
	take := func(key string, p packed) bool {
		path := pathOf(key)
		if isRevocation(path) {
			return false
		}
		if isLasting(path) {
			return true
		}
		some = append(some, outAt{path, s.unpackAll(key, p)})
		return len(some) < limit
	}
	if s.out.Ascend(from, take); len(some) < limit {
		s.out.Ascend(max(from, past(sortKey(revocations))), take) // however many of these there are
	}
	return some
}

// expelling are the ops that bring back what was replaced at some paths, and that delete what stays out of them.
// They are in this order: whoever is killed between two has not deleted what tells of the rest.
func (m *Map) expelling(ctx context.Context, snap *snapshot, some []outAt, anyway bool) (ops []Op, err error) {
	r := newReplacing(m, snap)
	for _, o := range some {
		if len(snap.versionsOf(o.path)) > 0 {
			continue // nothing has to come back
		}
		for _, st := range o.out {
			if err := r.by(o.path, st.version); err != nil {
				return nil, err
			}
		}
	}
	if err := r.read(ctx); err != nil {
		return nil, err
	}
	for _, o := range some {
		was, whole, err := r.greatest(ctx, o.path)
		if err != nil {
			return nil, err
		}
		if !whole && !anyway {
			continue
		}
		if was != nil {
			ops = append(ops, *was)
			ops[len(ops)-1].out = &o.out[0].version
		}
		for i := range o.out {
			ops = append(ops, Op{Path: o.path, out: &o.out[i].version})
		}
	}
	return ops, nil
}

// expel deletes one version that stays out.
func (m *Map) expel(batch ds.Batch, snap *snapshot, op Op) error {
	if err := batch.Delete(m.ctx, keyOf(op.Path, *op.out)); err != nil {
		return err
	}
	snap.remove(op.Path, *op.out)
	return nil
}

// leavesOut reports whether a version is alive and stays out: if not, whoever else deleted it was faster, and has brought
// back what it had replaced.
func (s *snapshot) leavesOut(path string, v version) bool {
	_, alive := s.valueOf(path, v)
	return alive && s.staysOut(v)
}
