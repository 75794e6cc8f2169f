package datastore

import (
	"errors"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// gate keeps pebble open while it is used.
type gate struct {
	mu    sync.Mutex
	users int
	ended bool
	idle  chan struct{} // closed when it has ended and nobody uses it
}

func newGate() *gate { return &gate{idle: make(chan struct{})} }

// enter keeps pebble open until leave is called; false when it is about to be closed.
func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.ended {
		g.users++
	}
	return !g.ended
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.users--; g.users == 0 && g.ended {
		close(g.idle)
	}
}

// end lets nobody in any more, and waits for those who are.
func (g *gate) end() {
	g.mu.Lock()
	g.ended = true
	if g.users == 0 {
		close(g.idle)
	}
	g.mu.Unlock()
	<-g.idle
}

// snapshots are those of transactions that have not ended: pebble wants them back before it is closed.
type snapshots struct {
	mu  sync.Mutex
	all map[*pebble.Snapshot]struct{}
}

func (s *snapshots) of(db *pebble.DB) *pebble.Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	snap := db.NewSnapshot()
	s.all[snap] = struct{}{}
	return snap
}

// end closes one, once.
func (s *snapshots) end(snap *pebble.Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, open := s.all[snap]; open {
		delete(s.all, snap)
		_ = snap.Close() // it always succeeds
	}
}

func (s *snapshots) endAll() (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for snap := range s.all {
		err = errors.Join(err, snap.Close())
	}
	clear(s.all)
	return err
}
