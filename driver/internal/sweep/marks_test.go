package sweep

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/lease"
)

// collectorOf makes a collector with the marks in a file, and gives what it logs.
func collectorOf(t *testing.T, file string) (*Collector, []*logrus.Entry) {
	t.Helper()
	clock, err := OpenClock(t.Context(), dssync.MutexWrap(datastore.NewMapDatastore()))
	require.NoError(t, err)
	logger, said := test.NewNullLogger()
	return NewCollector(Config{File: file, Clock: clock, Log: logrus.NewEntry(logger)}), said.AllEntries()
}

// TestMarksThatCannotBeRead are as if there were none, and the log says so: a path or a version in
// which one bit is wrong must not pass for what was marked.
func TestMarksThatCannotBeRead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "garbage.json")
	_, said := collectorOf(t, file)
	require.Empty(t, said, "there are none")
	unused := func(yield func(string, []string) bool) { yield("/x", []string{"v"}) }
	require.NoError(t, writeMarks(file, marks{
		Marks: []*lease.Mark{lease.NewMark(0, 9, unused)}, Strangers: map[string]lease.Moment{"s": 0},
	}))
	c, said := collectorOf(t, file)
	require.Empty(t, said)
	require.Equal(t, 1, c.marked())
	require.Len(t, c.strangers, 1)
	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	for i := range whole {
		b := bytes.Clone(whole)
		b[i] ^= 1 << (i % 8)
		require.NoError(t, os.WriteFile(file, b, 0o600))
		requireNoMarks(t, file)
	}
	for _, end := range []int{0, 10, len(whole) - 1} {
		require.NoError(t, os.WriteFile(file, whole[:end], 0o600))
		requireNoMarks(t, file)
	}
	require.NoError(t, os.WriteFile(file, whole, 0o600))
	require.NoError(t, os.Truncate(file, maxMarksFile+1)) // a hole, which takes no room on a disk
	requireNoMarks(t, file)
}

func requireNoMarks(t *testing.T, file string) {
	t.Helper()
	c, said := collectorOf(t, file)
	require.Empty(t, c.marks)
	require.Empty(t, c.strangers)
	require.Len(t, said, 1)
	require.Equal(t, logrus.WarnLevel, said[0].Level)
}
