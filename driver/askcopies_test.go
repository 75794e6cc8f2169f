package driver_test

import (
	"context"
	"slices"
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// saysItKeeps reports whether a registry says that it keeps a blob, to one that asks: later than the blob
// is there, once it is safe on the disk.
func saysItKeeps(asks, asked *drivertest.Member, content []byte) bool {
	copies, err := asks.CopiesAt(context.Background(), asked.Identity().PeerID, pathOf(content))
	return err == nil && copies[0].Kept
}

// TestRegistriesTellWhatTheyKeep: the keepers of a blob keep it, where it was pushed as well it is a
// copy, and the third has none; all tell each other the same.
func TestRegistriesTellWhatTheyKeep(t *testing.T) {
	t.Parallel()
	all := keepers(t, 3, 1)
	contents := pushKept(t, all[0], 8, 1, all...)
	var paths []string
	for _, content := range contents {
		paths = append(paths, pathOf(content))
		for _, m := range placed(t, content, 1, all...) {
			drivertest.Await(t, "it is safe on the disk", func() bool { return saysItKeeps(all[0], m, content) })
		}
	}
	for _, asks := range all {
		for _, asked := range all {
			copies, err := asks.CopiesAt(t.Context(), asked.Identity().PeerID, paths...)
			if err != nil {
				t.Fatal(err)
			}
			for i, c := range copies {
				keeps := slices.Contains(placed(t, contents[i], 1, all...), asked)
				if c.Kept != keeps || c.Whole != has(asked, contents[i]) || c.Whole != (c.Of > 0 && c.Leaves == c.Of) {
					t.Errorf("blob %d: %+v, though it keeps it: %v", i, c, keeps)
				}
			}
		}
	}
	gone := all[2].Identity().PeerID
	all[2].Stop()
	if _, err := all[0].CopiesAt(t.Context(), gone, paths...); err == nil {
		t.Error("one that is away answers")
	}
}

// TestWithoutReplicasAllThatIsHereIsKept, until others keep it, too.
func TestWithoutReplicasAllThatIsHereIsKept(t *testing.T) {
	t.Parallel()
	all := drivertest.Cluster(t, 2)
	content := randomBytes(t, 1000)
	pushBlob(t, all[0], content)
	drivertest.AwaitAgreement(t, all...)
	for i, m := range all {
		copies, err := all[1-i].CopiesAt(t.Context(), m.Identity().PeerID, pathOf(content))
		if err != nil || copies[0].Kept != (i == 0) || copies[0].Whole != (i == 0) {
			t.Errorf("registry %d: %+v, %v", i, copies, err)
		}
	}
}
