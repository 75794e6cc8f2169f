package datastore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	ds "github.com/ipfs/go-datastore"
	"github.com/sirupsen/logrus"
)

const (
	openWait  = 30 * time.Second // for room, at the start
	closeWait = 17 * time.Second // for room, at the end
)

// Datastore is pebble behind one owner. It implements ds.TxnDatastore and ds.Batching. All
// methods are safe for concurrent use. A write that has begun is always waited for, because only
// its end tells whether it may be acknowledged.
type Datastore struct {
	dir       string
	log       *logrus.Entry
	reserve   *reserve
	files     *files
	options   *pebble.Options
	db        *pebble.DB
	lock      *os.File
	gate      *gate
	snapshots snapshots
	late      atomic.Int64 // writes that were reported as failed, and have not ended

	mu     sync.Mutex
	health *Unavailable  // nil: writes are taken
	failed chan struct{} // buffered: writes are no longer taken

	closing   chan struct{}
	closeWait time.Duration
	closeOnce sync.Once
	keeper    sync.WaitGroup
}

var (
	_ ds.TxnDatastore = (*Datastore)(nil)
	_ ds.Batching     = (*Datastore)(nil)
)

// Open opens the datastore in a directory, which it makes. On a full disk it opens for
// reading, and takes writes once there is room.
func Open(dir string, log *logrus.Entry) (*Datastore, error) {
	return openOn(vfs.Default, dir, log)
}

func openOn(fs vfs.FS, dir string, log *logrus.Entry, change ...func(*pebble.Options)) (*Datastore, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("datastore: %w", err)
	}
	d := &Datastore{
		dir: dir, log: log, reserve: &reserve{dir: dir}, gate: newGate(), snapshots: snapshots{all: map[*pebble.Snapshot]struct{}{}},
		failed: make(chan struct{}, 1), closing: make(chan struct{}), closeWait: closeWait,
	}
	l := logger{log, &told{}}
	d.files = &files{FS: fs, held: d.held, end: l.end, closing: d.closing}
	d.options = options(d.files, l)
	for _, c := range change {
		c(d.options)
	}
	var err error
	if d.lock, err = lock(dir); err != nil {
		return nil, fmt.Errorf("datastore: %w", err)
	}
	if err := d.openWithin(openWait); err != nil {
		return nil, fmt.Errorf("datastore: %w", err)
	}
	if err := d.trial(0); err != nil {
		_ = d.fail(err)
	}
	d.keep()
	d.keeper.Go(d.tend)
	return d, nil
}

// openWithin opens pebble. It writes out what its log has, and waits for room for that, which is
// bounded; when nothing is held, it reads a long log.
func (d *Datastore) openWithin(wait time.Duration) error {
	done := make(chan error, 1)
	go func() {
		var err error
		d.db, err = openPebble(d.dir, d.options)
		done <- err
	}()
	var err error
	select {
	case err = <-done:
	case <-time.After(wait):
		if d.files.count.Load() > 0 {
			return fmt.Errorf("make room: %w", d.Writable()) // it keeps the lock: it is still there, and waits
		}
		err = <-done
	}
	if err != nil {
		return errors.Join(fmt.Errorf("open pebble: %w", err), d.lock.Close())
	}
	return nil
}

// held is told of a write that failed, and is tried again.
func (d *Datastore) held(err error, c class) {
	if c != compacted {
		d.reserve.free()
	}
	_ = d.fail(err)
}

// fail ends writing, and logs that once.
func (d *Datastore) fail(cause error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.health == nil {
		d.health = &Unavailable{Full: d.full(cause), Err: cause}
		select {
		case d.failed <- struct{}{}:
		default:
		}
		d.log.WithError(d.health).Warn("pushes and deletes are refused until a write succeeds")
	}
	return d.health
}

// recovered lets writes in again.
func (d *Datastore) recovered() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.health = nil
	d.log.Warn("the datastore takes writes again: pushes and deletes go on")
}

// Writable returns nil while the datastore takes writes, and otherwise the *Unavailable that
// they get, or ErrClosed.
func (d *Datastore) Writable() error {
	select {
	case <-d.closing:
		return ErrClosed
	default:
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.health != nil {
		return d.health
	}
	return nil
}

// NewTransaction implements ds.TxnDatastore.
func (d *Datastore) NewTransaction(context.Context, bool) (ds.Txn, error) {
	if !d.gate.enter() {
		return nil, ErrClosed
	}
	defer d.gate.leave()
	return &txn{d: d, snap: d.snapshots.of(d.db), pending: map[ds.Key]change{}}, nil
}

// Batch implements ds.Batching.
func (d *Datastore) Batch(context.Context) (ds.Batch, error) { return &batch{d: d}, nil }

// Put implements ds.Datastore.
func (d *Datastore) Put(_ context.Context, k ds.Key, v []byte) error {
	return d.commit([]change{{key: k, value: v}})
}

// Delete implements ds.Datastore.
func (d *Datastore) Delete(_ context.Context, k ds.Key) error {
	return d.commit([]change{{key: k, delete: true}})
}

// Sync implements ds.Datastore: a write that has returned is synced.
func (d *Datastore) Sync(context.Context, ds.Key) error { return d.Writable() }

// Close ends within half a minute, even on a full disk: what was acknowledged is in pebble's log,
// synced, and read from there at the next start. Close may be called again.
func (d *Datastore) Close() error {
	var err error
	d.closeOnce.Do(func() { err = d.close() })
	return err
}

func (d *Datastore) close() error {
	healthy := d.Writable() == nil
	close(d.closing)
	done := make(chan error, 1)
	go func() { done <- d.closeAll(healthy) }()
	select {
	case err := <-done:
		d.keep() // the next start may need it
		return errors.Join(err, d.lock.Close())
	case <-time.After(d.closeWait):
	}
	d.log.Warn("no room to close the datastore: nothing is lost, the next start reads its log")
	return nil
}

// closeAll writes out what is only in the log if it can: the sums of a table show any damage, and the
// end of a log may be torn by rights.
func (d *Datastore) closeAll(healthy bool) error {
	d.keeper.Wait()
	d.gate.end()
	err := d.snapshots.endAll()
	if healthy {
		err = errors.Join(err, d.db.Flush())
	}
	if err := errors.Join(err, d.db.Close()); err != nil {
		return fmt.Errorf("close the datastore: %w", err)
	}
	return nil
}
