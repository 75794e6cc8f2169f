package pathmap

import ds "github.com/ipfs/go-datastore"

// Op is one write of a path: an entry, or nil to delete it.
type Op struct {
	Path  string
	Entry *Entry
	Seen  *View // of a delete: it removes the versions of this view; nil: of when it is written

	UnlessAlive bool // of an entry: nothing is written where a version is alive

	out *version // nothing is written unless that one is alive and stays out; a delete removes that one alone

	// Beside is what another owner of the datastore writes in the same transaction, up to
	// besideBudget; a nil value deletes. It is no part of the delta. OnDisk, unless it is nil,
	// is called when all of that is on disk, and before anybody can hear of the op. It must not
	// wait.
	Beside map[ds.Key][]byte
	OnDisk func()
}

// splitOps counts the leading ops that fit one delta.
func splitOps(view View, ops []Op) int {
	size, beside := 0, 0
	for i, op := range ops {
		size, beside = size+opCost(view, op), beside+op.beside()
		if (size > deltaBudget || beside > besideBudget) && i > 0 {
			return i
		}
	}
	return len(ops)
}

// opCost is at least an op's bytes in a delta: a key and an entry to add, and a key to
// delete for every version that is alive. A delta must never reach maxDelta, because the
// other registries would refuse it.
func opCost(view View, op Op) int {
	versions := view.Versions(op.Path)
	if op.out != nil {
		versions = 1
	}
	cost := versions * (len(op.Path) + 180)
	if op.Entry != nil {
		cost += len(op.Path) + 360
	}
	return cost
}

func (r *writeRequest) cost(view View) int {
	size := 0
	for _, op := range r.ops {
		size += opCost(view, op)
	}
	return size
}
