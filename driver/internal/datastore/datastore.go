package datastore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	ds "github.com/ipfs/go-datastore"
	"github.com/sirupsen/logrus"
)

const (
	openWait  = 30 * time.Second // for badger at the start, which may need room to replay
	closeWait = 15 * time.Second // for badger at the end, which may need room to flush
)

// Datastore is badger behind one owner. It implements ds.TxnDatastore and ds.Batching. All
// methods are safe for concurrent use. Contexts bound waits for a read. A write that has
// begun is always waited for, because only its end tells whether it may be acknowledged.
type Datastore struct {
	dir     string
	log     *logrus.Entry
	reserve *reserve
	owed    atomic.Int64  // bytes that badger flushes when it is closed, at most
	begun   chan struct{} // buffered: the owner has begun something
	since   atomic.Int64  // unix nanoseconds when the owner's present work began; 0: it has none

	mu      sync.Mutex
	current *engine       // nil while badger is closed
	changed chan struct{} // closed and replaced when current changes
	health  *health

	commits   chan *commit
	failures  chan struct{} // buffered: badger failed by itself
	closing   chan struct{}
	closeWait time.Duration
	closeOnce sync.Once
	owner     sync.WaitGroup
	keeper    sync.WaitGroup
}

var (
	_ ds.TxnDatastore = (*Datastore)(nil)
	_ ds.Batching     = (*Datastore)(nil)
)

// health reports whether writes are taken.
type health struct {
	refusal *Unavailable  // nil: they are
	failed  chan struct{} // closed when they no longer are
}

// Open opens the datastore in a directory, which it makes. On a full disk it opens for
// reading, and takes writes once there is room.
func Open(dir string, log *logrus.Entry) (*Datastore, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("datastore: %w", err)
	}
	d := &Datastore{
		dir: dir, log: log, reserve: &reserve{dir: dir},
		begun: make(chan struct{}, 1), changed: make(chan struct{}), commits: make(chan *commit), failures: make(chan struct{}, 1), closing: make(chan struct{}),
		closeWait: closeWait,
		health:    &health{failed: make(chan struct{})},
	}
	d.owed.Store(TableSize) // what a replay finds is not known
	e, err := d.openFirst()
	if err != nil {
		return nil, fmt.Errorf("datastore: %w", err)
	}
	d.replace(e)
	if err := d.trial(e, 0); err != nil {
		d.fail(err)
	}
	d.keep()
	d.owner.Go(d.own)
	d.keeper.Go(d.tend)
	return d, nil
}

// openFirst opens badger with a bound in time, because badger retries forever a flush that
// its replay needs.
func (d *Datastore) openFirst() (*engine, error) {
	d.roomToFlush()
	type opened struct {
		e   *engine
		err error
	}
	done, w := make(chan opened, 1), d.newWatch()
	go func() {
		e, err := openEngine(d.dir, w)
		done <- opened{e, err}
	}()
	select {
	case o := <-done:
		return o.e, o.err
	case <-time.After(openWait):
	}
	if err := w.err(); err != nil {
		return nil, fmt.Errorf("make room: %w", err)
	}
	o := <-done // it replays a long log
	return o.e, o.err
}

func (d *Datastore) newWatch() *watch {
	return &watch{log: d.log, onFail: func(err error) {
		select {
		case <-d.closing:
			return // what becomes of that is logged once
		default:
		}
		d.fail(err)
		select {
		case d.failures <- struct{}{}:
		default:
		}
	}}
}

// engine returns the open badger, or nil, and a channel that is closed when that changes.
func (d *Datastore) engine() (*engine, <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.current, d.changed
}

func (d *Datastore) replace(e *engine) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.current = e
	close(d.changed)
	d.changed = make(chan struct{})
}

// fail ends writing, and logs that once.
func (d *Datastore) fail(cause error) *Unavailable {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.health.refusal == nil {
		d.health.refusal = &Unavailable{Full: d.full(cause), Err: cause}
		close(d.health.failed)
		d.log.WithError(d.health.refusal).Warn("pushes and deletes are refused until a write succeeds")
	}
	return d.health.refusal
}

// recovered lets writes in again.
func (d *Datastore) recovered() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.health = &health{failed: make(chan struct{})}
	d.log.Warn("the datastore takes writes again: pushes and deletes go on")
}

func (d *Datastore) state() health {
	d.mu.Lock()
	defer d.mu.Unlock()
	return *d.health
}

// Writable returns nil while the datastore takes writes, and otherwise the *Unavailable that
// they get, or ErrClosed.
func (d *Datastore) Writable() error {
	select {
	case <-d.closing:
		return ErrClosed
	default:
	}
	if h := d.state(); h.refusal != nil {
		return h.refusal
	}
	return nil
}

// unavailable is the error that reads and stale transactions get.
func (d *Datastore) unavailable(cause error) error {
	if h := d.state(); h.refusal != nil {
		return &Unavailable{Full: h.refusal.Full, Err: fmt.Errorf("%w: %w", cause, h.refusal.Err)}
	}
	return &Unavailable{Err: cause}
}

// NewTransaction implements ds.TxnDatastore.
func (d *Datastore) NewTransaction(ctx context.Context, _ bool) (ds.Txn, error) {
	e, err := d.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer e.done()
	return &txn{d: d, on: e, snap: e.db.NewTransaction(false), pending: map[ds.Key]change{}}, nil
}

// Batch implements ds.Batching.
func (d *Datastore) Batch(context.Context) (ds.Batch, error) { return &batch{d: d}, nil }

// Put implements ds.Datastore.
func (d *Datastore) Put(_ context.Context, k ds.Key, v []byte) error {
	return d.commit(nil, []change{{key: k, value: v}})
}

// Delete implements ds.Datastore.
func (d *Datastore) Delete(_ context.Context, k ds.Key) error {
	return d.commit(nil, []change{{key: k, delete: true}})
}

// Sync implements ds.Datastore: a write that has returned is synced.
func (d *Datastore) Sync(context.Context, ds.Key) error { return d.Writable() }

// Close ends within half a minute, even on a full disk: data that badger cannot flush is in
// its value log, synced, and read from there at the next start. Close may be called again.
func (d *Datastore) Close() error {
	var err error
	d.closeOnce.Do(func() { err = d.close() })
	return err
}

func (d *Datastore) close() error {
	close(d.closing)
	d.keeper.Wait()
	d.roomToFlush()
	done := make(chan error, 1)
	go func() { done <- d.closeEngine() }()
	select {
	case err := <-done:
		d.keep() // the next start may need it
		return err
	case <-time.After(stuckTime):
		d.reserve.free()
	}
	select {
	case err := <-done:
		d.keep()
		return err
	case <-time.After(d.closeWait):
	}
	d.log.Warn("no room to close the datastore: nothing is lost, the next start reads its log")
	return nil
}

func (d *Datastore) closeEngine() error {
	d.owner.Wait()
	e, _ := d.engine()
	if e == nil {
		return nil
	}
	d.replace(nil)
	return e.close()
}

var errNotOpen = errors.New("badger is closed")
