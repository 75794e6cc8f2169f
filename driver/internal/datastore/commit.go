package datastore

import (
	"context"
	"errors"
	"time"

	"github.com/cockroachdb/pebble/v2"
	ds "github.com/ipfs/go-datastore"
)

const (
	commitWait = 30 * time.Second // for a write that is held

	largest    = 16 << 20 // transaction, bytes
	partSize   = 3 << 20  // of a batch in one transaction, bytes
	changeCost = 32       // bytes that a change costs in addition to its key and value
)

// change is one write.
type change struct {
	key    ds.Key
	value  []byte
	delete bool
}

func (c change) size() int { return len(c.key.String()) + len(c.value) + changeCost }

func (c change) set(b *pebble.Batch) error {
	if c.delete {
		return b.Delete(c.key.Bytes(), nil)
	}
	return b.Set(c.key.Bytes(), c.value, nil)
}

// commit writes changes at once and synced. Commits that wait share a sync. It waits for them, or
// until they take longer than commitWait, which is a failed write.
func (d *Datastore) commit(changes []change) error {
	if err := d.Writable(); err != nil {
		return err
	}
	size := 0
	for _, c := range changes {
		size += c.size()
	}
	if size > largest {
		return ErrTooBig
	}
	if !d.roomFor(int64(size)) {
		return d.fail(errNoRoom)
	}
	return d.writeWithin(commitWait, changes, size)
}

func (d *Datastore) writeWithin(wait time.Duration, changes []change, size int) error {
	if !d.gate.enter() {
		return ErrClosed
	}
	done := make(chan error, 1)
	go func() {
		defer d.gate.leave()
		done <- d.write(changes, size)
	}()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case err := <-done:
		if err != nil {
			return d.fail(err)
		}
		return nil
	case <-timer.C:
	}
	d.late.Add(1)
	go func() { // it ends with the write
		<-done
		d.late.Add(-1)
	}()
	return d.fail(errStuck)
}

// batch gathers changes. A batch of more than partSize bytes is committed in parts, in the order of
// its changes. It is not safe for concurrent use.
type batch struct {
	d       *Datastore
	changes []change
}

func (b *batch) Put(_ context.Context, k ds.Key, v []byte) error {
	b.changes = append(b.changes, change{key: k, value: v})
	return nil
}

func (b *batch) Delete(_ context.Context, k ds.Key) error {
	b.changes = append(b.changes, change{key: k, delete: true})
	return nil
}

func (b *batch) Commit(context.Context) error {
	for len(b.changes) > 0 {
		n := partLen(b.changes)
		if err := b.d.commit(b.changes[:n]); err != nil {
			return err
		}
		b.changes = b.changes[n:]
	}
	return nil
}

func partLen(changes []change) int {
	size := 0
	for i, c := range changes {
		if size += c.size(); i > 0 && size > partSize {
			return i
		}
	}
	return len(changes)
}

// tryAgain lets writes in again when nothing is held, there is room, and a trial write succeeds. So
// whoever had a failed write, and then one that succeeded, knows that the first has ended: it reads
// all of it, or nothing.
func (d *Datastore) tryAgain() {
	err := errHeld
	if d.files.count.Load() == 0 && d.late.Load() == 0 {
		err = d.trial(trialRoom)
	}
	if err == nil {
		d.recovered()
	} else if !errors.Is(err, errNoRoom) {
		d.log.WithError(err).Debug("the datastore does not take writes yet")
	}
}

// trial makes a trial write when there is room for that, and for n bytes more.
func (d *Datastore) trial(n int64) error {
	if !d.roomFor(n) {
		return errNoRoom
	}
	return d.writeWithin(commitWait, probe(), 0)
}
