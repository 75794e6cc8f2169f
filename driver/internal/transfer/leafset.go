package transfer

import "math/bits"

// leafSet is a set of leaves of a blob, in the form in which members tell each other what
// they have: leaf i is bit i%8 of byte i/8, the lowest bit first. Leaves beyond its end are
// not in it.
type leafSet []byte

func newLeafSet(leaves int) leafSet { return make(leafSet, (leaves+7)/8) }

func (s leafSet) has(i int) bool { return i >= 0 && i/8 < len(s) && s[i/8]&(1<<(i%8)) != 0 }

func (s leafSet) add(i int) { s[i/8] |= 1 << (i % 8) }

func (s leafSet) drop(i int) { s[i/8] &^= 1 << (i % 8) }

// merge adds the part of another set that fits.
func (s leafSet) merge(o leafSet) {
	for i := range min(len(s), len(o)) {
		s[i] |= o[i]
	}
}

// meets reports whether another set has a leaf of this one.
func (s leafSet) meets(o leafSet) bool {
	for i := range min(len(s), len(o)) {
		if s[i]&o[i] != 0 {
			return true
		}
	}
	return false
}

func (s leafSet) count() (n int) {
	for _, b := range s {
		n += bits.OnesCount8(b)
	}
	return n
}

// fullLeafSet is every leaf.
func fullLeafSet(leaves int) leafSet {
	s := newLeafSet(leaves)
	for i := range leaves {
		s.add(i)
	}
	return s
}
