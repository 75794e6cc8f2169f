package fetch

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	badger "github.com/ipfs/go-ds-badger"
	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// store opens a store with a disk of its own.
func store(t *testing.T) (s *blob.Store, dir string) {
	t.Helper()
	dir = t.TempDir()
	options := badger.DefaultOptions
	options.SyncWrites = false // no machine crashes during a test
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "badger"), 0o700))
	d, err := badger.NewDatastore(filepath.Join(dir, "badger"), &options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	logger, _ := test.NewNullLogger()
	s, err = blob.Open(dir, d, logrus.NewEntry(logger))
	require.NoError(t, err)
	return s, dir
}

// random returns size random bytes, the same for the same seed.
func random(seed uint64, size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(seed)}).Read(b)
	return b
}

// resumed makes a job that finds every leaf of a blob left by an earlier run, one of them damaged.
// Nothing of it runs.
func resumed(t *testing.T, damaged int) *Job {
	t.Helper()
	from, _ := store(t)
	to, dir := store(t)
	content := random(80, 4*mib)
	ref, err := from.Put(t.Context(), content)
	require.NoError(t, err)
	layout, inner, err := dag.ReadLayout(t.Context(), ref.CID, ref.Size, from.Block)
	require.NoError(t, err)
	open := func() *blob.Partial {
		p, err := to.Partial(layout, inner)
		require.NoError(t, err)
		return p
	}
	p := open()
	for i := range layout.Leaves() {
		require.NoError(t, p.Put(i, content[i*mib:(i+1)*mib]))
	}
	require.NoError(t, p.Close())
	f, err := os.OpenFile(filepath.Join(dir, "staging", ref.CID.String()+".partial"), os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("not what it was"), int64(damaged)*mib)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	j := alone(t, Config{Self: "self", Blobs: to, Timing: TimingFor(time.Minute)}).New(ref, Purpose{Leaf: -1})
	t.Cleanup(j.Abandon)
	p = open()
	t.Cleanup(func() { _ = p.Close() })
	j.here.layout, j.here.partial = layout, p
	close(j.here.laidOut)
	return j
}

// TestHashingIsProgress shows that the time that hashing takes is not held against the members.
func TestHashingIsProgress(t *testing.T) {
	j := resumed(t, 2)
	j.meter.born = time.Now().Add(-time.Hour)
	c := newCoordinator(j)
	c.hash()
	(<-j.events).apply(c)
	require.Less(t, j.meter.still(), time.Hour)
	require.True(t, c.absent().Has(2), "the damaged leaf is not fetched again")
	require.Equal(t, 1, c.absent().Count())
	require.False(t, c.endIfWhole())
}

func TestHashingEndsWithTheTransfer(t *testing.T) {
	j := resumed(t, 2)
	j.Abandon()
	_, missing := j.partial().Missing(j.ctx, 0)
	require.True(t, missing, "it is not known to be whole")
	require.Zero(t, bitset.Set(j.partial().Absent()).Count(), "leaves that have not been hashed are to be fetched again")
}
