package driver_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// TestFiveInTwoParts drops all packets between two registries and three others. Both
// parts push, overwrite and delete, and agree when it is over.
func TestFiveInTwoParts(t *testing.T) {
	t.Parallel()
	p := drivertest.Parameters(t, drivertest.Key(t))
	p.SyncTimeout = 500 * time.Millisecond
	all, links := drivertest.Mesh(t, 5, p)
	parts := [][]*drivertest.Member{all[:2], all[2:]}
	tag := func(name string) string { return tagLink("a", name) }
	for _, name := range []string{"both", "kept", "gone"} {
		put(t, all[0], tag(name), "at first")
	}
	drivertest.AwaitAgreement(t, all...)

	apart := func(on bool) {
		for i := range 2 {
			for j := 2; j < 5; j++ {
				links[i][j].Blackhole(on)
			}
		}
	}
	apart(true)
	blobs := map[string][]byte{}
	for n, part := range parts {
		for i, m := range part {
			content := randomBytes(t, 1<<20+7)
			blobs[pushBlob(t, m, content)] = content
			put(t, m, tag(fmt.Sprintf("of-%d-%d", n, i)), "new")
			for range 3 {
				put(t, m, tag("both"), fmt.Sprintf("of %d in part %d", i, n))
			}
		}
	}
	must(t, all[1].Delete(t.Context(), "/docker/registry/v2/repositories/a/_manifests/tags/kept"))
	put(t, all[3], tag("kept"), "pushed against a delete")
	must(t, all[4].Delete(t.Context(), "/docker/registry/v2/repositories/a/_manifests/tags/gone"))
	for _, part := range parts {
		drivertest.AwaitAgreement(t, part...)
	}
	if digestOf(t, all[0]) == digestOf(t, all[4]) || !missing(all[0], tag("of-1-0")) || missing(all[0], tag("gone")) || !missing(all[4], tag("of-0-0")) {
		t.Fatal("the partition leaks")
	}

	apart(false)
	drivertest.AwaitMesh(t, all...)
	drivertest.AwaitAgreement(t, all...)
	both := string(get(t, all[0], tag("both")))
	for i, m := range all {
		want := map[string]string{"both": both, "kept": "pushed against a delete"}
		for n, part := range parts {
			for i := range part {
				want[fmt.Sprintf("of-%d-%d", n, i)] = "new"
			}
		}
		for name, content := range want {
			if got := string(get(t, m, tag(name))); got != content {
				t.Errorf("on registry %d %s is %q, not %q", i, name, got, content)
			}
		}
		if !missing(m, tag("gone")) {
			t.Errorf("registry %d still has what was deleted", i)
		}
		for path, content := range blobs {
			if !bytes.Equal(get(t, m, path), content) {
				t.Errorf("registry %d gives other bytes", i)
			}
		}
	}
	if both == "at first" {
		t.Error("every overwriting was lost")
	}
}
