package datastore

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
)

// fault is how writes or syncs of files whose names end so fail.
type fault struct {
	ext string
	err error
}

// faulty is a file system with faults, and nil ones without. Half of a write that fails is written.
type faulty struct {
	vfs.FS
	write, create, sync atomic.Pointer[fault]
}

func (f *faulty) fails(what *atomic.Pointer[fault], name string) error {
	if is := what.Load(); is != nil && is.ext == filepath.Ext(name) {
		return &os.PathError{Op: "test", Path: name, Err: is.err}
	}
	return nil
}

func (f *faulty) open(name string, op func() (vfs.File, error)) (vfs.File, error) {
	if err := f.fails(&f.create, name); err != nil {
		return nil, err
	}
	got, err := op()
	return &faultyFile{got, f, name}, err
}

func (f *faulty) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return f.open(name, func() (vfs.File, error) { return f.FS.Create(name, c) })
}

func (f *faulty) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	return f.open(name, func() (vfs.File, error) { return f.FS.OpenReadWrite(name, c, o...) })
}

type faultyFile struct {
	vfs.File
	of   *faulty
	name string
}

func (f *faultyFile) Write(p []byte) (int, error) {
	err := f.of.fails(&f.of.write, f.name)
	if err == nil {
		return f.File.Write(p)
	}
	n, werr := f.File.Write(p[:len(p)/2])
	return n, errors.Join(err, werr)
}

func (f *faultyFile) Sync() error {
	return errors.Join(f.of.fails(&f.of.sync, f.name), f.File.Sync())
}

func (f *faultyFile) SyncData() error {
	return errors.Join(f.of.fails(&f.of.sync, f.name), f.File.SyncData())
}

func openFaulty(t *testing.T) (*Datastore, *faulty) {
	t.Helper()
	fs := &faulty{FS: vfs.Default}
	d, err := openOn(fs, t.TempDir(), quiet())
	require.NoError(t, err)
	return d, fs
}

// TestAFailedWriteIsHeld until it succeeds; meanwhile others are refused, and reads go on.
func TestAFailedWriteIsHeld(t *testing.T) {
	for _, cause := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG, syscall.EIO, syscall.EROFS} {
		t.Run(cause.Error(), func(t *testing.T) {
			d, fs := openFaulty(t)
			require.NoError(t, d.Put(t.Context(), keyOf(1), valueOf(1)))
			fs.write.Store(&fault{".log", cause})
			held := make(chan error, 1)
			go func() { held <- d.Put(t.Context(), keyOf(2), valueOf(2)) }()
			var down *Unavailable
			require.Eventually(t, func() bool { return errors.As(d.Writable(), &down) }, patient, tick)
			require.ErrorIs(t, down, cause)
			require.Equal(t, slices.Contains([]error{syscall.ENOSPC, syscall.EDQUOT}, cause), down.Full)
			require.Eventually(t, func() bool { return d.reserve.size() == 0 }, patient, tick, "a log may have it")
			require.ErrorAs(t, d.Put(t.Context(), keyOf(3), nil), &down)
			v, err := d.Get(t.Context(), keyOf(1))
			require.NoError(t, err)
			require.Equal(t, valueOf(1), v)
			fs.write.Store(nil)
			require.NoError(t, <-held)
			recovered(t, d)
			require.NoError(t, errors.Join(d.Put(t.Context(), keyOf(3), valueOf(3)), d.Close()))
			d, err = Open(d.dir, quiet())
			require.NoError(t, err)
			for n := 1; n <= 3; n++ {
				v, err := d.Get(t.Context(), keyOf(n))
				require.NoError(t, err)
				require.Equal(t, valueOf(n), v)
			}
			require.NoError(t, d.Close())
		})
	}
}

// TestAWriteThatIsLate is reported as failed, and has ended when writes are taken again.
func TestAWriteThatIsLate(t *testing.T) {
	d, fs := openFaulty(t)
	fs.write.Store(&fault{".log", syscall.ENOSPC})
	var down *Unavailable
	require.ErrorAs(t, d.writeWithin(tick, []change{{key: keyOf(1), value: valueOf(1)}}, 0), &down)
	require.ErrorIs(t, d.Writable(), down)
	require.EqualValues(t, 1, d.late.Load())
	fs.write.Store(nil)
	recovered(t, d)
	require.Zero(t, d.late.Load())
	v, err := d.Get(t.Context(), keyOf(1))
	require.NoError(t, err)
	require.Equal(t, valueOf(1), v)
	require.NoError(t, d.Close())
}

// fillTables writes until pebble has written tables, or tries to.
func fillTables(t *testing.T, d *Datastore) (keys int) {
	t.Helper()
	for range 10 {
		b, err := d.Batch(t.Context())
		require.NoError(t, err)
		for range 1 << 20 / len(valueOf(99)) {
			keys++
			require.NoError(t, b.Put(t.Context(), keyOf(keys), valueOf(keys)))
		}
		if b.Commit(t.Context()) != nil {
			return keys
		}
	}
	return keys
}

// TestATableThatCannotBeWritten, synced or begun is made again, and nothing of it is lost.
func TestATableThatCannotBeWritten(t *testing.T) {
	for _, what := range []string{"create", "write", "sync"} {
		t.Run(what, func(t *testing.T) {
			d, fs := openFaulty(t)
			at := map[string]*atomic.Pointer[fault]{"create": &fs.create, "write": &fs.write, "sync": &fs.sync}[what]
			at.Store(&fault{".sst", syscall.ENOSPC})
			require.NoError(t, d.Put(t.Context(), keyOf(0), valueOf(0)))
			keys := fillTables(t, d)
			var down *Unavailable
			require.Eventually(t, func() bool { return errors.As(d.Writable(), &down) }, patient, tick)
			require.True(t, down.Full)
			_, err := d.Get(t.Context(), keyOf(0))
			require.NoError(t, err)
			at.Store(nil)
			recovered(t, d)
			require.Eventually(t, func() bool {
				tables, err := filepath.Glob(filepath.Join(d.dir, "*.sst"))
				return err == nil && len(tables) > 0
			}, patient, tick)
			require.NoError(t, d.Put(t.Context(), keyOf(keys), valueOf(keys)))
			require.NoError(t, d.Close())
			d, err = Open(d.dir, quiet())
			require.NoError(t, err)
			for _, n := range []int{0, 1, 1000, keys} {
				v, err := d.Get(t.Context(), keyOf(n))
				require.NoError(t, err)
				require.Equal(t, valueOf(n), v)
			}
			require.NoError(t, d.Close())
		})
	}
}

// TestClassOf: a file that is not a table is one that must not be left out, whatever it is.
func TestClassOf(t *testing.T) {
	for name, want := range map[string]class{"000004.log": kept, "MANIFEST-000001": kept, "marker.manifest.000001.MANIFEST-000001": kept} {
		require.Equal(t, want, classOf(name, "pebble-compaction"), name)
	}
	require.Equal(t, flushed, classOf("000005.sst", "pebble-memtable-flush"))
	require.Equal(t, flushed, classOf("000005.sst", vfs.WriteCategoryUnspecified))
	require.Equal(t, compacted, classOf("000005.sst", "pebble-compaction"))
}
