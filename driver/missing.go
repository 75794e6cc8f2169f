package driver

import (
	"sync"
	"time"

	"github.com/ipfs/go-cid"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/sweep"
)

// blobCounts are of the blobs that have a path.
type blobCounts struct {
	missing   int   // whose bytes are not here
	pending   int   // of these, those that this registry is to keep
	kept      int   // that this registry is to keep, and has
	keptBytes int64 // of these

	cached      int   // that it is not to keep, and has; no manifests, which all keep
	cachedBytes int64 // of these
}

// countBlobs counts the blobs that have a path. Its cost grows with the number of paths.
func (s *store) countBlobs(view pathmap.View) (n blobCounts) {
	seen, manifests := cid.NewSet(), sweep.Manifests(view)
	view.Under("/", func(path string, e pathmap.Entry) bool {
		if !isBlobData(path) || !seen.Visit(e.CID) {
			return true
		}
		here, keeps := s.blobs.Has(e.CID), s.engine.Copies.Keeps(e.CID)
		switch {
		case here && keeps:
			n.kept++
			n.keptBytes += e.Size
		case keeps:
			n.pending++
		case here && !manifests.Has(e.CID):
			n.cached++
			n.cachedBytes += e.Size
		}
		if !here {
			n.missing++
		}
		return true
	})
	return n
}

// blobState is the state on which those numbers depend: it changes with every path, with every
// blob that comes or goes, and with the members.
type blobState struct {
	digest string
	here   int
	bytes  int64
	view   int // of the members that keep blobs
}

func (s *store) blobState(view pathmap.View) blobState {
	here, bytes := s.blobs.Usage()
	return blobState{digest: view.Digest(), here: here, bytes: bytes, view: s.engine.Copies.State().View}
}

// counted keeps the numbers of blobs for callers that ask often.
type counted struct {
	mu    sync.Mutex
	of    blobState
	n     blobCounts
	after time.Time // not counted again before
}

// recent counts anew when something changed, but spends no more than a tenth of the time on
// counting; until then it returns the numbers counted last.
func (m *counted) recent(state blobState, count func() blobCounts) blobCounts {
	m.mu.Lock()
	defer m.mu.Unlock()
	if state == m.of || time.Now().Before(m.after) {
		return m.n
	}
	began := time.Now()
	m.n, m.of = count(), state
	m.after = time.Now().Add(9 * time.Since(began))
	return m.n
}
