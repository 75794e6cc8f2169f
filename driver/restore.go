package driver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/backup"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/engine"
)

// RestoreOptions say what is restored, and as whom.
type RestoreOptions struct {
	Dir   string    // of the backup
	Tar   io.Reader // which is the backup, as BackupTar wrote it; nil: Dir is
	AsNew bool      // with another peer ID, beside the registry that was backed up; else in its place
}

// Restore is what was restored.
type Restore struct {
	Backup BackupInfo `json:"backup"`
	AsNew  bool       `json:"as_new"`
	Blobs  BlobAmount `json:"blobs"` // that are here now

	Faults     []BackupFault `json:"faults"`      // the first blobs that are not, because the backup has other bytes, or none
	FaultCount int           `json:"fault_count"` // how many there are
}

// BackupInfo says what a backup is of.
type BackupInfo struct {
	Peer    string `json:"peer"`
	Created string `json:"created"` // RFC 3339
	Release string `json:"release"`
	Records int    `json:"records"`
	MapOnly bool   `json:"map_only"`
}

var (
	// ErrNoBackup reports a directory without a whole backup.
	ErrNoBackup = backup.ErrNone
	// ErrNotEmpty reports a datastore into which no backup is restored, because a registry ran there.
	ErrNotEmpty = engine.ErrNotEmpty
	// ErrRestoring reports a datastore into which a backup was restored in part.
	ErrRestoring = engine.ErrRestoring
)

// RestoreBackup makes the datastore of a registry on these parameters of a backup. There must be none yet.
// It does not start the registry. All blobs are read, and those that do not have the bytes of their CIDs
// are left out: when it runs, it fetches them from members. One that was interrupted is done again, and
// goes on; until it is done, no registry starts there. A tar is read once, from its beginning to its end.
//
// progress is called about once a second, from one goroutine at a time.
func RestoreBackup(ctx context.Context, p Parameters, o RestoreOptions, progress func(BackupProgress)) (Restore, error) {
	if err := p.check(); err != nil {
		return Restore{}, fmt.Errorf("ipfs: %w", err)
	}
	r := &restoring{result: Restore{AsNew: o.AsNew, Faults: []BackupFault{}}}
	err := reported(r.progress, progress, func() error { return r.run(ctx, p, o) })
	err = stillToCome(err, r.at.Bytes, r.at.OfBytes)
	if err != nil {
		err = fmt.Errorf("restore: %w", err)
	}
	return r.result, err
}

// restoreSource is what is restored: a directory, or a tar.
type restoreSource interface {
	head() backup.Head
	Records(do func(backup.Record) error) error
	// blobs restores blobs, with r, and returns the manifest, of which then all is known.
	blobs(ctx context.Context, r *restoring, refs []dag.Ref) (backup.Manifest, error)
	Close() error
}

func openRestoreSource(o RestoreOptions) (restoreSource, error) {
	if o.Tar != nil {
		t, err := backup.OpenTar(o.Tar)
		return tarSource{t}, err
	}
	d, err := backup.Open(o.Dir)
	return dirSource{d}, err
}

// restoring is one run of RestoreBackup.
type restoring struct {
	from restoreSource
	into *engine.Restoring

	mu     sync.Mutex
	result Restore
	at     BackupProgress
}

func (r *restoring) progress() BackupProgress {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at
}

func (r *restoring) run(ctx context.Context, p Parameters, o RestoreOptions) (err error) {
	if r.from, err = openRestoreSource(o); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.from.Close()) }()
	h := r.from.head()
	r.result.Backup = BackupInfo{Peer: h.Peer, Created: h.Created.Format(time.RFC3339), Release: h.Release}
	if r.into, err = engine.OpenRestoring(ctx, p.config(), h, o.AsNew); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.into.Close()) }()
	blobs, err := r.records(ctx)
	if err != nil {
		return err
	}
	if err := r.into.Loaded(ctx); err != nil {
		return err
	}
	m, err := r.from.blobs(ctx, r, blobs)
	if err != nil {
		return err
	}
	r.result.Backup.Records, r.result.Backup.MapOnly = m.Sum.Records, m.MapOnly
	return r.into.Finish()
}

