package driver_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

const repositoryA = "/docker/registry/v2/repositories/a"

// ask sends a request without a body, and gives the status of the answer.
func ask(t *testing.T, method, registry, path string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+registry+path, nil)
	must(t, err)
	req.Header.Set("Accept", "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.index.v1+json")
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	must(t, resp.Body.Close())
	return resp.StatusCode
}

func mustAsk(t *testing.T, want int, method, registry, path string) {
	t.Helper()
	if got := ask(t, method, registry, path); got != want {
		t.Errorf("%s %s: %d, want %d", method, path, got, want)
	}
}

// TestADeleteSeesWhatWasJustPushedElsewhere: a manifest, a blob, a tag that was moved.
// The announcements are lost, so that it must ask.
func TestADeleteSeesWhatWasJustPushedElsewhere(t *testing.T) {
	t.Parallel()
	a, b, ear := deaf(t)
	for i := range 3 { // more than regular exchanges
		img, manifest := image(t)
		layers, err := img.Layers()
		must(t, err)
		layer, err := layers[0].Digest()
		must(t, err)
		tag := fmt.Sprintf("t%d", i)
		must(t, crane.Push(img, a+"/a:"+tag, crane.Insecure))
		mustAsk(t, http.StatusAccepted, http.MethodDelete, b, "/v2/a/blobs/"+layer.String())
		other, moved := image(t)
		must(t, crane.Push(other, a+"/a:"+tag, crane.Insecure))
		mustAsk(t, http.StatusAccepted, http.MethodDelete, b, "/v2/a/manifests/"+tag)
		third, newest := image(t)
		must(t, crane.Push(third, a+"/a:"+tag+"-new", crane.Insecure))
		mustAsk(t, http.StatusAccepted, http.MethodDelete, b, "/v2/a/manifests/"+newest)
		for _, registry := range []string{a, b} {
			for _, path := range []string{"manifests/" + tag, "blobs/" + layer.String(), "manifests/" + newest, "manifests/" + tag + "-new"} {
				drivertest.Await(t, path+" is gone", func() bool { return ask(t, http.MethodGet, registry, "/v2/a/"+path) == http.StatusNotFound })
			}
			for _, path := range []string{manifest, moved} {
				mustAsk(t, http.StatusOK, http.MethodGet, registry, "/v2/a/manifests/"+path)
			}
		}
	}
	if ear.Lost.Load() == 0 {
		t.Error("no message was lost")
	}
}

// TestADeleteBehindIsRefused: a member has named changes that have not come yet, and
// what is to be deleted may be among them.
func TestADeleteBehindIsRefused(t *testing.T) {
	t.Parallel()
	key := drivertest.Key(t)
	a, link := drivertest.StartLinked(t, drivertest.Parameters(t, key))
	for i := range 400 {
		put(t, a, tagLink("a", fmt.Sprintf("h%d", i%200)), fmt.Sprint(i))
	}
	link.Throttle(16 << 10)
	p := drivertest.Parameters(t, key)
	p.Bootstrappers, p.SyncTimeout, p.AloneTimeout = a.Addresses(), 500*time.Millisecond, time.Hour
	b := drivertest.Start(t, p)
	drivertest.AwaitMesh(t, a, b)
	tag := strings.TrimSuffix(tagLink("a", "h0"), "/current/link")
	ctx, refusals := driver.WithRefusals(asRequest(t, http.MethodDelete, "vars.reference"))
	if err := b.Delete(ctx, tag); err == nil || isNotFound(err) {
		t.Errorf("a delete of what may come: %v", err)
	}
	if r := refusals.Last(); r == nil || r.Status != http.StatusServiceUnavailable || r.Retry == 0 {
		t.Errorf("refused with %+v", r)
	}
	link.Throttle(0)
	drivertest.AwaitAgreement(t, a, b)
	if missing(a, tagLink("a", "h0")) {
		t.Error("it was deleted nevertheless")
	}
	drivertest.Await(t, "it is deleted, now that all has come", func() bool {
		err := b.Delete(asRequest(t, http.MethodDelete, "vars.reference"), tag)
		if err != nil && !isRefusal(err) {
			t.Fatal(err)
		}
		return err == nil
	})
}

// manifestWithTags is one that many tags name, beside a tag that names another one.
func manifestWithTags(t *testing.T, m *drivertest.Member, tags int) digest.Digest {
	t.Helper()
	d := digest.FromString("manifest")
	put(t, m, blobPath(d), "manifest")
	put(t, m, repositoryA+"/_manifests/revisions/sha256/"+d.Encoded()+"/link", d.String())
	put(t, m, tagLink("a", "other"), digest.FromString("other").String())
	var g errgroup.Group
	g.SetLimit(64)
	for i := range tags {
		name := fmt.Sprintf("t%d", i)
		g.Go(func() error {
			index := strings.Replace(tagLink("a", name), "/current/", "/index/sha256/"+d.Encoded()+"/", 1)
			return errors.Join(m.PutContent(t.Context(), index, []byte(d.String())), m.PutContent(t.Context(), tagLink("a", name), []byte(d.String())))
		})
	}
	must(t, g.Wait())
	return d
}

func tagsOfA(m *drivertest.Member) int {
	names, _ := m.List(context.Background(), repositoryA+"/_manifests/tags")
	return len(names)
}

// TestAClientThatHangsUpOnADelete of a manifest with many tags leaves all as it was, or
// nothing: here and, because it is one change, elsewhere.
func TestAClientThatHangsUpOnADelete(t *testing.T) {
	t.Parallel()
	tags := 1500
	if testing.Short() {
		tags = 150
	}
	c := drivertest.Cluster(t, 2)
	d := manifestWithTags(t, c[0], tags)
	drivertest.AwaitAgreement(t, c...)
	registry := served(t, c[0])
	conn, err := net.Dial("tcp", registry)
	must(t, err)
	_, err = fmt.Fprintf(conn, "DELETE /v2/a/manifests/%s HTTP/1.1\r\nHost: %s\r\n\r\n", d, registry)
	must(t, err)
	revision := repositoryA + "/_manifests/revisions/sha256/" + d.Encoded() + "/link"
	before, began := c[0].Status(t.Context()).Map.Digest, time.Now()
	drivertest.Await(t, "the first change", func() bool { return c[0].Status(t.Context()).Map.Digest != before })
	t.Logf("deleted in %s", time.Since(began))
	must(t, conn.Close())
	for i, m := range c {
		drivertest.Await(t, "the change is here", func() bool { return tagsOfA(m) != tags+1 || missing(m, revision) })
		if n := tagsOfA(m); n != 1 || !missing(m, revision) || missing(m, tagLink("a", "other")) {
			t.Errorf("on registry %d %d tags are left of %d, and the manifest is missing: %t", i, n, tags, missing(m, revision))
		}
	}
	mustAsk(t, http.StatusNotFound, http.MethodDelete, registry, "/v2/a/manifests/"+d.String())
}

// TestADeleteOfAManifestWithTags is answered as without.
func TestADeleteOfAManifestWithTags(t *testing.T) {
	t.Parallel()
	m := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	d := manifestWithTags(t, m, 20)
	registry := served(t, m)
	mustAsk(t, http.StatusAccepted, http.MethodDelete, registry, "/v2/a/manifests/"+d.String())
	if n := tagsOfA(m); n != 1 {
		t.Errorf("%d tags are left", n)
	}
	mustAsk(t, http.StatusAccepted, http.MethodDelete, registry, "/v2/a/manifests/other")
	mustAsk(t, http.StatusNotFound, http.MethodDelete, registry, "/v2/a/manifests/other")
}
