package driver_test

import (
	"bytes"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// growth is an upload in several requests that others take while it grows.
type growth struct {
	*testing.T
	content []byte
	sent    int    // bytes of it
	at      string // where it goes on
}

// growing begins an upload that is not whole yet.
func growing(t *testing.T, m *drivertest.Member, content []byte) *growth {
	t.Helper()
	g := &growth{T: t, content: content, sent: 12 << 20}
	g.at = send(t, http.StatusAccepted, http.MethodPost, "http://"+served(t, m)+"/v2/a/blobs/uploads/", "", nil).Header.Get("Location")
	g.at = send(t, http.StatusAccepted, http.MethodPatch, g.at, "application/octet-stream", content[:g.sent]).Header.Get("Location")
	return g
}

// end sends the rest, and gives the answer's status.
func (g *growth) end() int {
	req, err := http.NewRequestWithContext(g.Context(), http.MethodPut, g.at+"&digest="+digest.FromBytes(g.content).String(), bytes.NewReader(g.content[g.sent:]))
	if err != nil {
		g.Error(err)
		return 0
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		g.Error(err)
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// taken is how many bytes of uploads a registry takes that grow elsewhere.
func taken(m *drivertest.Member) (n int64) {
	files, _ := filepath.Glob(filepath.Join(m.Params.DatastorePath, "staging", "writers", "early-*"))
	for _, f := range files {
		if info, err := os.Stat(f); err == nil {
			n += info.Size()
		}
	}
	return n
}

// stagedFiles are those of uploads, a registry's own and those that it takes.
func stagedFiles(t *testing.T, m *drivertest.Member) (files []string) {
	t.Helper()
	must(t, filepath.WalkDir(filepath.Join(m.Params.DatastorePath, "staging"), func(file string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it goes just now
		}
		if err == nil && e.Type().IsRegular() {
			files = append(files, file)
		}
		return err
	}))
	return files
}

// awaitTaken waits until n of some registries have most of what has come, and gives these.
func awaitTaken(t *testing.T, n int, some ...*drivertest.Member) (who []*drivertest.Member) {
	t.Helper()
	drivertest.Await(t, "others take what grows", func() bool {
		who = nil
		for _, m := range some {
			if taken(m) >= 11<<20 {
				who = append(who, m)
			}
		}
		return len(who) == n
	})
	return who
}

// requireNothingTaken waits until nothing is left of what registries took.
func requireNothingTaken(t *testing.T, all ...*drivertest.Member) {
	t.Helper()
	for _, m := range all {
		drivertest.Await(t, "nothing is left of what was taken", func() bool { return taken(m) == 0 })
	}
}

// TestTheTakerDies while it takes an upload: another member has it at the 201.
func TestTheTakerDies(t *testing.T) {
	t.Parallel()
	all := acknowledged(t, 3)
	g := growing(t, all[0], randomBytes(t, 20<<20))
	taker := awaitTaken(t, 1, all[1:]...)[0]
	taker.Stop()
	if got := g.end(); got != http.StatusCreated {
		t.Errorf("answered with %d", got)
	}
	for _, m := range all[1:] {
		if m != taker && !has(m, g.content) {
			t.Error("it is on one disk")
		}
	}
}

// TestThePusherDies while others take its upload, which leaves nothing with them.
func TestThePusherDies(t *testing.T) {
	t.Parallel()
	all := acknowledged(t, 3, func(_ int, p *driver.Parameters) { p.AckReplicas = 3 })
	growing(t, all[0], randomBytes(t, 20<<20))
	awaitTaken(t, 2, all[1:]...)
	all[0].Stop()
	requireNothingTaken(t, all[1:]...)
}

// TestThreeDisksAcknowledge an upload that two others take while it grows.
func TestThreeDisksAcknowledge(t *testing.T) {
	t.Parallel()
	all := acknowledged(t, 3, func(_ int, p *driver.Parameters) { p.AckReplicas = 3 })
	g := growing(t, all[0], randomBytes(t, 20<<20))
	awaitTaken(t, 2, all[1:]...)
	if got := g.end(); got != http.StatusCreated {
		t.Errorf("answered with %d", got)
	}
	for _, m := range all[1:] {
		if in := m.Status(t.Context()).Transfers.BytesIn; !has(m, g.content) || in != int64(len(g.content)) {
			t.Errorf("%d bytes came", in)
		}
	}
	requireNothingTaken(t, all...)
}

// TestACanceledUploadIsTakenNoMore: nothing is left of it anywhere, nor is its file open.
func TestACanceledUploadIsTakenNoMore(t *testing.T) {
	t.Parallel()
	all := acknowledged(t, 2)
	g := growing(t, all[0], randomBytes(t, 20<<20))
	awaitTaken(t, 1, all[1])
	send(t, http.StatusNoContent, http.MethodDelete, g.at, "", nil)
	requireNothingTaken(t, all...)
	drivertest.Await(t, "its file is closed", func() bool { return openFiles(t, all[0].Params.DatastorePath, "/data (deleted)") == 0 })
}

// TestABlobIsPushedTwiceAtOnce, to two registries, each of which takes what grows at the other.
func TestABlobIsPushedTwiceAtOnce(t *testing.T) {
	t.Parallel()
	all := acknowledged(t, 2, func(_ int, p *driver.Parameters) { p.AckReplicas = 2 })
	content := randomBytes(t, 20<<20)
	pushes := []*growth{growing(t, all[0], content), growing(t, all[1], content)}
	awaitTaken(t, 2, all...)
	var wg sync.WaitGroup
	for _, g := range pushes {
		wg.Go(func() {
			if got := g.end(); got != http.StatusCreated {
				t.Errorf("answered with %d", got)
			}
		})
	}
	wg.Wait()
	for _, m := range all {
		if !bytes.Equal(get(t, m, pathOf(content)), content) {
			t.Error("other bytes")
		}
	}
	requireNothingTaken(t, all...)
}

// TestTheSecondDiskTakesAnUploadEarly: it has most of it before the upload ends, in several requests,
// and fetches nothing of it afterwards.
func TestTheSecondDiskTakesAnUploadEarly(t *testing.T) {
	t.Parallel()
	all := acknowledged(t, 2)
	g := growing(t, all[0], randomBytes(t, 30<<20))
	g.patch(http.StatusAccepted, bytes.NewReader(g.content[g.sent:24<<20]), "")
	g.sent = 24 << 20
	drivertest.Await(t, "the other has what has come", func() bool { return taken(all[1]) >= 23<<20 })
	if got := g.end(); got != http.StatusCreated {
		t.Fatalf("answered with %d", got)
	}
	if !has(all[1], g.content) {
		t.Error("it is on one disk")
	}
	if in := all[1].Status(t.Context()).Transfers.BytesIn; in != int64(len(g.content)) {
		t.Errorf("%d bytes came", in)
	}
}
