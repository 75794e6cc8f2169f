package blob

import (
	"bytes"
	"context"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	badger "github.com/ipfs/go-ds-badger"
	"github.com/opencontainers/go-digest"
	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// disk is a data directory with a real badger, which a test can close and open
// again as a restart does.
type disk struct {
	t      *testing.T
	dir    string
	badger *badger.Datastore
	store  *Store
	logs   *test.Hook
}

func newDisk(t *testing.T) *disk {
	d := &disk{t: t, dir: t.TempDir()}
	d.start()
	t.Cleanup(d.stop)
	return d
}

func (d *disk) start() {
	d.t.Helper()
	options := badger.DefaultOptions
	options.SyncWrites = false // a test kills no machine
	var err error
	d.badger, err = badger.NewDatastore(mkdir(d.t, d.dir, "badger"), &options)
	require.NoError(d.t, err)
	logger, logs := test.NewNullLogger()
	d.logs = logs
	d.store, err = Open(d.dir, d.badger, logrus.NewEntry(logger))
	require.NoError(d.t, err)
	d.journalWait(time.Hour) // a test says when
}

// journalWait sets for how long small blobs stay in the journal from now on.
func (d *disk) journalWait(wait time.Duration) {
	d.store.journal.mu.Lock()
	defer d.store.journal.mu.Unlock()
	d.store.journal.wait = wait
}

func (d *disk) stop() {
	d.store.Close()
	require.NoError(d.t, d.badger.Close())
}

// kill ends the store as a crash does: nothing is completed.
func (d *disk) kill() {
	d.t.Helper()
	d.store.journal.end()
	require.NoError(d.t, d.badger.Close())
}

func (d *disk) restart() {
	d.t.Helper()
	d.stop()
	d.start()
}

// stage writes a file as an upload would.
func (d *disk) stage(content []byte) string {
	d.t.Helper()
	f, err := os.CreateTemp(filepath.Join(d.dir, "staging"), "upload-*")
	require.NoError(d.t, err)
	_, err = f.Write(content)
	require.NoError(d.t, err)
	require.NoError(d.t, f.Close())
	return f.Name()
}

func (d *disk) adopt(content []byte) dag.Ref {
	d.t.Helper()
	ref, err := d.adoptUpload(context.Background(), d.stage(content), "", Seen{}, 0)
	require.NoError(d.t, err)
	require.True(d.t, d.store.journal.empty(d.store))
	return ref
}

func (d *disk) requireContent(ref dag.Ref, want []byte) {
	d.t.Helper()
	f, err := d.store.Open(ref.CID)
	require.NoError(d.t, err)
	defer f.Close()
	got, err := io.ReadAll(f)
	require.NoError(d.t, err)
	require.True(d.t, bytes.Equal(want, got), "the blob has other bytes")
}

func (d *disk) requireUsage(blobs int, size int64) {
	d.t.Helper()
	gotBlobs, gotSize := d.store.Usage()
	require.Equal(d.t, blobs, gotBlobs)
	require.Equal(d.t, size, gotSize)
}

// keys lists what is in the datastore under prefix.
func (d *disk) keys(prefix string) []string {
	d.t.Helper()
	var keys []string
	for e, err := range d.store.index.entries(context.Background(), keysUnder(prefix)) {
		require.NoError(d.t, err)
		keys = append(keys, e.Key)
	}
	return keys
}

func (d *disk) stagedFiles() []string {
	d.t.Helper()
	names, err := readNames(filepath.Join(d.dir, "staging"))
	require.NoError(d.t, err)
	return names
}

func mkdir(t *testing.T, parts ...string) string {
	t.Helper()
	dir := filepath.Join(parts...)
	require.NoError(t, os.MkdirAll(dir, 0o700))
	return dir
}

// random is size bytes that are the same for the same seed.
func random(seed int64, size int) []byte {
	b := make([]byte, size)
	rand.New(rand.NewSource(seed)).Read(b)
	return b
}

// leafOf is leaf i of content.
func leafOf(content []byte, i int) []byte {
	return content[i*dag.LeafSize : min((i+1)*dag.LeafSize, len(content))]
}

// entered does with a push what follows when its entry is written. Ending it unpins the blob.
func (d *disk) entered(p *Push, err error) (dag.Ref, Unpin, error) {
	d.t.Helper()
	if err != nil {
		return dag.Ref{}, noPin, err
	}
	err = d.store.index.apply(context.Background(), func(yield func(change) bool) {
		for key, value := range p.Beside {
			if !yield(change{key, value}) {
				return
			}
		}
	})
	if err != nil {
		p.GiveBack = true
		p.Undo(true)
		return dag.Ref{}, noPin, err
	}
	p.Written()
	return p.Ref, sync.OnceFunc(p.Done), nil
}

// pushUpload pushes a file.
func (d *disk) pushUpload(ctx context.Context, file string, want digest.Digest, seen Seen, f dag.Function) (dag.Ref, Unpin, error) {
	return d.entered(d.store.PushUpload(ctx, file, want, seen, f))
}

// adoptUpload is pushUpload of what nothing pins.
func (d *disk) adoptUpload(ctx context.Context, file string, want digest.Digest, seen Seen, f dag.Function) (dag.Ref, error) {
	ref, unpin, err := d.pushUpload(ctx, file, want, seen, f)
	unpin()
	return ref, err
}

// pushContent pushes content that is in memory.
func (d *disk) pushContent(ctx context.Context, content []byte, f dag.Function) (dag.Ref, Unpin, error) {
	return d.entered(d.store.PushContent(ctx, content, f))
}

// putAs is pushContent of what nothing pins.
func (d *disk) putAs(ctx context.Context, content []byte, f dag.Function) (dag.Ref, error) {
	ref, unpin, err := d.pushContent(ctx, content, f)
	unpin()
	return ref, err
}
