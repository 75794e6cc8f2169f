package driver_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

func randomBytes(t testing.TB, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return b
}

func blobPath(d digest.Digest) string {
	return fmt.Sprintf("/docker/registry/v2/blobs/%s/%s/%s/data", d.Algorithm(), d.Encoded()[:2], d.Encoded())
}

// pushBlob does what the registry does for one upload.
func pushBlob(t testing.TB, d storagedriver.StorageDriver, content []byte) string {
	t.Helper()
	ctx := t.Context()
	upload := "/docker/registry/v2/repositories/a/_uploads/1/data"
	w, err := d.Writer(ctx, upload, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Commit(ctx), w.Close()); err != nil {
		t.Fatal(err)
	}
	path := blobPath(digest.FromBytes(content))
	if err := d.Move(ctx, upload, path); err != nil {
		t.Fatal(err)
	}
	return path
}

func put(t testing.TB, d storagedriver.StorageDriver, path, content string) {
	t.Helper()
	if err := d.PutContent(context.Background(), path, []byte(content)); err != nil {
		t.Fatal(err)
	}
}

func get(t testing.TB, d storagedriver.StorageDriver, path string) []byte {
	t.Helper()
	var content []byte
	drivertest.Await(t, path+" is there", func() bool {
		var err error
		content, err = readAll(d, path)
		var missing storagedriver.PathNotFoundError
		if err != nil && !errors.As(err, &missing) {
			t.Fatal(err)
		}
		return err == nil
	})
	return content
}

// readAll reads also what GetContent does not, because it is large.
func readAll(d storagedriver.StorageDriver, path string) ([]byte, error) {
	r, err := d.Reader(context.Background(), path, 0)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(r)
	return content, errors.Join(err, r.Close())
}

func missing(d storagedriver.StorageDriver, path string) bool {
	_, err := d.Stat(context.Background(), path)
	var notFound storagedriver.PathNotFoundError
	return errors.As(err, &notFound)
}

