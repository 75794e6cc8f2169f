package blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"math/rand"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag/dagtest"
)

// uploads writes content to a file in pieces of at most that many bytes, closing
// and opening it again after every so many, as a client that sends chunks does.
func (d *disk) upload(name string, content []byte, most, reopen int, rng *rand.Rand) string {
	d.t.Helper()
	file := filepath.Join(d.dir, "staging", "local", name, "data")
	u, err := d.store.Upload(file, false)
	require.NoError(d.t, err)
	for since := 0; len(content) > 0; {
		n := min(len(content), 1+rng.Intn(most))
		_, err := u.Write(content[:n])
		require.NoError(d.t, err)
		content = content[n:]
		if since += n; reopen > 0 && since > reopen {
			size := u.Size()
			require.NoError(d.t, u.Close())
			u, err = d.store.Upload(file, true)
			require.NoError(d.t, err)
			require.Equal(d.t, size, u.Size())
			since = 0
		}
	}
	require.NoError(d.t, u.Close())
	return file
}

// spoil changes bytes of a file so that only reading it shows the change.
func spoil(t *testing.T, file string, offset int64) {
	t.Helper()
	info, err := os.Stat(file)
	require.NoError(t, err)
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("spoiled"), offset)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.NoError(t, os.Chtimes(file, info.ModTime(), info.ModTime()))
}

// seen is the digest as the registry has it when all bytes came.
func seen(content []byte) Seen {
	h := sha256.New()
	h.Write(content)
	return Seen{Sum: h, Size: int64(len(content))}
}

func TestUploadInAnyPieces(t *testing.T) {
	d := newDisk(t)
	rng := rand.New(rand.NewSource(7))
	for _, size := range []int{
		0, 1, 71, pieceSize - 1, pieceSize, pieceSize + 1, dag.LeafSize - 1, dag.LeafSize, dag.LeafSize + 1,
		3*dag.LeafSize + pieceSize, 5*dag.LeafSize + 12345,
	} {
		for _, reopen := range []int{0, 1, dag.LeafSize + 7} {
			content := random(int64(size+reopen), size)
			most := 40_000
			if reopen == 1 {
				most = max(1, size/3)
			}
			file := d.upload("u", content, most, reopen, rng)
			ref, err := d.adoptUpload(t.Context(), file, digest.FromBytes(content), Seen{}, 0)
			require.NoError(t, err)
			require.Equal(t, dag.Ref{CID: dagtest.Root(t, uint64(dag.SHA2), dagtest.Profile(), bytes.NewReader(content)), Size: int64(size)}, ref)
			d.requireContent(ref, content)
			require.NoFileExists(t, UploadNote(file))
			require.NoError(t, d.store.Delete(t.Context(), ref.CID))
		}
	}
}

func TestUploadIsNotReadAgain(t *testing.T) {
	d := newDisk(t)
	content := random(1, 3*dag.LeafSize+5)
	want := d.adopt(content)
	require.NoError(t, d.store.Delete(t.Context(), want.CID))
	file := d.upload("u", content, dag.LeafSize, 0, rand.New(rand.NewSource(1)))
	spoil(t, file, dag.LeafSize+9)
	_, err := d.adoptUpload(t.Context(), file, digest.FromBytes(content), Seen{}, 0)
	require.ErrorIs(t, err, ErrDigestMismatch, "nobody saw its digest, and the file was not read")
	_, err = d.adoptUpload(t.Context(), file, digest.FromBytes(content), Seen{Sum: sha256.New(), Size: int64(len(content))}, 0)
	require.ErrorIs(t, err, ErrDigestMismatch)
	ref, err := d.adoptUpload(t.Context(), file, digest.FromBytes(content), seen(content), 0)
	require.NoError(t, err)
	require.Equal(t, want, ref, "the file was read")
}

func TestUploadResumesAfterARestart(t *testing.T) {
	d := newDisk(t)
	content := random(2, 4*dag.LeafSize+5)
	half := 2*dag.LeafSize + 700
	file := d.upload("u", content[:half], dag.LeafSize, 0, rand.New(rand.NewSource(1)))
	d.restart()
	spoil(t, file, 3) // of a leaf that is full: nobody reads it
	u, err := d.store.Upload(file, true)
	require.NoError(t, err)
	require.EqualValues(t, half, u.Size())
	_, err = u.Write(content[half:])
	require.NoError(t, err)
	require.NoError(t, u.Close())
	ref, err := d.adoptUpload(t.Context(), file, digest.FromBytes(content), seen(content), 0)
	require.NoError(t, err)
	require.Equal(t, dagtest.Root(t, uint64(dag.SHA2), dagtest.Profile(), bytes.NewReader(content)), ref.CID)
}

