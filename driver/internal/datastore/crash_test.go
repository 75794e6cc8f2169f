package datastore

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	ds "github.com/ipfs/go-datastore"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A writer is this test's binary, run again to be killed. It writes while its files may
// not grow, which tears pebble's log as a full disk does, needs no root, and ends
// when the test says so; it prints the keys that were acknowledged.
const writerEnv = "DATASTORE_TEST_WRITER"

func TestMain(m *testing.M) {
	if how := os.Getenv(writerEnv); how != "" {
		write(how, os.Getenv(writerEnv+"_DIR"), os.Getenv(writerEnv+"_SEED"))
		return
	}
	os.Exit(m.Run())
}

func quiet() *logrus.Entry {
	l := logrus.New()
	l.SetLevel(logrus.PanicLevel)
	return logrus.NewEntry(l)
}

// putter is what a writer writes to.
type putter interface {
	Put(context.Context, ds.Key, []byte) error
}

// alone is pebble without an owner.
type alone struct{ *pebble.DB }

func (a alone) Put(_ context.Context, k ds.Key, v []byte) error {
	return a.Set(k.Bytes(), v, pebble.Sync)
}

func openAs(how, dir string) (putter, error) {
	if how == "alone" {
		db, err := pebble.Open(dir, options(vfs.Default, logger{quiet(), &told{}}))
		return alone{db}, err
	}
	return Open(dir, quiet())
}

func write(how, dir, seed string) {
	signal.Ignore(unix.SIGXFSZ)
	n, _ := strconv.ParseUint(seed, 10, 64)
	random := rand.New(rand.NewPCG(n, 0))
	if how == "sync" {
		writeUnsynced(dir)
	}
	store, err := openAs(how, dir)
	check(err)
	next := 0
	put := func() error {
		next++
		err := store.Put(context.Background(), keyOf(next), valueOf(next))
		if err == nil {
			fmt.Println("stored", next)
		}
		return err
	}
	for range 20 + random.IntN(20) {
		check(put())
	}
	if how == "close" {
		limit(1000) // no table fits, and the log cannot be ended
	} else {
		limit(logBytes(dir) + int64(random.IntN(3000))) // in the middle of a record
	}
	go func() { // it is held
		for d, ok := store.(*Datastore); !ok || d.files.count.Load() == 0; {
			time.Sleep(time.Millisecond)
		}
		if how == "close" {
			closeStuck(store.(*Datastore))
		}
		limit(-1)
	}()
	for stored := 0; stored < 50; {
		if put() == nil {
			stored++
			continue
		}
		time.Sleep(10 * time.Millisecond)
	}
	fmt.Println("done")
	select {} // until it is killed
}

// closeStuck closes a datastore that cannot write.
func closeStuck(d *Datastore) {
	d.closeWait = 100 * time.Millisecond
	check(d.Close())
	fmt.Println("done")
	select {}
}

// writeUnsynced writes until the log cannot be synced.
func writeUnsynced(dir string) {
	fs := &faulty{FS: vfs.Default}
	d, err := openOn(fs, dir, quiet())
	check(err)
	for n := 1; ; n++ {
		if n == 30 {
			fs.sync.Store(&fault{".log", unix.EIO})
		}
		if err := d.Put(context.Background(), keyOf(n), valueOf(n)); err == nil {
			fmt.Println("stored", n)
		}
	}
}

func check(err error) {
	if err != nil {
		fmt.Println("failed", err)
		os.Exit(2)
	}
}

// limit bounds what files of this process may grow to; -1: it does not.
func limit(n int64) {
	l := unix.Rlimit{Cur: uint64(n), Max: unix.RLIM_INFINITY}
	if n < 0 {
		l.Cur = unix.RLIM_INFINITY
	}
	check(unix.Setrlimit(unix.RLIMIT_FSIZE, &l))
}

func logBytes(dir string) int64 {
	logs, err := filepath.Glob(filepath.Join(dir, "*.log"))
	check(err)
	info, err := os.Stat(logs[len(logs)-1])
	check(err)
	return info.Size()
}

func keyOf(n int) ds.Key { return ds.NewKey(fmt.Sprintf("/test/%06d", n)) }

func valueOf(n int) []byte { return bytes.Repeat([]byte(fmt.Sprintf("%08d", n)), 20+n%100) }

// lost runs a writer until it is done, when it is killed, or ends. It opens the datastore and says
// which writes were acknowledged, which of them are not there, and how the writer ended.
func lost(t *testing.T, how string, seed int) (stored int, gone []int, status int) {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), writerEnv+"="+how, writerEnv+"_DIR="+dir, writerEnv+"_SEED="+strconv.Itoa(seed))
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var keys []int
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "done" {
		n, err := strconv.Atoi(strings.TrimPrefix(lines.Text(), "stored "))
		require.NoError(t, err, lines.Text())
		keys = append(keys, n)
	}
	if lines.Text() == "done" {
		require.NoError(t, cmd.Process.Kill())
	}
	_ = cmd.Wait()
	store, err := Open(dir, quiet())
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	for _, n := range keys {
		if v, err := store.Get(t.Context(), keyOf(n)); err != nil || !bytes.Equal(v, valueOf(n)) {
			gone = append(gone, n)
		}
	}
	return len(keys), gone, cmd.ProcessState.ExitCode()
}

// TestNothingAcknowledgedIsLost when a write fails, writing goes on, and the process is
// killed.
func TestNothingAcknowledgedIsLost(t *testing.T) {
	rounds := 5
	if !testing.Short() {
		rounds = 100
	}
	for seed := range rounds {
		stored, gone, _ := lost(t, "owner", seed)
		require.GreaterOrEqual(t, stored, 70)
		require.Empty(t, gone, "seed %d: of %d", seed, stored)
	}
}

// TestPebbleAloneEnds where the test above has it go on.
func TestPebbleAloneEnds(t *testing.T) {
	stored, gone, status := lost(t, "alone", 1)
	require.Less(t, stored, 70)
	require.Empty(t, gone)
	require.Equal(t, 1, status)
}

// TestAFailedSyncEndsTheProcess: what was not synced may be gone, and was not acknowledged.
func TestAFailedSyncEndsTheProcess(t *testing.T) {
	stored, gone, status := lost(t, "sync", 1)
	require.Equal(t, 29, stored)
	require.Empty(t, gone)
	require.Equal(t, 1, status)
}

// TestCloseEndsWithoutRoom for the end of the log, and all is there at the next start.
func TestCloseEndsWithoutRoom(t *testing.T) {
	stored, gone, _ := lost(t, "close", 1)
	require.GreaterOrEqual(t, stored, 20)
	require.Empty(t, gone, "of %d", stored)
}
