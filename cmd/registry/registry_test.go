package main_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/crane"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/opencontainers/go-digest"
)

func push(t *testing.T, p *process, name string) v1.Image {
	t.Helper()
	img, err := random.Image(3<<20, 3)
	if err != nil {
		t.Fatal(err)
	}
	if err := crane.Push(img, p.HTTP+"/"+name, crane.Insecure); err != nil {
		t.Fatal(err)
	}
	return img
}

func pull(t *testing.T, p *process, name string, want v1.Image) {
	t.Helper()
	pullFrom(t, p.HTTP, name, want)
}

func pullFrom(t *testing.T, host, name string, want v1.Image) {
	t.Helper()
	got, err := crane.Pull(host+"/"+name, crane.Insecure)
	if err == nil {
		err = validate.Image(got)
	}
	if err != nil {
		t.Fatal(err)
	}
	wantDigest, _ := want.Digest()
	if d, err := got.Digest(); err != nil || d != wantDigest {
		t.Fatalf("pulled %s, want %s: %v", d, wantDigest, err)
	}
}

func TestPushToAnyPullFromAnyAndLoseOne(t *testing.T) {
	ps := swarm(t, 3)
	for i, p := range ps {
		name := fmt.Sprintf("team/app:%d", i)
		img := push(t, p, name)
		for _, other := range ps {
			pull(t, other, name, img)
		}
	}
	// 3 layers and a config each: 2(3+1)+4 entries an image.
	for _, p := range ps {
		await(t, "the maps agree", func() bool {
			s := p.status()
			return s.Map.Digest == ps[0].status().Map.Digest && s.Map.Entries == 3*(2*(3+1)+4) && s.Blobs.Missing == 0
		})
	}
	img, err := crane.Pull(ps[0].HTTP+"/team/app:0", crane.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	tags, err := crane.ListTags(ps[1].HTTP+"/team/app", crane.Insecure)
	if err != nil || len(tags) != 3 {
		t.Errorf("tags: %v %v", tags, err)
	}
	if err := validate.Image(img); err != nil {
		t.Fatal(err)
	}
	ps[0].Kill()
	pull(t, ps[2], "team/app:0", img)
}

func TestKillLosesNothingThatWasAcknowledged(t *testing.T) {
	p := newProcess(t, keygen(t)).start()
	var images []v1.Image
	for i := range 5 {
		images = append(images, push(t, p, fmt.Sprintf("a:%d", i)))
	}
	before := p.status()
	p.Kill()
	p.start()
	if after := p.status(); after.Map.Digest != before.Map.Digest || after.PeerID != before.PeerID {
		t.Errorf("after a kill: %+v, before %+v", after.Map, before.Map)
	}
	for i, img := range images {
		pull(t, p, fmt.Sprintf("a:%d", i), img)
	}
}

// TestKillInMidPush kills a registry while images are being pushed to it: every
// push that was acknowledged is there afterwards, on it and on the other one.
func TestKillInMidPush(t *testing.T) {
	ps := swarm(t, 2)
	type pushed struct {
		name string
		img  v1.Image
	}
	acknowledged := make(chan pushed, 1000)
	var killed atomic.Bool
	go func() {
		defer close(acknowledged)
		for i := 0; !killed.Load(); i++ {
			img, err := random.Image(300_000, 2)
			if err != nil {
				return
			}
			name := fmt.Sprintf("a:%d", i)
			if crane.Push(img, ps[1].HTTP+"/"+name, crane.Insecure) != nil {
				return
			}
			acknowledged <- pushed{name, img}
		}
	}()
	await(t, "some pushes are acknowledged", func() bool { return len(acknowledged) > 4 })
	ps[1].Kill()
	killed.Store(true)
	ps[1].start()
	n := 0
	for p := range acknowledged {
		pull(t, ps[1], p.name, p.img)
		pull(t, ps[0], p.name, p.img)
		n++
	}
	await(t, "the maps agree", func() bool { return ps[0].status().Map.Digest == ps[1].status().Map.Digest })
	t.Logf("%d pushes were acknowledged", n)
}

func TestSIGTERMEndsCleanly(t *testing.T) {
	p := newProcess(t, keygen(t)).start()
	img := push(t, p, "a:1")
	if err := p.Stop(); err != nil {
		t.Fatalf("exit: %v", err)
	}
	if _, err := os.Stat(filepath.Join(p.Data, "admin.sock")); err == nil {
		t.Error("the admin socket is still there")
	}
	p.start()
	pull(t, p, "a:1", img)
}

func TestUploadResumesAfterARestart(t *testing.T) {
	p := newProcess(t, keygen(t)).start()
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	half := len(content) / 2
	location := send(t, http.MethodPost, "http://"+p.HTTP+"/v2/a/blobs/uploads/", nil, http.StatusAccepted)
	location = send(t, http.MethodPatch, location, content[:half], http.StatusAccepted)
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	p.start()
	location = send(t, http.MethodPatch, location, content[half:], http.StatusAccepted)
	d := digest.FromBytes(content)
	send(t, http.MethodPut, location+"&digest="+d.String(), nil, http.StatusCreated)
	resp, err := http.Get("http://" + p.HTTP + "/v2/a/blobs/" + d.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(resp.Body)
	if err != nil || !bytes.Equal(got, content) {
		t.Fatalf("%d bytes came back: %v", len(got), err)
	}
}

func TestCancelledUploadIsGone(t *testing.T) {
	p := newProcess(t, keygen(t)).start()
	location := send(t, http.MethodPost, "http://"+p.HTTP+"/v2/a/blobs/uploads/", nil, http.StatusAccepted)
	location = send(t, http.MethodPatch, location, []byte("some bytes"), http.StatusAccepted)
	send(t, http.MethodDelete, location, nil, http.StatusNoContent)
	send(t, http.MethodPatch, location, []byte("more"), http.StatusNotFound)
	if n := p.status().Map.Entries; n != 0 {
		t.Errorf("%d entries", n)
	}
}

// TestUploadGoesOnAfterALostConnection sends half a chunk and hangs up: the
// upload can be finished from where the registry says it is.
func TestUploadGoesOnAfterALostConnection(t *testing.T) {
	p := newProcess(t, keygen(t)).start()
	content := bytes.Repeat([]byte("fedcba9876543210"), 1<<14)
	location := send(t, http.MethodPost, "http://"+p.HTTP+"/v2/a/blobs/uploads/", nil, http.StatusAccepted)
	conn, err := net.Dial("tcp", p.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	path := strings.TrimPrefix(location, "http://"+p.HTTP)
	_, err = fmt.Fprintf(conn, "PATCH %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n%s", path, p.HTTP, len(content), content[:len(content)/2])
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	var have int
	await(t, "the registry says how far it is", func() bool {
		resp, err := http.Get(location)
		if err != nil || resp.StatusCode != http.StatusNoContent {
			return false
		}
		_ = resp.Body.Close()
		location = resp.Header.Get("Location")
		_, err = fmt.Sscanf(resp.Header.Get("Range"), "0-%d", &have)
		return err == nil && have+1 == len(content)/2
	})
	rest := content[have+1:]
	d := digest.FromBytes(content)
	location = send(t, http.MethodPatch, location, rest, http.StatusAccepted)
	send(t, http.MethodPut, location+"&digest="+d.String(), nil, http.StatusCreated)
}

func TestUploadWithAnotherDigestIsRefused(t *testing.T) {
	p := newProcess(t, keygen(t)).start()
	location := send(t, http.MethodPost, "http://"+p.HTTP+"/v2/a/blobs/uploads/", nil, http.StatusAccepted)
	send(t, http.MethodPut, location+"&digest="+digest.FromString("other").String(), []byte("bytes"), http.StatusBadRequest)
	if n := p.status().Map.Entries; n != 0 {
		t.Errorf("%d entries", n)
	}
}

func send(t *testing.T, method, url string, body []byte, want int) (location string) {
	t.Helper()
	resp, text := request(t, method, url, body)
	if resp.StatusCode != want {
		t.Fatalf("%s: %s %s", method, resp.Status, text)
	}
	return resp.Header.Get("Location")
}

// request gives an answer, whatever it is, and what stood in it.
func request(t *testing.T, method, url string, body []byte) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	return answered(t, req)
}

func answered(t *testing.T, req *http.Request) (*http.Response, []byte) {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, _ := io.ReadAll(resp.Body)
	return resp, text
}

func TestBytesNobodyHoldsAreAnErrorThatNamesTheCID(t *testing.T) {
	key := keygen(t)
	a := newProcess(t, key)
	b := newProcess(t, key, a.bootstrap(), "fetchtimeout: 1s")
	a.start()
	b.start()
	img := push(t, a, "a:1")
	await(t, "the map arrives", func() bool { return b.status().Map.Entries == 2*(3+1)+4 })
	a.Kill()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	d, err := layers[0].Digest()
	if err != nil {
		t.Fatal(err)
	}
	path := "/v2/a/blobs/" + d.String()
	text, status, err := body(b, path)
	if err != nil || status < 500 || !strings.Contains(string(text), "fetch "+cidOf(t, a, digest.Digest(d.String()))) {
		t.Errorf("GET: %d %s %v", status, text, err)
	}
	head, err := http.Head("http://" + b.HTTP + path)
	if err != nil || head.StatusCode != http.StatusNotFound {
		t.Errorf("HEAD: %v %v", head.Status, err)
	}
	if err := crane.Push(img, b.HTTP+"/a:2", crane.Insecure); err != nil { // it gives up at a:1, which is 503
		t.Fatal(err)
	}
	pull(t, b, "a:1", img)
}

func TestAskForTheIDBeforeTheFirstStart(t *testing.T) {
	p := newProcess(t, "protectorkeyfile: swarm.key")
	want := strings.TrimPrefix(p.bootstrap(), "bootstrappers: ")
	p.start()
	if got := p.status().Addresses; !slices.Contains(got, want) {
		t.Errorf("addresses %v, was told %s", got, want)
	}
}

func TestRegistryOutsideItsOwnListIsReadOnly(t *testing.T) {
	key := keygen(t)
	a := newProcess(t, key)
	id := strings.Split(a.bootstrap(), "/p2p/")[1]
	b := newProcess(t, key, a.bootstrap(), "trustedpeers: "+id)
	a.start()
	b.start()
	img := push(t, a, "a:1")
	pull(t, b, "a:1", img)
	resp, err := http.Post("http://"+b.HTTP+"/v2/a/blobs/uploads/", "", nil)
	if err != nil || resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("a push to a follower: %v %v", resp.Status, err)
	}
	if !b.status().ReadOnly {
		t.Error("status does not say so")
	}
}

func TestHelpAndKeygenWork(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"ipfs", "keygen", "--swarm-key"}} {
		if out, err := exec.Command(binary, args...).CombinedOutput(); err != nil || len(out) == 0 {
			t.Errorf("%v: %s %v", args, out, err)
		}
	}
}

func TestVersionIsACommandAndUpstreamsFlag(t *testing.T) {
	for _, arg := range []string{"version", "--version", "-v"} {
		out, err := exec.Command(binary, arg).Output()
		if err != nil || !regexp.MustCompile(`^distribution-ipfs v0\.0\.1 \(commit 4ca5caf, 2026-11-27T13:20:00Z\), distribution \S+\n$`).Match(out) {
			t.Errorf("%s: %q %v", arg, out, err)
		}
	}
}
