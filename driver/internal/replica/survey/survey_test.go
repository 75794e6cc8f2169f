package survey

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multihash"
	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer"
)

// world is a registry with blobs, and what others have of them.
type world struct {
	refs    []dag.Ref
	members []peer.ID
	keepers func(i int) []peer.ID
	has     func(id peer.ID, i int) transfer.Copy
	mute    map[peer.ID]bool
	blobs   atomic.Int64 // of the state

	index     map[cid.Cid]int
	mu        sync.Mutex // of what was asked
	questions map[peer.ID]int
	asked     int // CIDs
}

const self = peer.ID("self")

func newWorld(blobs, members int) *world {
	w := &world{mute: map[peer.ID]bool{}, index: map[cid.Cid]int{}, questions: map[peer.ID]int{}}
	for i := range blobs {
		mh, _ := multihash.Sum(fmt.Append(nil, i), multihash.SHA2_256, -1)
		w.refs = append(w.refs, dag.Ref{CID: cid.NewCidV1(cid.Raw, mh), Size: 10})
	}
	slices.SortFunc(w.refs, func(a, b dag.Ref) int { return slices.Compare(a.CID.Bytes(), b.CID.Bytes()) })
	for i, ref := range w.refs {
		w.index[ref.CID] = i
	}
	for i := range members {
		w.members = append(w.members, peer.ID(fmt.Sprintf("member %03d", i)))
	}
	return w
}

func (w *world) config(t *testing.T) Config {
	logger, _ := test.NewNullLogger()
	return Config{
		Self: self, Log: logrus.NewEntry(logger),
		Blobs: func(_ context.Context, after cid.Cid) iter.Seq2[dag.Ref, error] {
			from := 0
			if after.Defined() {
				from = w.index[after] + 1
			}
			return func(yield func(dag.Ref, error) bool) {
				for _, ref := range w.refs[from:] {
					if !yield(ref, nil) {
						return
					}
				}
			}
		},
		Keepers: func(dst []peer.ID, c cid.Cid) []peer.ID { return append(dst, w.keepers(w.index[c])...) },
		Kept:    func(c cid.Cid) bool { return slices.Contains(w.keepers(w.index[c]), self) },
		Members: func() []peer.ID { return w.members },
		Ask: func(_ context.Context, id peer.ID, blobs []cid.Cid) (all []transfer.Copy, err error) {
			require.LessOrEqual(t, len(blobs), transfer.MaxCopies)
			w.mu.Lock()
			w.questions[id]++
			w.asked += len(blobs)
			w.mu.Unlock()
			if w.mute[id] {
				return nil, errors.New("no answer")
			}
			for _, c := range blobs {
				all = append(all, w.has(id, w.index[c]))
			}
			return all, nil
		},
		State: func() State { return State{Blobs: int(w.blobs.Load())} },
	}
}

// survey makes one round in no time.
func (w *world) round(t *testing.T) round {
	t.Helper()
	r := round{cfg: w.config(t), pause: func(time.Duration) bool { return true }}
	require.NoError(t, r.run(t.Context()))
	return r
}

func (w *world) all() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, q := range w.questions {
		n += q
	}
	return n
}

var (
	nothing = transfer.Copy{}
	cached  = transfer.Copy{Whole: true}
	kept    = transfer.Copy{Whole: true, Kept: true}
)

// TestWhatIsNotSafe: with a keeper each beside this registry, some of whom have not got their
// copies yet, some copies that are cache, and a member that says nothing.
func TestWhatIsNotSafe(t *testing.T) {
	w := newWorld(100, 4)
	w.mute[w.members[3]] = true
	w.keepers = func(i int) []peer.ID { return []peer.ID{self, w.members[i%4]} }
	w.has = func(id peer.ID, i int) transfer.Copy {
		switch {
		case i < 40 && id == w.members[i%4]:
			return kept
		case i >= 40 && i < 80 && id == w.members[(i+1)%3]:
			return cached // and who keeps it lacks it, or says nothing
		}
		return nothing
	}
	r := w.round(t)
	require.Equal(t, Sum{10 + 20, 300}, r.result.OnlyHere) // ten of them the silent one may have
	require.Equal(t, Sum{10 + 60, 700}, r.result.Few)
	for i, ref := range w.refs {
		copies := 1
		if i < 40 && i%4 != 3 || i >= 40 && i < 80 {
			copies = 2
		}
		require.Equal(t, copies, r.result.Copies(ref.CID), "%d", i)
	}
	require.Zero(t, r.result.Copies(dag.SHA2.LeafCID(make([]byte, dag.SumSize)))+Result{}.Copies(w.refs[0].CID), "of what is not on this disk")
	require.Len(t, r.silent, 1)
	require.Equal(t, 1, w.questions[w.members[3]], "it is not asked again")
}

