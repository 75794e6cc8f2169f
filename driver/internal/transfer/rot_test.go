package transfer

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/doubts"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// mendsSoon makes a registry soon try again to mend a blob that no member had.
func mendsSoon(r *registry) { r.timing.mend = 100 * time.Millisecond }

func (r *registry) file(ref dag.Ref) string { return filepath.Join(r.dir, "blobs", ref.CID.String()) }

func (r *registry) requireSound(ref dag.Ref, content []byte) {
	r.t.Helper()
	eventually(r.t, func() bool { return r.blobs.Has(ref.CID) && len(r.blobs.Rotten()) == 0 }, "it is not mended")
	fault, _, err := r.blobs.Check(r.t.Context(), ref, func(int64) {})
	require.NoError(r.t, err)
	require.Equal(r.t, blob.Sound, fault)
	r.requirePull(ref, content)
}

// flip changes a leaf as a failing disk does: the file looks the same.
func (r *registry) flip(ref dag.Ref, leaf int) {
	r.t.Helper()
	info, err := os.Stat(r.file(ref))
	require.NoError(r.t, err)
	r.damage(ref, leaf)
	require.NoError(r.t, os.Chtimes(r.file(ref), time.Time{}, info.ModTime()))
}

func TestAHolderThatSentAWrongLeafMendsIt(t *testing.T) { eachWay(t, wrongLeafMended) }

func wrongLeafMended(t *testing.T, town *town) {
	a, b := town.registry(t, mendsSoon), town.registry(t)
	content := random(51, 6*mib+5)
	ref := a.push(content)
	a.flip(ref, 4)
	_, err := b.pull(ref, 0)
	requireUnavailable(t, err)
	eventually(t, func() bool { return len(a.blobs.Rotten()) == 1 }, "a does not learn of it")
	require.False(t, a.blobs.Has(ref.CID))
	_, err = a.pull(ref, 0)
	requireUnavailable(t, err)
	require.ErrorContains(t, err, ref.CID.String())
	require.ErrorContains(t, err, "damaged")
	holders, err := b.transfers.Holders(t.Context(), ref)
	require.NoError(t, err)
	require.Empty(t, holders, "a damaged blob is offered")

	c := town.registry(t)
	c.push(content)
	a.requireSound(ref, content)
	require.Less(t, a.received(), int64(2*mib), "leaves that were right were fetched")
	b.requirePull(ref, content)
}

func TestALocalReadGoesOnWithWhatOthersHave(t *testing.T) {
	var town town
	a, b := town.registry(t), town.registry(t)
	content := random(52, 8*mib+5)
	ref := a.push(content)
	b.push(content)
	for _, leaf := range []int{5, 0} {
		a.damage(ref, leaf)
		a.requirePull(ref, content)
		a.requireSound(ref, content)
	}
	require.Less(t, a.received(), int64(5*mib), "leaves that were right were fetched")
	got, err := a.pull(ref, 5*mib+3)
	require.NoError(t, err)
	require.Equal(t, content[5*mib+3:], got)
}

func TestAFileOfAnotherLengthIsFetched(t *testing.T) {
	for name, length := range map[string]int64{"shorter": 2*mib + 1, "longer": 5 * mib} {
		t.Run(name, func(t *testing.T) {
			var town town
			a, b := town.registry(t), town.registry(t)
			content := random(53, 4*mib+1)
			ref := a.push(content)
			require.NoError(t, os.Truncate(a.file(ref), length))
			holders, err := b.transfers.Holders(t.Context(), ref)
			require.NoError(t, err)
			require.Empty(t, holders)
			b.push(content)
			a.requirePull(ref, content)
			a.requireSound(ref, content)
			require.Less(t, a.received(), int64(4*mib), "leaves that were right were fetched")
		})
	}
}

func TestARestartMendsWhatWasSetAside(t *testing.T) {
	var town town
	a := town.registry(t)
	content := random(54, 3*mib)
	ref := a.push(content)
	a.damage(ref, 1)
	_, err := a.pull(ref, 0)
	require.Error(t, err)
	require.Len(t, a.blobs.Rotten(), 1)
	a.stop()
	b := town.registry(t)
	b.push(content)
	a.start()
	a.requireSound(ref, content)
}

