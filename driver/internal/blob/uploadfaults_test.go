package blob

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

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
