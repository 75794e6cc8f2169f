package driver_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/smalldisk"
)

// tryBlob is pushBlob of what may be refused.
func tryBlob(t *testing.T, m *drivertest.Member, content []byte) *driver.Refusal {
	t.Helper()
	ctx, refusals := driver.WithRefusals(t.Context())
	upload := "/docker/registry/v2/repositories/a/_uploads/1/data"
	w, err := m.Writer(ctx, upload, false)
	must(t, err)
	_, err = w.Write(content)
	must(t, errors.Join(err, w.Commit(ctx), w.Close()))
	if err := m.Move(ctx, upload, pathOf(content)); (err != nil) != (refusals.Last() != nil) {
		t.Fatal(err)
	}
	return refusals.Last()
}

// TestAMemberThatIsMute, or away: a push is refused in time, nothing of it is lost, and the next
// try asks only for the acknowledgement.
func TestAMemberThatIsMute(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(*drivertest.Link, bool){"mute": (*drivertest.Link).Blackhole, "away": (*drivertest.Link).Cut} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const timeout = 2 * time.Second
			a, b, links := linkedDisks(t, timeout)
			host := served(t, a)
			cut := func(yes bool) { set(links[0], yes); set(links[1], yes) }
			cut(true)

			content := randomBytes(t, 2<<20)
			at := send(t, http.StatusAccepted, http.MethodPost, "http://"+host+"/v2/a/blobs/uploads/", "", nil).Header.Get("Location")
			at = send(t, http.StatusAccepted, http.MethodPatch, at, "application/octet-stream", content).Header.Get("Location")
			end := at + "&digest=" + digest.FromBytes(content).String()
			began := time.Now()
			send(t, http.StatusServiceUnavailable, http.MethodPut, end, "", nil)
			if acks(t, a).Refused != 1 || acks(t, a).Why == "" || time.Since(began) < timeout {
				t.Errorf("%+v after %s", acks(t, a), time.Since(began))
			}
			if !has(a, content) {
				t.Error("what was pushed is gone")
			}
			cut(false)
			drivertest.AwaitMesh(t, a, b)
			drivertest.Await(t, "it is acknowledged", func() bool { // not in one acktimeout on a busy machine
				return ask(t, http.MethodPut, "", strings.TrimPrefix(end, "http://")) == http.StatusCreated
			})
			if !has(b, content) || acks(t, a).Given != 1 || acks(t, a).Why != "" {
				t.Errorf("acknowledged, and here: %v; %+v", has(b, content), acks(t, a))
			}
		})
	}
}

// TestARefusedUploadIsNoCopy: its client may end it once more, without an error in the log, and
// if it never does, the bytes go with the blob.
func TestARefusedUploadIsNoCopy(t *testing.T) {
	t.Parallel()
	a := acknowledged(t, 1, func(_ int, p *driver.Parameters) { p.GC, p.GCGrace = false, 0 })[0]
	content := randomBytes(t, 2<<20)
	ctx, refusals := driver.WithRefusals(t.Context())
	const upload = "/docker/registry/v2/repositories/a/_uploads/1"
	w, err := a.Writer(ctx, upload+"/data", false)
	must(t, err)
	_, err = w.Write(content)
	must(t, errors.Join(err, w.Commit(ctx), w.Close()))
	if err := a.Move(ctx, upload+"/data", pathOf(content)); err == nil || refusals.Last() == nil {
		t.Fatalf("%v", err)
	}
	must(t, errors.Join(w.Cancel(ctx), w.Close(), a.Delete(ctx, upload))) // as distribution cancels it
	files := func() (all []os.FileInfo) {
		must(t, filepath.WalkDir(a.Params.DatastorePath, func(_ string, e os.DirEntry, err error) error {
			if err != nil || !e.Type().IsRegular() {
				return err
			}
			info, err := e.Info()
			if err == nil && info.Size() == int64(len(content)) {
				all = append(all, info)
			}
			return err
		}))
		return all
	}
	if got := files(); len(got) != 2 || !os.SameFile(got[0], got[1]) {
		t.Fatalf("%d files are there of a blob and its upload, which are to be one", len(got))
	}
	must(t, a.Delete(t.Context(), pathOf(content)))
	drivertest.Await(t, "nobody names the bytes: they go", func() bool {
		sweep(t, a)
		return len(files()) == 0
	})
}

