package survey

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/ipfs/go-cid"
)

// known is how many copies there are of each blob of a disk: the end of its sum, and in the lowest
// byte their number. Of a million blobs one in ten billion is taken for another.
type known []uint64

const copiesBits = 8

func (k *known) add(c cid.Cid, copies int) {
	*k = append(*k, printOf(c)|uint64(min(copies, math.MaxUint8)))
}

// order sorts them, after all were added.
func (k known) order() { slices.Sort(k) }

func (k known) of(c cid.Cid) int {
	sum := printOf(c)
	at, _ := slices.BinarySearch(k, sum)
	if at == len(k) || k[at]>>copiesBits != sum>>copiesBits {
		return 0
	}
	return int(k[at] & math.MaxUint8)
}

func printOf(c cid.Cid) uint64 {
	key := c.KeyString()
	var end [8]byte
	copy(end[:], key[max(0, len(key)-len(end)):])
	return binary.BigEndian.Uint64(end[:]) &^ math.MaxUint8
}
