package driver_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// pushOfTag are the paths that a push of a tag writes, in distribution's order.
func pushOfTag(d digest.Digest) []string {
	manifests := repositoryA + "/_manifests"
	return []string{
		blobPath(d), manifests + "/revisions/sha256/" + d.Encoded() + "/link",
		manifests + "/tags/t/index/sha256/" + d.Encoded() + "/link", tagLink("a", "t"),
	}
}

// putTag does what distribution does at the end of a push of a tag, but hangs up before the
// path of that number.
func putTag(t *testing.T, m *drivertest.Member, content string, hangUp int) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	push := requestContext{ctx, map[string]any{
		"http.request.method": http.MethodPut, "vars.reference": "t",
		"http.request.id": content, "http.request.startedat": time.Now(),
	}}
	d := digest.FromString(content)
	for i, p := range pushOfTag(d) {
		if i == hangUp {
			cancel()
		}
		written := []byte(d)
		if i == 0 {
			written = []byte(content)
		}
		if err := m.PutContent(push, p, written); err != nil {
			return err
		}
	}
	return nil
}

// TestAHungUpPushLeavesItsTag as it was: not with the new manifest's name alone.
func TestAHungUpPushLeavesItsTag(t *testing.T) {
	t.Parallel()
	m := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	must(t, putTag(t, m, "first", -1))
	for i := range 40 {
		content := fmt.Sprint("push ", i)
		if err := putTag(t, m, content, i%4); err == nil {
			t.Errorf("a push whose client hung up before path %d succeeded", i%4)
		}
		put(t, m, "/other", "x") // what was on its way into the map is in it
		for _, p := range pushOfTag(digest.FromString(content))[:3] {
			if !missing(m, p) {
				t.Errorf("%s of a push whose client hung up before path %d", p, i%4)
			}
		}
	}
	if tag := string(get(t, m, tagLink("a", "t"))); tag != digest.FromString("first").String() {
		t.Errorf("the tag leads to %s", tag)
	}
}

// TestALinkAfterItsClientHungUp is never written without its bytes, nor they without it, and
// the upload is as it was.
func TestALinkAfterItsClientHungUp(t *testing.T) {
	t.Parallel()
	m := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	for range 20 {
		content := randomBytes(t, 100)
		d := digest.FromBytes(content)
		stageUpload(t, m, content)
		ctx, cancel := endOfUpload(t)
		must(t, m.Move(ctx, uploadData, blobPath(d)))
		cancel()
		drivertest.Await(t, "the upload is back", func() bool {
			_, err := m.Stat(t.Context(), uploadData)
			return err == nil
		})
		if err := m.PutContent(ctx, linkPath(d), []byte(d)); err == nil {
			t.Error("a link was acknowledged")
		}
		put(t, m, "/other", "x") // what was on its way into the map is in it
		if !missing(m, linkPath(d)) || !missing(m, blobPath(d)) {
			t.Error("a link without bytes, or bytes without a link")
		}
		must(t, m.Delete(t.Context(), path.Dir(uploadData)))
	}
}

// TestAClientThatHangsUpWhileItsTagWaits, because a member may have a newer one, was told nothing:
// what its manifest relied on may be deleted from then on, so the tag is not written.
func TestAClientThatHangsUpWhileItsTagWaits(t *testing.T) {
	t.Parallel()
	a, b, linkA, linkB := linkedPair(t, time.Minute)
	for _, l := range []*drivertest.Link{linkA, linkB} {
		l.Blackhole(true)
	}
	b.Compare(a.Identity().PeerID)
	ctx, hangUp := context.WithCancel(asRequest(t, http.MethodPut, "vars.reference"))
	defer hangUp()
	push := requestContext{ctx, map[string]any{"http.request.id": t.Name(), "http.request.startedat": time.Now()}}
	pushed := make(chan error, 1)
	go func() { pushed <- b.PutContent(push, tagLink("a", "t"), []byte("sha256:x")) }()
	drivertest.Await(t, "the push waits", func() bool { return b.WaitingRequests() == 1 })
	hangUp()
	if err := <-pushed; err == nil {
		t.Error("the push succeeded")
	}
	if !missing(b, tagLink("a", "t")) {
		t.Error("the tag is written")
	}
}

// TestAContextOfPartOfARequest ends before the request does; nothing is forgotten.
func TestAContextOfPartOfARequest(t *testing.T) {
	t.Parallel()
	m := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	whole, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := http.NewRequestWithContext(whole, http.MethodPut, "/", nil)
	must(t, err)
	values := map[string]any{
		"http.request.method": http.MethodPut, "vars.uuid": "1", "http.request": r,
		"http.request.id": t.Name(), "http.request.startedat": time.Now(),
	}
	part, end := context.WithCancel(whole)
	content := randomBytes(t, 100_000)
	d := digest.FromBytes(content)
	stageUpload(t, m, content)
	must(t, m.Move(requestContext{part, values}, uploadData, blobPath(d)))
	end()
	put(t, m, "/other", "x") // time for what would follow from that
	must(t, m.PutContent(requestContext{whole, values}, linkPath(d), []byte(d)))
	if missing(m, blobPath(d)) || missing(m, linkPath(d)) {
		t.Error("a part of the blob")
	}
}

