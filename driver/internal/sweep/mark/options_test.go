package mark_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/sweep/mark"
)

// images is a registry of n images in that many repositories, each with a layer that is not
// used.
func images(n, repositories int) *world {
	w := newWorld()
	for i := range n {
		repo := fmt.Sprint("r", i%repositories)
		w.push(repo, fmt.Sprint("m", i), map[string][]string{"layers": {fmt.Sprint("l", i)}})
		w.tag(repository(repo), fmt.Sprint(i), fmt.Sprint("m", i))
		w.pushLayer(repo, fmt.Sprint("u", i))
	}
	return w
}

func marked(t *testing.T, w *world, o mark.Options) *mark.Result {
	t.Helper()
	o.Read = w.read
	r, err := mark.Mark(t.Context(), w.view(), o)
	require.NoError(t, err)
	return r
}

// TestManyRepositories: manifests are read in rounds, whether one repository has them or many.
func TestManyRepositories(t *testing.T) {
	for _, repositories := range []int{1, 2, 2500} {
		w := images(2500, repositories)
		var last mark.Progress
		calls := 0
		r := marked(t, w, mark.Options{Progress: func(p mark.Progress) {
			require.GreaterOrEqual(t, p.Paths, last.Paths)
			require.GreaterOrEqual(t, p.Manifests, last.Manifests)
			last = p
			calls++
		}})
		require.Equal(t, mark.Sums{Repositories: repositories, Layers: 2500, Blobs: 2500, Bytes: 25000}, r.Unused)
		require.EqualValues(t, 2500, w.reads.Load())
		require.Equal(t, mark.Progress{Paths: len(w.paths), Of: len(w.paths), Manifests: 2500}, last)
		require.Greater(t, calls, 3)
	}
}

func TestNothing(t *testing.T) {
	w := newWorld()
	require.Equal(t, &mark.Result{}, marked(t, w, mark.Options{}))
}

// TestPathsMayBeLeft: whoever goes through the paths may stop at any of them.
func TestPathsMayBeLeft(t *testing.T) {
	w := images(2, 2)
	w.push("r0", "old", nil)
	w.tag(repository("r0"), "0", "old")
	w.tag(repository("r0"), "0", "m0")
	r := marked(t, w, mark.Options{Untagged: true})
	all := slices.Collect(r.Paths())
	require.Len(t, all, 7) // a tag's link, a manifest, two layers, three blobs
	for n := range all {
		var some []string
		for path := range r.Paths() {
			if some = append(some, path); len(some) == n+1 {
				break
			}
		}
		require.Equal(t, all[:n+1], some)
	}
}

// TestManyThatCannotBeRead: all are counted, and some listed.
func TestManyThatCannotBeRead(t *testing.T) {
	w := images(mark.MaxUnreadable+100, 10)
	for i := range mark.MaxUnreadable + 100 {
		w.failing[w.cid(fmt.Sprint("m", i))] = errElsewhere
	}
	r := marked(t, w, mark.Options{})
	require.Zero(t, r.Unused)
	require.Len(t, r.Unreadable, mark.MaxUnreadable)
	require.Equal(t, mark.MaxUnreadable+100, r.UnreadableCount)
	require.ErrorIs(t, r.Unreadable[0].Err, errElsewhere)
	require.Equal(t, ocipath.Revision, ocipath.Parse(r.Unreadable[0].Path).Kind)
}

// TestCanceled: a marking that ends early has no result, also when reading fails because of
// that.
func TestCanceled(t *testing.T) {
	w := images(3000, 3000)
	for _, at := range []int64{0, 1, 1500, 3000} {
		ctx, cancel := context.WithCancel(t.Context())
		var reads atomic.Int64
		if at == 0 {
			cancel()
		}
		r, err := mark.Mark(ctx, w.view(), mark.Options{Read: func(ctx context.Context, e pathmap.Entry) ([]byte, error) {
			if reads.Add(1) == at {
				cancel()
			}
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return w.read(ctx, e)
		}})
		cancel()
		require.ErrorIs(t, err, context.Canceled)
		require.Nil(t, r)
	}
}

// TestCache: the second marking reads only what is new, and what had no room; what is gone
// from the map makes room. What could not be read is tried again.
func TestCache(t *testing.T) {
	w := images(100, 7)
	w.failing[w.cid("m3")] = errElsewhere
	cache := mark.NewCache(1 << 20)
	reads := func(o mark.Options) int64 {
		before := w.reads.Load()
		with := marked(t, w, o)
		read := w.reads.Load() - before
		without := marked(t, w, mark.Options{Untagged: o.Untagged})
		require.Equal(t, without, with)
		return read
	}
	require.EqualValues(t, 100, reads(mark.Options{Cache: cache}))
	require.EqualValues(t, 1, reads(mark.Options{Cache: cache, Untagged: true}))
	delete(w.failing, w.cid("m3"))
	w.push("r0", "new", map[string][]string{"layers": {"l0", "u0"}, "subject": {"m0"}})
	require.EqualValues(t, 2, reads(mark.Options{Cache: cache, Untagged: true}))
	require.EqualValues(t, 0, reads(mark.Options{Cache: cache, Untagged: true}))

	small := mark.NewCache(20_000)
	require.EqualValues(t, 101, reads(mark.Options{Cache: small}))
	first := reads(mark.Options{Cache: small})
	require.Positive(t, first)
	require.Less(t, first, int64(101))
	require.Equal(t, first, reads(mark.Options{Cache: small}))
	for i := range 50 {
		w.remove(ocipath.RevisionLink(repository(fmt.Sprint("r", i%7)), w.digest(fmt.Sprint("m", i))))
	}
	reads(mark.Options{Cache: small}) // it forgets, and keeps others
	reads(mark.Options{Cache: small})
	require.Zero(t, reads(mark.Options{Cache: mark.NewCache(1 << 20)})-51)
	require.Less(t, reads(mark.Options{Cache: small}), max(1, first-40))
}