// records loads the map, and returns the blobs that belong to it.
func (r *restoring) records(ctx context.Context) (blobs []dag.Ref, err error) {
	err = r.from.Records(func(rec backup.Record) error {
		ref, err := r.into.Load(ctx, rec)
		if err == nil {
			err = ctx.Err()
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.at.Records++
		if ref.CID.Defined() {
			blobs = append(blobs, ref)
			r.at.Of++
			r.at.OfBytes += ref.Size
		}
		return err
	})
	return blobs, err
}

// dirSource is a backup in a directory, whose blobs are read side by side.
type dirSource struct{ *backup.Reader }

func (d dirSource) head() backup.Head { return d.Manifest.Head }

func (d dirSource) blobs(ctx context.Context, r *restoring, refs []dag.Ref) (backup.Manifest, error) {
	if d.Manifest.MapOnly {
		return d.Manifest, nil
	}
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(backupsAtOnce)
	for _, ref := range refs {
		if within.Err() != nil {
			break
		}
		g.Go(func() error { return r.blobDone(ref, d.blob(within, r, ref)) })
	}
	return d.Manifest, cmp.Or(g.Wait(), ctx.Err())
}

// blob restores a blob. The error is a theirFault when the backup does not have its bytes.
func (d dirSource) blob(ctx context.Context, r *restoring, ref dag.Ref) error {
	if r.into.Blobs.Has(ref.CID) { // an earlier run has read it
		return nil
	}
	f, err := d.Blob(ref.CID.String())
	if errors.Is(err, fs.ErrNotExist) {
		err = errNotInBackup
	}
	if err != nil {
		return theirFault{err}
	}
	defer func() { _ = f.Close() }()
	return r.take(ref, func(function dag.Function) (*blob.Push, error) {
		push, _, err := r.into.Blobs.PushFile(ctx, f, "", function, false, nil)
		return push, err
	})
}

var errNotInBackup = errors.New("the backup does not have it")

// tarSource is a backup in a tar, whose blobs are read in their order.
type tarSource struct{ *backup.TarReader }

func (t tarSource) head() backup.Head { return t.Head }

// Close implements restoreSource.
func (tarSource) Close() error { return nil }

func (t tarSource) blobs(ctx context.Context, r *restoring, refs []dag.Ref) (backup.Manifest, error) {
	lacking := make(map[string]dag.Ref, len(refs))
	for _, ref := range refs {
		lacking[ref.CID.String()] = ref
	}
	err := t.Blobs(func(name string, size int64, content io.Reader) error {
		ref, ok := lacking[name]
		if !ok {
			return ctx.Err()
		}
		delete(lacking, name)
		return r.blobDone(ref, t.blob(ctx, r, ref, size, content))
	})
	if err != nil || t.Manifest.MapOnly {
		return t.Manifest, cmp.Or(ctx.Err(), err)
	}
	for _, ref := range lacking {
		if r.into.Blobs.Has(ref.CID) {
			err = errors.Join(err, r.blobDone(ref, nil))
		} else {
			err = errors.Join(err, r.blobDone(ref, theirFault{errNotInBackup}))
		}
	}
	return t.Manifest, err
}

func (t tarSource) blob(ctx context.Context, r *restoring, ref dag.Ref, size int64, content io.Reader) error {
	if r.into.Blobs.Has(ref.CID) { // an earlier run has read it
		return ctx.Err()
	}
	if size != ref.Size {
		return theirFault{fmt.Errorf("the backup has %d bytes in place of its %d", size, ref.Size)}
	}
	return r.take(ref, func(function dag.Function) (*blob.Push, error) {
		return r.into.Blobs.PushStream(ctx, content, size, "", function)
	})
}

// take makes a blob of what push takes, if it has its bytes. The error is a theirFault otherwise.
func (r *restoring) take(ref dag.Ref, push func(dag.Function) (*blob.Push, error)) error {
	function, ok := dag.FunctionOf(ref.CID)
	if !ok || ref.Check() != nil {
		return theirFault{errors.New("no blob of this release is named so")}
	}
	taken, err := push(function)
	if errors.Is(err, unix.EIO) {
		return theirFault{err}
	}
	if err != nil {
		return err
	}
	if taken.Ref == ref {
		taken.Done()
		return nil
	}
	taken.Undo(false) // what the bytes are named is sweep's to remove, or another blob of the backup
	return theirFault{errors.New("the backup has other bytes: it is damaged there")}
}

// blobDone counts a blob that was looked at. An error of the backup is a fault, and any other is returned.
func (r *restoring) blobDone(ref dag.Ref, err error) error {
	theirs, ok := errors.AsType[theirFault](err)
	if err != nil && !ok {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at.Blobs++
	r.at.Bytes += ref.Size
	if err == nil {
		r.result.Blobs.add(ref.Size)
		return nil
	}
	r.at.Faults++
	listed(&r.result.Faults, &r.result.FaultCount, BackupFault{CID: ref.CID.String(), Reason: theirs.Error()})
	return nil
}
