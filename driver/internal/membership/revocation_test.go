package membership_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/golden"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/membership"
)

// TestGoldenRevocations holds what all releases write and read of who is shut out.
func TestGoldenRevocations(t *testing.T) {
	revocations := map[string]membership.Revocation{
		"named": {At: day(3), Name: "attic"}, "nameless": {At: day(4)},
		"with a moment": {At: day(3), Name: "attic", Bounded: true, UpTo: 1 << 40}, "of one that wrote nothing": {At: day(3), Bounded: true},
	}
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

// TestMoments: the smallest counter counts of those that several wrote, none that was written by one that
// was revoked before, and none that was written later than what stays of its writer.
func TestMoments(t *testing.T) {
	upTo := func(n uint64) membership.Revocation { return membership.Revocation{Bounded: true, UpTo: n} }
	for name, c := range map[string]struct {
		written []membership.Written
		want    map[string]uint64
	}{
		"an earlier build's takes nothing out": {[]membership.Written{{ID: "c", By: "a", Counter: 5}}, nil},
		"of two the smaller": {[]membership.Written{
			{ID: "c", By: "a", Counter: 5, Revocation: upTo(4)}, {ID: "c", By: "b", Counter: 6, Revocation: upTo(3)}, {ID: "c", By: "d", Counter: 7},
		}, map[string]uint64{"c": 3}},
		"the revoked narrows nothing": {[]membership.Written{
			{ID: "c", By: "a", Counter: 5, Revocation: upTo(4)}, {ID: "d", By: "a", Counter: 5, Revocation: upTo(4)}, {ID: "d", By: "c", Counter: 6, Revocation: upTo(1)},
		}, map[string]uint64{"c": 4, "d": 4}},
		"what it wrote later is out, even if that comes first": {[]membership.Written{
			{ID: "b", By: "c", Counter: 5, Revocation: upTo(1)}, {ID: "d", By: "c", Counter: 6, Revocation: upTo(1)}, {ID: "d", By: "a", Counter: 9, Revocation: upTo(8)},
			{ID: "c", By: "a", Counter: 7, Revocation: upTo(4)}, {ID: "e", By: "b", Counter: 8, Revocation: upTo(2)},
		}, map[string]uint64{"c": 4, "d": 8, "e": 2}},
		"of two that revoke each other the first": {[]membership.Written{
			{ID: "a", By: "c", Counter: 5, Revocation: upTo(1)}, {ID: "c", By: "a", Counter: 7, Revocation: upTo(4)},
		}, map[string]uint64{"a": 1}},
	} {
		for range 20 {
			rand.Shuffle(len(c.written), func(i, j int) { c.written[i], c.written[j] = c.written[j], c.written[i] })
			if got := membership.Moments(c.written); !maps.Equal(got, c.want) {
				t.Fatalf("%s: %v, want %v", name, got, c.want)
			}
		}
	}
}

// TestAFloodOfRevocations of one that is revoked itself counts for nothing, and is gone through a few times, not once
// for each: nobody could write it away.
func TestAFloodOfRevocations(t *testing.T) {
	const flood = 20_000
	written := []membership.Written{
		{ID: "x", By: "a", Counter: 2 * flood, Revocation: membership.Revocation{Bounded: true, UpTo: 1}},
		{ID: "y", By: "b", Counter: 3 * flood, Revocation: membership.Revocation{Bounded: true, UpTo: 7}},
	}
	for i := range uint64(flood) {
		written = append(written, membership.Written{ID: []string{"b", fmt.Sprint(i)}[min(i, 1)], By: "x", Counter: 2 + i, Revocation: membership.Revocation{Bounded: true}})
	}
	if got, want := membership.Moments(written), (map[string]uint64{"x": 1, "y": 7}); !maps.Equal(got, want) {
		t.Error(got)
	}
}
