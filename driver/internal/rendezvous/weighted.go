package rendezvous

import (
	"math/bits"

	"github.com/cespare/xxhash/v2"
)

// Lot is what a member draws for a key: -log2 of a number between 0 and 1 that is as good as
// random, in units of 2^-lotBits, and at least 1. Divided by the member's weight, the least
// comes first. So each member comes first for a share of the keys that is its share of the
// weights, and a weight that changes moves keys only to or from its member: the logarithmic
// method of C. Schindelhauer and G. Schomaker, "Weighted Distributed Hash Tables", SPAA 2005.
//
// All machines agree to the last bit, since all of it is arithmetic of integers: those with
// and without fused multiply-add would round floating-point numbers differently.
type Lot uint64

const (
	lotBits = 56 // of a lot's fraction
	steps   = 8  // of these bits choose an interval of the logarithm's table
)

// Draw is the member's lot for a key. No member's name may be the beginning of another's:
// peer IDs are not. The hash is XXH64 of the name and the key, one behind the other.
func Draw[M ~string](m M, key string) Lot {
	var buf [128]byte
	return lot(xxhash.Sum64(append(append(buf[:0], m...), key...)))
}

// Before reports whether a lot of one weight comes before another lot of another weight,
// exactly. Weights are greater than 0.
func (l Lot) Before(weight uint64, other Lot, itsWeight uint64) bool {
	hi, lo := bits.Mul64(uint64(l), itsWeight)
	otherHi, otherLo := bits.Mul64(uint64(other), weight)
	return hi < otherHi || hi == otherHi && lo < otherLo
}

// lot is -log2(h / 2^64). Between the points of the table it is a straight line, which is off
// by at most 3 millionths, and by a thousandth of itself.
func lot(h uint64) Lot {
	h |= 1
	whole := bits.LeadingZeros64(h)
	fraction := h << whole << 1
	i, rest := fraction>>(64-steps), fraction<<steps
	down, _ := bits.Mul64(rest, table[i]-table[i+1])
	return Lot(uint64(whole)<<lotBits + table[i] - down)
}

// table is 1 - log2(1 + i/2^steps).
var table = func() (t [1<<steps + 1]uint64) {
	for i := range t {
		t[i] = 1<<lotBits - log2(uint64(i)<<(63-steps))
	}
	return t
}()

// log2 is the logarithm of 1 + f/2^63, found bit by bit: squaring a number doubles its
// logarithm, and a square of 2 or more means that the next bit is set.
func log2(f uint64) (l uint64) {
	if f == 1<<63 {
		return 1 << lotBits
	}
	for x, bit := f|1<<63, uint64(1)<<(lotBits-1); bit > 0; bit >>= 1 {
		hi, lo := bits.Mul64(x, x)
		if hi>>63 == 1 {
			l |= bit
			x = hi
		} else {
			x = hi<<1 | lo>>63
		}
	}
	return l
}
