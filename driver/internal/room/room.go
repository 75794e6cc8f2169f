package room

import (
	"fmt"
	"math"
	"sync"

	"golang.org/x/sys/unix"
)

const (
	// Reserve is how many bytes stay free when anything begins, unless Keep says otherwise.
	Reserve = 64 << 20
	// reserveEnd is how many bytes stay free when something that began is only finished,
	// which takes kilobytes.
	reserveEnd = 16 << 20

	// inodes stay free likewise. An upload takes ten, the datastore some more.
	inodes, inodesEnd = 256, 128
	// descriptors stay free likewise: a request has a handful open.
	descriptors, descriptorsEnd = 64, 24
)

// Disk is the room on the file system of a directory. It is safe for concurrent use.
type Disk struct {
	dir string

	mu       sync.Mutex
	headroom func() (int64, error) // nil: what is free without the Reserve
	relieve  Relieve               // nil: nobody makes room
	promised int64                 // bytes of all claims that are not on the disk yet
}

// On is the room on the file system that dir lies on.
func On(dir string) *Disk { return &Disk{dir: dir} }

// Keep makes headroom decide how many bytes may be taken: less than 0 when the datastore
// lacks room that it needs.
func (d *Disk) Keep(headroom func() (int64, error)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.headroom = headroom
}

// Begin refuses, with a *Short, to begin anything that writes.
func (d *Disk) Begin() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.mayBegin(0)
}

// End refuses, with a *Short, to finish something that began. Finishing takes no more than
// some kilobytes, and may use some of what Begin leaves free.
func (d *Disk) End() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	free, _, err := d.look(inodesEnd, descriptorsEnd)
	if err == nil && free < reserveEnd {
		err = &Short{Of: Bytes, Free: free, Kept: reserveEnd}
	}
	return err
}

// Take claims room for n bytes that are about to come; a *Short when they would not leave
// the reserve free beside all that was claimed before. The caller releases the claim.
func (d *Disk) Take(n int64) (*Claim, error) {
	c := &Claim{disk: d}
	if err := c.Grow(n); err != nil {
		return nil, err
	}
	return c, nil
}

// mayBegin refuses n bytes more than were promised; mu is held.
func (d *Disk) mayBegin(n int64) error {
	free, left, err := d.look(inodes, descriptors)
	if err == nil && n > left-d.promised { // n+d.promised may not fit: n may come from a member
		err = &Short{Of: Bytes, Wanted: n, Promised: d.promised, Free: free, Kept: free - left}
	}
	return err
}

// left is what there is; mu is held.
func (d *Disk) left() (Left, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(d.dir, &fs); err != nil {
		return Left{}, fmt.Errorf("look at the disk: %w", err)
	}
	l := Left{
		Free: int64(fs.Bavail) * int64(fs.Bsize), Kept: Reserve, Promised: d.promised,
		Inodes: math.MaxInt64, KeptInodes: inodes,
	}
	if fs.Files > 0 { // some file systems do not count them
		l.Inodes = int64(fs.Ffree)
	}
	if d.headroom == nil {
		return l, nil
	}
	left, err := d.headroom()
	l.Kept = l.Free - left
	return l, err
}

// look returns how many bytes are free, and how many may still be taken, unless inodes or
// file descriptors are short; mu is held.
func (d *Disk) look(inodes, descriptors int64) (free, left int64, err error) {
	if err := descriptorsLeft(d.dir, descriptors); err != nil {
		return 0, 0, err
	}
	l, err := d.left()
	if err == nil && l.Inodes < inodes {
		err = &Short{Of: Inodes, Free: l.Inodes, Kept: inodes}
	}
	return l.Free, l.Free - l.Kept, err
}

// Claim is room for bytes that are to come, made by Take. It is safe for concurrent use. A
// nil Claim claims nothing; any method but Grow may be called on it.
type Claim struct {
	disk *Disk
	left int64 // under disk.mu
}

// Grow claims n bytes more; a *Short when there is no room for them.
func (c *Claim) Grow(n int64) error {
	c.disk.mu.Lock()
	defer c.disk.mu.Unlock()
	if err := c.disk.mayBegin(n); err != nil {
		return err
	}
	c.left += n
	c.disk.promised += n
	return nil
}

// Left is how much was claimed and is not spent, in bytes.
func (c *Claim) Left() int64 {
	if c == nil {
		return 0
	}
	c.disk.mu.Lock()
	defer c.disk.mu.Unlock()
	return c.left
}

// Spend notes that n bytes are on the disk now, where the file system counts them.
func (c *Claim) Spend(n int64) {
	if c == nil {
		return
	}
	c.disk.mu.Lock()
	defer c.disk.mu.Unlock()
	n = min(n, c.left)
	c.left -= n
	c.disk.promised -= n
}

// Release gives back what is left. It may be called again.
func (c *Claim) Release() { c.Spend(c.Left()) }
