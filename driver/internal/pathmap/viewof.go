package pathmap

import "iter"

// Version is one live version of a path, as a datastore has it.
type Version struct {
	Path    string
	Counter uint64
	Writer  string // peer ID, and an incarnation after a dot
	Value   []byte // of Entry.Marshal
}

// ViewOf is the view of a map with those versions and no others: what a room decides on a
// view can so be tested, measured and simulated without a datastore.
func ViewOf(versions iter.Seq[Version]) View {
	snap := newSnapshot()
	for v := range versions {
		snap.set(v.Path, version{v.Counter, v.Writer}, v.Value)
	}
	snap.sift()
	return View{snap}
}