// TestWithoutReplicas nobody is a keeper, and all are asked until somebody has it.
func TestWithoutReplicas(t *testing.T) {
	w := newWorld(2500, 3)
	w.keepers = func(int) []peer.ID { return nil }
	w.has = func(id peer.ID, i int) transfer.Copy {
		if i%10 != 0 && id == w.members[i%2] {
			return kept
		}
		return nothing
	}
	r := w.round(t)
	require.Equal(t, Sum{250, 2500}, r.result.OnlyHere)
	require.Zero(t, r.result.Few)
	require.Equal(t, 2500+1500+250, w.asked)
}

// TestTheCostOfASurvey of many blobs with two keepers each among 200 members is what the
// package comment says, in proportion.
func TestTheCostOfASurvey(t *testing.T) {
	const blobs, members = 50_000, 199
	w := newWorld(blobs, members)
	w.keepers = func(i int) []peer.ID { return []peer.ID{self, w.members[i%members]} }
	w.has = func(peer.ID, int) transfer.Copy { return kept }
	r := w.round(t)
	require.Zero(t, r.result.OnlyHere)
	require.Zero(t, r.result.Few)
	require.Equal(t, blobs, w.asked)
	require.Equal(t, 3*members, w.all()) // for three batches
}

// TestRegistriesBeginElsewhere, and ask all.
func TestRegistriesBeginElsewhere(t *testing.T) {
	members := []peer.ID{"c", "a", "e"}
	require.Equal(t, []peer.ID{"c", "e", "a"}, inTurn("b", members))
	require.Equal(t, []peer.ID{"e", "a", "c"}, inTurn("d", members))
	require.Equal(t, []peer.ID{"a", "c", "e"}, inTurn("f", members))
	require.Empty(t, inTurn("a", nil))
}

// TestRoundsAreRare while nothing changes, soon when something did, and now and then while
// something is not safe.
func TestRoundsAreRare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(1, 1)
		w.keepers = func(int) []peer.ID { return w.members }
		var unsafe atomic.Bool
		w.has = func(peer.ID, int) transfer.Copy {
			if unsafe.Load() {
				return nothing
			}
			return kept
		}
		s := New(w.config(t))
		s.Start()
		during := func(d time.Duration) int {
			before := w.all()
			time.Sleep(d)
			synctest.Wait()
			return w.all() - before
		}
		require.Equal(t, 1, during(12*time.Second))
		require.Zero(t, during(50*time.Minute))
		r, ok := s.Last()
		require.True(t, ok)
		require.Zero(t, r.OnlyHere)
		require.Equal(t, 1, during(15*time.Minute))
		unsafe.Store(true)
		w.blobs.Store(1)
		require.Equal(t, 1, during(25*time.Second))
		r, _ = s.Last()
		require.Equal(t, Sum{1, 10}, r.OnlyHere)
		require.Equal(t, Sum{1, 10}, r.Few)
		require.InDelta(t, 10, during(10*time.Minute), 1)
		unsafe.Store(false)
		during(2 * time.Minute)
		require.Zero(t, during(50*time.Minute))
		s.Close()
	})
}

// TestARoundIsFollowedByALongRest, whatever happens.
func TestARoundIsFollowedByALongRest(t *testing.T) {
	require.Equal(t, 20*time.Minute, pauseAfter(Result{Silent: 1}, true, 20*time.Minute, time.Second))
	require.Equal(t, time.Second, pauseAfter(Result{Silent: 1}, true, time.Millisecond, time.Second))
	require.Equal(t, 6*time.Second, pauseAfter(Result{Few: Sum{1, 1}}, false, time.Millisecond, time.Second))
	require.Equal(t, time.Hour, pauseAfter(Result{}, false, time.Millisecond, time.Second))
}
