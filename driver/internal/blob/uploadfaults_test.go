package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// A commit that fails is followed by Close, and sometimes by Cancel.
func TestUploadEndsAfterAFailedCommit(t *testing.T) {
	for _, size := range []int{10, 40 * dag.LeafSize} {
		for name, end := range map[string]func(*Upload) error{"close": (*Upload).Close, "cancel": (*Upload).Cancel} {
			t.Run(name, func(t *testing.T) {
				d := newDisk(t)
				file := filepath.Join(d.dir, "staging", "full")
				require.NoError(t, os.Symlink("/dev/full", file))
				u, err := d.store.Upload(file, true)
				require.NoError(t, err)
				_, _ = u.Write(random(1, size))
				require.ErrorIs(t, u.Commit(), syscall.ENOSPC)
				err = end(u)
				if name == "close" {
					require.Error(t, err, "what is not on disk is not kept")
				}
				require.NoFileExists(t, UploadNote(file))
				require.Empty(t, d.store.uploads.by)
			})
		}
	}
}

// A request that its client gave up before it sent a byte must not write into the
// blob that another one completed.
func TestUploadThatOutlivesItsFile(t *testing.T) {
	for name, after := range map[string]int{"same length": 0, "grew": 2 * dag.LeafSize} {
		t.Run(name, func(t *testing.T) {
			d := newDisk(t)
			content := random(1, dag.LeafSize+after)
			file := filepath.Join(d.dir, "staging", "x")
			send := func(b []byte) {
				u, err := d.store.Upload(file, true)
				require.NoError(t, err)
				_, err = u.Write(b)
				require.NoError(t, err)
				require.NoError(t, u.Close())
			}
			send(content[:dag.LeafSize])
			late, err := d.store.Upload(file, true)
			require.NoError(t, err)
			if after > 0 {
				send(content[dag.LeafSize:])
			}
			_, done, err := d.store.uploads.adopt(file)
			require.NoError(t, err)
			_, err = late.Write([]byte("while it becomes a blob"))
			require.ErrorIs(t, err, ErrUploadOver)
			done()
			ref, err := d.adoptUpload(context.Background(), file, digest.FromBytes(content), Seen{}, 0)
			require.NoError(t, err)
			require.Empty(t, d.store.uploads.adopted)
			_, errWrite := late.Write(random(2, dag.LeafSize/2))
			errClose := late.Close()
			d.requireContent(ref, content)
			require.True(t, errWrite != nil || errClose != nil, "what was not kept is an error")
		})
	}
}

// A digest that was computed elsewhere does not cover what others wrote meanwhile.
func TestADigestOfOtherBytesThanTheFiles(t *testing.T) {
	good, evil := random(1, 2*dag.LeafSize), random(2, 2*dag.LeafSize)
	for name, spoil := range map[string]func(open func() *Upload){
		"a tail that is still in memory": func(open func() *Upload) {
			mustWrite(t, open(), good, true)
			mustWrite(t, open(), []byte("tail"), false)
		},
		"a tail that was closed": func(open func() *Upload) {
			mustWrite(t, open(), good, true)
			mustWrite(t, open(), []byte("tail"), true)
		},
		"a writer from before": func(open func() *Upload) {
			before := open()
			mustWrite(t, open(), good, true)
			mustWrite(t, before, evil, true)
		},
		"and that is still open": func(open func() *Upload) {
			before := open()
			mustWrite(t, open(), good, true)
			mustWrite(t, before, evil, false)
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDisk(t)
			file := filepath.Join(d.dir, "staging", "u")
			spoil(func() *Upload {
				u, err := d.store.Upload(file, true)
				require.NoError(t, err)
				return u
			})
			_, err := d.adoptUpload(t.Context(), file, digest.FromBytes(good), seen(good), 0)
			require.ErrorIs(t, err, ErrDigestMismatch)
		})
	}
}

func mustWrite(t *testing.T, u *Upload, b []byte, toTheEnd bool) {
	t.Helper()
	_, err := u.Write(b)
	require.NoError(t, err)
	if toTheEnd {
		require.NoError(t, u.Close())
	}
}

// Sums count only while they are whole, and of the very file.
func TestNotesThatDoNotCount(t *testing.T) {
	content := random(1, 4*dag.LeafSize+9)
	for name, happens := range map[string]func(file string) error{
		"lost": func(f string) error { return os.Remove(UploadNote(f)) },
		"cut":  func(f string) error { return os.Truncate(UploadNote(f), 300) },
		"zeroed": func(f string) error {
			return errors.Join(os.Truncate(UploadNote(f), 0), os.Truncate(UploadNote(f), 400))
		},
		"damaged": func(f string) error { return damageNote(UploadNote(f), `"sums":"`) },
		"longer": func(f string) error {
			return errors.Join(os.Truncate(f, 3*dag.LeafSize), os.Truncate(f, 4*dag.LeafSize+9))
		},
		"another": replaceFile,
	} {
		for _, more := range []int{0, 2*dag.LeafSize + 5} {
			t.Run(fmt.Sprint(name, more), func(t *testing.T) {
				d := newDisk(t)
				all, file := append(bytes.Clone(content), random(2, more)...), filepath.Join(d.dir, "staging", "u")
				send := func(b []byte) {
					u, err := d.store.Upload(file, true)
					require.NoError(t, err)
					_, err = u.Write(b)
					require.NoError(t, err)
					require.NoError(t, u.Close())
				}
				send(content)
				spoil(t, file, dag.LeafSize)
				require.NoError(t, happens(file))
				d.restart()
				send(all[len(content):])
				_, err := d.adoptUpload(context.Background(), file, digest.FromBytes(all), seen(all), 0)
				require.ErrorIs(t, err, ErrDigestMismatch, "the file was not read")
			})
		}
	}
}