func TestPushToOnePullFromAny(t *testing.T) {
	c := drivertest.Cluster(t, 3)
	content := randomBytes(t, 5<<20+17)
	path := pushBlob(t, c[0], content)
	for _, m := range c[1:] {
		if !bytes.Equal(get(t, m, path), content) {
			t.Fatal("other bytes arrived")
		}
	}
	c[0].Stop()
	r, err := c[2].Reader(t.Context(), path, 3<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	rest, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(rest, content[3<<20:]) {
		t.Fatalf("the rest of the blob, %d bytes: %v", len(rest), err)
	}
}

func TestFetchedIsServedWhenThePusherIsGone(t *testing.T) {
	c := drivertest.Cluster(t, 3)
	content := randomBytes(t, 2<<20)
	path := pushBlob(t, c[0], content)
	get(t, c[1], path)
	drivertest.Await(t, "the second registry keeps it", func() bool { return has(c[1], content) })
	drivertest.AwaitAgreement(t, c...)
	c[0].Stop()
	if !bytes.Equal(get(t, c[2], path), content) {
		t.Fatal("other bytes arrived")
	}
}

func TestDeleteIsSeenEverywhereAndStays(t *testing.T) {
	c := drivertest.Cluster(t, 3)
	dir := "/docker/registry/v2/repositories/a/_manifests/tags/t"
	put(t, c[0], dir+"/current/link", "1")
	put(t, c[0], dir+"/index/sha256/x/link", "1")
	drivertest.AwaitAgreement(t, c...)
	c[2].Stop()
	if err := c[1].Delete(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	drivertest.Await(t, "the delete arrives", func() bool { return missing(c[0], dir) })
	c[2].Restart()
	drivertest.AwaitMesh(t, c...)
	drivertest.AwaitAgreement(t, c...)
	for i, m := range c {
		if !missing(m, dir) {
			t.Errorf("registry %d still has what was deleted", i)
		}
	}
}

// TestPartitionAndHeal cuts the links of two registries, writes on both sides,
// concurrently to one tag, pushes against a delete, and heals.
func TestPartitionAndHeal(t *testing.T) {
	key := drivertest.Key(t)
	a, linkA := drivertest.StartLinked(t, drivertest.Parameters(t, key))
	p := drivertest.Parameters(t, key)
	p.Bootstrappers = a.Addresses()
	b, linkB := drivertest.StartLinked(t, p)
	drivertest.AwaitMesh(t, a, b)
	put(t, a, "/both/deleted", "1")
	put(t, a, "/both/pushed", "1")
	drivertest.AwaitAgreement(t, a, b)

	linkA.Cut(true)
	linkB.Cut(true)
	drivertest.Await(t, "both sides notice", func() bool {
		return others(t, a)+others(t, b) == 0
	})
	put(t, a, "/x/a", "a")
	put(t, b, "/x/b", "b")
	put(t, a, "/x/tag", "of a")
	put(t, b, "/x/tag", "of b")
	put(t, a, "/both/pushed", "2") // b's delete never saw this one
	if err := b.Delete(t.Context(), "/both"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.GetContent(asRequest(t, http.MethodGet, "vars.reference"), "/x/a"); err == nil {
		t.Fatal("the partition leaks")
	}

	linkA.Cut(false)
	linkB.Cut(false)
	drivertest.AwaitMesh(t, a, b)
	drivertest.AwaitAgreement(t, a, b)
	for _, m := range []*drivertest.Member{a, b} {
		if got := string(get(t, m, "/x/a")) + string(get(t, m, "/x/b")) + string(get(t, m, "/both/pushed")); got != "ab2" {
			t.Errorf("a write of one side was lost: %s", got)
		}
		if !missing(m, "/both/deleted") {
			t.Error("a delete was lost")
		}
	}
	if tagA, tagB := string(get(t, a, "/x/tag")), string(get(t, b, "/x/tag")); tagA != tagB {
		t.Errorf("the tag is %q here and %q there", tagA, tagB)
	}
}

func TestLateJoinerAndRestart(t *testing.T) {
	c := drivertest.Cluster(t, 2)
	for i := range 100 {
		if err := c[i%2].PutContent(t.Context(), fmt.Sprintf("/x/%d", i), []byte("v")); err != nil {
			t.Fatal(err)
		}
	}
	p := drivertest.Parameters(t, c[0].Params.ProtectorKey)
	p.Bootstrappers = c[1].Addresses()
	late := drivertest.Start(t, p)
	drivertest.AwaitAgreement(t, c[0], c[1], late)
	c[0].Stop()
	c[0].Restart()
	drivertest.AwaitMesh(t, c[0], c[1], late)
	drivertest.AwaitAgreement(t, c[0], c[1], late)
}

func TestWrongKeyNeverConnects(t *testing.T) {
	c := drivertest.Cluster(t, 2)
	p := drivertest.Parameters(t, drivertest.Key(t))
	p.Bootstrappers = c[0].Addresses()
	stranger := drivertest.Start(t, p)
	if err := stranger.PutContent(t.Context(), "/x", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := c[0].PutContent(t.Context(), "/y", []byte("y")); err != nil {
		t.Fatal(err)
	}
	get(t, c[1], "/y")
	if !missing(c[0], "/x") || !missing(stranger, "/y") || len(stranger.Status(t.Context()).Members) > 0 {
		t.Fatal("a registry with another key got in")
	}
}

// requestContext is a registry request's, as far as the driver reads it.
type requestContext struct {
	context.Context
	values map[string]any
}

func (c requestContext) Value(key any) any {
	if name, ok := key.(string); ok {
		if v, ok := c.values[name]; ok {
			return v
		}
	}
	return c.Context.Value(key)
}

func asRequest(t testing.TB, method string, vars ...string) context.Context {
	values := map[string]any{"http.request.method": method}
	for _, v := range vars {
		values[v] = "x"
	}
	return requestContext{t.Context(), values}
}

func TestUnreachableBytesAndTheirHealing(t *testing.T) {
	key := drivertest.Key(t)
	a := drivertest.Start(t, drivertest.Parameters(t, key))
	p := drivertest.Parameters(t, key)
	p.Bootstrappers, p.FetchTimeout = a.Addresses(), time.Second
	b := drivertest.Start(t, p)
	drivertest.AwaitMesh(t, a, b)
	content := randomBytes(t, 1<<20+5)
	path := pushBlob(t, a, content)
	drivertest.AwaitAgreement(t, a, b)
	a.Stop()

	_, err := b.Reader(t.Context(), path, 0)
	var notFound storagedriver.PathNotFoundError
	if err == nil || errors.As(err, &notFound) {
		t.Fatalf("bytes nobody holds: %v", err)
	}
	if _, err := b.Stat(asRequest(t, http.MethodHead, "vars.digest"), path); !errors.As(err, &notFound) {
		t.Fatalf("HEAD of a blob nobody holds: %v", err)
	}
	if _, err := b.Stat(asRequest(t, http.MethodPut, "vars.uuid"), path); !errors.As(err, &notFound) {
		t.Fatalf("PUT of a blob nobody holds: %v", err)
	}
	pushBlob(t, b, content)
	if !bytes.Equal(get(t, b, path), content) {
		t.Fatal("pushing again did not heal")
	}
}

func TestMissOfAManifestWaitsForTheMembers(t *testing.T) {
	c := drivertest.Cluster(t, 2)
	for i := range 20 {
		path := fmt.Sprintf("/docker/registry/v2/repositories/a/_manifests/tags/t%d/current/link", i)
		if err := c[0].PutContent(t.Context(), path, []byte("sha256:x")); err != nil {
			t.Fatal(err)
		}
		if _, err := c[1].GetContent(asRequest(t, http.MethodGet, "vars.reference"), path); err != nil {
			t.Fatalf("acknowledged by one registry, not found on the other: %v", err)
		}
	}
}

func TestWrongDigestIsNotPublished(t *testing.T) {
	m := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	upload := "/docker/registry/v2/repositories/a/_uploads/1/data"
	if err := m.PutContent(t.Context(), upload, []byte("other bytes")); err != nil {
		t.Fatal(err)
	}
	path := blobPath(digest.FromString("promised bytes"))
	if err := m.Move(t.Context(), upload, path); err == nil || !missing(m, path) {
		t.Fatalf("bytes with another digest were published: %v", err)
	}
	if missing(m, upload) {
		t.Error("the upload is gone")
	}
}

func TestLocalPathsStayLocal(t *testing.T) {
	c := drivertest.Cluster(t, 2)
	local := []string{"/scheduler-state.json", "/docker/registry/v2/repositories/a/_uploads/1/startedat"}
	for _, path := range local {
		if err := c[0].PutContent(t.Context(), path, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if err := c[0].PutContent(t.Context(), "/shared", []byte("x")); err != nil {
		t.Fatal(err)
	}
	get(t, c[1], "/shared")
	for _, path := range local {
		if !missing(c[1], path) {
			t.Errorf("%s left its registry", path)
		}
	}
	if n := c[0].Status(t.Context()).Map.Entries; n != 1 {
		t.Errorf("%d entries", n)
	}
}

func TestDatastoreInUse(t *testing.T) {
	m := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	other := m.Params
	if _, err := os.Stat(filepath.Join(other.DatastorePath, "admin.sock")); err != nil {
		t.Fatal(err)
	}
	assertNewFails(t, other, "in use")
}
