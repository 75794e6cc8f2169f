package datastore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// ReserveSize is the size of the reserve file in bytes: a table that is being flushed,
	// and the next one.
	ReserveSize = 2 * TableSize

	// MinFree is how many bytes uploads and transfers leave free in addition to the reserve
	// file.
	MinFree = TableSize

	reserveName = "reserve"
	flushMost   = TableSize * 5 / 4 // bytes that badger flushes when it is closed, at most
	closeMargin = 4 << 20           // bytes that it writes in addition
	trialRoom   = 16 << 20          // bytes more that have to be free before writes are tried again
	stuckTime   = 2 * time.Second   // after which what the owner does may wait for room
	tendEvery   = time.Second
	tendRest    = 5 * time.Second // while nothing is written and the reserve is whole
)

// reserve is the file that keeps room for badger.
type reserve struct {
	dir string
	mu  sync.Mutex
}

func (r *reserve) path() string { return filepath.Join(r.dir, reserveName) }

// size is what the file really takes in bytes.
func (r *reserve) size() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	info, err := os.Stat(r.path())
	if err != nil {
		return 0
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return min(int64(st.Blocks)*512, info.Size())
	}
	return info.Size()
}

// free gives the room to badger.
func (r *reserve) free() {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = os.Remove(r.path())
}

// make takes the room, whole or not at all.
func (r *reserve) make() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	f, err := os.OpenFile(r.path(), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("reserve: %w", err)
	}
	err = errors.Join(allocate(f, ReserveSize), f.Close())
	if err != nil {
		return fmt.Errorf("reserve: %w", errors.Join(err, os.Remove(r.path())))
	}
	return nil
}

// freeBytes is how much this user may write to the file system of a directory.
func freeBytes(dir string) (int64, error) {
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); err != nil {
		return 0, fmt.Errorf("free space of %s: %w", dir, err)
	}
	return int64(disk.Bavail) * int64(disk.Bsize), nil
}

// Headroom returns how many bytes uploads and transfers may write to the datastore's file
// system without taking room that badger needs: the free bytes, less MinFree, less those
// that the reserve file lacks. When it is not above zero, uploads and transfers have to be
// refused.
//
// Headroom does not look at Writable. A datastore that takes no writes for a moment does not
// mean that the disk is full: a client should try again soon (503), not when somebody has
// made room (507), and no idle uploads have to be removed. Uploads go on meanwhile, and only
// their end, which writes entries, is refused.
func (d *Datastore) Headroom() (int64, error) {
	free, err := freeBytes(d.dir)
	if err != nil {
		return 0, fmt.Errorf("datastore: %w", err)
	}
	return free - MinFree - (ReserveSize - d.reserve.size()), nil
}

// full reports whether something failed because there is no room.
func (d *Datastore) full(cause error) bool {
	if errors.Is(cause, errNoRoom) || errors.Is(cause, unix.ENOSPC) || errors.Is(cause, unix.EDQUOT) {
		return true
	}
	free, err := freeBytes(d.dir)
	return err == nil && free < closeMargin
}

// roomFor reports whether n bytes can be written and closeMargin is left. The reserve must
// not be used for such writes.
func (d *Datastore) roomFor(n int64) bool {
	free, err := freeBytes(d.dir)
	return err != nil || free >= closeMargin+n // badger fails when this cannot be known
}

// roomToFlush reports whether there is room for what badger writes when it is closed or
// opened. It frees the reserve if there is no room otherwise.
func (d *Datastore) roomToFlush() bool {
	need := min(d.owed.Load(), flushMost)
	if !d.roomFor(need) {
		d.reserve.free()
	}
	return d.roomFor(need)
}

// tend keeps the reserve: it is freed when the owner waits for room, and made again when
// there is enough. While nothing is written it looks seldom.
func (d *Datastore) tend() {
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-d.closing:
			return
		}
		if since := d.since.Load(); since != 0 && time.Since(time.Unix(0, since)) > stuckTime {
			d.unstick()
			continue
		}
		if d.keep(); d.since.Load() != 0 || d.reserve.size() < ReserveSize {
			continue
		}
		tick.Reset(tendRest)
		select {
		case <-d.begun:
		case <-tick.C:
		case <-d.closing:
			return
		}
		tick.Reset(tendEvery)
	}
}

// unstick gives the owner the room for which it may be waiting. After a failed write that
// is the whole reserve, because a quota may bind badger that the file system's free space
// does not show.
func (d *Datastore) unstick() {
	if d.state().refusal != nil {
		d.reserve.free()
		return
	}
	d.roomToFlush()
}

// keep makes the reserve if it is not there and leaves MinFree.
func (d *Datastore) keep() {
	if err := keepManifest(d.dir); err != nil {
		d.log.WithError(err).Debug("no room beyond the end of the datastore's manifest")
	}
	if d.reserve.size() >= ReserveSize {
		return
	}
	if room, err := d.Headroom(); err == nil && room > 0 {
		if err := d.reserve.make(); err != nil {
			d.log.WithError(err).Debug("no reserve for the datastore")
		}
	}
}
