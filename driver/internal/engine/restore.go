package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	ds "github.com/ipfs/go-datastore"
	libpeer "github.com/libp2p/go-libp2p/core/peer"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/backup"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/datastore"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// restoringDir is where the datastore lies while a backup is being restored: no registry starts
// before that is done. restoringOf is the file in it that says of what.
const (
	restoringDir = "restoring"
	restoringOf  = "of"
)

var (
	// ErrRestoring reports a datastorepath on which a backup was restored in part.
	ErrRestoring = errors.New("a backup is being restored there, or was in part: run `registry ipfs restore` again, or remove all that lies there and begin anew")
	// ErrNotEmpty reports a datastorepath on which a registry ran.
	ErrNotEmpty = errors.New("is not empty: a backup is restored into a new directory only")
)

// notRestoring fails with ErrRestoring until a restore that was begun is done. It removes what one
// left that was killed after it.
func (c Config) notRestoring() error {
	dir := filepath.Join(c.Path, restoringDir)
	if _, err := os.Lstat(dir); err != nil {
		return nil //nolint:nilerr // whoever opens the datastore says what is wrong with the path
	}
	if _, err := os.Lstat(filepath.Join(c.Path, pebbleDir)); err != nil {
		return fmt.Errorf("datastorepath %s: %w", c.Path, ErrRestoring)
	}
	return os.RemoveAll(dir)
}

// Restoring is a datastorepath into which a backup is being restored. Its blobs have their place from
// the beginning, its datastore at the end.
type Restoring struct {
	Blobs *blob.Store // nil until Loaded

	cfg   Config
	head  backup.Head
	asNew bool
	log   *logrus.Entry
	store *datastore.Datastore
	batch ds.Batch
	held  int // bytes in batch
}

// OpenRestoring begins to restore a backup, or goes on with one that was interrupted. As new the
// registry gets a peer ID of its own: it knows the map, and is another member. The error is ErrNotEmpty
// when something else is there. Config has passed its Check.
func OpenRestoring(ctx context.Context, cfg Config, h backup.Head, asNew bool) (*Restoring, error) {
	e := newEngine(cfg)
	if err := prepareRestoring(cfg.Path, fmt.Sprintf("%s\nas new: %t\n", h.ID, asNew)); err != nil {
		return nil, fmt.Errorf("datastorepath %s: %w", cfg.Path, err)
	}
	store, err := openDatastore(ctx, e.path(restoringDir), 0, e.Log)
	if err != nil {
		return nil, fmt.Errorf("datastorepath %s: %w", cfg.Path, err)
	}
	return &Restoring{cfg: cfg, head: h, asNew: asNew, log: e.Log, store: store}, nil
}

