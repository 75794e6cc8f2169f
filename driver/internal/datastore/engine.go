package datastore

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/badger"
	"github.com/dgraph-io/badger/options"
	ds "github.com/ipfs/go-datastore"
)

// TableSize is the size of badger's tables in bytes, at most.
const TableSize = 64 << 20

// tableFill is how large tables get when badger compacts them. What it has in memory until it
// writes the next one takes up to 1.3 times as much. A transaction may take 15% of it: it must hold
// a whole delta of 1 MiB and what the CRDT keeps of it, which can be 7 MiB.
const tableFill = 48 << 20

// logSize is the size of the value log's files in bytes. They are garbage-collected one at a time
// while nothing is written, so they are small. With each, badger writes out the table that it has
// in memory (flushAfter): in buffers that double, one for the table and one for its keys, which
// take several times its size until the garbage is gone. After a crash no more than one and a part
// of another is read again.
const (
	logSize    = 24 << 20
	flushAfter = 1 // files of the log
)

// engine is one opened badger. It is used, and then closed for good.
type engine struct {
	db     *badger.DB
	watch  *watch
	torn   atomic.Bool
	ending chan struct{} // closed when it is about to be closed: iterators stop

	mu    sync.Mutex
	users int
	ended bool
	idle  chan struct{} // closed when it has ended and is not in use
}

func badgerOptions(dir string, w *watch) badger.Options {
	o := badger.LSMOnlyOptions(dir) // the value log is a log only; values lie in the tables
	o.Logger = w
	o.SyncWrites = true // an entry that was acknowledged survives a crash
	o.Truncate = true   // cut the record that a crash has torn
	o.MaxTableSize = tableFill
	o.NumMemtables = 2
	o.ValueLogFileSize = logSize
	o.LogRotatesToFlush = flushAfter
	o.ValueLogLoadingMode = options.FileIO
	o.TableLoadingMode = options.MemoryMap
	o.CompactL0OnClose = false
	o.EventLogging = false
	return o
}

// openEngine opens badger, which may take as long as a flush that waits for room. badger
// leaves out a damaged table, and only logs that: what it then lacks must not count as absent.
func openEngine(dir string, w *watch) (*engine, error) {
	db, err := badger.Open(badgerOptions(dir, w))
	if err != nil {
		w.over.Store(true)
		return nil, fmt.Errorf("open badger: %w", err)
	}
	if failed := w.err(); failed != nil {
		w.over.Store(true)
		return nil, fmt.Errorf("open badger: %w", errors.Join(failed, db.Close()))
	}
	return &engine{db: db, watch: w, ending: make(chan struct{}), idle: make(chan struct{})}, nil
}

// use keeps the engine open until done is called; false when it is ending.
func (e *engine) use() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.ended {
		e.users++
	}
	return !e.ended
}

func (e *engine) done() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.users--; e.users == 0 && e.ended {
		close(e.idle)
	}
}

// close waits for the users of the engine, for as long as one read takes. badger retries a
// flush until there is room for it.
func (e *engine) close() error {
	e.mu.Lock()
	e.ended = true
	if e.users == 0 {
		close(e.idle)
	}
	e.mu.Unlock()
	close(e.ending)
	<-e.idle
	if err := e.db.Close(); err != nil {
		return fmt.Errorf("close badger: %w", err)
	}
	return nil
}

// write commits changes in one transaction.
func (e *engine) write(changes []change) error {
	txn := e.db.NewTransaction(true)
	defer txn.Discard()
	for _, c := range changes {
		if err := c.set(txn); err != nil {
			return fmt.Errorf("%w: %w", errRejected, err)
		}
	}
	if err := txn.Commit(); err != nil {
		e.torn.Store(true)
		return fmt.Errorf("commit: %w", err)
	}
	return e.watch.err()
}

// failed reports whether a write failed: then nothing more may be written.
func (e *engine) failed() bool { return e.torn.Load() || e.watch.err() != nil }

// probeKey is written to see whether writing works.
var probeKey = ds.NewKey("/datastore/probe")

func (e *engine) probe() error {
	return e.write([]change{{key: probeKey, value: []byte(time.Now().UTC().Format(time.RFC3339Nano))}})
}
