package transfer

import (
	"bytes"
	"context"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"testing"
	"time"

	badger "github.com/ipfs/go-ds-badger"
	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

const (
	mib     = 1 << 20
	stall   = 3 * time.Second
	patient = 3 * time.Minute // for what comes soon, even on a busy machine
	never   = time.Hour       // for what must not happen: a test runs out of patience before
)

// registry is a member with blobs on a disk of its own.
type registry struct {
	*house
	t         *testing.T
	dir       string
	timing    timing
	config    Config
	badger    *badger.Datastore
	blobs     *blob.Store
	transfers *Transfers
	logs      *test.Hook
}

func (town *town) registry(t *testing.T, change ...func(*registry)) *registry {
	t.Helper()
	r := &registry{t: t, dir: t.TempDir(), timing: timingFor(stall), house: town.build(t)}
	r.timing.Stall, r.timing.Trickle, r.timing.take = patient, patient, patient
	r.config = Config{Swarm: r.house, Stall: stall}
	for _, f := range change {
		f(r)
	}
	r.start()
	t.Cleanup(r.stop)
	r.settle()
	town.registries = append(town.registries, r)
	return r
}

func (r *registry) start() {
	r.t.Helper()
	options := badger.DefaultOptions
	options.SyncWrites = false // no machine crashes during a test
	dir := filepath.Join(r.dir, "badger")
	require.NoError(r.t, os.MkdirAll(dir, 0o700))
	var err error
	r.badger, err = badger.NewDatastore(dir, &options)
	require.NoError(r.t, err)
	logger, logs := test.NewNullLogger()
	logger.SetLevel(logrus.DebugLevel)
	r.logs = logs
	r.blobs, err = blob.Open(r.dir, r.badger, logrus.NewEntry(logger))
	require.NoError(r.t, err)
	cfg := r.config
	cfg.Blobs, cfg.Log = r.blobs, logrus.NewEntry(logger)
	cfg.Budget = limit.NewBudget(limit.ThisMachine(), cfg.Log)
	r.transfers, err = start(cfg, r.timing)
	require.NoError(r.t, err)
}

func (r *registry) stop() {
	r.t.Helper()
	require.NoError(r.t, r.transfers.Close())
	require.NoError(r.t, r.badger.Close())
}

// stalls makes a registry's transfers fail soon when nothing comes, which others do not do: on
// a machine that is busy, nothing may come for seconds.
func stalls(r *registry) { r.timing = timingFor(stall) }

// retimed restarts the registry with another timing.
func (r *registry) retimed(change func(*timing)) {
	r.t.Helper()
	r.stop()
	change(&r.timing)
	r.start()
}

// push stores a blob on the registry.
func (r *registry) push(content []byte) dag.Ref {
	r.t.Helper()
	ref, err := r.blobs.Put(context.Background(), content)
	require.NoError(r.t, err)
	return ref
}

// pull reads a blob from offset to its end.
func (r *registry) pull(ref dag.Ref, offset int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patient)
	defer cancel()
	body, err := r.transfers.Open(ctx, ref, offset)
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	return io.ReadAll(body)
}

func (r *registry) requirePull(ref dag.Ref, want []byte) {
	r.t.Helper()
	got, err := r.pull(ref, 0)
	require.NoError(r.t, err)
	require.True(r.t, bytes.Equal(want, got), "pulled other bytes")
}

func (r *registry) open(ref dag.Ref, offset int64) io.ReadCloser {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patient)
	r.t.Cleanup(cancel)
	body, err := r.transfers.Open(ctx, ref, offset)
	require.NoError(r.t, err)
	r.t.Cleanup(func() { _ = body.Close() })
	return body
}

func (r *registry) fetch(ref dag.Ref) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patient)
	defer cancel()
	require.NoError(r.t, r.transfers.Fetch(ctx, ref))
	require.True(r.t, r.blobs.Has(ref.CID))
}

// received returns how many bytes have come from others since the registry started.
func (r *registry) received() int64 {
	in, _ := r.transfers.Totals()
	return in
}

// damage overwrites a leaf of a blob that the registry has.
func (r *registry) damage(ref dag.Ref, leaf int) {
	r.t.Helper()
	overwrite(r.t, filepath.Join(r.dir, "blobs", ref.CID.String()), leaf)
}

func overwrite(t *testing.T, file string, leaf int) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("not what it was"), int64(leaf)*dag.LeafSize)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func readExactly(t *testing.T, r io.Reader, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	_, err := io.ReadFull(r, got)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got), "read other bytes")
}

func eventually(t *testing.T, is func() bool, what string) {
	t.Helper()
	require.Eventually(t, is, patient, 5*time.Millisecond, what)
}

// random returns size random bytes, the same for the same seed.
func random(seed int64, size int) []byte {
	b := make([]byte, size)
	rand.New(rand.NewSource(seed)).Read(b)
	return b
}
