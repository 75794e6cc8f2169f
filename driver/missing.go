package driver

import (
	"context"
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

// countBlobs counts the blobs that have a path, until ctx ends. Its cost grows with the number of
// paths, and with copies with that of the members: 4 s for 100,000 blobs and 200 members.
func (s *store) countBlobs(ctx context.Context, view pathmap.View) (n blobCounts) {
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
		return ctx.Err() == nil
	})
	return n
}

// blobState is the state on which those numbers depend: it changes with every path, with every
// blob that comes or goes, and with the members.
type blobState struct {
	digest string
	here   int
	bytes  int64
	moves  int64 // of blobs, also where their number stays the same
	view   int   // of the members that keep blobs
}

func (s *store) blobState(view pathmap.View) blobState {
	here, bytes := s.blobs.Usage()
	return blobState{digest: view.Digest(), here: here, bytes: bytes, moves: s.blobs.Moves(), view: s.engine.Copies.State().View}
}

// blobCounts are the numbers of now, or of a short while ago.
func (s *store) blobCounts(view pathmap.View) (blobCounts, *time.Time) {
	return s.counted.recent(s.blobState(view), func(ctx context.Context) blobCounts { return s.countBlobs(ctx, view) })
}

const (
	countWait = 200 * time.Millisecond // for which callers wait for new numbers
	countFree = 100 * time.Millisecond // numbers that take no longer are counted for each caller
	countRest = 19                     // what takes longer is followed by a rest of so many times as long
)

// counted keeps the numbers of blobs for callers that ask often. They are counted in the
// background. It is ready to use.
type counted struct {
	mu      sync.Mutex
	of      blobState
	n       blobCounts
	at      *time.Time // when n was counted; nil: never
	slow    bool       // that took long
	after   time.Time  // not counted again before
	running *counting  // nil: nothing is being counted
	closed  bool
	wg      sync.WaitGroup
}

// counting is one count that is under way.
type counting struct {
	ended chan struct{}
	stop  context.CancelFunc
}

// recent counts anew, and waits for that for a moment. When counting takes long it returns the
// numbers counted last, counts only when something changed, and for no more than a twentieth of
// the time.
func (m *counted) recent(state blobState, count func(context.Context) blobCounts) (blobCounts, *time.Time) {
	patience := time.NewTimer(countWait)
	defer patience.Stop()
	for begun := false; ; {
		ended, began := m.begin(state, !begun, count)
		if begun = begun || began; ended != nil {
			select {
			case <-ended: // it may have been a count of what was before
				continue
			case <-patience.C:
			}
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.n, m.at
	}
}

// begin gives what tells that the count that is under way has ended, and whether it began now,
// as it does if one is wanted and it may. It gives nil when there is nothing to wait for.
func (m *counted) begin(state blobState, wanted bool, count func(context.Context) blobCounts) (ended chan struct{}, began bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed, m.slow && state == m.of, !wanted:
		return nil, false
	case m.running != nil:
		return m.running.ended, false
	case time.Now().Before(m.after):
		return nil, false
	}
	ctx, stop := context.WithCancel(context.Background())
	m.running = &counting{make(chan struct{}), stop}
	m.wg.Go(func() { m.count(ctx, state, count) })
	return m.running.ended, true
}

func (m *counted) count(ctx context.Context, state blobState, count func(context.Context) blobCounts) {
	began := time.Now()
	n := count(ctx)
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() == nil {
		m.n, m.of, m.at = n, state, &now
	}
	if m.slow = now.Sub(began) > countFree; m.slow {
		m.after = now.Add(countRest * now.Sub(began))
	}
	m.running.stop()
	close(m.running.ended)
	m.running = nil
}

// close ends counting.
func (m *counted) close() {
	m.mu.Lock()
	m.closed = true
	if m.running != nil {
		m.running.stop()
	}
	m.mu.Unlock()
	m.wg.Wait()
}
