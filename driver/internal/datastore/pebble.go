package datastore

import (
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
	ds "github.com/ipfs/go-datastore"
	"github.com/sirupsen/logrus"
)

// What pebble may take. It is small, because so is what a registry reads of it: the path map
// is in memory.
const (
	memTableSize = 4 << 20  // bytes of a table in memory
	memTables    = 3        // of them, while the oldest are being written
	cacheSize    = 8 << 20  // bytes of blocks that were read
	tableSize    = 4 << 20  // bytes of a table in level 0; each level below has tables twice as large
	baseSize     = 16 << 20 // bytes of the first level below it
	filterBits   = 10       // for each key, by which most keys that are not there cost no read
	openFiles    = 200
)

// formatVersion is pebble's own number for what it writes. It is raised only with /format, because
// an earlier release could not read it: see engine/format.go.
const formatVersion = pebble.FormatTableFormatV6

func options(fs vfs.FS, l logger) *pebble.Options {
	o := &pebble.Options{
		FS: fs, Logger: l, FormatMajorVersion: formatVersion, CacheSize: cacheSize, MaxOpenFiles: openFiles,
		MemTableSize: memTableSize, MemTableStopWritesThreshold: memTables,
		L0CompactionThreshold: 2, L0StopWritesThreshold: 12, LBaseMaxBytes: baseSize,
		EventListener: &pebble.EventListener{DataCorruption: l.damage, BackgroundError: l.background},
	}
	o.TargetFileSizes[0] = tableSize
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(filterBits)
	}
	o.EnsureDefaults()
	return o
}

// openPebble opens pebble. A new one begins in its oldest format, and so does its first log, in
// which damage is taken for the end. The second has later formats.
func openPebble(dir string, o *pebble.Options) (*pebble.DB, error) {
	is, err := pebble.Peek(dir, o.FS)
	if err != nil {
		return nil, err
	}
	if !is.Exists || is.FormatMajorVersion < formatVersion {
		first, err := pebble.Open(dir, o)
		if err != nil {
			return nil, err
		}
		if err := first.Close(); err != nil {
			return nil, err
		}
	}
	return pebble.Open(dir, o)
}

// logger is what pebble tells.
type logger struct {
	log  *logrus.Entry
	once *told
}

func (l logger) Infof(format string, args ...any)  { l.log.Debugf("pebble: "+format, args...) }
func (l logger) Errorf(format string, args ...any) { l.log.Debugf("pebble: "+format, args...) }

// Fatalf ends the process, as pebble expects: after that it would go on in a state that is unknown.
func (l logger) Fatalf(format string, args ...any) { l.end(fmt.Errorf("pebble: "+format, args...)) }

// end is called when nothing more may be acknowledged.
func (l logger) end(err error) {
	l.log.WithError(err).Fatal("the datastore cannot be synced: the registry ends, and its next start reads what is on disk")
}

// background is told of flushes and compactions that failed, and are tried again.
func (l logger) background(err error) { l.log.WithError(err).Debug("pebble") }

func (l logger) damage(info pebble.DataCorruptionInfo) {
	if l.once.first(info.Path) {
		l.log.WithField("file", info.Path).WithError(info.Details).
			Error("a file of metadata is damaged on disk: what lies there cannot be read; have another registry keep what only this one has, and replace it or restore a backup")
	}
}

// write commits changes at once, synced. Whoever calls it has the gate.
func (d *Datastore) write(changes []change, size int) error {
	b := d.db.NewBatchWithSize(size)
	defer func() { _ = b.Close() }()
	for _, c := range changes {
		if err := c.set(b); err != nil {
			return fmt.Errorf("write: %w", err)
		}
	}
	if err := b.Commit(pebble.Sync); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// probeKey is written to see whether writing works.
var probeKey = ds.NewKey("/datastore/probe")

func probe() []change {
	return []change{{key: probeKey, value: []byte(time.Now().UTC().Format(time.RFC3339Nano))}}
}

// absent is pebble's error for a key that is not there as go-datastore's.
func absent(err error) error {
	if errors.Is(err, pebble.ErrNotFound) {
		return ds.ErrNotFound
	}
	return err
}
