package lease

import "iter"

// Manifest is a live manifest whose newest version a writer made.
type Manifest struct {
	Writer  string
	Counter uint64
	Refs    []Ref
}

// Ref is an entry that a manifest refers to.
type Ref struct {
	Path  string
	Alive bool // it has an entry
	Here  bool // its bytes are here
}

// Missing gives the paths that have to be written anew, because a collection that did not
// wait for their manifest's writer deleted them. forgotten is, for each writer, the least
// counter among what such collections had merged of it. It is for use after the reliances
// that began before the deletes were merged have ended: these may rely on what was deleted.
func Missing(forgotten map[string]uint64, manifests iter.Seq[Manifest]) iter.Seq[string] {
	return func(yield func(string) bool) {
		for m := range manifests {
			seen, ok := forgotten[m.Writer]
			if !ok || m.Counter <= seen {
				continue
			}
			for _, r := range m.Refs {
				if !r.Alive && r.Here && !yield(r.Path) {
					return
				}
			}
		}
	}
}
