package sweep

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"
	"time"
)

// Unfinished counts uploads that have not ended.
type Unfinished struct {
	Count  int
	Bytes  int64      // of the disk that they take
	Oldest *time.Time // when the first of them began; nil: there is none
}

// lookedAt is what the directory of an upload tells, or the file of a writer.
type lookedAt struct {
	bytes          int64 // of the disk, with hash states and notes
	size           int64 // of all of its files
	began, touched time.Time
}

// same reports whether nothing was written between two looks. Where the clock was set back
// a later write does not show in touched, but in the size.
func (u lookedAt) same(v lookedAt) bool { return u.touched.Equal(v.touched) && u.size == v.size }

// lookAt looks at an upload: fs.ErrNotExist when it has ended.
func lookAt(dir string) (u lookedAt, err error) {
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path != dir {
			return nil // it went meanwhile
		}
		if err != nil {
			return err
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			u.bytes += st.Blocks * 512
		}
		u.size += info.Size()
		if info.ModTime().After(u.touched) {
			u.touched = info.ModTime()
		}
		if u.began.IsZero() || e.Name() == "startedat" {
			u.began = info.ModTime()
		}
		return nil
	})
	return u, err
}

// Unfinished counts the uploads, and the writers of shared paths, that have not ended. What
// cannot be read is left out.
func (s *Uploads) Unfinished() (all Unfinished) {
	count := func(at string) error {
		u, err := lookAt(at)
		if err != nil {
			return nil
		}
		all.Count++
		all.Bytes += u.bytes
		if all.Oldest == nil || u.began.Before(*all.Oldest) {
			all.Oldest = &u.began
		}
		return nil
	}
	_, _ = eachUpload(context.Background(), s.root, count)
	_ = eachStaged(context.Background(), s.staged, count)
	return all
}
