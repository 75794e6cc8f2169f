package limit

import (
	"cmp"
	"slices"
)

// State is what one kind of thing is bounded by, and how much of it was refused.
type State struct {
	What    What
	Bounds  Bounds  // zero: it is not bounded in number
	Refused PerRank // since the start
}

// State is that of all kinds of things that are bounded in number, or of which some were refused,
// by name.
func (b *Budget) State() []State {
	of := map[What]State{}
	for what, bound := range b.bounds {
		of[what] = State{What: what, Bounds: bound.bounds}
	}
	for _, n := range b.Refused() {
		s := of[n.What]
		s.What, s.Refused[n.Rank] = n.What, int(n.Count)
		of[n.What] = s
	}
	all := make([]State, 0, len(of))
	for _, s := range of {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b State) int { return cmp.Compare(a.What, b.What) })
	return all
}