// torn makes registries whose copies of one blob were set aside, each with its own damaged leaves,
// while none could reach another. Each knows its undamaged leaves.
func (town *town) torn(t *testing.T, content []byte, wrong [][]int, change ...func(*registry)) (rs []*registry, ref dag.Ref) {
	t.Helper()
	for range wrong {
		rs = append(rs, town.registry(t, change...))
	}
	for _, r := range rs {
		ref = r.push(content)
		r.kill()
	}
	for i, r := range rs {
		for _, leaf := range wrong[i] {
			r.flip(ref, leaf)
		}
		require.ErrorIs(t, r.blobs.CheckLeaf(t.Context(), ref.CID, wrong[i][0]), blob.ErrRotten)
		eventually(t, func() bool { _, ok := r.blobs.Remains(ref.CID); return ok && r.transfers.Active() == 0 }, "it is not hashed")
	}
	return rs, ref
}

// neverMends makes a registry try only once to mend a damaged blob, unless somebody reads it.
func neverMends(r *registry) { r.timing.mend = 64 * never }

func TestDamagedCopiesCompleteEachOther(t *testing.T) {
	var town town
	content := random(56, 6*mib+5)
	rs, ref := town.torn(t, content, [][]int{{1, 4}, {3}, {0, 1}}, mendsSoon)
	for _, r := range rs {
		r.revive()
	}
	for _, r := range rs {
		r.requireSound(ref, content)
		require.Less(t, r.received(), int64(4*mib), "leaves that were right were fetched")
	}
}

// TestAReadOfDamagedCopies shows that the undamaged leaves of several copies serve a read, even on
// a registry that has no copy itself.
func TestAReadOfDamagedCopies(t *testing.T) {
	var town town
	content := random(57, 5*mib+5)
	rs, ref := town.torn(t, content, [][]int{{0}, {2, 4}}, neverMends)
	c := town.registry(t)
	for _, r := range rs {
		r.revive()
	}
	c.requirePull(ref, content)
	c.kill()
	for _, r := range rs {
		r.requirePull(ref, content)
		r.requireSound(ref, content)
		require.Less(t, r.received(), int64(4*mib), "leaves that were right were fetched")
	}
}

// TestCopiesThatAreDamagedInOnePlace shows that no client gets the beginning of a blob that nobody
// has whole, and that none waits for it.
func TestCopiesThatAreDamagedInOnePlace(t *testing.T) {
	var town town
	patience := func(r *registry) {
		neverMends(r)
		r.timing.Stall, r.timing.Trickle = never, never
	}
	content := random(58, 5*mib+5)
	rs, ref := town.torn(t, content, [][]int{{3}, {1, 3}}, patience)
	c := town.registry(t, patience)
	for _, r := range rs {
		r.revive()
	}
	for _, r := range append(rs, c) {
		_, err := r.transfers.Open(t.Context(), ref, 0)
		requireUnavailable(t, err)
	}
	held, ok := rs[1].blobs.Remains(ref.CID)
	require.True(t, ok)
	require.True(t, held.Has(1), "a leaf that can be mended is not")
	c.push(content)
	for _, r := range rs {
		r.requirePull(ref, content)
	}
}

