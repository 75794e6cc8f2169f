package driver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/backup"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/engine"
)

// RestoreOptions say what is restored, and as whom.
type RestoreOptions struct {
	Dir   string // of the backup
	AsNew bool   // with another peer ID, beside the registry that was backed up; else in its place
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
// goes on; until it is done, no registry starts there.
//
// progress is called about once a second, from one goroutine at a time.
func RestoreBackup(ctx context.Context, p Parameters, o RestoreOptions, progress func(BackupProgress)) (Restore, error) {
	if err := p.check(); err != nil {
		return Restore{}, fmt.Errorf("ipfs: %w", err)
	}
	r := &restoring{result: Restore{AsNew: o.AsNew, Faults: []BackupFault{}}}
	err := reported(r.progress, progress, func() error { return r.run(ctx, p, o) })
	if err != nil {
		err = fmt.Errorf("restore: %w", err)
	}
	return r.result, err
}

// restoring is one run of RestoreBackup.
type restoring struct {
	from *backup.Reader
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
	if r.from, err = backup.Open(o.Dir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.from.Close()) }()
	m := r.from.Manifest
	r.result.Backup = BackupInfo{
		Peer: m.Peer, Created: m.Created.Format(time.RFC3339), Release: m.Release, Records: m.Sum.Records, MapOnly: m.MapOnly,
	}
	if r.into, err = engine.OpenRestoring(ctx, p.config(), m.Head, o.AsNew); err != nil {
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
	if !m.MapOnly {
		if err := r.blobs(ctx, blobs); err != nil {
			return err
		}
	}
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

func (r *restoring) blobs(ctx context.Context, refs []dag.Ref) error {
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(backupsAtOnce)
	for _, ref := range refs {
		if within.Err() != nil {
			break
		}
		g.Go(func() error {
			err := r.blob(within, ref)
			r.blobDone(ref, err)
			if _, theirs := errors.AsType[theirFault](err); theirs {
				return nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// blob restores a blob. The error is a theirFault when the backup does not have its bytes.
func (r *restoring) blob(ctx context.Context, ref dag.Ref) error {
	to := r.into.Blobs
	if to.Has(ref.CID) { // an earlier run has read it
		return nil
	}
	function, ok := dag.FunctionOf(ref.CID)
	if !ok || ref.Check() != nil {
		return theirFault{errors.New("no blob of this release is named so")}
	}
	f, err := r.from.Blob(ref.CID.String())
	if errors.Is(err, fs.ErrNotExist) {
		err = errors.New("the backup does not have it")
	}
	if err != nil {
		return theirFault{err}
	}
	defer func() { _ = f.Close() }()
	push, _, err := to.PushFile(ctx, f, "", function, false)
	if errors.Is(err, unix.EIO) {
		return theirFault{err}
	}
	if err != nil {
		return err
	}
	if push.Ref == ref {
		push.Done()
		return nil
	}
	push.Undo(false) // what the bytes are named is sweep's to remove, or another blob of the backup
	return theirFault{errors.New("the backup has other bytes: it is damaged there")}
}

func (r *restoring) blobDone(ref dag.Ref, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at.Blobs++
	r.at.Bytes += ref.Size
	if err == nil {
		r.result.Blobs.Blobs++
		r.result.Blobs.Bytes += ref.Size
		return
	}
	r.at.Faults++
	listed(&r.result.Faults, &r.result.FaultCount, BackupFault{CID: ref.CID.String(), Reason: err.Error()})
}
