package blob

// bitmap is one bit a leaf, as it lies in its file: leaf 0 is the lowest bit of
// the first byte.
type bitmap []byte

func newBitmap(n int) bitmap { return make(bitmap, (n+7)/8) }

func (b bitmap) has(i int) bool { return b[i/8]&(1<<(i%8)) != 0 }
func (b bitmap) set(i int)      { b[i/8] |= 1 << (i % 8) }
func (b bitmap) clear(i int)    { b[i/8] &^= 1 << (i % 8) }

// firstAbsent is the first i in [from, to) that is in neither a nor b.
func firstAbsent(a, b bitmap, from, to int) (int, bool) {
	for i := from; i < to; {
		if i%8 == 0 && a[i/8]|b[i/8] == 0xff {
			i += 8
			continue
		}
		if !a.has(i) && !b.has(i) {
			return i, true
		}
		i++
	}
	return 0, false
}
