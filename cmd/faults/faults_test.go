package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestAMinuteOfFaults is a short run with one fault of most kinds. Anything may take as long as
// it likes.
func TestAMinuteOfFaults(t *testing.T) {
	bin := t.TempDir()
	o := options{
		registry: filepath.Join(bin, "registry"), duration: 10 * time.Minute, most: 16, seed: 11, only: "wipe,rekey,wipe-acked,backup,flip,revoke,full,kill,require,drain,suspend,restore,rekey,parted,forget,loss",
		clients: 4, replicas: 2, disk: 768, patience: 5 * time.Minute,
	}
	if out, err := exec.Command("go", "build", "-o", o.registry, "../registry").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s, err := run(t.Context(), o, testWriter{t})
	if err != nil {
		t.Fatal(err)
	}
	if s.broken > 0 || s.pushed == 0 || s.pulled == 0 || s.faults == 0 {
		t.Errorf("%+v", s)
	}
}

// TestItsDirectoryIsMade if it is not there.
func TestItsDirectoryIsMade(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := filepath.Join(t.TempDir(), "not", "there")
	if _, err := run(ctx, options{registry: "none", dir: dir, disk: 64}, testWriter{t}); err == nil {
		t.Error("it ran without a registry")
	}
	if _, err := os.Stat(filepath.Join(dir, "journal")); err != nil {
		t.Error(err)
	}
}

// testWriter shows what a run says when the test has failed.
type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Logf("%s", p)
	return len(p), nil
}
