package driver_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/distribution/distribution/v3/registry/storage/driver/filesystem"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

func assertNewFails(t *testing.T, p driver.Parameters, want string) {
	t.Helper()
	d, err := driver.New(t.Context(), p)
	if err == nil {
		_ = d.Close()
		t.Fatalf("opened, where %q was to be said", want)
	}
	if !strings.Contains(err.Error(), want) {
		t.Errorf("%v does not say %q", err, want)
	}
}

// walkNames are the names in trees and queries: they sort differently with what may
// follow them than without it.
var walkNames = []string{"da", "da-b", "da.b", "dab", "da_b", "d_uploads", "d0", "dZ", "dz", "_uploads", "f0", "f1"}

// source reads paths out of bytes.
type source struct{ b []byte }

func (s *source) next() (b byte) {
	if len(s.b) > 0 {
		b, s.b = s.b[0], s.b[1:]
	}
	return b
}

// path is at most some names below root; those of files, of which there is nothing
// below, are left out of it.
func (s *source) path(root string) string {
	for range s.next() % 5 {
		if name := walkNames[int(s.next())%len(walkNames)]; name[0] != 'f' {
			root += "/" + name
		}
	}
	return root
}

// grow makes the same tree in both, of files of which some are deleted again.
func (s *source) grow(t *testing.T, root string, both ...storagedriver.StorageDriver) {
	t.Helper()
	var gone []string
	for len(s.b) > 0 {
		file := s.path(root)
		kind := s.next()
		file += fmt.Sprintf("/f%d", kind%3)
		for _, d := range both {
			must(t, d.PutContent(t.Context(), file, []byte("x")))
		}
		if kind > 200 {
			gone = append(gone, file)
		}
	}
	for _, file := range gone {
		for _, d := range both {
			remove(t, d, root, file)
		}
	}
}

// remove deletes a file, if it is still there, and the directories that it leaves
// empty: ours has none.
func remove(t *testing.T, d storagedriver.StorageDriver, root, file string) {
	t.Helper()
	var notFound storagedriver.PathNotFoundError
	if err := d.Delete(t.Context(), file); err != nil && !errors.As(err, &notFound) {
		t.Fatal(err)
	}
	for dir := path.Dir(file); len(dir) >= len(root); dir = path.Dir(dir) {
		if names, err := d.List(t.Context(), dir); err == nil && len(names) == 0 {
			must(t, d.Delete(t.Context(), dir))
		}
	}
}

func walked(t *testing.T, d storagedriver.StorageDriver, from, hint string, visit func(string) error) (seen []string, err error) {
	t.Helper()
	f := func(fi storagedriver.FileInfo) error {
		seen = append(seen, fmt.Sprintf("%s %v", fi.Path(), fi.IsDir()))
		return visit(fi.Path())
	}
	var opts []func(*storagedriver.WalkOptions)
	if hint != "" {
		opts = append(opts, storagedriver.WithStartAfterHint(hint))
	}
	err = d.Walk(t.Context(), from, f, opts...)
	return seen, err
}

// FuzzWalkAndListAgainstWalkFallback compares with the filesystem driver, whose Walk
// is WalkFallback, on the same tree; hints are of what is there, what is gone and what
// never was.
func FuzzWalkAndListAgainstWalkFallback(f *testing.F) {
	p := drivertest.Parameters(f, drivertest.Key(f))
	p.Offline = true
	ours, reference := drivertest.Start(f, p).Driver, filesystem.New(filesystem.DriverParameters{RootDirectory: f.TempDir(), MaxThreads: 100})
	for seed := range uint64(5) {
		rng := rand.New(rand.NewPCG(seed, 1))
		random := func(n int) []byte {
			b := make([]byte, n)
			for i := range b {
				b[i] = byte(rng.Uint32())
			}
			return b
		}
		f.Add(random(400), random(2000))
	}
	trees := 0
	f.Fuzz(func(t *testing.T, tree, queries []byte) {
		trees++
		root := fmt.Sprintf("/t%d", trees)
		(&source{tree}).grow(t, root, ours, reference)
		for q := (&source{queries}); len(q.b) > 0; {
			from, hint := q.path(root), q.path(root)
			if hint == root {
				hint = ""
			}
			compareWalks(t, ours, reference, from, hint, int(q.next())%40)
			compareLists(t, ours, reference, from)
		}
		for _, d := range []storagedriver.StorageDriver{ours, reference} {
			_ = d.Delete(t.Context(), root) // an empty one is not there
		}
	})
}

func compareWalks(t *testing.T, ours, reference storagedriver.StorageDriver, from, hint string, stop int) {
	t.Helper()
	info, err := reference.Stat(t.Context(), from)
	if from != "/" && (err != nil || !info.IsDir()) {
		return
	}
	visitor := func() func(string) error {
		n := 0
		return func(p string) error {
			n++
			if n == stop {
				return storagedriver.ErrFilledBuffer
			}
			if len(p)%7 == 0 {
				if fi, err := reference.Stat(t.Context(), p); err == nil && fi.IsDir() {
					return storagedriver.ErrSkipDir
				}
			}
			return nil
		}
	}
	got, errGot := walked(t, ours, from, hint, visitor())
	// the fallback goes on behind a hint's parents after the buffer is full
	want, errWant := walked(t, reference, from, hint, visitor())
	if hint != "" && stop > 0 && stop <= len(want) {
		want = want[:min(stop, len(want))]
	}
	if !slices.Equal(got, want) || (errGot == nil) != (errWant == nil) {
		t.Fatalf("walk from %s after %q, stop at %d:\n got %v %v\nwant %v %v", from, hint, stop, got, errGot, want, errWant)
	}
}

func compareLists(t *testing.T, ours, reference storagedriver.StorageDriver, dir string) {
	t.Helper()
	want, errWant := reference.List(t.Context(), dir)
	got, errGot := ours.List(t.Context(), dir)
	slices.Sort(want)
	slices.Sort(got)
	if errors.Is(errWant, errGot) && errGot != nil {
		return
	}
	if info, err := reference.Stat(t.Context(), dir); err == nil && !info.IsDir() && dir != "/" {
		return // listing a file is undefined
	}
	if !slices.Equal(got, want) || (errGot == nil) != (errWant == nil) {
		t.Fatalf("list %s: %v %v, want %v %v", dir, got, errGot, want, errWant)
	}
}

func TestMissingDirectoriesWalkAsEmpty(t *testing.T) {
	m := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	for _, path := range []string{"/docker/registry/v2/repositories", "/docker/registry/v2/blobs", "/docker/registry/v2/repositories/a/_layers"} {
		if seen, err := walked(t, m, path, "", func(string) error { return nil }); err != nil || len(seen) > 0 {
			t.Errorf("%s: %v %v", path, seen, err)
		}
	}
	var notFound storagedriver.PathNotFoundError
	if _, err := walked(t, m, "/docker/registry/v2/repositories/a/_manifests/tags", "", func(string) error { return nil }); !errors.As(err, &notFound) {
		t.Errorf("tags of no repository: %v", err)
	}
}
