package blob

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"
)

// A commit that fails is followed by Close, and sometimes by Cancel.
func TestUploadEndsAfterAFailedCommit(t *testing.T) {
	for _, size := range []int{10, 40 * LeafSize} {
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
	for name, after := range map[string]int{"same length": 0, "grew": 2 * LeafSize} {
		t.Run(name, func(t *testing.T) {
			d := newDisk(t)
			content := random(1, LeafSize+after)
			file := filepath.Join(d.dir, "staging", "x")
			send := func(b []byte) {
				u, err := d.store.Upload(file, true)
				require.NoError(t, err)
				_, err = u.Write(b)
				require.NoError(t, err)
				require.NoError(t, u.Close())
			}
			send(content[:LeafSize])
			late, err := d.store.Upload(file, true)
			require.NoError(t, err)
			if after > 0 {
				send(content[LeafSize:])
			}
			done := d.store.uploads.adopt(file)
			_, err = late.Write([]byte("while it becomes a blob"))
			require.ErrorIs(t, err, ErrUploadOver)
			done()
			ref, err := d.store.AdoptUpload(context.Background(), file, digest.FromBytes(content))
			require.NoError(t, err)
			require.Empty(t, d.store.uploads.adopted)
			_, errWrite := late.Write(random(2, LeafSize/2))
			errClose := late.Close()
			d.requireContent(ref, content)
			require.True(t, errWrite != nil || errClose != nil, "what was not kept is an error")
		})
	}
}
