package driver

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"os"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/backup"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// backupsAtOnce are the blobs that are written side by side.
const backupsAtOnce = 4

// backupTarget is what a backup is written into: a directory, or a tar.
type backupTarget interface {
	PutRecords(h backup.Head, do func(put func(backup.Record) error) error) (backup.Sum, error)
	HasBlob(name string, size int64, from *os.File) bool
	PutBlob(ctx context.Context, name string, from *os.File, size int64) (backup.Way, error)
	Commit(m backup.Manifest, keep func(name string) bool) (removed int, err error)
}

// backingUp is one run of Backup.
type backingUp struct {
	*store
	o     BackupOptions
	to    backupTarget
	head  backup.Head
	view  pathmap.View          // just before its moment: the bytes of what came later are here
	pins  map[string]blob.Unpin // of the blobs that are here, by the names of their files there
	blobs []dag.Ref             // that belong to it
	named map[string]bool       // likewise, by the names of their files there

	mu     sync.Mutex
	result Backup
	at     BackupProgress
}

func newBackingUp(s *store, o BackupOptions) *backingUp {
	return &backingUp{
		store: s, o: o, head: s.engine.BackupHead(rand.Text()), pins: map[string]blob.Unpin{}, named: map[string]bool{},
		result: Backup{Dir: o.Dir, MapOnly: o.MapOnly, Running: !s.engine.Offline(), Faults: []BackupFault{}},
	}
}

func (b *backingUp) progress() BackupProgress {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.at
}

func (b *backingUp) run(ctx context.Context) error {
	defer b.unpin()
	sum, err := b.cut(ctx)
	if err != nil {
		return err
	}
	return b.write(ctx, sum)
}

// cut writes the map, and keeps the blobs that belong to it until unpin.
func (b *backingUp) cut(ctx context.Context) (backup.Sum, error) {
	b.view = b.paths.View()
	if err := b.pin(ctx); err != nil {
		return backup.Sum{}, err
	}
	return b.to.PutRecords(b.head, func(put func(backup.Record) error) error {
		counted := func(r backup.Record) error { b.count(); return put(r) }
		if err := b.engine.Dump(ctx, counted, b.see); err != nil {
			return err
		}
		return b.retain(counted)
	})
}

// retain takes the blobs that this registry has lost, and is to have, from the earlier backup: it may have the
// only whole copy of a blob that was damaged here.
func (b *backingUp) retain(put func(backup.Record) error) (err error) {
	if b.o.MapOnly {
		return nil
	}
	b.view.Under("/", func(_ string, e pathmap.Entry) bool {
		ref := refOf(e)
		if _, inline := dag.InlineBytes(e.CID); inline || !e.CID.Defined() || b.named[ref.CID.String()] || !b.isToHave(ref) {
			return true
		}
		if b.to.HasBlob(ref.CID.String(), ref.Size, nil) {
			key, value := blob.HereRecord(ref)
			b.add(ref)
			err = put(backup.Record{Key: key, Value: value})
		}
		return err == nil
	})
	return err
}

// isToHave reports whether a blob belongs on this disk. Of a registry without a network nobody knows.
func (b *backingUp) isToHave(ref dag.Ref) bool {
	return b.engine.Offline() || b.engine.Copies.Keeps(ref.CID) || b.store.blobs.IsRotten(ref.CID)
}

