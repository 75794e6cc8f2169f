package datastore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/dgraph-io/badger"
	"github.com/dgraph-io/badger/table"
)

const (
	tablePart = 1 << 20 // bytes of a table that are read in one go
	tableRest = 9       // for each second of reading tables, seconds of rest
)

// DamagedTables reads badger's tables as they are now, slowly, and gives the names of those with
// other bytes than badger wrote. badger itself compares a table with its sum only when it opens
// it. From a damaged one it serves wrong values, and compaction writes these into sound tables;
// after the next start the registry is without it, and refuses to run.
func (d *Datastore) DamagedTables(ctx context.Context) (names []string, err error) {
	sums, err := tableSums(d.dir)
	if err != nil {
		return nil, fmt.Errorf("check tables: %w", err)
	}
	for _, id := range slices.Sorted(maps.Keys(sums)) {
		sound, err := d.isSound(ctx, id, sums[id])
		if err != nil {
			return names, fmt.Errorf("check tables: %w", err)
		}
		if !sound {
			names = append(names, table.IDToFilename(id))
		}
	}
	return names, nil
}

// tableSums are the sums of the tables in badger's manifest.
func tableSums(dir string) (map[uint64][]byte, error) {
	f, err := os.Open(filepath.Join(dir, badger.ManifestFilename))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	m, _, err := badger.ReplayManifestFile(f)
	sums := map[uint64][]byte{}
	for id, t := range m.Tables {
		sums[id] = t.Checksum
	}
	return sums, err
}

// isSound compares a table with its sum. One that badger has removed since counts as sound.
func (d *Datastore) isSound(ctx context.Context, id uint64, want []byte) (bool, error) {
	got, err := sumSlowly(ctx, table.NewFilename(id, d.dir))
	if errors.Is(err, fs.ErrNotExist) || err == nil && (len(want) == 0 || bytes.Equal(got, want)) {
		return true, nil
	}
	if err != nil && ctx.Err() != nil {
		return true, ctx.Err()
	}
	now, err := tableSums(d.dir)
	still, listed := now[id]
	return !listed || !bytes.Equal(still, want), err
}

// sumSlowly gives the sum of a file, and leaves the disk to others for most of the time.
func sumSlowly(ctx context.Context, file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	sum := sha256.New()
	for {
		began := time.Now()
		n, err := io.CopyN(sum, f, tablePart)
		if errors.Is(err, io.EOF) && n < tablePart {
			return sum.Sum(nil), nil
		}
		if err != nil {
			return nil, err
		}
		select {
		case <-time.After(tableRest * time.Since(began)):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