// TestACommittedUpload is not synced until it becomes a blob, so what is known of it must not
// outlive the run.
func TestACommittedUpload(t *testing.T) {
	content := random(1, 3*dag.LeafSize+5)
	commit := func(d *disk) string {
		file := filepath.Join(d.dir, "staging", "u", "data")
		u, err := d.store.Upload(file, true)
		require.NoError(t, err)
		_, err = u.Write(content)
		require.NoError(t, err)
		require.NoError(t, u.Commit())
		require.NoError(t, u.Close())
		require.NoFileExists(t, UploadNote(file))
		spoil(t, file, dag.LeafSize+9)
		return file
	}
	for name, after := range map[string]func(*disk, string){
		"a restart": func(d *disk, _ string) { d.restart() },
		"a request that adds nothing, and a restart": func(d *disk, file string) {
			u, err := d.store.Upload(file, true)
			require.NoError(t, err)
			require.NoError(t, u.Close())
			d.restart()
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDisk(t)
			file := commit(d)
			after(d, file)
			_, err := d.adoptUpload(t.Context(), file, digest.FromBytes(content), seen(content), 0)
			require.ErrorIs(t, err, ErrDigestMismatch, "the file was not read")
		})
	}
	t.Run("nothing", func(t *testing.T) {
		d := newDisk(t)
		_, err := d.adoptUpload(t.Context(), commit(d), digest.FromBytes(content), seen(content), 0)
		require.NoError(t, err, "the file was read")
		require.Empty(t, d.store.uploads.known)
	})
	for name, end := range map[string]func(*disk, string){
		"deleted": func(d *disk, file string) { d.store.EndUploads(filepath.Dir(file)) },
		"swept": func(d *disk, file string) {
			require.NoError(t, d.store.RemoveIdle(file, func() bool { return true }, func() error { return os.Remove(file) }))
		},
		"written again": func(d *disk, file string) {
			u, err := d.store.Upload(file, false)
			require.NoError(t, err)
			require.NoError(t, u.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDisk(t)
			end(d, commit(d))
			require.Empty(t, d.store.uploads.known)
		})
	}
}

// TestUploadAfterACrash: nothing is believed that was not noted after the file was
// safe.
func TestUploadAfterACrash(t *testing.T) {
	content := random(3, 2*dag.LeafSize+700)
	for name, crash := range map[string]func(t *testing.T, file string){
		"nothing was noted": func(t *testing.T, file string) { require.NoError(t, os.Remove(UploadNote(file))) },
		"the note is cut":   func(t *testing.T, file string) { require.NoError(t, os.Truncate(UploadNote(file), 40)) },
		"the file is older": func(t *testing.T, file string) { // as after the note, and the writing, of more
			require.NoError(t, os.Truncate(file, int64(len(content))))
		},
	} {
		for _, resumed := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				d := newDisk(t)
				longer := append(append([]byte(nil), content...), random(4, 100)...)
				file := d.upload("u", longer, dag.LeafSize, 0, rand.New(rand.NewSource(1)))
				require.NoError(t, os.Truncate(file, int64(len(content))))
				crash(t, file)
				if resumed {
					u, err := d.store.Upload(file, true)
					require.NoError(t, err)
					require.NoError(t, u.Close())
				}
				ref, err := d.adoptUpload(t.Context(), file, digest.FromBytes(content), Seen{}, 0)
				require.NoError(t, err)
				require.Equal(t, dagtest.Root(t, uint64(dag.SHA2), dagtest.Profile(), bytes.NewReader(content)), ref.CID)
				d.requireContent(ref, content)
			})
		}
	}
}

func TestUploadWithAnotherDigest(t *testing.T) {
	d := newDisk(t)
	for _, size := range []int{5, 2 * dag.LeafSize} {
		content := random(5, size)
		file := d.upload("u", content, dag.LeafSize, 0, rand.New(rand.NewSource(1)))
		_, err := d.adoptUpload(t.Context(), file, digest.FromString("other"), Seen{}, 0)
		require.ErrorIs(t, err, ErrDigestMismatch)
		_, err = d.adoptUpload(t.Context(), file, digest.SHA512.FromString("other"), Seen{}, 0)
		require.ErrorIs(t, err, ErrDigestMismatch)
		_, err = d.adoptUpload(t.Context(), file, digest.SHA512.FromBytes(content), Seen{}, 0)
		require.NoError(t, err)
	}
}

