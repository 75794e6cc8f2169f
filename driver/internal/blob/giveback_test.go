package blob

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"
)

// TestAFileThatWasGivenBackIsNoCopy: it goes with the blob, also after a restart, and is the
// blob's new file when that is replaced.
func TestAFileThatWasGivenBackIsNoCopy(t *testing.T) {
	content := random(1, 3<<20)
	for name, restart := range map[string]func(*disk){"at once": func(*disk) {}, "after a restart": (*disk).restart} {
		t.Run(name, func(t *testing.T) {
			d := newDisk(t)
			file := d.stage(content)
			p, err := d.store.PushUpload(t.Context(), file, digest.FromBytes(content), Seen{}, 0)
			require.NoError(t, err)
			p.GiveBack = true
			p.Return()
			p.Done()
			restart(d)
			require.True(t, sameFile(file, d.store.path(p.Ref.CID)))

			before, err := os.Stat(file)
			require.NoError(t, err)
			d.store.proofs.forget(p.Ref.CID) // or the new file is not needed
			again, err := d.store.PushUpload(t.Context(), d.stage(content), digest.FromBytes(content), Seen{}, 0)
			require.NoError(t, err)
			again.Done()
			now, err := os.Stat(file)
			require.NoError(t, err)
			require.False(t, os.SameFile(before, now))
			require.True(t, sameFile(file, d.store.path(p.Ref.CID)), "there are two copies")

			restart(d)
			other := filepath.Join(d.dir, "staging", "other")
			require.NoError(t, os.WriteFile(other, content, 0o600))
			require.NoError(t, d.store.Delete(t.Context(), p.Ref.CID))
			require.NoFileExists(t, file)
			require.FileExists(t, other)
		})
	}
}
