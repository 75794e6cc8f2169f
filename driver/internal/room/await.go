package room

import (
	"context"
	"errors"
	"time"
)

// patience is how long somebody who needs room waits for it at most.
const patience = 10 * time.Second

// Relieve makes room for n bytes more than are claimed, or for some files when n is 0, and
// returns when enough is true, ctx has ended, or no more can be done.
type Relieve func(ctx context.Context, n int64, enough func() bool)

// OnShort says who makes room when there is too little.
func (d *Disk) OnShort(relieve Relieve) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.relieve = relieve
}

// Await has room made for n bytes when there is too little of it, and waits for that, for at most
// ten seconds. Whether there is enough then, Begin or Take says. It is not to be called with
// anything locked that whoever makes room needs.
func (d *Disk) Await(ctx context.Context, n int64) {
	if d.lets(n) {
		return
	}
	d.mu.Lock()
	relieve := d.relieve
	d.mu.Unlock()
	if relieve == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	relieve(ctx, n, func() bool { return d.lets(n) })
}

// lets reports whether n bytes more may come, or that there is too little of what nobody makes
// room for.
func (d *Disk) lets(n int64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	var short *Short
	return !errors.As(d.mayBegin(n), &short) || short.Of == Descriptors
}

// Left is what there is of a disk.
type Left struct {
	Free       int64 // bytes
	Kept       int64 // of these, for the datastore and for what has already begun
	Promised   int64 // of these, claimed and not on the disk yet
	Inodes     int64 // free; math.MaxInt64 where the file system does not count them
	KeptInodes int64 // of these
}

// Look looks at the disk.
func (d *Disk) Look() (Left, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.left()
}
