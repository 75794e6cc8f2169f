package limit_test

import (
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

func TestLimits(t *testing.T) {
	l := limit.New[string](2, 5)
	enter := func(from string, want bool) {
		t.Helper()
		if got := l.Enter(from); got != want {
			t.Errorf("%s: %v", from, got)
		}
	}
	enter("a", true)
	enter("a", true)
	enter("a", false) // too many of one
	enter("b", true)
	enter("b", true)
	enter("c", true)
	enter("d", false) // too many in all
	l.Leave("a")
	enter("d", true)
	enter("a", false)
	if l.Len() != 5 {
		t.Errorf("%d are in", l.Len())
	}
}
