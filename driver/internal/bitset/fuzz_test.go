package bitset

import "testing"

// FuzzSets: sets that others sent, of whatever length, are counted, merged and searched as sets
// of numbers are.
func FuzzSets(f *testing.F) {
	f.Add([]byte{0xff, 1}, []byte{0, 2, 9}, 0, 16)
	f.Add([]byte{}, []byte{1}, 3, 2)
	f.Fuzz(func(t *testing.T, own, theirs []byte, from, to int) {
		a, b := Set(append([]byte{}, own...)), Set(theirs)
		count, meets := 0, false
		for i := range 8 * max(len(a), len(b)) {
			meets = meets || a.Has(i) && b.Has(i)
		}
		if a.Meets(b) != meets || b.Meets(a) != meets {
			t.Errorf("%v meets %v: %v", a, b, !meets)
		}
		a.Merge(b)
		for i := range 8 * len(a) {
			if want := Set(own).Has(i) || b.Has(i); a.Has(i) != want {
				t.Errorf("%d of %v and %v: %v", i, own, theirs, !want)
			}
			if a.Has(i) {
				count++
			}
		}
		if a.Count() != count {
			t.Errorf("%v has %d, and not %d", a, a.Count(), count)
		}
		n := 8 * len(a)
		if from, to = within(from, n), within(to, n); len(b) < len(a) {
			return // FirstAbsent asks for room in both
		}
		got, ok := FirstAbsent(a, b, from, to)
		for i := from; i < to; i++ {
			if !a.Has(i) && !b.Has(i) {
				if !ok || got != i {
					t.Errorf("%v and %v from %d to %d: %d, %v", a, b, from, to, got, ok)
				}
				return
			}
		}
		if ok {
			t.Errorf("%d is absent", got)
		}
	})
}

func within(i, n int) int { return max(0, min(i, n)) }
