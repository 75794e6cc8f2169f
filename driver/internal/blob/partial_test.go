package blob

import (
	"bytes"
	"context"
	"io"
	"os"
	"sync"
	"testing"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag/dagtest"
)

// arriving is content with the layout that a registry elsewhere would give.
type arriving struct {
	content []byte
	layout  *dag.Layout
	inner   []blocks.Block
}

func newArriving(t *testing.T, size int) arriving { return arrivingAs(t, dag.SHA2, size) }

func arrivingAs(t *testing.T, f dag.Function, size int) arriving {
	t.Helper()
	content := random(7, size)
	l, inner, err := dag.Profile().Build(f, dagtest.Sums(uint64(f), dag.LeafSize, content), int64(size))
	require.NoError(t, err)
	return arriving{content, l, inner}
}

func (a arriving) ref() dag.Ref { return dag.Ref{CID: a.layout.Root, Size: a.layout.Size} }

func (a arriving) open(t *testing.T, d *disk) *Partial {
	t.Helper()
	p, err := d.store.Partial(a.layout, a.inner)
	require.NoError(t, err)
	return p
}

func (a arriving) put(t *testing.T, p *Partial, leaves ...int) {
	t.Helper()
	for _, i := range leaves {
		require.NoError(t, p.Put(i, leafOf(a.content, i)))
	}
}

func TestPartialBecomesABlob(t *testing.T) {
	ctx := context.Background()
	d := newDisk(t)
	a := newArriving(t, 4*dag.LeafSize+3)
	p := a.open(t, d)
	i, missing := p.Missing(t.Context(), 3)
	require.True(t, missing)
	require.Equal(t, 3, i)
	a.put(t, p, 3, 4)
	i, missing = p.Missing(t.Context(), 3)
	require.True(t, missing)
	require.Equal(t, 0, i, "wraps round")
	require.ErrorIs(t, p.Finish(ctx), ErrNotYet)
	require.False(t, d.store.Has(a.layout.Root))
	data, err := d.store.Block(ctx, a.layout.Root)
	require.NoError(t, err, "inner blocks are served before the blob is whole")
	require.True(t, dag.Matches(a.layout.Root, data))

	a.put(t, p, 0, 1, 2, 2)
	require.True(t, p.complete())
	require.NoError(t, p.Finish(ctx))
	require.NoError(t, p.Finish(ctx))
	d.requireContent(a.ref(), a.content)
	d.requireUsage(1, a.layout.Size)
	require.Empty(t, d.stagedFiles())
	require.Empty(t, d.keys(partialPrefix))
	_, open := d.store.OpenPartial(a.layout.Root)
	require.False(t, open)
	b := make([]byte, 10)
	_, err = p.ReadAt(b, 0)
	require.NoError(t, err, "readable until closed")
	require.NoError(t, p.Close())
	_, err = p.ReadAt(b, 0)
	require.ErrorIs(t, err, os.ErrClosed)
	_, err = d.store.Block(ctx, leafCID(a.layout, 4))
	require.NoError(t, err)
}

func TestPartialRefusesBadLeaves(t *testing.T) {
	d := newDisk(t)
	a := newArriving(t, 2*dag.LeafSize)
	p := a.open(t, d)
	defer p.Close()
	require.ErrorIs(t, p.Put(0, leafOf(a.content, 1)), ErrBadLeaf)
	require.ErrorIs(t, p.Put(0, a.content[:10]), ErrBadLeaf)
	require.ErrorIs(t, p.Put(2, nil), ErrBadLeaf)
	require.ErrorIs(t, p.Put(-1, nil), ErrBadLeaf)
	require.False(t, p.Have(0))
	require.False(t, p.Have(-1))
	require.False(t, p.Have(2))
}

func TestPartialReadAt(t *testing.T) {
	d := newDisk(t)
	a := newArriving(t, 3*dag.LeafSize+5)
	p := a.open(t, d)
	defer p.Close()
	a.put(t, p, 1, 3)
	b := make([]byte, 2*dag.LeafSize)
	n, err := p.ReadAt(b, 0)
	require.ErrorIs(t, err, ErrNotYet)
	require.Zero(t, n)
	n, err = p.ReadAt(b, dag.LeafSize+7)
	require.ErrorIs(t, err, ErrNotYet)
	require.Equal(t, dag.LeafSize-7, n)
	require.True(t, bytes.Equal(b[:n], a.content[dag.LeafSize+7:2*dag.LeafSize]))
	n, err = p.ReadAt(b[:9], 3*dag.LeafSize)
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, 5, n)
	n, err = p.ReadAt(b[:5], 3*dag.LeafSize)
	require.NoError(t, err)
	require.Equal(t, 5, n)
	_, err = p.ReadAt(b, a.layout.Size)
	require.ErrorIs(t, err, io.EOF)
	_, err = p.ReadAt(b, -1)
	require.Error(t, err)
}

