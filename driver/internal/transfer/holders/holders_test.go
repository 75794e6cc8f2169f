package holders

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multihash"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

const grace = 250 * time.Millisecond

// alone makes the Directory of a registry without members, for a bubble of testing/synctest.
func alone(t *testing.T) *Directory {
	t.Helper()
	x := New(t.Context(), Config{
		Connected: func() []peer.ID { return nil }, Trusts: func(id peer.ID) bool { return id != "liar" }, Ask: 2 * time.Second, Grace: grace, Grudge: time.Minute,
	})
	t.Cleanup(x.Close)
	return x
}

func cidOf(t *testing.T, name string) cid.Cid {
	t.Helper()
	mh, err := multihash.Sum([]byte(name), multihash.SHA2_256, -1)
	require.NoError(t, err)
	return cid.NewCidV1(cid.Raw, mh)
}

func TestAGrudgeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lasts := time.Minute
		g := newGrudges(lasts)
		g.add("liar", cidOf(t, "a"))
		time.Sleep(lasts)
		require.True(t, g.holds("liar", cidOf(t, "a")))
		require.False(t, g.holds("liar", cidOf(t, "b")), "of another blob")
		require.False(t, g.holds("other", cidOf(t, "a")))
		time.Sleep(time.Nanosecond)
		require.False(t, g.holds("liar", cidOf(t, "a")))
		g.add("liar", cidOf(t, "b"))
		require.Len(t, g.since, 1, "a grudge that ended is kept")
	})
}

// TestAnswersAreForgotten shows that answers are forgotten when they are too old, and that others
// who ask get them until then.
func TestAnswersAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := alone(t)
		known := func() int {
			x.mu.Lock()
			defer x.mu.Unlock()
			return len(x.known)
		}
		for size := range int64(100) {
			_, err := x.Whole(t.Context(), dag.Ref{CID: cidOf(t, "a"), Size: size})
			require.NoError(t, err)
		}
		ref := dag.Ref{CID: cidOf(t, "a")}
		q := x.Ask(ref, RememberFor, false)
		synctest.Wait()
		time.Sleep(RememberFor - 1)
		require.Same(t, q, x.Ask(ref, RememberFor, false))
		require.Equal(t, 100, known())
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.Zero(t, known())
		require.NotSame(t, q, x.Ask(ref, RememberFor, false))
		q = x.Ask(ref, RememberFor, false)
		synctest.Wait()
		require.NotSame(t, q, x.Ask(ref, 0, false), "a caller that accepts no old answer got one")
		q = x.Ask(ref, 0, false)
		require.NotSame(t, q, x.askAnew(ref), "a question that had begun")
		time.Sleep(RememberFor)
	})
}

// TestWhoWaitsForHolders shows how long a caller waits: only a moment for the other answers once a
// member has said that it holds the blob, and otherwise until all members have answered or run out
// of time.
func TestWhoWaitsForHolders(t *testing.T) {
	for name, c := range map[string]struct {
		holds time.Duration // when a member says that it holds the blob
		want  time.Duration
	}{
		"one holds it":            {time.Second, time.Second + grace},
		"it says so near the end": {time.Minute - 1, time.Minute},
		"nobody holds it":         {time.Hour, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := alone(t)
				q := newQuestion(nil, false)
				defer time.AfterFunc(time.Millisecond, func() { q.note("other", false, nil, nil) }).Stop()
				defer time.AfterFunc(c.holds, func() { q.note("holder", true, nil, nil) }).Stop()
				defer time.AfterFunc(time.Minute, func() { close(q.done) }).Stop()
				began := time.Now()
				require.NoError(t, x.await(t.Context(), dag.Ref{CID: cidOf(t, "a"), Size: 1}, q))
				require.Equal(t, c.want, time.Since(began))
			})
		})
	}
}
