package main_test

import (
	"sync"
	"testing"
	"time"
)

// peak watches what a registry's data takes of the disk, until stop, which gives the
// most that was seen, less what it was before.
func peak(p *process) (stop func() int64) {
	data := p.Data
	before := used(data)
	most := before
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			most = max(most, used(data))
			select {
			case <-time.After(2 * time.Millisecond):
			case <-done:
				most = max(most, used(data))
				return
			}
		}
	})
	return func() int64 {
		close(done)
		wg.Wait()
		return most - before
	}
}

// TestBytesAreOnceOnDisk, also while a blob is pushed and while it is fetched.
func TestBytesAreOnceOnDisk(t *testing.T) {
	size := 256 * mib
	if testing.Short() {
		size = 128 * mib
	}
	ps := swarm(t, 2)
	pushed, fetched := peak(ps[0]), peak(ps[1])
	_, path := layer(t, ps[0], size)
	await(t, "the map arrives", func() bool { return ps[1].status().Map.Entries == 2 })
	if got, status, err := body(ps[1], path); err != nil || status != 200 || len(got) != size {
		t.Errorf("%d, %d bytes, %v", status, len(got), err)
	}
	await(t, "the blob is whole", func() bool { return ps[1].status().Blobs.Here == 1 })
	for side, n := range map[string]int64{"pushed to": pushed(), "that fetched": fetched()} {
		t.Logf("the registry %s took %.4f of the blob", side, float64(n)/float64(size))
		if n > int64(size+size/100) || n < int64(size) {
			t.Errorf("a blob of %d took %d of the disk of the registry %s", size, n, side)
		}
	}
}
