package bitset_test

import (
	"math/rand/v2"
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
)

// TestAgainstAMap compares random sets with maps.
func TestAgainstAMap(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		n := 1 + rnd.IntN(70)
		a, b := bitset.New(n), bitset.New(n)
		inA, inB := map[int]bool{}, map[int]bool{}
		for range rnd.IntN(3 * n) {
			i := rnd.IntN(n)
			switch rnd.IntN(4) {
			case 0, 1:
				a.Add(i)
				inA[i] = true
			case 2:
				b.Add(i)
				inB[i] = true
			default:
				a.Drop(i)
				delete(inA, i)
			}
		}
		meets, first := false, -1
		for i := range n {
			if a.Has(i) != inA[i] || b.Has(i) != inB[i] {
				t.Fatalf("%d of %d", i, n)
			}
			meets = meets || inA[i] && inB[i]
			if first < 0 && !inA[i] && !inB[i] {
				first = i
			}
		}
		if a.Count() != len(inA) || a.Meets(b) != meets {
			t.Fatalf("%d numbers, meets %v", a.Count(), a.Meets(b))
		}
		if got, ok := bitset.FirstAbsent(a, b, 0, n); ok != (first >= 0) || ok && got != first {
			t.Fatalf("first absent %d, want %d", got, first)
		}
		a.Merge(b)
		for i := range n {
			if a.Has(i) != (inA[i] || inB[i]) {
				t.Fatalf("%d after a merge", i)
			}
		}
		cut := rnd.IntN(n + 9)
		a.Cut(cut)
		for i := range n {
			if a.Has(i) != (i < cut && (inA[i] || inB[i])) {
				t.Fatalf("%d of %d after a cut at %d", i, n, cut)
			}
		}
		if full := bitset.Full(n); full.Count() != n || full.Has(n) || full.Has(-1) || full.Has(1000) {
			t.Fatalf("full of %d: %v", n, full)
		}
	}
}