// write writes the blobs, and then what makes all of it a backup.
func (b *backingUp) write(ctx context.Context, sum backup.Sum) (err error) {
	b.elsewhere()
	if !b.o.MapOnly {
		if err := b.each(ctx); err != nil {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.result.Records, b.result.Map = sum.Records, sum.Bytes
	b.result.Removed, err = b.to.Commit(backup.Manifest{
		Head: b.head, Sum: sum, MapOnly: b.o.MapOnly,
		Blobs: len(b.blobs), Bytes: b.at.OfBytes, Missing: b.result.FaultCount,
	}, func(name string) bool { return b.named[name] })
	return err
}

func (b *backingUp) unpin() {
	for _, unpin := range b.pins {
		unpin()
	}
}

// pin keeps the blobs that are here from being deleted, before the moment of the backup: what has an
// entry at that moment may lose it, and then its bytes, while they are being written.
func (b *backingUp) pin(ctx context.Context) error {
	if b.o.MapOnly {
		return nil
	}
	refs, err := b.store.blobs.Blobs(ctx)
	for _, ref := range refs {
		b.hold(ref)
	}
	return err
}

func (b *backingUp) hold(ref dag.Ref) {
	if name := ref.CID.String(); b.pins[name] == nil {
		b.pins[name] = b.store.blobs.Pin(ref.CID)
	}
}

func (b *backingUp) count() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at.Records++
}

// see takes a blob that is here at the moment of the backup. One that came just before that is pinned
// only now.
func (b *backingUp) see(ref dag.Ref) {
	if b.o.MapOnly {
		return
	}
	b.hold(ref)
	b.add(ref)
}

// add counts a blob that belongs to the backup.
func (b *backingUp) add(ref dag.Ref) {
	b.blobs = append(b.blobs, ref)
	b.named[ref.CID.String()] = true
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at.Of++
	b.at.OfBytes += ref.Size
}

// elsewhere counts the blobs that are not in it.
func (b *backingUp) elsewhere() {
	seen := maps.Clone(b.named)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.view.Under("/", func(_ string, e pathmap.Entry) bool {
		if _, inline := dag.InlineBytes(e.CID); !inline && e.CID.Defined() && !seen[e.CID.String()] {
			seen[e.CID.String()] = true
			b.result.Elsewhere.Blobs++
			b.result.Elsewhere.Bytes += e.Size
		}
		return true
	})
}

// each writes the blobs.
func (b *backingUp) each(ctx context.Context) error {
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(backupsAtOnce)
	for _, ref := range b.blobs {
		if within.Err() != nil {
			break
		}
		g.Go(func() error { return b.blob(within, ref) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// blob writes a blob. The error is of what is written to; that of the registry's file is a fault.
func (b *backingUp) blob(ctx context.Context, ref dag.Ref) error {
	name := ref.CID.String()
	f, err := b.store.blobs.OpenQuietly(ref.CID)
	if f != nil {
		defer func() { _ = f.Close() }()
	}
	there := b.to.HasBlob(name, ref.Size, f)
	if !there && b.to.HasBlob(name, ref.Size, nil) { // what takes its place has to be whole
		var fault blob.Fault
		if fault, err = b.check(ctx, ref); err != nil && ctx.Err() != nil {
			return err
		}
		there = err != nil || fault != blob.Sound
	}
	if there {
		b.wrote(&b.result.There, ref)
		return nil
	}
	if err != nil {
		b.fault(ref, err)
		return nil
	}
	way, err := b.to.PutBlob(ctx, name, f, ref.Size)
	if errors.Is(err, backup.ErrUnread) {
		b.fault(ref, err)
		return nil
	}
	if err != nil {
		return err
	}
	b.wrote(b.result.by(way), ref)
	return nil
}

// check is what is wrong with a blob, which is read unless that has been done since it was written.
func (b *backingUp) check(ctx context.Context, ref dag.Ref) (blob.Fault, error) {
	if b.store.blobs.Verified(ref) {
		return blob.Sound, nil
	}
	fault, _, err := b.store.blobs.Check(ctx, ref, func(int64) {})
	return fault, err
}

func (r *Backup) by(way backup.Way) *BlobAmount {
	switch way {
	case backup.Cloned:
		return &r.Cloned
	case backup.Linked:
		return &r.Linked
	}
	return &r.Copied
}

func (b *backingUp) wrote(as *BlobAmount, ref dag.Ref) {
	b.mu.Lock()
	defer b.mu.Unlock()
	as.Blobs++
	as.Bytes += ref.Size
	b.at.Blobs++
	b.at.Bytes += ref.Size
}

func (b *backingUp) fault(ref dag.Ref, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at.Faults++
	b.at.Blobs++
	b.at.Bytes += ref.Size
	listed(&b.result.Faults, &b.result.FaultCount, BackupFault{CID: ref.CID.String(), Reason: err.Error()})
}
