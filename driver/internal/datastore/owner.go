package datastore

import (
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/dgraph-io/badger"
)

const (
	commitWait = 30 * time.Second // for a write whose flush waits for room

	partSize   = 3 << 20 // of a batch in one transaction, bytes
	partCount  = 30_000  // and changes
	changeCost = 32      // bytes that a change costs in addition to its key and value

	collectEvery = 15 * time.Minute // the value log's garbage
	collectPause = 10 * time.Second // between two of its files
	collectRatio = 0.2              // of a file, at least, has to be garbage
)

// commit is what one caller writes.
type commit struct {
	on      *engine // the badger its transaction read, nil: any
	changes []change
	done    chan error // buffered, so that the owner never waits for a caller
}

func (c *commit) size() (n int) {
	for _, ch := range c.changes {
		n += ch.size()
	}
	return n
}

// commit writes changes at once and synced. It waits for them, or until they take longer
// than commitWait, which is a failed write.
func (d *Datastore) commit(on *engine, changes []change) error {
	return d.hand(d.state(), &commit{on: on, changes: changes, done: make(chan error, 1)})
}

// hand gives a commit to the owner, unless writing has ended since h was.
func (d *Datastore) hand(h health, c *commit) error {
	if h.refusal != nil {
		return h.refusal
	}
	select {
	case d.commits <- c:
	case <-h.failed:
		return d.unavailable(errStale) // it may take writes again by now, but this one was not taken
	case <-d.closing:
		return ErrClosed
	}
	timer := time.NewTimer(commitWait)
	defer timer.Stop()
	select {
	case err := <-c.done:
		return err
	case <-timer.C:
		return d.fail(errStuck)
	}
}

// own is the only goroutine that writes to badger, collects its garbage, and closes and
// opens it. Commits that wait while one is synced share the next one.
func (d *Datastore) own() {
	garbage := time.NewTimer(collectEvery)
	defer garbage.Stop()
	for {
		if d.state().refusal != nil {
			d.heal()
		}
		select {
		case c := <-d.commits:
			d.write(d.gather(c))
		case <-garbage.C:
			garbage.Reset(d.collect())
		case <-d.failures:
			if e, _ := d.engine(); e != nil && e.watch.err() != nil {
				d.fail(e.watch.err())
			}
		case <-d.closing:
			return
		}
	}
}

func (d *Datastore) gather(first *commit) []*commit {
	group, size, count := []*commit{first}, first.size(), len(first.changes)
	for size < partSize/2 && count < partCount/2 {
		select {
		case c := <-d.commits:
			group = append(group, c)
			size, count = size+c.size(), count+len(c.changes)
			if size > partSize || count > partCount {
				return group
			}
		default:
			return group
		}
	}
	return group
}

// write commits a group in one transaction, or each commit in a transaction of its own when
// they do not fit, or when badger rejects one of them.
func (d *Datastore) write(group []*commit) {
	defer d.busy()()
	err := d.writeOnce(group)
	if len(group) == 1 || !errors.Is(err, errRejected) {
		for _, c := range group {
			c.done <- err
		}
		return
	}
	for _, c := range group {
		c.done <- d.writeOnce([]*commit{c})
	}
}

func (d *Datastore) writeOnce(group []*commit) error {
	e, _ := d.engine()
	if h := d.state(); h.refusal != nil || e == nil {
		return d.unavailable(errNotOpen)
	}
	var changes []change
	var bytes int64
	for _, c := range group {
		if c.on != nil && c.on != e {
			return fmt.Errorf("%w: %w", errRejected, d.unavailable(errStale))
		}
		changes, bytes = append(changes, c.changes...), bytes+int64(c.size())
	}
	d.owed.Add(bytes)
	if !d.roomFor(bytes) {
		return d.fail(errNoRoom)
	}
	err := e.write(changes)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, badger.ErrTxnTooBig):
		return fmt.Errorf("%w: %w", errRejected, ErrTooBig)
	case errors.Is(err, errRejected):
		return err
	}
	return d.fail(err)
}

// busy notes that the owner has begun something.
func (d *Datastore) busy() (end func()) {
	d.since.Store(time.Now().UnixNano())
	select {
	case d.begun <- struct{}{}:
	default:
	}
	return func() { d.since.Store(0) }
}

// collect frees one file of the value log while nothing is written: badger copies the
// file's live values, and after a failed write in between it would point to the wrong
// place, and delete the originals.
func (d *Datastore) collect() (next time.Duration) {
	defer d.busy()()
	e, _ := d.engine()
	if err := e.db.RunValueLogGC(collectRatio); err != nil {
		return collectEvery
	}
	return collectPause
}

// heal makes the datastore take writes again, or ends when it is closed.
func (d *Datastore) heal() {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = 100*time.Millisecond, 5*time.Second
	for !errors.Is(d.Writable(), ErrClosed) {
		err := d.tryAgain()
		if err == nil {
			d.recovered()
			return
		}
		d.log.WithError(err).Debug("the datastore does not take writes yet")
		select {
		case <-time.After(wait.NextBackOff()):
		case <-d.closing:
			return
		}
	}
}

// tryAgain makes a trial write when there is room, after opening badger again if it failed.
func (d *Datastore) tryAgain() error {
	defer d.busy()()
	e, _ := d.engine()
	if e == nil || e.failed() {
		var err error
		if e, err = d.reopen(e); err != nil {
			return err
		}
	}
	return d.trial(e, trialRoom)
}

// trial makes a trial write when there is room for that, and for n bytes more.
func (d *Datastore) trial(e *engine, n int64) error {
	if !d.roomFor(n) {
		return errNoRoom
	}
	if err := e.probe(); err != nil {
		return fmt.Errorf("%w: %w", errNoProbe, err)
	}
	return nil
}

// reopen closes badger, when there is room for that, and opens it again. Reads go on until
// badger is closed, and then wait.
func (d *Datastore) reopen(e *engine) (*engine, error) {
	if !d.roomToFlush() {
		return nil, errNoRoom
	}
	if e != nil {
		d.replace(nil)
		if err := e.close(); err != nil {
			d.log.WithError(err).Debug("badger was closed after a failure")
		}
		d.owed.Store(0)
	}
	e, err := openEngine(d.dir, d.newWatch())
	if err == nil {
		d.replace(e)
	}
	return e, err
}
