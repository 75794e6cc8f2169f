package pathmap_test

import (
	"fmt"
	"testing"
)

// TestAMemberSaysWhatItHasMerged: what it lacks, and once that is merged, that it does not.
func TestAMemberSaysWhatItHasMerged(t *testing.T) {
	f := quietFabric(t)
	a, b := f.add("a"), f.add("b")
	merged := func() bool {
		t.Helper()
		ok, err := a.m.HasMerged(t.Context(), b.id, a.m.Heads())
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	if !merged() {
		t.Error("there is nothing to merge")
	}
	for i := range 3 {
		put(t, a, fmt.Sprintf("/p%d", i), "x")
		if merged() {
			t.Errorf("it has not heard of write %d", i)
		}
		hear(t, b, a, 0)
		if !merged() {
			t.Errorf("it has merged write %d", i)
		}
	}
	put(t, b, "/q", "further") // beyond what a has
	if !merged() {
		t.Error("it has all that a has")
	}
}
