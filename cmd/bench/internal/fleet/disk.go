package fleet

import (
	"io/fs"
	"path/filepath"
	"syscall"
	"time"
)

// DiskUse is the most that a registry's files took while something was done.
type DiskUse struct {
	r            *Registry
	before, most int64
	done, ended  chan struct{}
}

// WatchDisk samples twenty times a second until it is stopped.
func (r *Registry) WatchDisk() *DiskUse {
	u := &DiskUse{r: r, before: r.disk(), done: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(u.ended)
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			u.most = max(u.most, r.disk())
			select {
			case <-tick.C:
			case <-u.done:
				return
			}
		}
	}()
	return u
}

// Stop returns by how many bytes the files grew at most, up to now.
func (u *DiskUse) Stop() int64 {
	close(u.done)
	<-u.ended
	return max(u.most, u.r.disk()) - u.before
}

// disk is what the registry's files take, in bytes.
func (r *Registry) disk() (sum int64) {
	_ = filepath.WalkDir(r.Data, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil // gone meanwhile
		}
		if info, err := e.Info(); err == nil {
			if s, ok := info.Sys().(*syscall.Stat_t); ok {
				sum += s.Blocks * 512
			}
		}
		return nil
	})
	return sum
}
