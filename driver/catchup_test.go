package driver_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"sync"
	"testing"
	"time"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// TestARegistryReadsItsOwnWritesWhileItCatchesUp joins a registry to a long
// history over a thin line. Meanwhile clients push, overwrite and delete tags
// there, beside tags of the history, and read each back at once. The rest of the history comes
// when all have done so some times, however busy the machine is.
func TestARegistryReadsItsOwnWritesWhileItCatchesUp(t *testing.T) {
	t.Parallel()
	const history, line, pushers, least = 1_000, 16 << 10, 3, 4
	key := drivertest.Key(t)
	a, link := drivertest.StartLinked(t, drivertest.Parameters(t, key))
	for i := range history {
		put(t, a, tagLink("a", fmt.Sprintf("h%d", i%500)), fmt.Sprint(i))
	}
	put(t, a, tagLink("a", "end"), "sha256:x")
	link.Throttle(line)
	p := drivertest.Parameters(t, key)
	p.Bootstrappers = a.Addresses()
	p.SyncTimeout = 20 * time.Millisecond // pushes do not wait for the history
	b := drivertest.Start(t, p)
	drivertest.Await(t, "a member tells what versions there are", func() bool {
		return !isRefusal(b.PutContent(t.Context(), tagLink("a", "first"), []byte("sha256:x")))
	})

	var wg, some sync.WaitGroup
	var rounds [pushers]int
	some.Add(pushers)
	for n := range pushers {
		wg.Go(func() {
			enough := sync.OnceFunc(some.Done)
			defer enough()
			for ; missing(b, tagLink("a", "end")); rounds[n]++ {
				if !pushAndRead(t, b, fmt.Sprintf("own-%d", n), rounds[n]) {
					return
				}
				if rounds[n]+1 == least {
					enough()
				}
			}
		})
	}
	some.Wait()
	link.Throttle(0)
	wg.Wait()
	t.Logf("%v rounds of pushes while %d deltas came", rounds, history)
	if slices.Min(rounds[:]) < least {
		t.Error("it caught up too soon: the test tested little")
	}
	drivertest.AwaitAgreement(t, a, b)
	for n := range pushers {
		last := fmt.Sprintf("sha256:%d-1", rounds[n]-1)
		if got := string(get(t, a, tagLink("a", fmt.Sprintf("own-%d-kept", n)))); got != last {
			t.Errorf("elsewhere a tag is %q, it was last pushed as %q", got, last)
		}
	}
}

// pushAndRead is one client's round: a tag that is overwritten each time, one
// that is written, listed and deleted.
func pushAndRead(t *testing.T, m *drivertest.Member, name string, round int) bool {
	kept, brief := tagLink("a", name+"-kept"), tagLink("a", fmt.Sprintf("%s-%d", name, round))
	ctx := t.Context()
	for i := range 2 {
		content := fmt.Sprintf("sha256:%d-%d", round, i)
		for _, path := range []string{kept, brief} {
			if err := m.PutContent(ctx, path, []byte(content)); err != nil {
				t.Errorf("push %s: %v", path, err)
				return false
			}
			if got, err := m.GetContent(ctx, path); err != nil || string(got) != content {
				t.Errorf("%s is %q, %v right after %q was written", path, got, err, content)
				return false
			}
		}
	}
	tags, err := m.List(ctx, "/docker/registry/v2/repositories/a/_manifests/tags")
	for _, tag := range []string{name + "-kept", fmt.Sprintf("%s-%d", name, round)} {
		if !slices.Contains(tags, "/docker/registry/v2/repositories/a/_manifests/tags/"+tag) {
			t.Errorf("%s was just written and is not listed, %v", tag, err)
			return false
		}
	}
	if err := m.Delete(ctx, brief); !isRefusal(err) && (err != nil || !missing(m, brief)) {
		t.Errorf("%s is there although it was deleted, %v", brief, err)
		return false
	}
	return true
}

// TestTheLastPushOfATagWins also when it comes to a registry that has only begun to
// follow a history in which the tag was pushed many times.
func TestTheLastPushOfATagWins(t *testing.T) {
	t.Parallel()
	const history, line = 400, 16 << 10
	key := drivertest.Key(t)
	a, link := drivertest.StartLinked(t, drivertest.Parameters(t, key))
	for i := range history {
		put(t, a, tagLink("a", "latest"), fmt.Sprint("sha256:", i))
	}
	put(t, a, tagLink("a", "end"), "sha256:x")
	link.Throttle(line)
	p := drivertest.Parameters(t, key)
	p.Bootstrappers, p.SyncTimeout = a.Addresses(), time.Minute
	b := drivertest.Start(t, p)
	drivertest.AwaitMesh(t, a, b)
	if !missing(b, tagLink("a", "end")) {
		t.Fatal("it caught up too soon: the test tests nothing")
	}
	pushed := make(chan error, 1)
	go func() { pushed <- b.PutContent(t.Context(), tagLink("a", "latest"), []byte("sha256:last")) }()
	link.Throttle(0) // the rest at once
	must(t, <-pushed)
	drivertest.AwaitAgreement(t, a, b)
	for _, m := range []*drivertest.Member{a, b} {
		if got := string(get(t, m, tagLink("a", "latest"))); got != "sha256:last" {
			t.Errorf("the tag is %s", got)
		}
	}
}

