// Package legacy is what is left of badger, in which earlier releases kept their metadata: Convert
// reads it into the datastore once, and Refuse leaves in its place what has an earlier release
// refuse to run, instead of beginning a new registry beside the blobs of this one.
//
//	err := legacy.Convert(ctx, "…/badger", "…/pebble", later, log)
//	…
//	err = legacy.Refuse("…/badger", later)
package legacy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/badger"
	"github.com/dgraph-io/badger/options"
	ds "github.com/ipfs/go-datastore"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/datastore"
)

const (
	movedName = "MOVED" // the file in a badger directory that Refuse made
	moved     = `The metadata of this registry lies in the directory "pebble" beside this one. What is here only
has releases that do not know that directory refuse to run. It holds nothing else.
`
	partSize  = 2 << 20 // bytes that are copied in one go
	sayEvery  = 10 * time.Second
	tempAdded = ".new" // to the name of a directory that is being made
)

// Later are the keys that an earlier release reads first, and refuses to run.
type Later map[ds.Key][]byte

// Convert brings what a directory of badger holds into a new one of the datastore, unless that is
// there, or there is nothing to convert. Until all of it is there nothing is removed; a
// conversion that was cut begins anew. It needs as much room as the metadata takes.
func Convert(ctx context.Context, from, to string, later Later, log *logrus.Entry) error {
	if present(to) || !present(from) || present(filepath.Join(from, movedName)) {
		return nil
	}
	log.Info("the metadata of an earlier release is converted, which is done once")
	if err := convert(ctx, from, to, later, log); err != nil {
		return fmt.Errorf("convert %s: %w; nothing of it is changed", from, err)
	}
	log.Info("the metadata is converted")
	return nil
}

func present(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

func convert(ctx context.Context, from, to string, later Later, log *logrus.Entry) error {
	temp := to + tempAdded
	if err := os.RemoveAll(temp); err != nil {
		return err
	}
	l := &logger{log: log}
	old, err := badger.Open(oldOptions(from, l))
	if err != nil {
		return fmt.Errorf("open badger: %w", err)
	}
	err = l.err() // badger leaves out a damaged table, and only logs that
	if err == nil {
		err = copyInto(ctx, old, temp, log)
	}
	if err == nil {
		err = put(old, later) // before the new one is there: what an earlier release wrote here after that would be lost
	}
	if err = errors.Join(err, old.Close()); err != nil {
		return err
	}
	return rename(temp, to)
}

// rename gives a directory its name for good.
func rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return syncDir(filepath.Dir(to))
}

func syncDir(dir string) error {
	f, err := os.Open(filepath.Clean(dir))
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// copyInto makes a datastore of all that badger has.
func copyInto(ctx context.Context, old *badger.DB, to string, log *logrus.Entry) error {
	db, err := datastore.Open(to, log)
	if err != nil {
		return err
	}
	err = old.View(func(txn *badger.Txn) error { return copyAll(ctx, txn, db, log) })
	return errors.Join(err, db.Close())
}

func copyAll(ctx context.Context, txn *badger.Txn, db ds.Batching, log *logrus.Entry) error {
	opt := badger.DefaultIteratorOptions
	opt.PrefetchSize = 100
	it := txn.NewIterator(opt)
	defer it.Close()
	c := copier{db: db, log: log, said: time.Now()}
	for it.Rewind(); it.Valid(); it.Next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		v, err := it.Item().ValueCopy(nil)
		if err != nil {
			return err
		}
		if err := c.add(ctx, ds.RawKey(string(it.Item().Key())), v); err != nil {
			return err
		}
	}
	return c.flush(ctx)
}

// copier writes in parts, and says now and then how far it is.
type copier struct {
	db    ds.Batching
	log   *logrus.Entry
	batch ds.Batch
	size  int
	bytes int64
	said  time.Time
}

func (c *copier) add(ctx context.Context, k ds.Key, v []byte) (err error) {
	if c.batch == nil {
		if c.batch, err = c.db.Batch(ctx); err != nil {
			return err
		}
	}
	c.size += len(k.String()) + len(v)
	if err := c.batch.Put(ctx, k, v); err != nil || c.size < partSize {
		return err
	}
	return c.flush(ctx)
}

func (c *copier) flush(ctx context.Context) error {
	if c.batch == nil {
		return nil
	}
	if err := c.batch.Commit(ctx); err != nil {
		return err
	}
	c.bytes += int64(c.size)
	c.batch, c.size = nil, 0
	if time.Since(c.said) > sayEvery {
		c.said = time.Now()
		c.log.WithField("bytes", c.bytes).Info("the metadata is still being converted")
	}
	return nil
}

// Refuse makes a directory of badger that holds only what has an earlier release refuse to run, in
// the place of what is there. It is called when the datastore is open.
func Refuse(dir string, later Later) error {
	if present(filepath.Join(dir, movedName)) {
		return nil
	}
	if err := refuse(dir, later); err != nil {
		return fmt.Errorf("keep earlier releases out of %s: %w", dir, err)
	}
	return nil
}

func refuse(dir string, later Later) error {
	temp := dir + tempAdded
	if err := errors.Join(os.RemoveAll(temp), os.MkdirAll(temp, 0o700)); err != nil {
		return err
	}
	o := oldOptions(temp, nil)
	o.MaxTableSize, o.ValueLogFileSize = 1<<20, 1<<20
	db, err := badger.Open(o)
	if err != nil {
		return err
	}
	if err := errors.Join(put(db, later), db.Close(), os.WriteFile(filepath.Join(temp, movedName), []byte(moved), 0o600)); err != nil {
		return err
	}
	if err := errors.Join(syncDir(temp), os.RemoveAll(dir)); err != nil {
		return err
	}
	return rename(temp, dir)
}

func put(db *badger.DB, all Later) error {
	return db.Update(func(txn *badger.Txn) error {
		for k, v := range all {
			if err := txn.Set(k.Bytes(), v); err != nil {
				return err
			}
		}
		return nil
	})
}

// oldOptions are those of the earlier releases, as far as they matter for what is there.
func oldOptions(dir string, l badger.Logger) badger.Options {
	o := badger.LSMOnlyOptions(dir)
	o.Logger = l
	o.SyncWrites = true
	o.Truncate = true // cut the record that a crash has torn
	o.MaxTableSize = 48 << 20
	o.NumMemtables = 2
	o.ValueLogFileSize = 64 << 20
	o.ValueLogLoadingMode = options.FileIO
	o.TableLoadingMode = options.MemoryMap
	o.CompactL0OnClose = false
	o.EventLogging = false
	return o
}

// logger is what badger tells; only there it says that a table is damaged.
type logger struct {
	log   *logrus.Entry
	first atomic.Pointer[error]
}

func (l *logger) err() error {
	if err := l.first.Load(); err != nil {
		return *err
	}
	return nil
}

// Errorf implements badger.Logger.
func (l *logger) Errorf(format string, args ...any) {
	err := fmt.Errorf("badger: "+format, args...)
	l.log.WithError(err).Debug("badger")
	l.first.CompareAndSwap(nil, &err)
}

// Warningf implements badger.Logger.
func (l *logger) Warningf(format string, args ...any) { l.log.Debugf("badger: "+format, args...) }

// Infof implements badger.Logger.
func (l *logger) Infof(format string, args ...any) { l.log.Debugf("badger: "+format, args...) }

// Debugf implements badger.Logger.
func (l *logger) Debugf(string, ...any) {}
