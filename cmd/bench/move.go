package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// moveTimeout bounds one transfer, however slow its way is.
const moveTimeout = 10 * time.Minute

// goods is a blob that a registry has, and the name of its file.
type goods struct {
	blob
	file string
}

// stock pushes a new blob to a registry and finds its file.
func (r *registry) stock(ctx context.Context, size int64) (goods, error) {
	before, err := r.files()
	if err != nil {
		return goods{}, err
	}
	g := goods{blob: newBlob(size)}
	if _, err := r.push(ctx, g.blob); err != nil {
		return g, err
	}
	after, err := r.files()
	if err != nil {
		return g, err
	}
	for name := range after {
		if !before[name] {
			g.file = name
			return g, nil
		}
	}
	return g, fmt.Errorf("%s made no file of a blob that was pushed to it", r.Name)
}

func (r *registry) files() (map[string]bool, error) {
	entries, err := os.ReadDir(filepath.Join(r.Data, "blobs"))
	names := map[string]bool{}
	for _, e := range entries {
		names[e.Name()] = true
	}
	return names, err
}

// fetch brings a blob to the registry's disk, without a client that waits for it: the
// client asks for the first byte and leaves. A file in blobs/ is whole and synced.
func (r *registry) fetch(ctx context.Context, g goods) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, moveTimeout)
	defer cancel()
	began := time.Now()
	if _, err := r.touch(ctx, g.blob); err != nil {
		return 0, err
	}
	return r.whole(ctx, g, began)
}

// settled waits until no blob is on its way to the registry's disk.
func (r *registry) settled(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, moveTimeout)
	defer cancel()
	for {
		partial, err := filepath.Glob(filepath.Join(r.Data, "staging", "*.partial"))
		if err != nil || len(partial) == 0 {
			return err
		}
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("a blob did not come to %s: %w", r.Name, ctx.Err())
		}
	}
}

// whole waits for the blob's file.
func (r *registry) whole(ctx context.Context, g goods, began time.Time) (time.Duration, error) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		info, err := os.Stat(filepath.Join(r.Data, "blobs", g.file))
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
			return 0, fmt.Errorf("a blob did not come to %s: %w", r.Name, ctx.Err())
		}
	}
}
