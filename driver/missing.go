package driver

import (
	"sync"
	"time"

	"github.com/ipfs/go-cid"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// countMissing counts the blobs that have a path and whose bytes are not here. Its
// cost grows with the number of paths.
func (s *store) countMissing(view pathmap.View) int {
	seen := cid.NewSet()
	n := 0
	view.Under("/", func(path string, e pathmap.Entry) bool {
		if isBlobData(path) && seen.Visit(e.CID) && !s.blobs.Has(e.CID) {
			n++
		}
		return true
	})
	return n
}

// blobState is the state on which the number of missing blobs depends: it changes with
// every path, and with every blob that comes or goes.
type blobState struct {
	digest string
	here   int
	bytes  int64
}

func (s *store) blobState(view pathmap.View) blobState {
	here, bytes := s.blobs.Usage()
	return blobState{digest: view.Digest(), here: here, bytes: bytes}
}

// missingBlobs keeps the number of missing blobs for callers that ask often.
type missingBlobs struct {
	mu    sync.Mutex
	of    blobState
	n     int
	after time.Time // not counted again before
}

// recent counts anew when something changed, but spends no more than a tenth of the time on
// counting; until then it returns the number counted last.
func (m *missingBlobs) recent(state blobState, count func() int) int {
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
