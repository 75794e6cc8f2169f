package main

import (
	"errors"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/distribution/distribution/v3/registry/storage/driver/factory"
)

// TestUpstreamsBinaryHasNothingMore compares with what upstream's own main imports
// at the version of go.mod.
func TestUpstreamsBinaryHasNothingMore(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/distribution/distribution/v3").Output()
	if err != nil {
		t.Fatal(err)
	}
	theirs := imports(t, filepath.Join(strings.TrimSpace(string(out)), "cmd", "registry", "main.go"))
	if len(theirs) < 10 {
		t.Fatalf("upstream's main imports %v", theirs)
	}
	ours := imports(t, "drivers.go")
	for path := range theirs {
		if !ours[path] {
			t.Errorf("upstream's binary has %s", path)
		}
	}
}

// imports are the packages that a file imports for their effect alone.
func imports(t *testing.T, file string) map[string]bool {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	paths := map[string]bool{}
	for _, i := range parsed.Imports {
		if i.Name != nil && i.Name.Name == "_" {
			paths[strings.Trim(i.Path.Value, `"`)] = true
		}
	}
	return paths
}

func TestEveryDriverIsRegistered(t *testing.T) {
	for _, name := range []string{"azure", "filesystem", "gcs", "inmemory", "s3", "s3aws", "ipfs"} {
		_, err := factory.Create(t.Context(), name, map[string]any{"unknown": true})
		if errors.As(err, new(factory.InvalidStorageDriverError)) {
			t.Error(err)
		}
	}
	if _, err := factory.Create(t.Context(), "nosuch", nil); !errors.As(err, new(factory.InvalidStorageDriverError)) {
		t.Errorf("a driver that does not exist: %v", err)
	}
}
