package transfer

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

func cidOf(t *testing.T, name string) cid.Cid {
	t.Helper()
	mh, err := multihash.Sum([]byte(name), multihash.SHA2_256, -1)
	require.NoError(t, err)
	return cid.NewCidV1(cid.Raw, mh)
}

func TestAGrudgeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lasts := timingFor(time.Minute).grudge
		g := newGrudges(lasts)
		g.add("liar", cidOf(t, "a"))
		time.Sleep(lasts)
		require.True(t, g.holds("liar", cidOf(t, "a")))
		require.False(t, g.holds("liar", cidOf(t, "b")), "of another blob")
		require.False(t, g.holds("other", cidOf(t, "a")))
		time.Sleep(time.Nanosecond)
		require.False(t, g.holds("liar", cidOf(t, "a")))
		g.add("liar", cidOf(t, "b"))
		require.Len(t, g.since, 1, "one that ended is kept")
	})
}

// TestABlobIsWarnedOfOnceAnHour, and anew when it was here in between.
func TestABlobIsWarnedOfOnceAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, err := newOutcomes()
		require.NoError(t, err)
		fails := func() bool { return o.note(cidOf(t, "a"), ResultUnavailable, false) }
		require.False(t, o.note(cidOf(t, "a"), ResultUnavailable, true), "nobody waited for it")
		for range 3 {
			require.True(t, fails())
			for range 59 {
				time.Sleep(warnedTime / 60)
				require.False(t, fails())
			}
			time.Sleep(warnedTime / 60)
		}
		require.True(t, fails())
		require.True(t, o.note(cidOf(t, "b"), ResultFailed, false), "another")
		require.False(t, o.note(cidOf(t, "a"), ResultWhole, false))
		require.True(t, fails())
	})
}

// TestAnswersAreForgotten when they are too old; until then they are given to others.
func TestAnswersAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := idle(t)
		known := func() int {
			x.questions.mu.Lock()
			defer x.questions.mu.Unlock()
			return len(x.questions.known)
		}
		for size := range int64(100) {
			_, err := x.Holders(t.Context(), dag.Ref{CID: cidOf(t, "a"), Size: size})
			require.NoError(t, err)
		}
		ref := dag.Ref{CID: cidOf(t, "a")}
		q := x.questions.ask(ref, rememberFor, false)
		synctest.Wait()
		time.Sleep(rememberFor - 1)
		require.Same(t, q, x.questions.ask(ref, rememberFor, false))
		require.Equal(t, 100, known())
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.Zero(t, known())
		require.NotSame(t, q, x.questions.ask(ref, rememberFor, false))
		q = x.questions.ask(ref, rememberFor, false)
		synctest.Wait()
		require.NotSame(t, q, x.questions.ask(ref, 0, false), "who wants to know now is given an old answer")
		time.Sleep(rememberFor)
	})
}

// TestDoubtsOfOneMemberAreFew: a burst, and then one every few seconds; others are heard.
func TestDoubtsOfOneMemberAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoubts()
		doubts := func(from peer.ID) (taken int) {
			for d.take(from, suspect{rawCID(t), taken}) {
				d.done(<-d.queue)
				taken++
			}
			return taken
		}
		require.Equal(t, doubtBurst, doubts("liar"))
		for range 5 {
			time.Sleep(doubtEvery - time.Second)
			require.Zero(t, doubts("liar"))
			time.Sleep(time.Second)
			require.Equal(t, 1, doubts("liar"))
		}
		require.Equal(t, doubtBurst, doubts("other"))
		time.Sleep(time.Hour)
		require.Equal(t, doubtBurst, doubts("liar"))
	})
}
