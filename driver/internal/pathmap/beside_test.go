package pathmap_test

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"testing"

	ds "github.com/ipfs/go-datastore"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// TestWhatIsWrittenBesideAnOp is on disk with it, or neither is.
func TestWhatIsWrittenBesideAnOp(t *testing.T) {
	s := newFabric(t).add("a")
	old, fresh := ds.NewKey("/other/old"), ds.NewKey("/other/fresh")
	if err := s.disk.Put(t.Context(), old, []byte("x")); err != nil {
		t.Fatal(err)
	}
	told := 0
	entry := entryOf(t, "1")
	op := pathmap.Op{Path: "/p", Entry: &entry, Beside: map[ds.Key][]byte{fresh: []byte("y"), old: nil}, OnDisk: func() {
		if v, err := s.disk.Get(t.Context(), fresh); err != nil || string(v) != "y" {
			t.Errorf("not on disk yet: %q, %v", v, err)
		}
		if !gone(s, "/p") {
			t.Error("the entry was to be seen before")
		}
		told++
	}}
	s.disk.full.Store(true)
	if err := s.m.Write(t.Context(), op); !errors.Is(err, syscall.ENOSPC) || told > 0 {
		t.Errorf("on a full disk: %v, told %d times", err, told)
	}
	if ok, err := s.disk.Has(t.Context(), fresh); ok || err != nil {
		t.Errorf("it was written without the op: %v", err)
	}
	s.disk.full.Store(false)
	if err := s.m.Write(t.Context(), op); err != nil || told != 1 {
		t.Fatalf("%v, told %d times", err, told)
	}
	if ok, err := s.disk.Has(t.Context(), old); ok || err != nil {
		t.Errorf("it was not deleted: %v", err)
	}
	restartKeepsTheMap(t, s)
}

// TestMuchBesideOps fits into transactions, whether it comes in one write or in many.
func TestMuchBesideOps(t *testing.T) {
	s := newFabric(t).add("a")
	value := bytes.Repeat([]byte("x"), 64_000)
	const writes, each = 40, 40
	var wg sync.WaitGroup
	for w := range writes {
		wg.Go(func() {
			var ops []pathmap.Op
			for i := range 1 + w%2*each {
				entry, name := entryOf(t, "1"), fmt.Sprintf("/%d/%d", w, i)
				ops = append(ops, pathmap.Op{Path: name, Entry: &entry, Beside: map[ds.Key][]byte{ds.NewKey("/other" + name): value}})
			}
			if err := s.m.Write(t.Context(), ops...); err != nil {
				t.Error(err)
			}
			for _, op := range ops {
				if n, err := s.disk.GetSize(t.Context(), ds.NewKey("/other"+op.Path)); err != nil || n != len(value) {
					t.Errorf("%s: %d bytes, %v", op.Path, n, err)
				}
			}
		})
	}
	wg.Wait()
}