// damageNote changes the byte ten behind a text.
func damageNote(file, text string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	at := bytes.Index(b, []byte(text)) + len(text) + 10
	b[at] ^= 'A' ^ 'B' // still base64, mostly
	if !bytes.ContainsRune([]byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"), rune(b[at])) {
		b[at] = 'A'
	}
	return os.WriteFile(file, b, 0o600)
}

// replaceFile puts another file with the same bytes and time in its place.
func replaceFile(file string) error {
	info, errStat := os.Stat(file)
	content, errRead := os.ReadFile(file)
	if err := errors.Join(errStat, errRead, os.Rename(file, file+"-old")); err != nil {
		return err
	}
	return errors.Join(os.WriteFile(file, content, 0o600), os.Chtimes(file, info.ModTime(), info.ModTime()))
}

// The registry leaves a writer as it is when there is no room for its hash state.
func TestAFailedWriteGivesBackWhatItHeld(t *testing.T) {
	d := newDisk(t)
	file := filepath.Join(d.dir, "staging", "full")
	require.NoError(t, os.Symlink("/dev/full", file))
	u, err := d.store.Upload(file, true)
	require.NoError(t, err)
	for i := 0; err == nil && i < 100; i++ {
		_, err = u.Write(random(1, pieceSize))
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.Empty(t, d.store.uploads.by)
	require.Error(t, u.file.Close(), "it is still open")
	_, err = u.Write([]byte("more"))
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.ErrorIs(t, u.Commit(), syscall.ENOSPC)
	require.ErrorIs(t, u.Close(), syscall.ENOSPC)
	require.ErrorIs(t, u.Close(), syscall.ENOSPC, "as long as anybody asks")
}

// What an upload cannot take up must not be taken for known by the next Write.
func TestAWriteAfterAFailedBegin(t *testing.T) {
	for name, spoil := range map[string]func(*testing.T, *Upload){
		"the last leaf cannot be read": func(t *testing.T, u *Upload) {
			require.NoError(t, u.file.Close())
			var err error
			u.file, err = os.OpenFile(u.file.Name(), os.O_WRONLY, 0)
			require.NoError(t, err)
		},
		"the note cannot be removed": func(t *testing.T, u *Upload) {
			mkdir(t, UploadNote(u.file.Name()), "x")
		},
		"the file was cut": func(t *testing.T, u *Upload) {
			require.NoError(t, os.Truncate(u.file.Name(), dag.LeafSize/2))
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDisk(t)
			u, err := d.store.Upload(d.stage(random(1, dag.LeafSize+9)), true)
			require.NoError(t, err)
			spoil(t, u)
			_, first := u.Write([]byte("x"))
			require.Error(t, first)
			require.Empty(t, d.store.uploads.by)
			_, err = u.Write([]byte("x"))
			require.ErrorIs(t, err, errors.Unwrap(first))
			require.Error(t, u.Close())
		})
	}
}

// Removing a file ends the uploads that write it, or its bytes stay on the disk.
func TestUploadsThatAreEndedByOthers(t *testing.T) {
	for name, end := range map[string]func(*disk, string){
		"deleted": func(d *disk, file string) { d.store.EndUploads(filepath.Dir(file)) },
		"closed":  func(d *disk, _ string) { d.store.Close() },
		"canceled": func(d *disk, file string) {
			u, err := d.store.Upload(file, true)
			require.NoError(d.t, err)
			require.NoError(d.t, u.Cancel())
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDisk(t)
			open := func(dir string) *Upload {
				u, err := d.store.Upload(filepath.Join(d.dir, "staging", dir, "data"), true)
				require.NoError(t, err)
				mustWrite(t, u, random(1, 3*pieceSize+1), false)
				return u
			}
			u, beside := open("u"), open("u2")
			end(d, u.file.Name())
			require.Error(t, u.file.Close(), "it is still open")
			_, err := u.Write([]byte("x"))
			require.ErrorIs(t, err, ErrUploadOver)
			if name != "closed" {
				mustWrite(t, beside, []byte("x"), true)
			}
			require.Empty(t, d.store.uploads.by)
		})
	}
}
