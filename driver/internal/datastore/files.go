package datastore

import (
	"errors"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// heldPause is how long a held write waits before it is tried again.
const heldPause = 100 * time.Millisecond

// passing are the failures of a write after which its rest may be tried again. None of it is
// lost: only a sync can lose what was written.
var passing = []error{
	syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG, // no room
	syscall.EIO, syscall.EROFS, syscall.EACCES, syscall.EPERM, // the disk, or what somebody did to it
	syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EAGAIN, syscall.EINTR, // the machine
}

func passes(err error) bool {
	var is syscall.Errno
	if !errors.As(err, &is) {
		return false
	}
	for _, p := range passing {
		if errors.Is(is, p) {
			return true
		}
	}
	return false
}

// files are pebble's: those of another FS, with writes that are held while they fail.
type files struct {
	vfs.FS
	count   atomic.Int64                 // of the writes that are held
	held    func(err error, class class) // is told of each failure that is held
	end     func(err error)              // a sync failed: it does not return
	closing <-chan struct{}              // then what compaction writes is no longer held
}

// class is what a file is to pebble.
type class int

const (
	kept      class = iota // a log, a manifest, a directory: what is in it is relied on
	flushed                // a table that is in the log, too, until it is whole and synced
	compacted              // a table made of others, which stay until it is whole and synced
)

func classOf(name string, c vfs.DiskWriteCategory) class {
	switch {
	case filepath.Ext(name) != ".sst":
		return kept
	case c == "pebble-compaction":
		return compacted
	}
	return flushed
}

// hold does op until it succeeds, or fails for good.
func (f *files) hold(c class, op func() error) error {
	err := op()
	if err == nil || !passes(err) {
		return err
	}
	f.count.Add(1)
	defer f.count.Add(-1)
	for passes(err) {
		f.held(err, c) // which may make room
		if err = op(); passes(err) {
			time.Sleep(heldPause)
		}
		if c == compacted && f.isClosing() {
			return err
		}
	}
	return err
}

func (f *files) isClosing() bool {
	select {
	case <-f.closing:
		return true
	default:
		return false
	}
}

// open holds what opens a file for writing.
func (f *files) open(c class, op func() (vfs.File, error)) (got vfs.File, err error) {
	if err := f.hold(c, func() error { got, err = op(); return err }); err != nil {
		return nil, err
	}
	return &file{File: got, of: f, class: c}, nil
}

// Create implements vfs.FS.
func (f *files) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return f.open(classOf(name, c), func() (vfs.File, error) { return f.FS.Create(name, c) })
}

// OpenReadWrite implements vfs.FS.
func (f *files) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return f.open(classOf(name, c), func() (vfs.File, error) { return f.FS.OpenReadWrite(name, c, opts...) })
}

// ReuseForWrite implements vfs.FS in two steps, each of which may be held.
func (f *files) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := f.Rename(from, to); err != nil {
		return nil, err
	}
	return f.OpenReadWrite(to, c)
}

// OpenDir implements vfs.FS: a directory is opened to be synced.
func (f *files) OpenDir(name string) (vfs.File, error) {
	return f.open(kept, func() (vfs.File, error) { return f.FS.OpenDir(name) })
}

// Link implements vfs.FS.
func (f *files) Link(from, to string) error {
	return f.hold(kept, func() error { return f.FS.Link(from, to) })
}

// Rename implements vfs.FS.
func (f *files) Rename(from, to string) error {
	return f.hold(kept, func() error { return f.FS.Rename(from, to) })
}

// Unwrap implements vfs.FS.
func (f *files) Unwrap() vfs.FS { return f.FS }

// file is open for writing.
type file struct {
	vfs.File
	of    *files
	class class
}

// Write goes on where it stopped.
func (f *file) Write(p []byte) (n int, err error) {
	err = f.of.hold(f.class, func() error {
		w, err := f.File.Write(p[n:])
		n += w
		return err
	})
	return n, err
}

// WriteAt goes on where it stopped.
func (f *file) WriteAt(p []byte, off int64) (n int, err error) {
	err = f.of.hold(f.class, func() error {
		w, err := f.File.WriteAt(p[n:], off+int64(n))
		n += w
		return err
	})
	return n, err
}

// Sync implements vfs.File.
func (f *file) Sync() error { return f.synced(f.File.Sync()) }

// SyncData implements vfs.File.
func (f *file) SyncData() error { return f.synced(f.File.SyncData()) }

// SyncTo implements vfs.File.
func (f *file) SyncTo(n int64) (all bool, err error) {
	all, err = f.File.SyncTo(n)
	return all, f.synced(err)
}

// synced ends the process when a sync failed, unless pebble makes the file anew.
func (f *file) synced(err error) error {
	switch {
	case err == nil:
		return nil
	case f.class == kept:
		f.of.end(err)
	default:
		f.of.held(err, f.class)
		time.Sleep(heldPause) // pebble tries again at once
	}
	return err
}
