package pathmap

// Op is one write of a path: an entry, or nil to delete it.
type Op struct {
	Path  string
	Entry *Entry
	Seen  *View // of a delete: it removes the versions of this view; nil: of when it is written

	UnlessAlive bool // of an entry: nothing is written where a version is alive
}

// splitOps counts the leading ops that fit one delta.
func splitOps(view View, ops []Op) int {
	size := 0
	for i, op := range ops {
		size += opCost(view, op)
		if size > deltaBudget && i > 0 {
			return i
		}
	}
	return len(ops)
}

// opCost is at least an op's bytes in a delta: a key and an entry to add, and a key to
// delete for every version that is alive. A delta must never reach maxDelta, because the
// other registries would refuse it.
func opCost(view View, op Op) int {
	cost := view.Versions(op.Path) * (len(op.Path) + 180)
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
