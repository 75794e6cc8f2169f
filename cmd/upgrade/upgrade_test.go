package main

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// TestOneReleaseGoesUpAndDown: where both are the same, nothing is off, and nothing is in the way. Two
// releases, and a history that is dropped, are for `make upgrade-test`.
func TestOneReleaseGoesUpAndDown(t *testing.T) {
	if testing.Short() {
		t.Skip("it replaces three registries six times")
	}
	bin := filepath.Join(t.TempDir(), "registry")
	if out, err := exec.Command("go", "build", "-o", bin, "../registry").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	later := filepath.Join(t.TempDir(), "later")
	if out, err := exec.Command("cp", bin, later).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var out strings.Builder
	holds, err := run(t.Context(), options{from: bin, to: later, dir: t.TempDir(), acts: 1, patience: 5 * time.Minute}, &out)
	if err != nil || !holds || strings.Contains(out.String(), "cannot") {
		t.Errorf("%v\n%s", err, &out)
	}
}

func TestUnderstoodIsWhatAllSay(t *testing.T) {
	st := driver.Status{Capabilities: []string{"a", "b", "c"}, Members: []driver.Member{
		{Capabilities: []string{"a", "c", "d"}}, {Capabilities: []string{"b", "a"}},
	}}
	if got := understood(st); !slices.Equal(got, []string{"a"}) {
		t.Errorf("%q", got)
	}
}
