package golden_test

import (
	"strings"
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/golden"
)

// told is a test that has failed, and goes on.
type told struct {
	testing.TB
	lines []string
}

func (t *told) Helper() {}

func (t *told) Errorf(format string, args ...any) {
	t.lines = append(t.lines, format)
	for _, a := range args {
		t.lines = append(t.lines, a.(string))
	}
}

func TestWhatChangesIsTold(t *testing.T) {
	t.Chdir(t.TempDir())
	golden.Held(t, true, "file.json", map[string]string{"a": "1", "b": "2", "c": "3"})
	golden.Held(t, false, "file.json", map[string]string{"a": "1", "b": "2", "c": "3"})
	so := &told{TB: t}
	stored := golden.Held(so, false, "file.json", map[string]string{"a": "1", "b": "4", "d": "5"})
	if got := strings.Join(so.lines, " "); strings.Contains(got, " a ") || !strings.Contains(got, " b 4 2") || !strings.Contains(got, " c  3") || !strings.Contains(got, " d 5 ") {
		t.Errorf("%q", got)
	}
	if stored["b"] != "2" {
		t.Errorf("%q", stored)
	}
}
