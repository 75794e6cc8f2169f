package transfer

import (
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// asked notes what a registry is asked for, and lets requests for bytes wait for open, if that
// is not nil.
type asked struct {
	mu     sync.Mutex
	heads  int
	ranges map[string][]string // by CID
}

func (r *registry) noteAsked(open <-chan struct{}) *asked {
	a := &asked{ranges: map[string][]string{}}
	serve := r.transfers.server.Handler
	r.transfers.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		a.note(q)
		if q.Method == http.MethodGet && open != nil {
			<-open
		}
		serve.ServeHTTP(w, q)
	})
	return a
}

func (a *asked) note(q *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if q.Method == http.MethodHead {
		a.heads++
		return
	}
	c := q.URL.Path[len("/v1/blobs/"):]
	a.ranges[c] = append(a.ranges[c], q.Header.Get("Range"))
}

func (a *asked) of(ref dag.Ref) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.ranges[ref.CID.String()])
}

// looksOnce does not look again at who could be asked while a test runs.
func looksOnce(r *registry) { r.timing.Retry, r.timing.Hedge, r.timing.Silence = never, never, never }

// servedBy has a registry pull blobs of another one until that counts as the one that served
// last. It is noted a moment after a reader has the bytes; on a busy machine a blob may come by
// bitswap, for which nobody is noted.
func (r *registry) servedBy(by *registry, seed int64) {
	r.t.Helper()
	noted := func() bool { return r.transfers.holders.Last() == by.id }
	for i := range int64(20) {
		content := random(seed+i<<32, 50_000)
		r.requirePull(by.push(content), content)
		for range 100 {
			if noted() {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	require.True(r.t, noted(), "it is not noted who served the blobs")
}

// TestASmallBlobTakesOneRequest: whoever likely has it is asked for its bytes at once, and
// nobody whether it has it.
func TestASmallBlobTakesOneRequest(t *testing.T) {
	var town town
	a, b := town.registry(t), town.registry(t, looksOnce)
	got := a.noteAsked(nil)
	for i := range int64(5) {
		content := random(200+i, 50_000)
		ref := a.push(content)
		b.requirePull(ref, content)
		require.Equal(t, []string{"bytes=0-49999"}, got.of(ref))
	}
	require.Zero(t, got.heads)
}

// TestOthersAreAskedForASmallBlobAtOnce when whoever likely has it does not.
func TestOthersAreAskedForASmallBlobAtOnce(t *testing.T) {
	var town town
	a, b, c := town.registry(t), town.registry(t, looksOnce), town.registry(t)
	b.servedBy(a, 210)
	content := random(211, 50_000)
	b.requirePull(c.push(content), content)
}

// TestSmallBlobsThatAreFetchedAtOnceAreNotDivided: one that is alone comes over several
// connections, which take fewer round trips to find their speed.
func TestSmallBlobsThatAreFetchedAtOnceAreNotDivided(t *testing.T) {
	var town town
	a, b := town.registry(t), town.registry(t, looksOnce)
	open := make(chan struct{})
	got := a.noteAsked(open)
	var readers sync.WaitGroup
	t.Cleanup(readers.Wait)
	release := sync.OnceFunc(func() { close(open) })
	t.Cleanup(release)
	var refs []dag.Ref
	for i := range int64(7) {
		content := random(220+i, mib)
		ref := a.push(content)
		refs = append(refs, ref)
		readers.Go(func() { b.requirePull(ref, content) })
		eventually(t, func() bool { return len(got.of(ref)) > 0 }, "a blob has no connection")
	}
	release()
	readers.Wait()
	require.Greater(t, len(got.of(refs[0])), 1)
	for _, ref := range refs[1:] {
		require.Equal(t, []string{"bytes=0-1048575"}, got.of(ref))
	}
}

// TestASmallBlobComesFromAnother when whoever likely has it takes the request and says nothing.
func TestASmallBlobComesFromAnother(t *testing.T) {
	for _, size := range []int{200, 65_536, 65_537} {
		var town town
		a, b, c := town.registry(t), town.registry(t), town.registry(t, func(r *registry) { r.timing.Silence, r.timing.Slow = never, never })
		c.servedBy(a, 230)
		content := random(231, size)
		ref := a.push(content)
		require.Equal(t, ref, b.push(content))
		a.holdBack(0)
		c.requirePull(ref, content)
	}
}