// TestTooFewMembers refuse at once, and say so.
func TestTooFewMembers(t *testing.T) {
	t.Parallel()
	a := acknowledged(t, 1)[0]
	path := tagLink("a", "latest")
	ctx, refusals := driver.WithRefusals(t.Context())
	err := a.PutContent(ctx, path, []byte("sha256:…"))
	if r := refusals.Last(); err == nil || r == nil || r.Status != http.StatusServiceUnavailable || r.Retry == 0 ||
		!strings.Contains(r.Error(), "on 1 of 2 disks") {
		t.Errorf("%v %v", err, r)
	}
	if got := get(t, a, path); string(got) != "sha256:…" {
		t.Errorf("it is lost: %q", got)
	}
	if s := acks(t, a); !strings.Contains(s.Why, "knows 0 others") {
		t.Errorf("%+v", s)
	}
}

// TestAMemberWhoseDiskIsFull is named, at once.
func TestAMemberWhoseDiskIsFull(t *testing.T) {
	all := acknowledged(t, 2, func(i int, p *driver.Parameters) {
		p.AckTimeout = time.Hour
		if i == 1 {
			p.DatastorePath, p.Name = smalldisk.Mount(t, t.TempDir(), "size=536m"), "small"
		}
	})
	smalldisk.Fill(t, all[1].Params.DatastorePath, 128<<20)
	content := randomBytes(t, 160<<20)
	r := tryBlob(t, all[0], content)
	if r == nil || r.Status != http.StatusServiceUnavailable ||
		!strings.Contains(r.Error(), `"small"`) || !strings.Contains(r.Error(), "has no room for it") {
		t.Fatalf("%v", r)
	}
	if !has(all[0], content) {
		t.Error("what was pushed is gone")
	}
}

// loner is a registry that acknowledges with two disks, and took an image when it did with one.
func loner(t *testing.T) (m *drivertest.Member, host string, p pushed) {
	t.Helper()
	m = acknowledged(t, 1, func(_ int, p *driver.Parameters) { p.AckReplicas = 1 })[0]
	img, _ := image(t)
	must(t, crane.Push(img, served(t, m)+"/a:latest", crane.Insecure))
	m.Stop()
	m.Params.AckReplicas = 2
	m.Restart()
	return m, served(t, m), newPushed(t, img)
}

// TestAManifestThatIsRefusedIsNotSeen: a client that tries again asks for it by HEAD, and would push
// nothing.
func TestAManifestThatIsRefusedIsNotSeen(t *testing.T) {
	t.Parallel()
	m, host, p := loner(t)
	other := p.other(t)
	pushBlobs := func() { _ = crane.Push(other.Image, host+"/a:other", crane.Insecure) }
	pushBlobs() // its config is refused, and stays
	raw, err := other.RawManifest()
	must(t, err)
	send(t, http.StatusServiceUnavailable, http.MethodPut, "http://"+host+"/v2/a/manifests/other", "application/vnd.docker.distribution.manifest.v2+json", raw)
	send(t, http.StatusNotFound, http.MethodHead, "http://"+host+"/v2/a/manifests/other", "", nil)
	send(t, http.StatusOK, http.MethodHead, "http://"+host+"/v2/a/manifests/latest", "", nil)
	if s := acks(t, m); s.Given != 0 || s.Refused == 0 {
		t.Errorf("%+v", s)
	}
}

// TestAManifestThatWasRefusedTooLate, when it was written, is asked for again at HEAD.
func TestAManifestThatWasRefusedTooLate(t *testing.T) {
	t.Parallel()
	m, host, p := loner(t)
	m.RefuseLate(blobPath(p.manifest))
	send(t, http.StatusServiceUnavailable, http.MethodHead, "http://"+host+"/v2/a/manifests/latest", "", nil)
	send(t, http.StatusOK, http.MethodGet, "http://"+host+"/v2/a/manifests/latest", "", nil)
	b := drivertest.Parameters(t, m.Params.ProtectorKey)
	b.Bootstrappers = m.Addresses()
	drivertest.AwaitMesh(t, m, drivertest.Start(t, b))
	send(t, http.StatusOK, http.MethodHead, "http://"+host+"/v2/a/manifests/latest", "", nil)
}
