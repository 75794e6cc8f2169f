package blob

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// uploads knows which upload writes which file.
type uploads struct {
	mu      sync.Mutex
	by      map[string]*Upload
	known   map[string]*known // of files that are committed and not synced
	adopted map[string]int    // how many callers are making a blob of the file
	closed  bool
}

// EndUploads ends the uploads that write path, or a file below it, and frees the memory and
// the disk space that they hold. Their bytes are lost: call it for files that have been
// removed.
func (s *Store) EndUploads(path string) {
	for _, u := range s.uploads.at(path) {
		u.drop()
	}
	s.uploads.forget(path)
}

// RemoveIdle calls remove for the file of an upload when the file is neither being written
// nor made a blob, and idle returns true. No upload begins to write the file meanwhile.
func (s *Store) RemoveIdle(file string, idle func() bool, remove func() error) error {
	if s.uploads.busy(file) || !idle() {
		return nil
	}
	live, done := s.seize(file)
	defer done()
	if live || !idle() {
		return nil // an upload began just now
	}
	err := remove()
	s.uploads.forget(file)
	return err
}

// Growing is the size in bytes of the upload that writes a file; false when none does.
func (s *Store) Growing(file string) (size int64, ok bool) {
	s.uploads.mu.Lock()
	u := s.uploads.by[file]
	s.uploads.mu.Unlock()
	if u == nil {
		return 0, false
	}
	return u.Size(), true
}

// seize is adopt for a caller that need not know whether the last bytes were kept: the
// request that brought them is told when it ends.
func (s *Store) seize(file string) (live bool, done func()) {
	live, done, err := s.uploads.adopt(file)
	if err != nil {
		s.log.WithError(err).Warn("the last bytes of an upload that another request ended are lost")
	}
	return live, done
}

// isShared reports whether a file has a second name, because it is also a blob's file.
func isShared(info os.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Nlink > 1
}

// at are the uploads that write a file or one below it.
func (w *uploads) at(path string) []*Upload {
	w.mu.Lock()
	defer w.mu.Unlock()
	var us []*Upload
	for file, u := range w.by {
		if isAt(file, path) {
			us = append(us, u)
		}
	}
	return us
}

// isAt reports whether a file is at path or below it.
func isAt(file, path string) bool {
	return file == path || strings.HasPrefix(file, path+string(filepath.Separator))
}

// close ends all uploads; what they wrote is on disk, or the error says why not. No new
// ones can begin.
func (w *uploads) close() error {
	w.mu.Lock()
	w.closed = true
	us := slices.Collect(maps.Values(w.by))
	w.mu.Unlock()
	var errs []error
	for _, u := range us {
		_, err := u.takeOver()
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// claim makes u the upload that writes its file, and ends the previous one. It fails while a
// blob is being made of the file, and when ending the previous one failed.
func (w *uploads) claim(u *Upload) (live bool, err error) {
	w.mu.Lock()
	if w.closed || w.adopted[u.file.Name()] > 0 {
		w.mu.Unlock()
		return false, ErrUploadOver
	}
	if w.by == nil {
		w.by = map[string]*Upload{}
	}
	before := w.by[u.file.Name()]
	w.by[u.file.Name()] = u
	w.mu.Unlock()
	return before.takeOver()
}

// adopt ends the upload that writes a file, and keeps others from it until done is called.
// The error is that of the upload that it ended.
func (w *uploads) adopt(file string) (live bool, done func(), err error) {
	w.mu.Lock()
	if w.adopted == nil {
		w.adopted = map[string]int{}
	}
	w.adopted[file]++
	before := w.by[file]
	delete(w.by, file)
	w.mu.Unlock()
	live, err = before.takeOver()
	return live, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.adopted[file]--; w.adopted[file] == 0 {
			delete(w.adopted, file)
		}
	}, err
}

func (w *uploads) leave(u *Upload) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.by[u.file.Name()] == u {
		delete(w.by, u.file.Name())
	}
}

// takeOver ends an upload for another one; what it wrote is on disk. An error means that
// the ended upload failed, and that its file has only what came before it: no client was told
// that the rest is here, and the upload's own Close returns the error, too.
func (u *Upload) takeOver() (live bool, err error) {
	if u == nil {
		return false, nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.state == uploadClosed || u.state == uploadCancelled {
		return false, nil
	}
	live = u.state == uploadOpen && u.tally != nil
	return live, u.close()
}
