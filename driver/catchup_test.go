package driver_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// TestARegistryReadsItsOwnWritesWhileItCatchesUp joins a registry to a long
// history over a thin line. Meanwhile clients push, overwrite and delete tags
// there, beside tags of the history, and read each back at once.
func TestARegistryReadsItsOwnWritesWhileItCatchesUp(t *testing.T) {
	t.Parallel()
	const history, line, pushers = 2_000, 300 << 10, 3
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

	var wg sync.WaitGroup
	var rounds [pushers]int
	for n := range pushers {
		wg.Go(func() {
			for ; missing(b, tagLink("a", "end")); rounds[n]++ {
				if !pushAndRead(t, b, fmt.Sprintf("own-%d", n), rounds[n]) {
					return
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%v rounds of pushes while %d deltas came", rounds, history)
	if slices.Min(rounds[:]) < 20 {
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
	if err := m.Delete(ctx, brief); err != nil || !missing(m, brief) {
		t.Errorf("%s is there although it was deleted, %v", brief, err)
		return false
	}
	return true
}

// TestTheLastPushOfATagWins also when it comes to a registry that has only begun to
// follow a history in which the tag was pushed many times.
func TestTheLastPushOfATagWins(t *testing.T) {
	t.Parallel()
	const history, line = 400, 200 << 10
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
	put(t, b, tagLink("a", "latest"), "sha256:last")
	drivertest.AwaitAgreement(t, a, b)
	for _, m := range []*drivertest.Member{a, b} {
		if got := string(get(t, m, tagLink("a", "latest"))); got != "sha256:last" {
			t.Errorf("the tag is %s", got)
		}
	}
}