func TestPartialResumesAfterARestart(t *testing.T) {
	d := newDisk(t)
	a := newArriving(t, 5*dag.LeafSize)
	p := a.open(t, d)
	a.put(t, p, 0, 1, 3)
	require.NoError(t, p.Close())
	damage(t, d.store.partialPath(a.layout.Root), dag.LeafSize+1)
	d.restart()

	p = a.open(t, d)
	defer p.Close()
	i, missing := p.Missing(t.Context(), 0)
	require.True(t, missing)
	require.Equal(t, 2, i)
	require.True(t, p.Have(0))
	require.False(t, p.Have(2))
	a.put(t, p, 2, 4)
	i, missing = p.Missing(t.Context(), 3)
	require.True(t, missing, "what rotted is fetched again")
	require.Equal(t, 1, i)
	require.False(t, p.complete())
	a.put(t, p, 1)
	require.NoError(t, p.Finish(context.Background()))
	d.requireContent(a.ref(), a.content)
}

// A registry that stops does not hash gigabytes first.
func TestPartialStopsHashing(t *testing.T) {
	d := newDisk(t)
	a := newArriving(t, 5*dag.LeafSize)
	p := a.open(t, d)
	a.put(t, p, 0, 1, 2, 3, 4)
	require.NoError(t, p.Close())
	damage(t, d.store.partialPath(a.layout.Root), 2*dag.LeafSize)
	d.restart()

	p = a.open(t, d)
	defer p.Close()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	i, missing := p.Missing(over, 0)
	require.True(t, missing, "nobody knows")
	require.Equal(t, 1, i, "leaf 0 alone was hashed")
	require.ErrorIs(t, p.Finish(over), context.Canceled)
	require.Equal(t, []byte{0}, p.Absent(), "what was not hashed is not to be fetched")
	i, missing = p.Missing(t.Context(), 0)
	require.True(t, missing)
	require.Equal(t, 2, i)
	a.put(t, p, 2)
	require.NoError(t, p.Finish(t.Context()))
}

func TestPartialReadsOnlyRecheckedBytes(t *testing.T) {
	d := newDisk(t)
	a := newArriving(t, 2*dag.LeafSize)
	p := a.open(t, d)
	a.put(t, p, 0, 1)
	require.NoError(t, p.Close())
	damage(t, d.store.partialPath(a.layout.Root), dag.LeafSize)
	d.restart()
	p = a.open(t, d)
	defer p.Close()
	b := make([]byte, 2*dag.LeafSize)
	n, err := p.ReadAt(b, 0)
	require.ErrorIs(t, err, ErrNotYet)
	require.Equal(t, dag.LeafSize, n)
	require.ErrorIs(t, p.Finish(context.Background()), ErrNotYet)
}

// Cut between the record of the blob and the rename.
func TestPartialSurvivesACutFinish(t *testing.T) {
	d := newDisk(t)
	a := newArriving(t, 2*dag.LeafSize+1)
	p := a.open(t, d)
	a.put(t, p, 0, 1, 2)
	require.NoError(t, p.Close())
	require.NoError(t, d.store.index.addBlob(context.Background(), a.layout, a.inner, false))
	d.restart()
	require.False(t, d.store.Has(a.layout.Root))
	d.requireUsage(0, 0)
	p = a.open(t, d)
	defer p.Close()
	require.NoError(t, p.Finish(context.Background()), "nothing to fetch again")
	d.requireContent(a.ref(), a.content)
}

func TestPartialIsSharedAndClosedByTheLast(t *testing.T) {
	d := newDisk(t)
	a := newArriving(t, dag.LeafSize+1)
	p, q := a.open(t, d), a.open(t, d)
	require.Same(t, p, q)
	require.NoError(t, p.Close())
	a.put(t, q, 0)
	lent, ok := d.store.OpenPartial(a.layout.Root)
	require.True(t, ok)
	require.Same(t, q, lent)
	require.NoError(t, q.Close())
	_, ok = d.store.OpenPartial(a.layout.Root)
	require.False(t, ok)
}

func TestPartialOfABlobThatIsHere(t *testing.T) {
	d := newDisk(t)
	a := newArriving(t, dag.LeafSize+1)
	p := a.open(t, d)
	defer p.Close()
	a.put(t, p, 0, 1)
	require.Equal(t, a.ref(), d.adopt(a.content), "pushed meanwhile")
	require.NoError(t, p.Finish(context.Background()))
	require.Empty(t, d.stagedFiles())
	d.requireUsage(1, a.layout.Size)

	q := a.open(t, d)
	defer q.Close()
	require.True(t, q.complete())
	a.put(t, q, 1)
	require.NoError(t, q.Finish(context.Background()))
	b := make([]byte, 5)
	_, err := q.ReadAt(b, 0)
	require.NoError(t, err)
	require.Equal(t, a.content[:5], b)
}

