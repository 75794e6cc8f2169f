package engine

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ipfs/go-datastore/query"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/backup"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/build"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// BackupHead describes a backup of this moment.
func (e *Engine) BackupHead(id string) backup.Head {
	return backup.Head{ID: id, Peer: e.self.String(), Release: build.Read().Version, Created: time.Now().UTC()}
}

// Dump puts what the datastore holds at one moment: all that was committed before it, and nothing
// of later. Of the index over the blobs that is only which are here; see is called with each of them.
func (e *Engine) Dump(ctx context.Context, put func(backup.Record) error, see func(dag.Ref)) error {
	found, err := e.Store.Query(ctx, query.Query{}) // it reads one snapshot
	if err != nil {
		return fmt.Errorf("read the datastore: %w", err)
	}
	defer func() { _ = found.Close() }()
	for {
		r, ok := found.NextSync()
		switch {
		case !ok:
			return ctx.Err()
		case r.Error != nil:
			return fmt.Errorf("read the datastore: %w", r.Error)
		case strings.HasPrefix(r.Key, "/datastore/"):
			continue // its own
		}
		ref, indexed := blob.Indexed(r.Key, r.Value)
		if indexed && !ref.CID.Defined() {
			continue
		}
		if indexed {
			see(ref)
		}
		if err := put(backup.Record{Key: r.Key, Value: r.Value}); err != nil {
			return err
		}
	}
}
