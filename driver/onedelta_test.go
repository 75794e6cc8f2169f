package driver_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/smalldisk"
)

// TestAnAnswerIsOneDelta: each blob with its link, and a manifest with its revision and its
// tag. A registry elsewhere never sees, nor deletes, a part of that.
func TestAnAnswerIsOneDelta(t *testing.T) {
	t.Parallel()
	m := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	host := served(t, m)
	const layers = 3
	img, err := random.Image(3000, layers)
	must(t, err)
	must(t, crane.Push(img, host+"/a:1", crane.Insecure, crane.WithJobs(1))) // at once they share deltas
	if n := m.Deltas(); n != layers+2 {                                      // the config is a blob, too
		t.Errorf("an image of %d layers made %d deltas", layers, n)
	}
	before := m.Deltas()
	p := newPushed(t, img)
	putManifest(t, host, p.manifest.String(), p)
	if n := m.Deltas() - before; n != 1 {
		t.Errorf("a manifest without a tag made %d deltas", n)
	}
	mustAsk(t, http.StatusOK, http.MethodGet, host, "/v2/a/manifests/"+p.manifest.String())
}

// endOfUpload is the context of a request that ends an upload, and cancel its end.
func endOfUpload(t *testing.T) (ctx context.Context, cancel func()) {
	t.Helper()
	parent, cancel := context.WithCancel(t.Context())
	return requestContext{parent, map[string]any{
		"http.request.method": http.MethodPut, "vars.uuid": "1",
		"http.request.id": t.Name(), "http.request.startedat": time.Now(),
	}}, cancel
}

const uploadData = repositoryA + "/_uploads/1/data"

func stageUpload(t *testing.T, m *drivertest.Member, content []byte) {
	t.Helper()
	w, err := m.Writer(t.Context(), uploadData, false)
	must(t, err)
	_, err = w.Write(content)
	must(t, errors.Join(err, w.Commit(t.Context()), w.Close()))
}

func linkPath(d digest.Digest) string {
	return repositoryA + "/_layers/sha256/" + d.Encoded() + "/link"
}

// TestALinkThatDoesNotFit: the upload is as it was before the request that was to end it,
// and the next one ends it.
func TestALinkThatDoesNotFit(t *testing.T) {
	t.Parallel()
	p := drivertest.Parameters(t, drivertest.Key(t))
	smalldisk.Mount(t, p.DatastorePath, "size=236m")
	m := drivertest.Start(t, p)
	content := randomBytes(t, 100_000)
	d := digest.FromBytes(content)
	stageUpload(t, m, content)

	ctx, cancel := endOfUpload(t)
	must(t, m.Move(ctx, uploadData, blobPath(d)))
	if !missing(m, blobPath(d)) {
		t.Error("the bytes have an entry before the link has")
	}
	free := smalldisk.Fill(t, p.DatastorePath, 0)
	if err := m.PutContent(ctx, linkPath(d), []byte(d)); err == nil {
		t.Fatal("a link was written on a full disk")
	}
	cancel()
	free()
	if fi, err := m.Stat(t.Context(), uploadData); err != nil || fi.Size() != int64(len(content)) {
		t.Fatalf("the upload: %v, %v", fi, err)
	}

	drivertest.Await(t, "the upload can be ended", func() bool {
		ctx, cancel := endOfUpload(t)
		defer cancel()
		return m.Move(ctx, uploadData, blobPath(d)) == nil && m.PutContent(ctx, linkPath(d), []byte(d)) == nil
	})
	if string(get(t, m, blobPath(d))) != string(content) || missing(m, linkPath(d)) {
		t.Error("the blob is not there")
	}
}

// TestUnwrittenReportsHeldChanges until they are written, and for good when they are given
// up.
func TestUnwrittenReportsHeldChanges(t *testing.T) {
	t.Parallel()
	m := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	for _, ends := range []bool{true, false} {
		content := randomBytes(t, 1000)
		d := digest.FromBytes(content)
		stageUpload(t, m, content)
		ctx, cancel := endOfUpload(t)
		ctx, answer := driver.WithRefusals(ctx)
		if answer.Unwritten() {
			t.Error("something is held before the first write")
		}
		must(t, m.Move(ctx, uploadData, blobPath(d)))
		if !answer.Unwritten() {
			t.Error("the bytes are held, and the answer could go out")
		}
		if ends {
			must(t, m.PutContent(ctx, linkPath(d), []byte(d)))
		} else if err := m.PutContent(ctx, blobPath(d), []byte("other bytes")); err == nil {
			t.Error("other bytes were taken")
		}
		if answer.Unwritten() == ends {
			t.Errorf("unwritten is %v", ends)
		}
		cancel()
	}
}
