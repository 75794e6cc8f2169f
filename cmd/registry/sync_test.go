package main_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// TestAJoinerKilledInMidSync kills a registry while it fetches a history over a
// thin line, each time a little later. It goes on from what it had, and has no hole
// in the end.
func TestAJoinerKilledInMidSync(t *testing.T) {
	const deltas, line, first, step = 1500, 512 << 10, 32 << 10, 16 << 10
	const history = deltas * 200 // bytes at least
	key := drivertest.Key(t)
	a, link := drivertest.StartLinked(t, drivertest.Parameters(t, key))
	for i := range deltas {
		tag := fmt.Sprintf("/docker/registry/v2/repositories/a/_manifests/tags/%d/current/link", i%200)
		if err := a.PutContent(t.Context(), tag, fmt.Append(nil, "sha256:", i)); err != nil {
			t.Fatal(err)
		}
	}
	want := a.Status(t.Context()).Map
	link.Throttle(line)
	// Nobody reaches the joiner: it dials, through the link.
	b := newProcess(t, fmt.Sprintf("protectorkey: %q", key), "bootstrappers: "+a.Addresses()[0], "announceaddrs: /ip4/127.0.0.1/tcp/9")
	asked := driver.Parameters{DatastorePath: filepath.Join(b.dir, "data")}
	current := func() bool {
		s, err := driver.AskStatus(t.Context(), asked)
		return err == nil && s.Map.Digest == want.Digest
	}
	kills := 0
	for done := false; !done && kills < 40; {
		until := link.Passed() + int64(first+kills*step)
		b.spawn()
		await(t, "bytes come", func() bool {
			done = current()
			return done || link.Passed() >= until
		})
		if !done {
			b.kill()
			kills++
		}
	}
	t.Logf("%d kills", kills)
	if kills < 4 {
		t.Error("the history came too soon: the test tested little")
	}
	if last := first + kills*step; last >= history {
		t.Errorf("it took %d kills, after which the whole history fits %d bytes: nothing was kept", kills, last)
	}
	if got := b.status().Map; got != want {
		t.Errorf("the joiner has %+v, want %+v", got, want)
	}
	b.kill()
	b.start()
	if got := b.status().Map; got != want {
		t.Errorf("after another kill it has %+v, want %+v", got, want)
	}
}
