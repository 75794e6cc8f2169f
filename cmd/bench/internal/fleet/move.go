package fleet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// MoveTimeout bounds one transfer, however slow its way is.
const MoveTimeout = 10 * time.Minute

// Goods is a blob that a registry has, and the name of its file.
type Goods struct {
	Blob
	File string
}

// Stock pushes a new blob to a registry and finds its file.
func (r *Registry) Stock(ctx context.Context, size int64) (Goods, error) {
	before, err := r.Files()
	if err != nil {
		return Goods{}, err
	}
	g := Goods{Blob: NewBlob(size)}
	if _, err := r.Push(ctx, g.Blob); err != nil {
		return g, err
	}
	after, err := r.Files()
	if err != nil {
		return g, err
	}
	for name := range after {
		if !before[name] {
			g.File = name
			return g, nil
		}
	}
	return g, fmt.Errorf("%s has no file of a blob that was pushed to it", r.Name)
}

// Files are the names of the blobs' files.
func (r *Registry) Files() (map[string]bool, error) {
	entries, err := os.ReadDir(filepath.Join(r.Data, "blobs"))
	names := map[string]bool{}
	for _, e := range entries {
		names[e.Name()] = true
	}
	return names, err
}

// Fetch brings a blob to the registry's disk, without a client that waits for it: the
// client asks for the first byte and leaves. A file in blobs/ is whole and synced.
func (r *Registry) Fetch(ctx context.Context, g Goods) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, MoveTimeout)
	defer cancel()
	began := time.Now()
	if _, err := r.touch(ctx, g.Blob); err != nil {
		return 0, err
	}
	return r.whole(ctx, g, began)
}

// Settled waits until no blob is on its way to the registry's disk.
func (r *Registry) Settled(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, MoveTimeout)
	defer cancel()
	for {
		partial, err := filepath.Glob(filepath.Join(r.Data, "staging", "*.partial"))
		if err != nil || len(partial) == 0 {
			return err
		}
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("a blob did not arrive at %s: %w", r.Name, ctx.Err())
		}
	}
}

// whole waits for the blob's file.
func (r *Registry) whole(ctx context.Context, g Goods, began time.Time) (time.Duration, error) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		info, err := os.Stat(filepath.Join(r.Data, "blobs", g.File))
		switch {
		case err == nil && info.Size() == g.size:
			return time.Since(began), nil
		case err == nil:
			return 0, fmt.Errorf("a blob of %d bytes has a file of %d on %s", g.size, info.Size(), r.Name)
		case !errors.Is(err, fs.ErrNotExist):
			return 0, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, fmt.Errorf("a blob did not arrive at %s: %w", r.Name, ctx.Err())
		}
	}
}
