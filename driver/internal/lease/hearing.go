package lease

import (
	"iter"
	"maps"
	"slices"
	"time"
)

// Hearing is that a member was heard to the end: asked at a moment, it let its versions up to
// a counter lapse, waited for the reliances that had begun before, and named heads, all of
// which are merged here. It holds for this run of the registry that asked, no longer.
type Hearing struct {
	Asked   Moment // before the question went out
	Counter uint64
}

// Known gives whom a collector has to hear: itself, the trusted members that are not
// forgotten, and whoever ever wrote to the map. writers has the greatest counter that was
// merged of each writer; forgotten has what that was when a writer was forgotten: it is
// forgotten until it is a member again, or something newer of it is merged.
func Known(self string, members []string, writers, forgotten map[string]uint64) []string {
	all := map[string]bool{self: true}
	for _, id := range members {
		all[id] = true
	}
	for id, counter := range writers {
		if at, ok := forgotten[id]; !ok || counter > at {
			all[id] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// BytesMayGo reports whether a blob's bytes may be deleted here, given the last moment at
// which an entry or a live manifest named them, or a request, of a client or a member, read
// them or asked whether they are here. A registry that starts takes its start for that
// moment. The caller still sees that nothing pins or names them, with the lock of the blob
// held.
func BytesMayGo(last, now Moment, grace time.Duration, known iter.Seq[string], heard map[string]Hearing) bool {
	if now.Sub(last) < grace/4 {
		return false
	}
	for id := range known {
		if h, ok := heard[id]; !ok || h.Asked <= last {
			return false
		}
	}
	return true
}

// Unheard gives the writers that a collection does not wait for, each with how much of it had
// been merged. The collection records them beside its deletes (rule 5), so it calls this, with
// the same known, before it takes its second view: what a writer hands on after that, the
// collection has not seen. Here merged must not be ahead of that view.
func Unheard(known []string, merged map[string]uint64) map[string]uint64 {
	unheard := maps.Clone(merged)
	for _, id := range known {
		delete(unheard, id)
	}
	return unheard
}
