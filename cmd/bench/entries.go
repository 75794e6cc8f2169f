package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/bench/internal/report"
	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// maxEntry is how many bytes of memory an entry of the path map may take.
const maxEntry = 300

// entries measures how much memory entries take once a registry has been restarted: what its
// heap holds then, beyond that of a registry without entries.
func (b *bench) entries(ctx context.Context) error {
	dir, remove, err := b.scratch()
	if err != nil {
		return err
	}
	defer remove()
	n := pick(b, 10_000, 100_000)
	empty, err := heapOf(ctx, dir, func(*driver.Driver) error { return nil })
	if err != nil {
		return err
	}
	if _, err := heapOf(ctx, dir, func(d *driver.Driver) error { return fillWith(ctx, n, link, d) }); err != nil {
		return err
	}
	full, err := heapOf(ctx, dir, func(*driver.Driver) error { return nil })
	if err != nil {
		return err
	}
	each := (float64(full) - float64(empty)) / float64(n)
	share := each / maxEntry
	b.Rows = append(b.Rows, report.Row{Measure: fmt.Sprintf("memory an entry of the path map, %d entries", n), Against: fmt.Sprintf("%d B", maxEntry), Runs: 1,
		Ours: fmt.Sprintf("%.0f B", each), Theirs: "-", Ratio: report.Exactly(share), Target: report.AtMost(1)})
	return nil
}

// heapOf opens a driver, and returns how much of the heap is in use when do has returned.
func heapOf(ctx context.Context, dir string, do func(*driver.Driver) error) (used uint64, err error) {
	p := driver.DefaultParameters()
	p.Offline, p.DatastorePath, p.LogLevel = true, dir, "error"
	d, err := driver.New(ctx, p)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if err := do(d); err != nil {
		return 0, err
	}
	var s runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&s)
	return s.HeapAlloc, nil
}

// link is the path and the content of one of many repositories' layers.
func link(i int) (path, content string) {
	d := digest.FromString(fmt.Sprint(i))
	return fmt.Sprintf("%s/_layers/sha256/%s/link", repository(i/10), d.Encoded()), d.String()
}
