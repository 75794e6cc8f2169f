package blob

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/ipfs/go-datastore"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// read reads a blob as a client gets it.
func (d *disk) read(ref dag.Ref, offset int64) ([]byte, error) {
	r, err := d.store.Reader(context.Background(), ref, offset)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// isChecked reports whether a blob would be hashed while it is read.
func (d *disk) isChecked(ref dag.Ref) bool {
	d.t.Helper()
	r, err := d.store.Reader(context.Background(), ref, 0)
	require.NoError(d.t, err)
	defer r.Close()
	_, plain := r.(*File)
	return !plain
}

func (d *disk) requireRead(ref dag.Ref, want []byte) {
	d.t.Helper()
	got, err := d.read(ref, 0)
	require.NoError(d.t, err)
	require.True(d.t, bytes.Equal(want, got), "read other bytes")
}

// salvage gives the leaves that are lacking of what was set aside.
func (d *disk) salvage(ref dag.Ref) (bad []int) {
	d.t.Helper()
	p, err := d.store.Salvage(context.Background(), ref)
	require.NoError(d.t, err)
	defer p.Close()
	absent := bitset.Set(p.Absent())
	for i := range dag.Profile().Leaves(ref.Size) {
		if absent.Has(i) {
			bad = append(bad, i)
		}
	}
	return bad
}

func sizes() map[string]int {
	return map[string]int{"one leaf": 1000, "leaves": 5*dag.LeafSize + 7}
}

func TestVerifiedBytesReplaceTheFile(t *testing.T) {
	for name, size := range sizes() {
		t.Run(name, func(t *testing.T) {
			content := random(1, size)
			for way, again := range map[string]func(d *disk) (dag.Ref, error){
				"upload": func(d *disk) (dag.Ref, error) {
					return d.adoptUpload(t.Context(), d.stage(content), "", Seen{}, 0)
				},
				"put": func(d *disk) (dag.Ref, error) { return d.putAs(t.Context(), content, 0) },
			} {
				for _, restart := range []bool{false, true} {
					d := newDisk(t)
					ref := d.adopt(content)
					damage(t, d.store.path(ref.CID), int64(size/2))
					if restart {
						d.restart()
					}
					got, err := again(d)
					require.NoError(t, err, way)
					require.Equal(t, ref, got)
					d.requireContent(ref, content)
					require.False(t, d.isChecked(ref), "what was just written is verified")
					d.requireUsage(1, ref.Size)
					require.Empty(t, d.stagedFiles())
				}
			}
		})
	}
}

func TestAVerifiedFileStays(t *testing.T) {
	d := newDisk(t)
	content := random(1, 3*dag.LeafSize)
	ref := d.adopt(content)
	before, err := os.Stat(d.store.path(ref.CID))
	require.NoError(t, err)
	d.adopt(content)
	after, err := os.Stat(d.store.path(ref.CID))
	require.NoError(t, err)
	require.True(t, os.SameFile(before, after))
}

func TestTheFirstReadVerifies(t *testing.T) {
	for name, size := range sizes() {
		t.Run(name, func(t *testing.T) {
			d := newDisk(t)
			content := random(1, size)
			ref := d.adopt(content)
			file := d.store.path(ref.CID)
			require.False(t, d.isChecked(ref), "it was written by this run")
			for why, change := range map[string]func(){
				"restart": d.restart,
				"mtime":   func() { require.NoError(t, os.Chtimes(file, time.Time{}, time.Now().Add(-time.Hour))) },
				"inode": func() {
					require.NoError(t, os.WriteFile(file+".new", content, 0o600))
					require.NoError(t, os.Rename(file+".new", file))
				},
			} {
				change()
				r, err := d.store.Reader(t.Context(), ref, 0)
				require.NoError(t, err)
				require.NotNil(t, r.(*checked), why)
				require.NoError(t, r.Close())
				d.requireRead(ref, content)
				require.False(t, d.isChecked(ref), "it was read, after %s", why)
				d.requireRead(ref, content)
			}
		})
	}
}

func TestAnUploadOfAnEarlierRunIsNotVerified(t *testing.T) {
	d := newDisk(t)
	content := random(1, 2*dag.LeafSize+1)
	file := d.stage(nil)
	u, err := d.store.Upload(file, true)
	require.NoError(t, err)
	_, err = u.Write(content)
	require.NoError(t, err)
	require.NoError(t, u.Close())
	d.restart()
	ref, err := d.adoptUpload(t.Context(), file, "", Seen{}, 0)
	require.NoError(t, err)
	require.True(t, d.isChecked(ref))
}

func TestADamagedLeafIsNeverRead(t *testing.T) {
	for name, size := range sizes() {
		t.Run(name, func(t *testing.T) {
			for leaf := 0; leaf*dag.LeafSize < size; leaf += 2 {
				d := newDisk(t)
				content := random(1, size)
				ref := d.adopt(content)
				var told []dag.Ref
				d.store.OnRotten(func(r dag.Ref) { told = append(told, r) })
				damage(t, d.store.path(ref.CID), int64(leaf)*dag.LeafSize+3)
				got, err := d.read(ref, 0)
				require.ErrorIs(t, err, ErrRotten)
				require.True(t, bytes.HasPrefix(content, got))
				require.LessOrEqual(t, len(got), leaf*dag.LeafSize)
				require.Equal(t, []dag.Ref{ref}, told)
				for range 2 {
					require.False(t, d.store.Has(ref.CID))
					require.Equal(t, []dag.Ref{ref}, d.store.Rotten())
					_, err = d.read(ref, 0)
					require.ErrorIs(t, err, ErrNotFound)
					d.requireUsage(0, 0)
					d.restart()
				}
				require.Equal(t, []int{leaf}, d.salvage(ref))
				d.adopt(content)
				require.Empty(t, d.store.Rotten())
				d.requireRead(ref, content)
				d.restart()
				require.Empty(t, d.store.Rotten())
				d.requireUsage(1, ref.Size)
				require.Empty(t, d.stagedFiles())
			}
		})
	}
}

// TestOnlyTheDamagedLeafIsFetched: the others come from what was set aside.
func TestOnlyTheDamagedLeafIsFetched(t *testing.T) {
	d := newDisk(t)
	a := newArriving(t, 5*dag.LeafSize+7)
	p := a.open(t, d)
	for i := range 6 {
		a.put(t, p, i)
	}
	require.NoError(t, errors.Join(p.Finish(t.Context()), p.Close()))
	ref := dag.Ref{CID: a.layout.Root, Size: a.layout.Size}
	require.False(t, d.isChecked(ref), "what came verified is verified")
	damage(t, d.store.path(ref.CID), 3*dag.LeafSize)
	_, err := d.read(ref, 0)
	require.ErrorIs(t, err, ErrRotten)
	p = a.open(t, d)
	i, ok := p.Missing(t.Context(), 0)
	require.True(t, ok)
	require.Equal(t, 3, i)
	require.Equal(t, []byte{1 << 3}, p.Absent())
	a.put(t, p, 3)
	require.NoError(t, errors.Join(p.Finish(t.Context()), p.Close()))
	d.requireRead(ref, a.content)
	require.Empty(t, d.store.Rotten())
}

func TestABlobOfAnotherSizeIsNotHere(t *testing.T) {
	content := random(1, 3*dag.LeafSize+1)
	for name, size := range map[string]int64{"shorter": 2*dag.LeafSize + 5, "longer": 3*dag.LeafSize + 2, "empty": 0} {
		for _, restart := range []bool{false, true} {
			d := newDisk(t)
			ref := d.adopt(content)
			require.NoError(t, os.Truncate(d.store.path(ref.CID), size))
			if restart {
				d.restart()
			}
			require.False(t, d.store.Has(ref.CID), name)
			require.False(t, d.store.Verified(ref))
			_, err := d.read(ref, 0)
			require.ErrorIs(t, err, ErrNotFound)
			_, err = d.store.Open(ref.CID)
			require.ErrorIs(t, err, ErrNotFound)
			bad := d.salvage(ref)
			switch name {
			case "shorter":
				require.Equal(t, []int{2, 3}, bad)
				require.False(t, d.store.Has(ref.CID))
				d.adopt(content)
			case "empty":
				require.Equal(t, []int{0, 1, 2, 3}, bad)
				d.adopt(content)
			default:
				require.Empty(t, bad)
			}
			d.requireRead(ref, content)
			d.requireUsage(1, ref.Size)
			require.Empty(t, d.store.Rotten())
		}
	}
}

// TestAFlipThatChangesNoTime is what a disk does: only a new look at the bytes finds it.
func TestAFlipThatChangesNoTime(t *testing.T) {
	d := newDisk(t)
	content := random(1, 2*dag.LeafSize)
	ref := d.adopt(content)
	file := d.store.path(ref.CID)
	info, err := os.Stat(file)
	require.NoError(t, err)
	damage(t, file, dag.LeafSize)
	require.NoError(t, os.Chtimes(file, time.Time{}, info.ModTime()))
	require.True(t, d.store.Verified(ref))
	require.NoError(t, d.store.CheckLeaf(t.Context(), ref.CID, 0))
	require.ErrorIs(t, d.store.CheckLeaf(t.Context(), ref.CID, 1), ErrRotten)
	require.False(t, d.store.Has(ref.CID))
	require.ErrorIs(t, d.store.CheckLeaf(t.Context(), ref.CID, 1), ErrNotFound)
}

// TestASizeThatNoBlobHas shows that an entry with such a size does not make a sound blob be set
// aside, for which a mark would be made for each of its leaves.
func TestASizeThatNoBlobHas(t *testing.T) {
	d := newDisk(t)
	ref := d.adopt(random(2, 2*dag.LeafSize))
	for _, size := range []int64{-1, dag.MaxSize + 1, 1 << 62} {
		lie := dag.Ref{CID: ref.CID, Size: size}
		got, _, err := d.store.Check(t.Context(), lie, func(int64) {})
		require.NoError(t, err)
		require.Equal(t, Impossible, got)
		_, got, err = d.store.Inspect(t.Context(), lie)
		require.NoError(t, err)
		require.Equal(t, Impossible, got)
		_, err = d.store.Salvage(t.Context(), lie)
		require.ErrorIs(t, err, dag.ErrBadDAG)
	}
	require.True(t, d.store.Has(ref.CID))
}

func TestCheck(t *testing.T) {
	content := random(1, 3*dag.LeafSize+1)
	none := func(int64) {}
	for name, c := range map[string]struct {
		break_ func(d *disk, ref dag.Ref)
		want   Fault
		here   bool // afterwards
	}{
		"sound":   {func(*disk, dag.Ref) {}, Sound, true},
		"deleted": {func(d *disk, ref dag.Ref) { require.NoError(t, d.store.Delete(t.Context(), ref.CID)) }, Absent, false},
		"flipped": {func(d *disk, ref dag.Ref) { damage(t, d.store.path(ref.CID), 2*dag.LeafSize) }, Damaged, false},
		"cut":     {func(d *disk, ref dag.Ref) { require.NoError(t, os.Truncate(d.store.path(ref.CID), 5)) }, WrongSize, false},
		"no file": {func(d *disk, ref dag.Ref) { require.NoError(t, os.Remove(d.store.path(ref.CID))) }, LostFile, false},
		"no record": {func(d *disk, ref dag.Ref) {
			require.NoError(t, d.badger.Delete(t.Context(), rootKey(ref.CID)))
		}, LostRecord, true},
		"no layout": {func(d *disk, ref dag.Ref) {
			require.NoError(t, d.badger.Delete(t.Context(), innerKey(ref.CID.Hash(), ref.CID.String())))
		}, LostRecord, true},
		"no record, flipped": {func(d *disk, ref dag.Ref) {
			require.NoError(t, d.badger.Delete(t.Context(), rootKey(ref.CID)))
			damage(t, d.store.path(ref.CID), 2*dag.LeafSize)
		}, Damaged, false},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDisk(t)
			ref := d.adopt(content)
			c.break_(d, ref)
			got, _, err := d.store.Check(t.Context(), ref, none)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
			require.Equal(t, c.here, d.store.Has(ref.CID))
			if c.here {
				require.True(t, d.store.Verified(ref))
				d.requireUsage(1, ref.Size)
			}
			d.adopt(content)
			got, _, err = d.store.Check(t.Context(), ref, none)
			require.NoError(t, err)
			require.Equal(t, Sound, got)
			d.requireRead(ref, content)
			d.requireUsage(1, ref.Size)
		})
	}
}

