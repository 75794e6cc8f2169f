package blob

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSafe: only what is here with nothing under way is safe.
func TestSafe(t *testing.T) {
	s := newDisk(t).store
	ref, err := s.Put(t.Context(), []byte("a blob"))
	require.NoError(t, err)
	require.True(t, s.Safe(ref.CID))
	unlock := s.Lock(ref.CID)
	require.False(t, s.Safe(ref.CID), "somebody installs or deletes it")
	unlock()
	require.True(t, s.Safe(ref.CID))
	require.NoError(t, s.Delete(t.Context(), ref.CID))
	require.False(t, s.Safe(ref.CID))
}
