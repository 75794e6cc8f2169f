package main_test

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/crane"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/opencontainers/go-digest"
)

func acknowledged(t *testing.T, timeout time.Duration) (a, b *process) {
	t.Helper()
	ps := swarm(t, 2, "ackreplicas: 2", "acktimeout: "+timeout.String(), "synctimeout: "+timeout.String())
	return ps[0], ps[1]
}

func randomImage(t *testing.T, size int64) v1.Image {
	t.Helper()
	img, err := random.Image(size, 3)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// requireImage pulls all of an image.
func requireImage(t *testing.T, reference string, want v1.Image) {
	t.Helper()
	img, err := crane.Pull(reference, crane.Insecure)
	if err == nil {
		err = validate.Image(img)
	}
	if err != nil {
		t.Fatalf("%s: %v", reference, err)
	}
	pulled, _ := img.Digest()
	pushed, _ := want.Digest()
	if pulled != pushed {
		t.Fatalf("%s is %s, and was acknowledged as %s", reference, pulled, pushed)
	}
}

// TestWhatTwoDisksAcknowledgedSurvivesOne: a registry is killed at its 201, and does not come back
// before all that it acknowledged is pulled from another one, which keeps nothing unasked.
func TestWhatTwoDisksAcknowledgedSurvivesOne(t *testing.T) {
	t.Parallel()
	a, b := acknowledged(t, within)
	for _, size := range []int64{100, 100 << 10, 4 << 20} {
		img := randomImage(t, size)
		if err := crane.Push(img, a.HTTP+"/a:latest", crane.Insecure); err != nil {
			t.Fatal(err)
		}
		a.Kill()
		requireImage(t, b.HTTP+"/a:latest", img)
		a.start()
		awaitAllConnected(t, []*process{a, b})
	}
}

// TestTheSecondDiskDies while it is being asked, at any moment. Either the push is refused, and
// taken when it is tried again, or it is on that disk.
func TestTheSecondDiskDies(t *testing.T) {
	t.Parallel()
	a, b := acknowledged(t, 3*time.Second) // for which a push waits in vain
	rounds, refused := 6, 0
	if testing.Short() {
		rounds = 3
	}
	for range rounds {
		img, pushed := randomImage(t, 8<<20), make(chan error, 1)
		go func() { pushed <- crane.Push(img, a.HTTP+"/a:latest", crane.Insecure) }()
		time.Sleep(time.Duration(rand.IntN(400)) * time.Millisecond)
		b.Kill()
		if err := <-pushed; err != nil {
			refused++
			b.start()
			awaitAllConnected(t, []*process{a, b})
			await(t, "it is acknowledged", func() bool { // not in one acktimeout on a busy machine
				return crane.Push(img, a.HTTP+"/a:latest", crane.Insecure) == nil
			})
			a.Kill()
		} else {
			a.Kill()
			b.start()
		}
		requireImage(t, b.HTTP+"/a:latest", img)
		a.start()
		awaitAllConnected(t, []*process{a, b})
	}
	t.Logf("%d of %d pushes were refused", refused, rounds)
}

// TestTheAnswerToAPushOnTooFewDisks says why, and status says it, too.
func TestTheAnswerToAPushOnTooFewDisks(t *testing.T) {
	t.Parallel()
	p := newProcess(t, keygen(t), "replicas: 2", "ackreplicas: 2").start()
	content := []byte("a layer")
	resp, _ := request(t, http.MethodPost, "http://"+p.HTTP+"/v2/a/blobs/uploads/", nil)
	resp, body := request(t, http.MethodPut, resp.Header.Get("Location")+"&digest="+digest.FromBytes(content).String(), content)
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Errorf("%s %s", resp.Status, resp.Header)
	}
	if !strings.Contains(string(body), "is on 1 of 2 disks: this registry knows 0 others that it trusts") {
		t.Errorf("%s", body)
	}
	out, err := p.command("ipfs", "status").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "ackreplicas wants 2 disks, and this registry knows 0 others that it trusts") {
		t.Errorf("%v\n%s", err, out)
	}
}