// prepareRestoring makes the directories of a restore, unless other things lie there.
func prepareRestoring(dir, of string) error {
	if err := ranThere(dir); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(ErrNotEmpty, err)
	}
	into := filepath.Join(dir, restoringDir)
	begun, err := os.ReadFile(filepath.Join(into, restoringOf))
	switch {
	case err == nil && string(begun) != of:
		return fmt.Errorf("another backup was restored there in part, or this one in another way: go on with that, or remove all that lies there: %w", ErrNotEmpty)
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if names, err := os.ReadDir(filepath.Join(dir, "blobs")); len(names) > 0 {
		return errors.Join(ErrNotEmpty, err)
	}
	if err := sameOwner(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(into, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(into, restoringOf), []byte(of), 0o600)
}

// batchSize is how many bytes of records are written at once.
const batchSize = 1 << 20

// Load takes a record. One that records a blob is not loaded, but returned: the blob is to be put in
// its place.
func (r *Restoring) Load(ctx context.Context, rec backup.Record) (ref dag.Ref, err error) {
	ref, indexed := blob.Indexed(rec.Key, rec.Value)
	if indexed || !r.wanted(rec.Key) {
		return ref, nil
	}
	key := ds.RawKey(rec.Key)
	if r.batch == nil {
		if r.batch, err = r.store.Batch(ctx); err != nil {
			return ref, err
		}
	}
	if err := r.batch.Put(ctx, key, rec.Value); err != nil {
		return ref, err
	}
	if r.held += len(rec.Key) + len(rec.Value); r.held < batchSize {
		return ref, nil
	}
	return ref, r.flush(ctx)
}

func (r *Restoring) flush(ctx context.Context) error {
	if r.batch == nil {
		return nil
	}
	err := r.batch.Commit(ctx)
	r.batch, r.held = nil, 0
	return err
}

// wanted reports whether a key of a backup belongs into what is restored. The counters of versions that
// this registry wrote after its backup are known to others: it writes under a new incarnation.
func (r *Restoring) wanted(key string) bool {
	if key == releaseKey.String() || pathmap.OfOneRun(key) {
		return false
	}
	return !r.asNew || !strings.HasPrefix(key, "/peer/") && key != drainKey.String()
}

// Loaded is called after the last record, and opens the blobs. It fails when the configuration has
// another key than the one that this registry is to have.
func (r *Restoring) Loaded(ctx context.Context) error {
	if err := r.flush(ctx); err != nil {
		return err
	}
	format, err := storedFormat(ctx, r.store, compactedFormat)
	if err == nil && format == 0 {
		err = fmt.Errorf("the map has no format: %w", backup.ErrDamaged)
	}
	if err == nil {
		err = r.checkKey(ctx)
	}
	if err != nil {
		return err
	}
	r.Blobs, err = blob.Open(r.cfg.Path, r.store, r.log)
	if err != nil {
		return err
	}
	r.Blobs.PlainPushes()
	r.Blobs.Room().Keep(r.store.Headroom)
	return nil
}

// checkKey compares the key that this registry will have with that of the one that was backed up. It
// makes none: a new member's key is made when it starts.
func (r *Restoring) checkKey(ctx context.Context) error {
	_, errStored := r.store.Get(ctx, identityKey)
	_, errFile := os.Stat(r.cfg.PrivateKeyFile)
	switch {
	case r.cfg.PrivateKey == "" && r.cfg.PrivateKeyFile == "" && errors.Is(errStored, ds.ErrNotFound),
		r.cfg.PrivateKeyFile != "" && errors.Is(errFile, fs.ErrNotExist):
		if r.asNew {
			return nil
		}
		return fmt.Errorf("the key of %s is not in the backup, because it was configured: put it where privatekey or privatekeyfile say, or restore as a new member (--as-new)", r.head.Peer)
	}
	key, err := r.cfg.resolvePrivateKey(ctx, r.store)
	if err != nil {
		return err
	}
	self, err := libpeer.IDFromPrivateKey(key)
	switch is := self.String() == r.head.Peer; {
	case err != nil:
		return fmt.Errorf("privatekey: %w", err)
	case is && r.asNew:
		return fmt.Errorf("the configuration has the key of the registry that was backed up, %s: a new member needs another one", r.head.Peer)
	case !is && !r.asNew:
		return fmt.Errorf("the configuration has the key of %s, the backup is of %s: use that key, or restore as a new member (--as-new)", self, r.head.Peer)
	}
	return nil
}

// Finish makes what was restored a registry's datastore. From then on it may be started.
func (r *Restoring) Finish() error {
	if err := r.Close(); err != nil {
		return err
	}
	from, to := filepath.Join(r.cfg.Path, restoringDir, pebbleDir), filepath.Join(r.cfg.Path, pebbleDir)
	if err := os.Rename(from, to); err != nil {
		return err
	}
	dir, err := os.Open(r.cfg.Path)
	if err != nil {
		return err
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return err
	}
	return os.RemoveAll(filepath.Join(r.cfg.Path, restoringDir))
}

// Close ends the restore, which may go on later. It may be called again.
func (r *Restoring) Close() error {
	if r.Blobs != nil {
		r.Blobs.Close()
		r.Blobs = nil
	}
	return r.store.Close()
}
