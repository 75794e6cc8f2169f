package driver_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

const oneWay = 100 * time.Millisecond // to the far registry

func tagLink(repository, tag string) string {
	return "/docker/registry/v2/repositories/" + repository + "/_manifests/tags/" + tag + "/current/link"
}

// farAway gives a registry with a far member and a near one, all connected. The
// ear is the first's.
func farAway(t *testing.T) (here, far *drivertest.Member, ear *driver.Ear) {
	t.Helper()
	key := drivertest.Key(t)
	near := drivertest.Start(t, drivertest.Parameters(t, key))
	join := drivertest.Parameters(t, key)
	join.Bootstrappers, join.SyncTimeout = near.Addresses(), time.Hour // no test here waits for it
	ear = &driver.Ear{}
	here, linkHere := drivertest.StartLinked(t, join, drivertest.OpenedBy(ear.Open))
	drivertest.AwaitMesh(t, near, here) // not through here's link: here dialed

	away := drivertest.Parameters(t, key)
	away.Bootstrappers = near.Addresses()
	far, linkFar := drivertest.StartLinked(t, away)
	for _, l := range []*drivertest.Link{linkHere, linkFar} { // whichever of the two dials
		l.Delay(oneWay)
	}
	drivertest.AwaitMesh(t, near, here, far)
	return here, far, ear
}

// TestAMissOfAManifestThatExistsNowhere is answered when the farthest member
// has been asked, which takes round trips and not `synctimeout`.
func TestAMissOfAManifestThatExistsNowhere(t *testing.T) {
	here, far, _ := farAway(t)
	put(t, far, tagLink("a", "other"), "sha256:x")
	for i := range 8 {
		began := time.Now()
		ctx, cancel := context.WithTimeout(asRequest(t, http.MethodGet, "vars.reference"), time.Minute)
		_, err := here.GetContent(ctx, tagLink("a", fmt.Sprint(i)))
		cancel()
		took := time.Since(began)
		if notFound := (storagedriver.PathNotFoundError{}); !errors.As(err, &notFound) {
			t.Fatalf("a manifest that exists nowhere: %v", err)
		}
		if took < 2*oneWay {
			t.Fatalf("not found after %s: the far registry cannot have been asked", took)
		}
	}
}

// TestAMissFindsWhatWasNotHeardOf: the message about a push is lost, and the
// first request for it asks.
func TestAMissFindsWhatWasNotHeardOf(t *testing.T) {
	here, far, ear := farAway(t)
	ear.Lose.Store(true)
	for i := range 8 {
		path := tagLink("a", fmt.Sprint(i))
		put(t, far, path, "sha256:x")
		got, err := here.GetContent(asRequest(t, http.MethodGet, "vars.reference"), path)
		if err != nil || string(got) != "sha256:x" {
			t.Fatalf("acknowledged on the far registry, here: %q %v", got, err)
		}
	}
	drivertest.Await(t, "the messages come, and are lost", func() bool { return ear.Lost.Load() >= 8 })
}

// TestStreamsKeepMovingOverADistance: there, a stream's window grows to its greatest,
// and must still be opened again whenever it was read. A stream that stops is left
// for another after ten seconds only.
func TestStreamsKeepMovingOverADistance(t *testing.T) {
	t.Parallel()
	const size = 48 << 20
	p := drivertest.Parameters(t, drivertest.Key(t))
	p.FetchTimeout, p.DataAddrs = 5*time.Minute, nil
	a, link := drivertest.StartLinked(t, p)
	link.Delay(40 * time.Millisecond)
	p.DatastorePath, p.Bootstrappers = t.TempDir(), a.Addresses()
	b := drivertest.Start(t, p)
	drivertest.AwaitMesh(t, a, b)
	path := pushBlob(t, a, randomBytes(t, size))
	drivertest.AwaitAgreement(t, a, b)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // a stream that stops does so for good
	defer cancel()
	r, err := b.Reader(ctx, path, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	if n, err := io.Copy(io.Discard, r); err != nil || n != size {
		t.Errorf("%d bytes came, %v", n, err)
	}
}
