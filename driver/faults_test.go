package driver_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

func digestOf(t testing.TB, m *drivertest.Member) string { return m.Status(t.Context()).Map.Digest }

// linkedPair gives two connected registries, each behind a link.
func linkedPair(t *testing.T, syncTimeout time.Duration) (a, b *drivertest.Member, linkA, linkB *drivertest.Link) {
	t.Helper()
	p := drivertest.Parameters(t, drivertest.Key(t))
	p.SyncTimeout = syncTimeout
	a, linkA = drivertest.StartLinked(t, p)
	p.DatastorePath, p.Bootstrappers = t.TempDir(), a.Addresses()
	b, linkB = drivertest.StartLinked(t, p)
	drivertest.AwaitMesh(t, a, b)
	drivertest.Await(t, "it has caught up", func() bool { return b.Status(t.Context()).Phase == "joined" })
	return a, b, linkA, linkB
}

// TestLostMessages loses every announcement. Nothing is looked up, so that no
// miss asks: what is pushed arrives by the members' regular exchange.
func TestLostMessages(t *testing.T) {
	t.Parallel()
	key := drivertest.Key(t)
	var ears [2]driver.Ear
	a := drivertest.Start(t, drivertest.Parameters(t, key), drivertest.OpenedBy(ears[0].Open))
	p := drivertest.Parameters(t, key)
	p.Bootstrappers = a.Addresses()
	b := drivertest.Start(t, p, drivertest.OpenedBy(ears[1].Open))
	drivertest.AwaitMesh(t, a, b)
	for i := range ears {
		ears[i].Lose.Store(true)
	}
	for i := range 4 {
		pusher, other := a, b
		if i%2 == 1 {
			pusher, other = b, a
		}
		put(t, pusher, fmt.Sprintf("/x/%d", i), "v")
		drivertest.Await(t, "the push is visible", func() bool { return digestOf(t, other) == digestOf(t, pusher) })
	}
	drivertest.Await(t, "the messages come, and are lost", func() bool { return ears[0].Lost.Load() >= 2 && ears[1].Lost.Load() >= 2 })
}

// TestAPartitionThatDropsPackets breaks no connection: what the registries send
// each other is swallowed. Both sides go on reading and writing, and agree when
// it ends, whether their connections lived to see it or not.
func TestAPartitionThatDropsPackets(t *testing.T) {
	t.Run("for a moment", func(t *testing.T) {
		t.Parallel()
		dropPackets(t, func(*drivertest.Member) bool { return true })
	})
	t.Run("until the connections are given up", func(t *testing.T) {
		if testing.Short() {
			t.Skip("takes half a minute; make test-long runs it")
		}
		t.Parallel()
		dropPackets(t, func(m *drivertest.Member) bool { return !m.Status(t.Context()).Members[0].Connected })
	})
}

func dropPackets(t *testing.T, over func(*drivertest.Member) bool) {
	const syncTimeout = 600 * time.Millisecond
	a, b, linkA, linkB := linkedPair(t, syncTimeout)
	content := randomBytes(t, 1<<20+3)
	blob := pushBlob(t, a, content)
	get(t, b, blob)
	put(t, a, "/x/old", "of a")
	drivertest.AwaitAgreement(t, a, b)
	drivertest.Await(t, "b keeps the blob", func() bool { return has(b, content) })

	for _, l := range []*drivertest.Link{linkA, linkB} {
		l.Blackhole(true)
	}
	p := drivertest.Parameters(t, a.Params.ProtectorKey)
	p.Bootstrappers = a.Addresses()
	joiner := drivertest.Start(t, p) // its connection hangs
	for _, side := range []struct {
		m     *drivertest.Member
		name  string
		other string
	}{{a, "a", "b"}, {b, "b", "a"}} {
		put(t, side.m, "/x/"+side.name, side.name)
		put(t, side.m, "/x/tag", "of "+side.name)
		if got := string(get(t, side.m, "/x/tag")); got != "of "+side.name {
			t.Errorf("%s reads %q for its own write", side.name, got)
		}
		if string(get(t, side.m, "/x/old")) != "of a" || !bytes.Equal(get(t, side.m, blob), content) {
			t.Errorf("%s reads something else than it did before", side.name)
		}
		missInTime(t, side.m)
		if !missing(side.m, "/x/"+side.other) {
			t.Fatal("the partition leaks")
		}
	}
	for _, m := range []*drivertest.Member{a, b} {
		drivertest.Await(t, "the partition lasts", func() bool { return over(m) })
	}

	for _, l := range []*drivertest.Link{linkA, linkB} {
		l.Blackhole(false)
	}
	drivertest.AwaitMesh(t, a, b, joiner)
	drivertest.AwaitAgreement(t, a, b, joiner)
	for _, m := range []*drivertest.Member{a, b, joiner} {
		if got := string(get(t, m, "/x/a")) + string(get(t, m, "/x/b")); got != "ab" {
			t.Errorf("a write of one side was lost: %s", got)
		}
		if got, want := string(get(t, m, "/x/tag")), string(get(t, a, "/x/tag")); got != want {
			t.Errorf("the tag is %q here and %q there", got, want)
		}
	}
}

// TestAPushIsSeenSoonAfterACut: however often a link that is cut was tried in vain, it is tried
// again so soon that ten times take seconds.
func TestAPushIsSeenSoonAfterACut(t *testing.T) {
	t.Parallel()
	a, b, linkA, linkB := linkedPair(t, time.Second)
	for _, l := range []*drivertest.Link{linkA, linkB} {
		l.Cut(true)
	}
	put(t, a, "/x/a", "of a")
	put(t, b, "/x/b", "of b")
	drivertest.Await(t, "the link is tried again and again", func() bool { return linkA.Refused() >= 10 && linkB.Refused() >= 10 })
	for _, l := range []*drivertest.Link{linkA, linkB} {
		l.Cut(false)
	}
	drivertest.AwaitAgreement(t, a, b)
	if string(get(t, a, "/x/b")) != "of b" || string(get(t, b, "/x/a")) != "of a" {
		t.Error("a push is not seen")
	}
}