func TestPartialOfNothing(t *testing.T) {
	d := newDisk(t)
	a := newArriving(t, 0)
	p := a.open(t, d)
	defer p.Close()
	require.True(t, p.complete())
	require.NoError(t, p.Finish(context.Background()))
	require.True(t, d.store.Has(a.layout.Root))
}

func TestDeleteForgetsAClosedPartial(t *testing.T) {
	d := newDisk(t)
	a := newArriving(t, dag.LeafSize+1)
	p := a.open(t, d)
	require.NoError(t, p.Close())
	require.NoError(t, d.store.Delete(context.Background(), a.layout.Root))
	require.Empty(t, d.stagedFiles())
	require.Empty(t, d.keys(innerPrefix))
	require.Empty(t, d.keys(partialPrefix))
}

func TestFullDiskDropsThePartial(t *testing.T) {
	d := newDisk(t)
	a := newArriving(t, 2*dag.LeafSize)
	p := a.open(t, d)
	a.put(t, p, 0)
	p.noteFull(unix.ENOSPC)
	require.NoError(t, p.Close())
	require.Empty(t, d.stagedFiles())
	require.Empty(t, d.keys(innerPrefix))
	require.Empty(t, d.keys(partialPrefix))
}

// A reader keeps the transfer that filled the disk open while somebody pushes.
func TestFullDiskKeepsABlobPushedMeanwhile(t *testing.T) {
	d := newDisk(t)
	a := newArriving(t, 2*dag.LeafSize)
	p := a.open(t, d)
	a.put(t, p, 0)
	p.noteFull(unix.ENOSPC)
	require.Equal(t, a.ref(), d.adopt(a.content))
	require.NoError(t, p.Close())
	require.Empty(t, d.stagedFiles())
	d.requireContent(a.ref(), a.content)
	d.requireUsage(1, a.layout.Size)
	for _, c := range []cid.Cid{a.layout.Root, leafCID(a.layout, 1)} {
		_, err := d.store.Block(context.Background(), c)
		require.NoError(t, err)
	}
	d.restart()
	d.requireContent(a.ref(), a.content)
}

// A partial is opened again between the close of the last one, which had filled the
// disk, and the removal of what that one left.
func TestFullDiskKeepsAPartialOpenedAgain(t *testing.T) {
	d := newDisk(t)
	a := newArriving(t, 2*dag.LeafSize)
	p := a.open(t, d)
	defer p.Close()
	a.put(t, p, 0)
	require.NoError(t, d.store.dropPartial(a.layout.Root))
	require.Len(t, d.stagedFiles(), 2)
	require.Len(t, d.keys(innerPrefix), 1)
	require.Len(t, d.keys(partialPrefix), 1)
}

func TestPartialConcurrently(t *testing.T) {
	d := newDisk(t)
	a := newArriving(t, 20*dag.LeafSize+1)
	p := a.open(t, d)
	defer p.Close()
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			b := make([]byte, dag.LeafSize)
			for i, ok := p.Missing(t.Context(), worker*5); ok; i, ok = p.Missing(t.Context(), i) {
				if err := p.Put(i, leafOf(a.content, i)); err != nil {
					t.Error(err)
					return
				}
				if n, err := p.ReadAt(b, int64(i)*dag.LeafSize); n == 0 {
					t.Error(err)
				}
			}
			if err := p.Finish(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	d.requireContent(a.ref(), a.content)
	d.requireUsage(1, a.layout.Size)
}

// TestPushedAfterACutTransfer: what came of it no longer takes room, whether its
// partial is closed before or after.
func TestPushedAfterACutTransfer(t *testing.T) {
	for _, before := range []bool{true, false} {
		d := newDisk(t)
		a := newArriving(t, 4*dag.LeafSize+1)
		p := a.open(t, d)
		require.NoError(t, p.Put(0, leafOf(a.content, 0)))
		if before {
			require.NoError(t, p.Close())
		}
		ref, err := d.adoptUpload(t.Context(), d.stage(a.content), "", Seen{}, 0)
		require.NoError(t, err)
		if !before {
			require.NoError(t, p.Close())
		}
		require.Empty(t, d.stagedFiles())
		d.restart()
		d.requireContent(ref, a.content)
	}
}

func leafCID(l *dag.Layout, i int) cid.Cid {
	c, _, _ := l.Leaf(i)
	return c
}
