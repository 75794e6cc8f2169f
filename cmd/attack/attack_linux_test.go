package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestAllAttacksAtOnce for a moment, each with few of what it would have: nothing that was
// acknowledged is lost, no registry ends, no socket stays open. How long anything takes, and how
// much memory, is for `make attack`.
func TestAllAttacksAtOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs three registries and everybody who attacks them")
	}
	bin := filepath.Join(t.TempDir(), "registry")
	if out, err := exec.Command("go", "build", "-o", bin, "../registry").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	o := options{
		registry: bin, dir: t.TempDir(), attacked: 6 * time.Second, peace: 2 * time.Second, after: time.Second,
		clients: 2, files: 4096, scale: 0.05, begin: beginHere,
	}
	var out strings.Builder
	s, _, err := run(t.Context(), o, &out)
	if err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	_, left := s.after.above(s.idle)
	if len(s.lost)+len(s.died)+left > 0 || s.attacked.pushed == 0 || s.peace.pushed == 0 {
		t.Errorf("lost %d, ended %q, %d sockets left, %d pushes", len(s.lost), s.died, left, s.attacked.pushed)
	}
	if names := idle(s.Attacks); len(names) > 0 || len(s.Attacks) == 0 {
		t.Errorf("%d attacks, of which these did not arrive: %q", len(s.Attacks), names)
	}
	if t.Failed() {
		t.Log(out.String())
	}
}