// missInTime asks for manifests that are nowhere: once nobody has answered for a moment, each is a
// miss, and not waited for longer than a test waits for anything.
func missInTime(t *testing.T, m *drivertest.Member) {
	t.Helper()
	drivertest.Await(t, "who is silent is passed over", func() bool {
		_, err := m.GetContent(asRequest(t, http.MethodGet, "vars.reference"), tagLink("nowhere", "0"))
		return isNotFound(err)
	})
	for i := range 3 {
		_, err := m.GetContent(asRequest(t, http.MethodGet, "vars.reference"), tagLink("nowhere", fmt.Sprint(i)))
		if notFound := (storagedriver.PathNotFoundError{}); !errors.As(err, &notFound) {
			t.Errorf("a miss while nobody answers: %v", err)
		}
	}
}

// TestAManifestOfManyMissingLayersWaitsOnce: with a member that does not answer,
// every miss of a request would wait anew. The time runs from the first miss, not
// from the start of the request, whose body may have taken long.
func TestAManifestOfManyMissingLayersWaitsOnce(t *testing.T) {
	t.Parallel()
	const layers, syncTimeout = 100, 3 * time.Second // each by itself: longer than the request lasts
	_, b, linkA, linkB := linkedPair(t, syncTimeout)
	for _, l := range []*drivertest.Link{linkA, linkB} {
		l.Blackhole(true)
	}
	missInTime(t, b)
	ctx, end := context.WithTimeout(asRequest(t, http.MethodPut, "vars.reference"), layers*syncTimeout/2)
	defer end()
	values := map[string]any{"http.request.startedat": time.Now().Add(-time.Hour), "http.request.id": "many"}
	began := time.Now()
	for n := range layers {
		link := fmt.Sprintf("/docker/registry/v2/repositories/a/_layers/sha256/%d/link", n)
		if _, err := b.Stat(requestContext{ctx, values}, link); !isNotFound(err) || ctx.Err() != nil {
			t.Fatalf("layer %d, which is nowhere: %v, %v", n, err, ctx.Err())
		}
		if n == 0 && time.Since(began) < syncTimeout/4 {
			t.Errorf("the first miss waited %s", time.Since(began))
		}
	}
	end()
	drivertest.Await(t, "ended requests are forgotten", func() bool { return b.WaitingRequests() == 0 })
}

// TestAPushWaitsOnceForAMemberThatFellSilent, and not for each link of its tag.
func TestAPushWaitsOnceForAMemberThatFellSilent(t *testing.T) {
	t.Parallel()
	const tags, syncTimeout = 100, time.Second // all of it before the silent member is given up
	a, b, linkA, linkB := linkedPair(t, syncTimeout)
	for _, l := range []*drivertest.Link{linkA, linkB} {
		l.Blackhole(true)
	}
	b.Compare(a.Identity().PeerID)
	ctx, end := context.WithTimeout(asRequest(t, http.MethodPut, "vars.reference"), tags*syncTimeout/2)
	defer end()
	values := map[string]any{"http.request.startedat": time.Now(), "http.request.id": "push"}
	began := time.Now()
	for i := range tags {
		must(t, b.PutContent(requestContext{ctx, values}, tagLink("a", fmt.Sprint(i)), []byte("sha256:x")))
	}
	if took := time.Since(began); took < syncTimeout {
		t.Errorf("%d links took %s, synctimeout is %s", tags, took, syncTimeout)
	}
}

func isNotFound(err error) bool {
	var notFound storagedriver.PathNotFoundError
	return errors.As(err, &notFound)
}

// TestASyncCutAtManyPoints cuts what a joining registry fetches, each time a
// little later, and stops it at some of the cuts. No connection lives long enough
// for the history: it is put together from what each one brought.
func TestASyncCutAtManyPoints(t *testing.T) {
	t.Parallel()
	const deltas, first, step = 400, 10_000, 250
	key := drivertest.Key(t)
	a, link := drivertest.StartLinked(t, drivertest.Parameters(t, key))
	for i := range deltas {
		put(t, a, fmt.Sprintf("/x/%d", i), "v")
	}
	p := drivertest.Parameters(t, key)
	p.Bootstrappers = a.Addresses()
	link.CutAfter(first)
	b, linkB := drivertest.StartLinked(t, p)
	linkB.Cut(true) // a never dials b
	cuts := 0
	for b.Status(t.Context()).Map.Entries < deltas {
		drivertest.Await(t, "the link is cut, or b has all", func() bool {
			return link.IsCut() || b.Status(t.Context()).Map.Entries >= deltas
		})
		if cuts++; cuts%5 == 3 {
			put(t, b, fmt.Sprintf("/of-b/%d", cuts), "v")
		}
		if cuts%3 == 0 {
			b.Stop()
			b.Restart()
		}
		link.CutAfter(int64(first + cuts*step))
	}
	link.Cut(false)
	drivertest.AwaitMesh(t, a, b)
	drivertest.AwaitAgreement(t, a, b)
	if n, want := a.Status(t.Context()).Map.Entries, deltas+(cuts+2)/5; n != want {
		t.Errorf("%d entries, %d were written", n, want)
	}
	t.Logf("%d cuts", cuts)
	if cuts < 20 {
		t.Error("the history came through too soon: the test tested little")
	}
}