// TestCheckOfABlobThatIsDeletedMeanwhile, whose record was lost, makes no record of it.
func TestCheckOfABlobThatIsDeletedMeanwhile(t *testing.T) {
	d := newDisk(t)
	ref := d.adopt(random(1, 2*dag.LeafSize))
	require.NoError(t, d.badger.Delete(t.Context(), rootKey(ref.CID)))
	fault, _, err := d.store.Check(t.Context(), ref, func(int64) {
		require.NoError(t, d.store.Delete(t.Context(), ref.CID))
	})
	require.NoError(t, err)
	require.Equal(t, Absent, fault)
	d.requireUsage(0, 0)
	require.Empty(t, d.keys(rootPrefix))
	require.Empty(t, d.keys(leafPrefix))
}

func TestReadersShareOneProof(t *testing.T) {
	d := newDisk(t)
	content := random(1, 24*dag.LeafSize+5)
	ref := d.adopt(content)
	d.restart()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			offset := int64(i) * 3 * dag.LeafSize / 2
			got, err := d.read(ref, offset)
			if err != nil || !bytes.Equal(got, content[offset:]) {
				t.Errorf("reader %d: %v", i, err)
			}
		})
		wg.Go(func() { // a reader that leaves early harms no other
			r, err := d.store.Reader(t.Context(), ref, int64(i)*dag.LeafSize)
			if err != nil {
				t.Error(err)
				return
			}
			_, err = io.CopyN(io.Discard, r, 10)
			if err = errors.Join(err, r.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.False(t, d.isChecked(ref))
}

func TestAReaderWhoseClientLeftCondemnsNothing(t *testing.T) {
	d := newDisk(t)
	ref := d.adopt(random(1, 4*dag.LeafSize))
	d.restart()
	ctx, cancel := context.WithCancel(t.Context())
	r, err := d.store.Reader(ctx, ref, 0)
	require.NoError(t, err)
	cancel()
	_, err = r.Read(make([]byte, 10)) // of a leaf that was hashed
	require.NoError(t, err)
	_, err = io.ReadAll(r)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, r.Close())
	require.True(t, d.store.Has(ref.CID))
}

// TestAReplacedFileIsNotCondemned: a reader of the old file finds out that it is damaged,
// and the new file stays.
func TestAReplacedFileIsNotCondemned(t *testing.T) {
	d := newDisk(t)
	content := random(1, 16*dag.LeafSize)
	ref := d.adopt(content)
	damage(t, d.store.path(ref.CID), 15*dag.LeafSize)
	r, err := d.store.Reader(t.Context(), ref, 0)
	require.NoError(t, err)
	d.adopt(content)
	_, err = io.ReadAll(r)
	require.ErrorIs(t, err, ErrRotten)
	require.NoError(t, r.Close())
	require.Empty(t, d.store.Rotten())
	d.requireRead(ref, content)
}

func TestARestartBetweenTheIntentionAndTheRename(t *testing.T) {
	d := newDisk(t)
	content := random(1, 2*dag.LeafSize)
	ref := d.adopt(content)
	require.NoError(t, d.store.index.addRotten(t.Context(), ref))
	d.restart()
	require.False(t, d.store.Has(ref.CID))
	d.requireUsage(0, 0)
	require.Empty(t, d.salvage(ref))
	d.requireRead(ref, content)
	d.requireUsage(1, ref.Size)
}

// refusing is a datastore that takes no writes, as on a full disk.
type refusing struct{ datastore.Batching }

func (refusing) Batch(context.Context) (datastore.Batch, error)   { return nil, unix.ENOSPC }
func (refusing) Put(context.Context, datastore.Key, []byte) error { return unix.ENOSPC }
func (refusing) Delete(context.Context, datastore.Key) error      { return unix.ENOSPC }

// TestRotThatCannotBeSetAside keeps no registry from starting, and is read nowhere.
func TestRotThatCannotBeSetAside(t *testing.T) {
	d := newDisk(t)
	content := random(1, 3*dag.LeafSize+1)
	ref, noted := d.adopt(content), d.adopt(content[1:])
	require.NoError(t, os.Truncate(d.store.path(ref.CID), ref.Size-1))
	require.NoError(t, d.store.index.addRotten(t.Context(), noted))
	var err error
	d.store, err = Open(d.dir, refusing{d.badger}, d.store.log)
	require.NoError(t, err)
	for _, r := range []dag.Ref{ref, noted} {
		_, err = d.read(r, 0)
		require.ErrorIs(t, err, ErrNotFound)
		require.True(t, d.store.IsRotten(r.CID))
		_, err = d.store.Salvage(t.Context(), r)
		require.ErrorIs(t, err, unix.ENOSPC)
		require.FileExists(t, d.store.path(r.CID))
	}
	d.restart()
	require.Equal(t, []int{3}, d.salvage(ref))
	require.Empty(t, d.salvage(noted))
	d.requireRead(noted, content[1:])
	d.requireUsage(1, noted.Size)
}