// exchange sends a request over a connection of its own, which the client half closes, or
// cuts, after the time given. It returns the status, or 0.
func exchange(t *testing.T, host, method, target, kind string, body []byte, cut bool, after time.Duration) int {
	t.Helper()
	conn, err := net.Dial("tcp", host)
	must(t, err)
	defer func() { _ = conn.Close() }()
	_, err = fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", method, target, host, kind, len(body), body)
	must(t, err)
	time.Sleep(after)
	if cut {
		return 0
	}
	must(t, conn.(*net.TCPConn).CloseWrite())
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode
}

// TestClientsThatHangUp at any moment of a push: what was acknowledged is there, and a tag
// always leads to a manifest that is.
func TestClientsThatHangUp(t *testing.T) {
	t.Parallel()
	m := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	host := served(t, m)
	img, err := random.Image(1000, 2)
	must(t, err)
	must(t, crane.Push(img, host+"/a:t", crane.Insecure))
	for i := range 36 {
		after, cut := time.Duration(i/3)*300*time.Microsecond, i%3 == 0
		content := randomBytes(t, 10_000)
		d := digest.FromBytes(content)
		status := exchange(t, host, http.MethodPut, startUpload(t, host)+"&digest="+d.String(), "application/octet-stream", content, cut, after)
		if status == http.StatusCreated {
			mustAsk(t, http.StatusOK, http.MethodGet, host, "/v2/a/blobs/"+d.String())
		}
		raw := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[],"annotations":{"n":"%d"}}`, index, i)
		status = exchange(t, host, http.MethodPut, "/v2/a/manifests/t", index, raw, cut, after)
		mustAsk(t, http.StatusOK, http.MethodGet, host, "/v2/a/manifests/t")
		if status == http.StatusCreated && !bytes.Equal(fetch(t, host, "/v2/a/manifests/t"), raw) {
			t.Error("an acknowledged tag leads elsewhere")
		}
	}
}

const index = "application/vnd.oci.image.index.v1+json"

// startUpload gives the path and query of a new upload.
func startUpload(t *testing.T, host string) string {
	t.Helper()
	resp, err := http.Post("http://"+host+"/v2/a/blobs/uploads/", "", nil)
	must(t, err)
	must(t, resp.Body.Close())
	return strings.TrimPrefix(resp.Header.Get("Location"), "http://"+host)
}

func fetch(t *testing.T, host, target string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+host+target, nil)
	must(t, err)
	req.Header.Set("Accept", index)
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	content, err := io.ReadAll(resp.Body)
	must(t, errors.Join(err, resp.Body.Close()))
	return content
}

// TestEveryWayToEndAnUpload leaves nothing out of what it acknowledges: a digest of another
// function, no bytes at all, bytes that are here, and one blob from many clients at once, of
// which some hang up.
func TestEveryWayToEndAnUpload(t *testing.T) {
	t.Parallel()
	m := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	host := served(t, m)
	end := func(d digest.Digest, content []byte, cut bool, after time.Duration) {
		if exchange(t, host, http.MethodPut, startUpload(t, host)+"&digest="+d.String(), "application/octet-stream", content, cut, after) == http.StatusCreated {
			mustAsk(t, http.StatusOK, http.MethodGet, host, "/v2/a/blobs/"+d.String())
		}
	}
	for range 2 {
		for _, content := range [][]byte{nil, randomBytes(t, 10_000)} {
			for _, d := range []digest.Digest{digest.FromBytes(content), digest.SHA512.FromBytes(content)} {
				at := startUpload(t, host) + "&digest=" + d.String()
				send(t, http.StatusCreated, http.MethodPut, "http://"+host+at, "application/octet-stream", content)
				mustAsk(t, http.StatusOK, http.MethodGet, host, "/v2/a/blobs/"+d.String())
			}
		}
	}
	for range 6 {
		content := randomBytes(t, 10_000)
		d := digest.FromBytes(content)
		var clients sync.WaitGroup
		for i := range 6 {
			clients.Go(func() { end(d, content, i%2 == 0, time.Duration(i)*time.Millisecond) })
		}
		clients.Wait()
		if linked := !missing(m, linkPath(d)); linked == missing(m, blobPath(d)) {
			t.Errorf("a part of the blob; its link is there: %v", linked)
		}
	}
	drivertest.Await(t, "ended requests are forgotten", func() bool { return m.RequestsUnderWay() == 0 })
}

// TestADeleteInTheMiddleOfAPush, which has not seen the push, takes nothing from it that the
// push has found and not brought again.
func TestADeleteInTheMiddleOfAPush(t *testing.T) {
	t.Parallel()
	m := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	content := randomBytes(t, 100_000)
	d := digest.FromBytes(content)
	stageUpload(t, m, content)
	must(t, m.Move(t.Context(), uploadData, blobPath(d)))
	ctx, cancel := endOfUpload(t)
	defer cancel()
	_, err := m.Stat(ctx, blobPath(d)) // so distribution does not move the upload there
	must(t, err)
	must(t, m.Delete(t.Context(), blobPath(d)))
	must(t, m.PutContent(ctx, linkPath(d), []byte(d)))
	if missing(m, blobPath(d)) {
		t.Error("a link without bytes was acknowledged")
	}
}
