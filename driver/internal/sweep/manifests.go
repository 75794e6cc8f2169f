package sweep

import (
	"github.com/ipfs/go-cid"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// BlobSet is a set of blobs, in few bytes each: of 2^64 blobs that are not in it, it takes one for
// each that is.
type BlobSet map[uint64]struct{}

// Has reports whether a blob is in the set.
func (s BlobSet) Has(c cid.Cid) bool {
	_, ok := s[printOf(c)]
	return ok
}

func printOf(c cid.Cid) (p uint64) {
	key := c.KeyString()
	for i := range min(8, len(key)) {
		p = p<<8 | uint64(key[len(key)-1-i])
	}
	return p
}

// Manifests are the blobs that are manifests: all registries keep them, and nothing is known
// of an image without them.
func Manifests(view pathmap.View) BlobSet {
	all := BlobSet{}
	view.Under(ocipath.Repositories, func(path string, _ pathmap.Entry) bool {
		if p := ocipath.Parse(path); p.Kind == ocipath.Revision && p.Digest != "" {
			if e, err := view.Get(ocipath.BlobData(p.Root, p.Digest)); err == nil {
				all[printOf(e.CID)] = struct{}{}
			}
		}
		return true
	})
	return all
}
