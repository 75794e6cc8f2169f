package driver

import (
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/ipfs/go-cid"
	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/story"
)

// maxDigests is how many digests are remembered by their CIDs.
const maxDigests = 4096

// digests remembers the digests of blobs that were transferred. Transfers know CIDs, and the path map
// leads from digests to them: the other way leads through all blobs of the map.
type digests struct {
	known *lru.Cache[cid.Cid, digest.Digest]

	mu    sync.Mutex
	after time.Time // the map is not searched again before
}

func newDigests() *digests {
	known, _ := lru.New[cid.Cid, digest.Digest](maxDigests) // fails for no size but 0
	return &digests{known: known}
}

// note remembers the digest of a path, if it is one of a blob.
func (d *digests) note(path string, c cid.Cid) {
	if of, ok := digestOf(path); ok {
		d.known.Add(c, of)
	}
}

// digestsOf finds the digests of the stories' blobs. At most one part in searchPart of the time is
// spent on searching the map for those that are not remembered: some may be lacking.
func (s *store) digestsOf(stories []story.Story) map[cid.Cid]digest.Digest {
	found, open := map[cid.Cid]digest.Digest{}, []dag.Ref{}
	for _, of := range stories {
		if d, ok := s.digests.known.Get(of.CID); ok {
			found[of.CID] = d
		} else if _, twice := found[of.CID]; !twice {
			found[of.CID] = ""
			open = append(open, dag.Ref{CID: of.CID, Size: of.Size})
		}
	}
	d := s.digests
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(open) == 0 || time.Now().Before(d.after) {
		return found
	}
	began := time.Now()
	for i, of := range newSearch(s, s.paths.View(), open, began).found {
		if of.Digest != "" {
			found[open[i].CID] = digest.Digest(of.Digest)
			d.known.Add(open[i].CID, digest.Digest(of.Digest))
		}
	}
	d.after = time.Now().Add(searchPart * time.Since(began))
	return found
}