// TestRemainsThatRot shows that a leaf of a damaged copy that becomes damaged, too, is not offered
// any more once a member has found out.
func TestRemainsThatRot(t *testing.T) {
	var town town
	content := random(59, 5*mib)
	rs, ref := town.torn(t, content, [][]int{{3}}, neverMends)
	a, c := rs[0], town.registry(t)
	a.revive()
	overwrite(t, filepath.Join(a.dir, "staging", ref.CID.String()+".partial"), 1)
	_, err := c.pull(ref, 0)
	requireUnavailable(t, err)
	eventually(t, func() bool {
		m, ok := a.blobs.Remains(ref.CID)
		return ok && !m.Has(1) && m.Has(0) && !m.Has(3)
	}, "a damaged leaf is offered")
	require.ErrorIs(t, a.blobs.CheckLeaf(t.Context(), ref.CID, 1), blob.ErrNotFound)
	_, err = c.transfers.client.Span(t.Context(), a.id, ref.CID, 0, 2*mib, wire.Terms{Remains: true})
	require.ErrorIs(t, err, wire.ErrNotYet)
	_, err = c.transfers.client.Span(t.Context(), a.id, ref.CID, 0, mib, wire.Terms{})
	require.ErrorIs(t, err, wire.ErrGone)
	body, err := c.transfers.client.Span(t.Context(), a.id, ref.CID, 0, mib, wire.Terms{Remains: true})
	require.NoError(t, err)
	readExactly(t, body, content[:mib])
	require.NoError(t, body.Close())
}

// TestALiarCostsLittle shows that a member that doubts undamaged leaves causes some of them to be
// hashed, and nothing to be fetched.
func TestALiarCostsLittle(t *testing.T) {
	var town town
	a, b := town.registry(t), town.registry(t)
	var refs []dag.Ref
	for i := range 2 * doubts.Burst {
		refs = append(refs, a.push(random(int64(100+i), 3000)))
	}
	refused := 0
	for _, ref := range refs {
		if err := b.transfers.client.Doubt(t.Context(), a.id, ref.CID, 0); err != nil {
			refused++
		}
		require.Error(t, b.transfers.client.Doubt(t.Context(), a.id, ref.CID, 1), "there is no such leaf")
	}
	require.GreaterOrEqual(t, refused, doubts.Burst-2)
	eventually(t, func() bool {
		looked := 0
		for _, e := range a.logs.AllEntries() {
			if e.Message == "a member doubts a leaf that is right here" {
				looked++
			}
		}
		return looked == len(refs)-refused
	}, "doubts are never checked")
	for _, ref := range refs {
		require.True(t, a.blobs.Has(ref.CID))
	}
	require.Zero(t, a.received())
	absent := dag.Ref{CID: refs[0].CID, Size: 1}
	require.NoError(t, a.blobs.Delete(t.Context(), absent.CID))
	require.ErrorIs(t, b.transfers.client.Doubt(t.Context(), a.id, absent.CID, 0), wire.ErrGone)
}

// TestAnOlderHolderIsLeftAlone shows that a holder of an older release, which knows no doubts, does
// no harm.
func TestAnOlderHolderIsLeftAlone(t *testing.T) {
	content := random(55, 4*mib)
	a, _, c, ref := pair(t, content)
	for leaf := range 4 {
		a.flip(ref, leaf)
	}
	handler := a.transfers.server.Handler
	asked := make(chan struct{}, 100)
	a.transfers.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost { // as an older mux, which has only GET there, answers
			asked <- struct{}{}
			http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
			return
		}
		handler.ServeHTTP(w, r)
	})
	c.requirePull(ref, content)
	require.True(t, a.blobs.Has(ref.CID))
}

// TestADamagedBlobOfOneLeaf shows that it is mended, and that nothing is left of the damaged file.
func TestADamagedBlobOfOneLeaf(t *testing.T) {
	var town town
	a := town.registry(t, mendsSoon)
	content := random(59, 5000)
	ref := a.push(content)
	a.flip(ref, 0)
	require.ErrorIs(t, a.blobs.CheckLeaf(t.Context(), ref.CID, 0), blob.ErrRotten)
	_, err := a.pull(ref, 0)
	requireUnavailable(t, err)
	b := town.registry(t)
	b.push(content)
	a.requireSound(ref, content)
	eventually(t, func() bool { return len(a.stagedFiles()) == 0 }, "the damaged file is still there")
	blobs, bytes := a.blobs.Usage()
	require.EqualValues(t, 1, blobs)
	require.Equal(t, ref.Size, bytes)
	a.stop()
	a.start()
	require.Empty(t, a.blobs.Rotten())
	a.requirePull(ref, content)
}
