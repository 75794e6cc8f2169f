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
	// ReserveSize is the size of the reserve file in bytes: more than pebble has in memory, which
	// it writes out when it is opened, and the logs and manifest that belong to that.
	ReserveSize = 64 << 20

	// MinFree is how many bytes uploads and transfers leave free in addition to the reserve
	// file: pebble makes tables of others before it removes these.
	MinFree = 64 << 20

	reserveName = "reserve"
	closeMargin = 4 << 20  // bytes that a write leaves free
	trialRoom   = 16 << 20 // bytes more that have to be free before writes are tried again
	tendEvery   = 200 * time.Millisecond
	tendRest    = 5 * time.Second // while the reserve is whole and writes are taken
)

// reserve is the file that keeps room for pebble.
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

// free gives the room to pebble.
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
// system without taking room that pebble needs: the free bytes, less MinFree, less those
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
	return err != nil || free >= closeMargin+n // pebble fails when this cannot be known
}

// tend keeps the reserve, and lets writes in again.
func (d *Datastore) tend() {
	for {
		wait := tendEvery
		if d.Writable() == nil {
			if d.keep(); d.reserve.size() >= ReserveSize {
				wait = tendRest
			}
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-d.failed:
		case <-d.closing:
			timer.Stop()
			return
		}
		timer.Stop()
		if d.Writable() != nil {
			d.tryAgain()
		}
	}
}

// keep makes the reserve if it is not there and leaves MinFree.
func (d *Datastore) keep() {
	if d.reserve.size() >= ReserveSize {
		return
	}
	if room, err := d.Headroom(); err == nil && room > 0 {
		if err := d.reserve.make(); err != nil {
			d.log.WithError(err).Debug("no reserve for the datastore")
		}
	}
}
