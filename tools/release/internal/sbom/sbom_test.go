package sbom

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx/v2/common"
	spdx "github.com/spdx/tools-golang/spdx/v2/v2_3"
)

var released = Release{Name: "distribution-ipfs", Version: "v0.1.0", Platform: "linux-amd64", Commit: "4ca5caf", Date: time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)}

// TestEveryModuleIsListed reads the list as a scanner does.
func TestEveryModuleIsListed(t *testing.T) {
	var text bytes.Buffer
	info := &debug.BuildInfo{GoVersion: "go1.26.0", Main: debug.Module{Path: "example.org/registry"}, Deps: []*debug.Module{
		{Path: "example.org/a/b", Version: "v1.2.3"},
		{Path: "example.org/a-b", Version: "v1.0.0+incompatible"},
		{Path: "example.org/old", Version: "v0.1.0", Replace: &debug.Module{Path: "example.org/fork", Version: "v0.2.0"}},
	}}
	if err := json.Write(document(info, released, "4ca5"), &text); err != nil {
		t.Fatal(err)
	}
	var doc spdx.Document
	if err := json.ReadInto(&text, &doc); err != nil {
		t.Fatal(err)
	}
	listed, ids, linked := map[string]bool{}, map[common.ElementID]bool{}, map[common.ElementID]bool{}
	for _, p := range doc.Packages {
		if ids[p.PackageSPDXIdentifier] {
			t.Errorf("%s is there twice", p.PackageSPDXIdentifier)
		}
		ids[p.PackageSPDXIdentifier] = true
		listed[p.PackageExternalReferences[0].Locator] = true
	}
	for _, r := range doc.Relationships {
		linked[r.RefB.ElementRefID] = true
	}
	for id := range ids {
		if !linked[id] {
			t.Errorf("nothing says what %s has to do with the binary", id)
		}
	}
	for _, want := range []string{
		"example.org/registry@v0.1.0", "stdlib@1.26.0", "example.org/a/b@v1.2.3", "example.org/a-b@v1.0.0%2Bincompatible", "example.org/fork@v0.2.0",
	} {
		if !listed["pkg:golang/"+want] {
			t.Errorf("no %s among %v", want, listed)
		}
	}
}

// TestABinaryIsRead lists the parts of the test itself.
func TestABinaryIsRead(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "sbom.spdx.json")
	if err := Write(to, self, released); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(to)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), `"SHA256"`) || !strings.Contains(string(text), `"spdxVersion": "SPDX-2.3"`) {
		t.Errorf("%s", text)
	}
	if err := Write(to, to, released); err == nil {
		t.Error("a file that is no binary has parts")
	}
}
