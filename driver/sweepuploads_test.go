package driver

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestLeftoversOfCancelledUploadsAreSwept(t *testing.T) {
	root := t.TempDir()
	uploads := filepath.Join(root, "docker/registry/v2/repositories/a/b/_uploads")
	old := time.Now().Add(-48 * time.Hour)
	for name, files := range map[string][]string{
		"leftover": {"hashstates/sha256/0"},
		"later":    {"hashstates/sha256/0", "of-a-later-release"},
		"running":  {"hashstates/sha256/0", "startedat", "data"},
		"young":    {"hashstates/sha256/0"},
	} {
		for _, f := range files {
			path := filepath.Join(uploads, name, f)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if name != "young" {
			if err := os.Chtimes(filepath.Join(uploads, name), old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := sweepUploads(t.Context(), root, time.Now().Add(-sweepAge)); err != nil {
		t.Fatal(err)
	}
	for name, kept := range map[string]bool{"leftover": false, "later": true, "running": true, "young": true} {
		if _, err := os.Stat(filepath.Join(uploads, name)); (err == nil) != kept {
			t.Errorf("%s: %v, to be kept: %v", name, err, kept)
		}
	}
	for _, name := range []string{"young", "running", "later"} {
		if err := os.RemoveAll(filepath.Join(uploads, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := sweepUploads(t.Context(), root, time.Now().Add(-sweepAge)); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(root); err != nil || len(left) > 0 {
		t.Errorf("%v is left when there are no uploads, %v", left, err)
	}
	if err := sweepUploads(t.Context(), filepath.Join(root, "nowhere"), time.Now()); err != nil {
		t.Errorf("nothing to sweep: %v", err)
	}
}
