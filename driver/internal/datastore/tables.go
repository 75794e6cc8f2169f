package datastore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	tablePart = 1 << 20 // bytes of a table that are read in one go
	tableRest = 9       // for each second of reading tables, seconds of rest
)

// DamagedTables reads pebble's tables as they are now, slowly, and gives the names of those with
// other bytes than pebble wrote. pebble itself compares each block with its sum when it reads it,
// and fails to read a damaged one, but it may not read it for years.
func (d *Datastore) DamagedTables(ctx context.Context) (names []string, err error) {
	all, err := d.tables()
	if err != nil {
		return nil, fmt.Errorf("check tables: %w", err)
	}
	for _, name := range all {
		err := d.check(ctx, name)
		switch {
		case ctx.Err() != nil:
			return names, fmt.Errorf("check tables: %w", ctx.Err())
		case err == nil, errors.Is(err, fs.ErrNotExist): // pebble has removed it since
		case pebble.IsCorruptionError(err):
			names = append(names, name)
		default:
			return names, fmt.Errorf("check tables: %s: %w", name, err)
		}
	}
	return names, nil
}

// tables are the names of the files that pebble uses.
func (d *Datastore) tables() (names []string, err error) {
	if !d.gate.enter() {
		return nil, ErrClosed
	}
	defer d.gate.leave()
	levels, err := d.db.SSTables()
	for _, level := range levels {
		for _, t := range level {
			names = append(names, fmt.Sprintf("%06d.sst", uint64(t.BackingSSTNum)))
		}
	}
	return names, err
}

// check compares each block of a table with its sum.
func (d *Datastore) check(ctx context.Context, name string) (err error) {
	f, err := vfs.Default.Open(filepath.Join(d.dir, name))
	if err != nil {
		return err
	}
	src, err := sstable.NewSimpleReadable(&slowFile{ReadableFile: f, ctx: ctx, since: time.Now()})
	if err != nil {
		return errors.Join(err, f.Close())
	}
	r, err := sstable.NewReader(ctx, src, d.options.MakeReaderOptions())
	if err != nil {
		return errors.Join(err, src.Close())
	}
	return errors.Join(r.ValidateBlockChecksums(), r.Close())
}

// slowFile leaves the disk to others for most of the time.
type slowFile struct {
	sstable.ReadableFile
	ctx   context.Context
	read  int
	since time.Time
}

// ReadAt rests behind each part.
func (f *slowFile) ReadAt(p []byte, off int64) (int, error) {
	if f.read += len(p); f.read > tablePart {
		select {
		case <-time.After(tableRest * time.Since(f.since)):
		case <-f.ctx.Done():
			return 0, f.ctx.Err()
		}
		f.read, f.since = 0, time.Now()
	}
	return f.ReadableFile.ReadAt(p, off)
}

// told remembers what was told already.
type told struct {
	mu  sync.Mutex
	all map[string]bool
}

func (t *told) first(name string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all[name] || len(t.all) == 1000 {
		return false
	}
	if t.all == nil {
		t.all = map[string]bool{}
	}
	t.all[name] = true
	return true
}
