package transfer

// leafSet says which leaves of a blob are somewhere, as members tell each other:
// leaf i is bit i%8 of byte i/8, the lowest bit first. What is beyond its end is
// not in it.
type leafSet []byte

func newLeafSet(leaves int) leafSet { return make(leafSet, (leaves+7)/8) }

func (s leafSet) has(i int) bool { return i >= 0 && i/8 < len(s) && s[i/8]&(1<<(i%8)) != 0 }

func (s leafSet) add(i int) { s[i/8] |= 1 << (i % 8) }

// fullLeafSet is every leaf.
func fullLeafSet(leaves int) leafSet {
	s := newLeafSet(leaves)
	for i := range leaves {
		s.add(i)
	}
	return s
}
