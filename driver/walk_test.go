package driver_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
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

// tree is the same random paths in our driver and in the filesystem
// driver, whose Walk is WalkFallback.
func tree(t *testing.T, seed uint64) (ours, reference storagedriver.StorageDriver, paths []string) {
	t.Helper()
	p := drivertest.Parameters(t, drivertest.Key(t))
	p.Offline = true
	ours, reference = drivertest.Start(t, p).Driver, filesystem.New(filesystem.DriverParameters{RootDirectory: t.TempDir(), MaxThreads: 100})
	rng := rand.New(rand.NewPCG(seed, 1))
	names := []string{"a", "a-b", "a.b", "ab", "a_b", "_uploads", "_manifests", "0", "Z", "z"}
	dirs := map[string]bool{}
	for range 120 {
		path := ""
		for range 1 + rng.IntN(4) {
			path += "/d" + names[rng.IntN(len(names))]
			if rng.IntN(6) == 0 {
				path += "/_uploads"
			}
			dirs[path] = true
		}
		path += fmt.Sprintf("/f%d", rng.IntN(3))
		for _, d := range []storagedriver.StorageDriver{ours, reference} {
			if err := d.PutContent(t.Context(), path, []byte("x")); err != nil {
				t.Fatal(err)
			}
		}
	}
	// a hint that is a file makes the fallback fail: directories only
	for d := range dirs {
		paths = append(paths, d)
	}
	slices.Sort(paths)
	return ours, reference, slices.Compact(paths)
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

func TestWalkAndListAgainstWalkFallback(t *testing.T) {
	for seed := range uint64(5) {
		ours, reference, paths := tree(t, seed)
		rng := rand.New(rand.NewPCG(seed, 2))
		for range 300 {
			from, hint := paths[rng.IntN(len(paths))], paths[rng.IntN(len(paths))]
			if rng.IntN(3) == 0 {
				from = "/"
			}
			if rng.IntN(3) == 0 {
				hint = ""
			}
			stop := rng.IntN(40)
			compareWalks(t, ours, reference, from, hint, stop)
			compareLists(t, ours, reference, from)
		}
	}
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
