package driver_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// upload does what the registry does for an upload that ends.
func upload(t *testing.T, m *drivertest.Member, dir string) error {
	ctx := t.Context()
	if err := m.PutContent(ctx, dir+"/startedat", []byte("now")); err != nil {
		return err
	}
	w, err := m.Writer(ctx, dir+"/data", false)
	if err != nil {
		return err
	}
	_, err = w.Write([]byte("x"))
	return errors.Join(err, w.Commit(ctx), w.Close(), m.PutContent(ctx, dir+"/hashstates/sha256/1", nil))
}

func staged(t *testing.T, m *drivertest.Member) []os.DirEntry {
	t.Helper()
	left, err := os.ReadDir(filepath.Join(m.Params.DatastorePath, "staging/local/docker/registry/v2/repositories"))
	if err != nil {
		t.Fatal(err)
	}
	return left
}

// TestNothingIsLeftOfUploads: a catalog reads the directories of uploads, which are
// those of uploads in progress and not of every repository that was ever pushed.
func TestNothingIsLeftOfUploads(t *testing.T) {
	m := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	const uploads = "/docker/registry/v2/repositories/team/app/_uploads/"
	for _, id := range []string{"1", "2"} {
		if err := upload(t, m, uploads+id); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Delete(t.Context(), uploads+"1"); err != nil {
		t.Fatal(err)
	}
	if missing(m, uploads+"2/data") {
		t.Error("an upload went with the one beside it")
	}
	if err := m.Delete(t.Context(), uploads+"2"); err != nil {
		t.Fatal(err)
	}
	if left := staged(t, m); len(left) > 0 {
		t.Errorf("%v is left of uploads that ended", left)
	}
}

// TestUploadsBeginWhileOthersEnd in the same repository: the directory above them
// comes and goes.
func TestUploadsBeginWhileOthersEnd(t *testing.T) {
	m := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	canceled := func(dir string) error {
		w, err := m.Writer(t.Context(), dir+"/data", false)
		if err != nil {
			return err
		}
		return w.Cancel(t.Context())
	}
	begun := func(dir string) error { return m.PutContent(t.Context(), dir+"/startedat", nil) }
	var wg sync.WaitGroup
	for n, f := range []func(string) error{begun, begun, canceled, canceled, canceled} {
		wg.Go(func() {
			for i := range 150 {
				dir := fmt.Sprintf("/docker/registry/v2/repositories/team/app/_uploads/%d-%d", n, i)
				if err := errors.Join(f(dir), m.Delete(t.Context(), dir)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if left := staged(t, m); len(left) > 0 {
		t.Errorf("%v is left of uploads that ended", left)
	}
}

// TestADeletedUploadLeavesTheDisk though its writer is never closed: the registry does
// not, when it cannot keep its hash state.
func TestADeletedUploadLeavesTheDisk(t *testing.T) {
	m := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	const dir = "/docker/registry/v2/repositories/team/app/_uploads/1"
	w, err := m.Writer(t.Context(), dir+"/data", false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 4<<20)); err != nil {
		t.Fatal(err)
	}
	if n := openFiles(t, m.Params.DatastorePath, "/data"); n != 1 {
		t.Fatalf("%d files are open", n)
	}
	if err := m.Delete(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if n := openFiles(t, m.Params.DatastorePath, "/data (deleted)"); n > 0 {
		t.Error("the file that was deleted is still open")
	}
	if _, err := w.Write(make([]byte, 1)); err == nil {
		t.Error("bytes were accepted that go nowhere")
	}
	if left := staged(t, m); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

// openFiles counts those that this process holds below a directory.
func openFiles(t *testing.T, dir, suffix string) (n int) {
	t.Helper()
	const fds = "/proc/self/fd"
	entries, err := os.ReadDir(fds)
	if err != nil {
		t.Skipf("nobody says which files are open: %v", err)
	}
	for _, e := range entries {
		file, _ := os.Readlink(filepath.Join(fds, e.Name()))
		if strings.HasPrefix(file, dir) && strings.HasSuffix(file, suffix) {
			n++
		}
	}
	return n
}