// awayAndBack gives two registries of which the second has just started again: while
// it was away the first took a push of a new tag and several of a tag both had. The
// second is not waited for.
func awayAndBack(t *testing.T) (a, b *drivertest.Member) {
	t.Helper()
	key := drivertest.Key(t)
	a = drivertest.Start(t, drivertest.Parameters(t, key))
	p := drivertest.Parameters(t, key)
	p.Bootstrappers, p.SyncTimeout = a.Addresses(), time.Minute
	b = drivertest.Start(t, p)
	put(t, a, tagLink("a", "latest"), "sha256:0")
	drivertest.AwaitAgreement(t, a, b)
	b.Stop()
	for i := range 5 {
		put(t, a, tagLink("a", "latest"), fmt.Sprint("sha256:", i+1))
	}
	put(t, a, tagLink("a", "new"), "sha256:new")
	b.Restart()
	return a, b
}

func TestTheLastPushOfATagWinsRightAfterAStart(t *testing.T) {
	t.Parallel()
	a, b := awayAndBack(t)
	put(t, b, tagLink("a", "latest"), "sha256:last")
	drivertest.AwaitAgreement(t, a, b)
	for _, m := range []*drivertest.Member{a, b} {
		if got := string(get(t, m, tagLink("a", "latest"))); got != "sha256:last" {
			t.Errorf("the tag is %s", got)
		}
	}
}

func TestAManifestIsFoundRightAfterAStart(t *testing.T) {
	t.Parallel()
	_, b := awayAndBack(t)
	got, err := b.GetContent(asRequest(t, http.MethodGet, "vars.reference"), tagLink("a", "new"))
	if err != nil || string(got) != "sha256:new" {
		t.Errorf("pushed elsewhere while it was away: %q, %v", got, err)
	}
}

// TestRegistryWithoutMembersDoesNotWait with a push or a miss: a new registry, an offline
// one, and one that starts again and never met a member.
func TestRegistryWithoutMembersDoesNotWait(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	p := drivertest.Parameters(t, drivertest.Key(t))
	p.SyncTimeout = time.Hour
	alone := drivertest.Start(t, p)
	pushAndMiss(t, ctx, alone, 0)
	alone.Stop()
	alone.Restart()
	pushAndMiss(t, ctx, alone, 1)
	p.DatastorePath, p.Offline = t.TempDir(), true
	pushAndMiss(t, ctx, drivertest.Start(t, p), 0)
}

// TestWaitForAnAbsentSwarmIsBounded: all waits end together, `alonetimeout` after the start,
// and what is missing is a 404.
func TestWaitForAnAbsentSwarmIsBounded(t *testing.T) {
	t.Parallel()
	const timeout, pushes = 2 * time.Second, 30 // if each waited, longer than a minute
	key := drivertest.Key(t)
	a := drivertest.Start(t, drivertest.Parameters(t, key))
	p := drivertest.Parameters(t, key)
	p.Bootstrappers, p.SyncTimeout, p.AloneTimeout = a.Addresses(), time.Hour, timeout
	a.Stop()
	b := drivertest.Start(t, p)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for i := range pushes {
		pushAndMiss(t, ctx, b, i)
	}
}

// pushAndMiss pushes a tag and asks for one that exists nowhere. It fails when ctx ends.
func pushAndMiss(t *testing.T, ctx context.Context, m *drivertest.Member, round int) {
	t.Helper()
	if err := m.PutContent(ctx, tagLink("a", fmt.Sprint(round)), []byte("sha256:x")); err != nil || ctx.Err() != nil {
		t.Fatalf("a push: %v, %v", err, ctx.Err())
	}
	miss := requestContext{ctx, map[string]any{"http.request.method": http.MethodGet, "vars.reference": "x"}}
	_, err := m.GetContent(miss, tagLink("a", "nowhere"))
	if missing := (storagedriver.PathNotFoundError{}); !errors.As(err, &missing) || ctx.Err() != nil {
		t.Fatalf("a manifest that exists nowhere: %v, %v", err, ctx.Err())
	}
	tags, err := m.List(miss, path.Dir(path.Dir(path.Dir(tagLink("a", "0")))))
	if err != nil || len(tags) != round+1 || ctx.Err() != nil {
		t.Fatalf("tags %v: %v, %v", tags, err, ctx.Err())
	}
	if err := m.Delete(miss, "/docker/registry/v2/repositories/b"); ctx.Err() != nil {
		t.Fatalf("a delete: %v, %v", err, ctx.Err())
	}
}
