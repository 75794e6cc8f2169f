package main_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
	"github.com/google/go-containerregistry/pkg/crane"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// filesystemRegistry is a registry with distribution's filesystem driver in a directory.
func filesystemRegistry(t *testing.T, root string) (host string) {
	t.Helper()
	config := &configuration.Configuration{Storage: configuration.Storage{
		"filesystem":  {"rootdirectory": root},
		"maintenance": {"uploadpurging": map[any]any{"enabled": false}},
	}}
	config.HTTP.Secret = "of this test"
	config.Catalog.MaxEntries = 1000
	logrus.SetLevel(logrus.PanicLevel) // distribution logs each request
	server := httptest.NewServer(handlers.NewApp(t.Context(), config))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func pushTo(t *testing.T, host, of string, size int64) v1.Image {
	t.Helper()
	img, err := random.Image(size, 3)
	if err != nil {
		t.Fatal(err)
	}
	if err := crane.Push(img, host+"/"+of, crane.Insecure); err != nil {
		t.Fatal(err)
	}
	return img
}

// TestMovingIn imports another registry's storage; the importing registry is killed on the way, and
// goes on. What was imported is pulled from another member.
func TestMovingIn(t *testing.T) {
	root := t.TempDir()
	old := filesystemRegistry(t, root)
	images := map[string]v1.Image{}
	for i := range 6 {
		of := fmt.Sprintf("team/app%d:1", i)
		images[of] = pushTo(t, old, of, 5<<20)
	}
	ps := swarm(t, 2)
	first := ps[0].afterConfig("import", "--copy", root)
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, "something was imported", func() bool { return ps[0].status().Map.Entries > 0 })
	ps[0].Kill()
	if err := first.Wait(); err == nil {
		t.Log("the import ended before its registry was killed")
	}
	ps[0].start()
	out, err := ps[0].afterConfig("import", "--json", root).Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var im driver.Import
	if err := json.Unmarshal(out, &im); err != nil || im.FaultCount != 0 || im.Repositories != 6 {
		t.Fatalf("%+v, %v", im, err)
	}
	ps[1].awaitMap(t, ps[0])
	for of, img := range images {
		pull(t, ps[1], of, img)
	}
	text, err := ps[0].afterConfig("import", root, "team").CombinedOutput()
	if err != nil || !strings.Contains(string(text), "IMPORTED") || !strings.Contains(string(text), "0 manifests, 0 tags") {
		t.Errorf("%v: %s", err, text)
	}
}

// afterConfig is a command, with what comes after the configuration.
func (p *process) afterConfig(name string, args ...string) *exec.Cmd {
	cmd := p.command("ipfs", name)
	cmd.Args = append(cmd.Args, args...)
	return cmd
}

// awaitMap waits until a registry has what another one has.
func (p *process) awaitMap(t *testing.T, of *process) {
	t.Helper()
	await(t, "the maps agree", func() bool { return p.status().Map.Digest == of.status().Map.Digest })
}

// TestMovingInWhatIsDamaged exits with a status that says so, and names it.
func TestMovingInWhatIsDamaged(t *testing.T) {
	root := t.TempDir()
	img := pushTo(t, filesystemRegistry(t, root), "a:1", 3000)
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	d, err := layers[0].Digest()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "docker/registry/v2/blobs/sha256", d.Hex[:2], d.Hex, "data"), []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := newProcess(t, keygen(t)).start()
	text, err := p.afterConfig("import", root).CombinedOutput()
	if err == nil || !strings.Contains(string(text), "NOT IMPORTED") || !strings.Contains(string(text), d.Hex) {
		t.Errorf("%v: %s", err, text)
	}
	text, err = p.afterConfig("import", t.TempDir()).CombinedOutput()
	if err == nil || !strings.Contains(string(text), "rootdirectory") {
		t.Errorf("%v: %s", err, text)
	}
}

// TestMovingOut exports images from a running registry, and from one that is stopped, and serves them
// with distribution's filesystem driver.
func TestMovingOut(t *testing.T) {
	p := newProcess(t, keygen(t)).start()
	images := map[string]v1.Image{"team/a:1": push(t, p, "team/a:1"), "team/b:1": push(t, p, "team/b:1")}
	for _, how := range []string{"running", "stopped"} {
		root := t.TempDir()
		text, err := p.afterConfig("export", root, "team").CombinedOutput()
		if err != nil || !strings.Contains(string(text), "EXPORTED") || strings.Contains(string(text), "not running") != (how == "stopped") {
			t.Errorf("%s: %v: %s", how, err, text)
		}
		host := filesystemRegistry(t, root)
		for of, img := range images {
			pullFrom(t, host, of, img)
		}
		layout := t.TempDir()
		for args, want := range map[string]string{"--dry-run": "TO EXPORT", "--json": `"tags": 2`, "--oci": "in the index   2 tags"} {
			text, err := p.afterConfig("export", "--oci", args, layout, "team").CombinedOutput()
			if err != nil || !strings.Contains(string(text), want) {
				t.Errorf("%s, %s: %v: %s", how, args, err, text)
			}
		}
		if how == "running" {
			p.Kill()
		}
	}
}

// TestMovingInByTheAPI copies images from any registry, which go on to the other members like pushes.
func TestMovingInByTheAPI(t *testing.T) {
	old := filesystemRegistry(t, t.TempDir())
	img := pushTo(t, old, "team/app:1", 3000)
	pushTo(t, old, "other:1", 3000)
	ps := swarm(t, 2)
	text, err := ps[0].afterConfig("import", "--from", "http://"+old, "team").CombinedOutput()
	if err != nil || !strings.Contains(string(text), "1 tag, with what") {
		t.Errorf("%v: %s", err, text)
	}
	ps[1].awaitMap(t, ps[0])
	pull(t, ps[1], "team/app:1", img)
	pushTo(t, ps[0].HTTP, "other:1", 3000)
	text, err = ps[0].afterConfig("import", "--from", "http://"+old, "--to", "http://"+ps[0].HTTP).CombinedOutput()
	if err != nil || !strings.Contains(string(text), "KEPT  1 tag") || !strings.Contains(string(text), "here already: 1 tag") {
		t.Errorf("%v: %s", err, text)
	}
	text, err = ps[0].afterConfig("import", "--from", old).CombinedOutput()
	if err == nil || !strings.Contains(string(text), "https://<host>") {
		t.Errorf("%v: %s", err, text)
	}
}
