package driver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"reflect"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/admin"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/backup"
)

// BackupOptions say what is backed up, and where to.
type BackupOptions struct {
	Dir     string `json:"dir"`      // an absolute path; an earlier backup there is replaced once this one is whole; of a tar it is not used
	MapOnly bool   `json:"map_only"` // without the blobs
}

// Backup is what was backed up.
type Backup struct {
	Dir     string `json:"dir"`     // "": a tar
	Running bool   `json:"running"` // it runs, and went on serving
	MapOnly bool   `json:"map_only"`
	Records int    `json:"records"` // of the datastore, with all of the map
	Map     int64  `json:"map"`     // bytes of these

	There     BlobAmount `json:"there"`     // blobs that were there already
	Cloned    BlobAmount `json:"cloned"`    // those that share their bytes with the registry's file
	Linked    BlobAmount `json:"linked"`    // those that are a second name of that file
	Copied    BlobAmount `json:"copied"`    // the others that were written
	Elsewhere BlobAmount `json:"elsewhere"` // blobs that the map names, and other members have
	Removed   int        `json:"removed"`   // blobs of an earlier backup that belong to this one no more

	Faults     []BackupFault `json:"faults"`      // the first blobs that could not be read
	FaultCount int           `json:"fault_count"` // how many there are
}

// BackupFault is a blob that was not backed up, or not restored.
type BackupFault struct {
	CID    string `json:"cid"`
	Reason string `json:"reason"`
}

// BackupProgress is how far a backup is, or a restore.
type BackupProgress struct {
	Records int   `json:"records"` // of the map, so far
	Blobs   int   `json:"blobs"`   // looked at so far
	Of      int   `json:"of"`      // to look at; 0: that is not known yet
	Bytes   int64 `json:"bytes"`   // of the blobs looked at
	OfBytes int64 `json:"of_bytes"`
	Faults  int   `json:"faults"`
}

// Backup writes the map of one moment into a directory, and all blobs that are on this disk at that
// moment, while the registry goes on serving. Until it returns nothing deletes these blobs. The backup
// is whole when its manifest is written, which comes last: one that was interrupted is no backup, an
// earlier one stays, and what was written of blobs is not written again.
//
// An error means that there is no new backup. progress is called about once a second, from one goroutine
// at a time.
func (d *Driver) Backup(ctx context.Context, o BackupOptions, progress func(BackupProgress)) (Backup, error) {
	return d.store.backup(ctx, o, progress)
}

// Backup has the registry back itself up, as Driver.Backup does, to a path that it can write. It is
// like Verify otherwise.
func (c *Client) Backup(ctx context.Context, o BackupOptions, progress func(BackupProgress)) (Backup, error) {
	return followWith[Backup](ctx, c, "/v1/backup", o, progress)
}

// BackupStopped is Backup for a registry that is not running, on these parameters. It fails with
// ErrInUse while the registry runs: use Client.Backup then.
func BackupStopped(ctx context.Context, p Parameters, o BackupOptions, progress func(BackupProgress)) (Backup, error) {
	return onStopped(ctx, p, func(s *store) (Backup, error) { return s.backup(ctx, o, progress) })
}

// BackupTar is Backup into a tar, which it writes once, from its beginning to its end: all blobs are in
// it, one after the other. It is a backup when BackupTar returns no error. A blob that cannot be read to
// its end has other bytes in it, and is a fault.
func (d *Driver) BackupTar(ctx context.Context, o BackupOptions, to io.Writer) (Backup, error) {
	return d.store.backupTar(ctx, o, to)
}

// BackupTar has the registry back itself up, as Driver.BackupTar does; it writes to to what comes over
// admin.sock. When that takes nothing for a minute, the registry ends it. It is like Verify otherwise.
func (c *Client) BackupTar(ctx context.Context, o BackupOptions, to io.Writer) (b Backup, err error) {
	options, err := json.Marshal(o)
	if err != nil {
		return b, err
	}
	return b, answered(c.admin.Stream(ctx, http.MethodPost, "/v1/backup/tar", admin.Query{"options": {string(options)}}, to, &b))
}

// BackupTarStopped is BackupTar for a registry that is not running, as BackupStopped is Backup.
func BackupTarStopped(ctx context.Context, p Parameters, o BackupOptions, to io.Writer) (Backup, error) {
	return onStopped(ctx, p, func(s *store) (Backup, error) { return s.backupTar(ctx, o, to) })
}

func (s *store) backupRoutes() []admin.Route {
	return []admin.Route{
		optioned("/v1/backup", "Back up the map of this moment, and the blobs that are here.", "what, and where to", s.backup),
		admin.Stream("/v1/backup/tar", "The same as a tar, which the answer begins with.", func(ctx context.Context, q admin.Query, to io.Writer) (Backup, error) {
			o, err := optionsOf[BackupOptions](q)
			if err != nil {
				return Backup{}, err
			}
			return s.backupTar(ctx, o, to)
		}, admin.Param{Name: "options", About: "what", JSON: reflect.TypeFor[BackupOptions]()}),
	}
}

func (s *store) backupTar(ctx context.Context, o BackupOptions, to io.Writer) (Backup, error) {
	o.Dir = ""
	b := newBackingUp(s, o)
	b.to = backup.NewTarWriter(to, b.head.Created)
	err := b.run(ctx)
	if err != nil {
		err = fmt.Errorf("backup: %w", err)
	}
	return b.result, err
}

func (s *store) backup(ctx context.Context, o BackupOptions, progress func(BackupProgress)) (Backup, error) {
	if !filepath.IsAbs(o.Dir) {
		return Backup{}, fmt.Errorf("backup: %q is no absolute path", o.Dir)
	}
	if err := s.engine.CheckElsewhere(o.Dir); err != nil {
		return Backup{}, fmt.Errorf("backup: %w", err)
	}
	b := newBackingUp(s, o)
	to, err := backup.Create(o.Dir, b.head.Peer, o.MapOnly)
	if err == nil {
		b.to = to
		err = reported(b.progress, progress, func() error { return b.run(ctx) })
		err = stillToCome(err, b.progress().Bytes, b.progress().OfBytes)
		err = errors.Join(err, to.Close())
	}
	if err != nil {
		err = fmt.Errorf("backup: %w", err)
	}
	return b.result, err
}
