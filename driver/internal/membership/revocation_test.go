package membership_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/golden"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/membership"
)

// TestGoldenRevocations holds what all releases write and read of who is shut out.
func TestGoldenRevocations(t *testing.T) {
	revocations := map[string]membership.Revocation{"named": {At: day(3), Name: "attic"}, "nameless": {At: day(4)}}
	got := map[string]string{}
	for name, r := range revocations {
		got[name] = r.Text()
	}
	for name, text := range golden.Held(t, *update, "revocations.json", got) {
		if r, err := membership.ReadRevocation(text); err != nil || r != revocations[name] {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	if _, err := membership.ReadRevocation("7"); err == nil {
		t.Error("a number was read")
	}
}

// TestTheRevokedRevokeNobody later, in whatever order registries hear of it.
func TestTheRevokedRevokeNobody(t *testing.T) {
	written := []membership.Written{
		{ID: "c", By: "a", Counter: 5},
		{ID: "a", By: "c", Counter: 6}, // c was revoked by then
		{ID: "d", By: "c", Counter: 4}, // and here it was not
		{ID: "b", By: "d", Counter: 7},
		{ID: "e", By: "b", Counter: 8},
		{ID: "c", By: "c", Counter: 9}, // it cannot move its own to later
	}
	for range 20 {
		rand.Shuffle(len(written), func(i, j int) { written[i], written[j] = written[j], written[i] })
		var ids []string
		for _, w := range membership.Effective(slices.Clone(written)) {
			ids = append(ids, w.ID)
		}
		if !slices.Equal(ids, []string{"d", "c", "e"}) {
			t.Fatal(ids)
		}
	}
}