func TestUploadIsOver(t *testing.T) {
	d := newDisk(t)
	file := filepath.Join(d.dir, "staging", "u")
	u, err := d.store.Upload(file, false)
	require.NoError(t, err)
	_, err = u.Write(random(6, 3*pieceSize))
	require.NoError(t, err)
	require.NoError(t, u.Cancel())
	require.NoFileExists(t, file)
	require.NoFileExists(t, UploadNote(file))
	for _, again := range []func() error{u.Commit, u.Close, u.Cancel, func() error { _, err := u.Write([]byte{1}); return err }} {
		require.ErrorIs(t, again(), ErrUploadOver)
	}
	u, err = d.store.Upload(file, false)
	require.NoError(t, err)
	require.NoError(t, u.Commit())
	_, err = u.Write([]byte{1})
	require.ErrorIs(t, err, ErrUploadOver)
	require.ErrorIs(t, u.Commit(), ErrUploadOver)
	require.NoError(t, u.Close())
}

func TestUploadToAFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("this system has no /dev/full")
	}
	d := newDisk(t)
	for _, size := range []int{10, 3 * dag.LeafSize} {
		u, err := d.store.Upload("/dev/full", true)
		require.NoError(t, err)
		_, err = u.Write(random(8, size))
		if err == nil {
			err = u.Commit()
		}
		require.ErrorIs(t, err, unix.ENOSPC)
		_ = u.Close()
	}
}

func TestUploadsConcurrently(t *testing.T) {
	d := newDisk(t)
	var g errgroup.Group
	for i := range 12 {
		g.Go(func() error {
			content := random(int64(20+i%6), 2*dag.LeafSize+i%6) // some are the same
			file := filepath.Join(d.dir, "staging", "local", string(rune('a'+i)))
			u, err := d.store.Upload(file, false)
			if err != nil {
				return err
			}
			for at := 0; at < len(content); at += 32 << 10 {
				if _, err := u.Write(content[at:min(at+32<<10, len(content))]); err != nil {
					return err
				}
			}
			if err := u.Close(); err != nil {
				return err
			}
			_, err = d.adoptUpload(context.Background(), file, digest.FromBytes(content), Seen{}, 0)
			return err
		})
	}
	require.NoError(t, g.Wait())
	blobs, _ := d.store.Usage()
	require.Equal(t, 6, blobs)
}

// TestUploadTakesItsSizeOnce: at no time is there a second copy on disk.
func TestUploadTakesItsSizeOnce(t *testing.T) {
	d := newDisk(t)
	const size = 64 * dag.LeafSize
	before := diskUse(t, d.dir)
	file := d.upload("u", random(9, size), dag.LeafSize, 0, rand.New(rand.NewSource(1)))
	require.LessOrEqual(t, diskUse(t, d.dir)-before, int64(size+size/100), "staged")
	_, err := d.adoptUpload(t.Context(), file, "", Seen{}, 0)
	require.NoError(t, err)
	require.LessOrEqual(t, diskUse(t, d.dir)-before, int64(size+size/100), "adopted")
}

func diskUse(t *testing.T, dir string) (n int64) {
	t.Helper()
	require.NoError(t, filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if err == nil {
			n += info.Sys().(*syscall.Stat_t).Blocks * 512
		}
		return err
	}))
	return n
}

// TestUploadIsTakenOver: a client comes back while its earlier request, whose end was not
// noticed yet, may still write.
func TestUploadIsTakenOver(t *testing.T) {
	d := newDisk(t)
	content := random(10, 2*dag.LeafSize+9)
	file := filepath.Join(d.dir, "staging", "u")
	first, err := d.store.Upload(file, false)
	require.NoError(t, err)
	_, err = first.Write(content[:dag.LeafSize])
	require.NoError(t, err)

	status, err := d.store.Upload(file, true) // only looks
	require.NoError(t, err)
	require.NoError(t, status.Close())
	_, err = first.Write(content[dag.LeafSize : dag.LeafSize+5])
	require.NoError(t, err)
	require.NoError(t, first.Close())

	first, err = d.store.Upload(file, true)
	require.NoError(t, err)
	second, err := d.store.Upload(file, true)
	require.NoError(t, err)
	_, err = first.Write(random(11, 3*pieceSize)) // lost, as far as the client knows
	require.NoError(t, err)
	_, err = second.Write(content[dag.LeafSize+5:])
	require.NoError(t, err)
	_, err = first.Write([]byte("late"))
	require.ErrorIs(t, err, ErrUploadOver)

	// Nor does anybody write what became a blob.
	ref, err := d.adoptUpload(t.Context(), file, digest.FromBytes(content), Seen{}, 0)
	require.NoError(t, err)
	_, err = second.Write([]byte("late"))
	require.ErrorIs(t, err, ErrUploadOver)
	d.requireContent(ref, content)
}
