package main

import (
	"archive/tar"
	"bytes"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

var released = release{version: "v0.1.0", commit: "4ca5caf", date: time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)}

// made makes the image of two platforms, of programs that are none.
func made(t *testing.T) (b built, out string) {
	t.Helper()
	binaries := t.TempDir()
	for _, p := range []string{"linux-amd64", "linux-armv7", "darwin-arm64"} {
		if err := os.MkdirAll(filepath.Join(binaries, p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(binaries, p, "registry"), []byte("for "+p), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	zones, err := zoneinfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if b, err = released.build(t.TempDir(), binaries, zones); err != nil {
		t.Fatal(err)
	}
	out = filepath.Join(t.TempDir(), "image")
	for range 2 { // what is there is replaced
		if err := b.write(out, released.version); err != nil {
			t.Fatal(err)
		}
	}
	return b, out
}

func TestTheSameTwice(t *testing.T) {
	a, _ := made(t)
	b, _ := made(t)
	one, err := a.index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if other, err := b.index.Digest(); err != nil || one != other {
		t.Errorf("%s, then %s, %v", one, other, err)
	}
}

func TestTheIndexNamesImagesOfPlatforms(t *testing.T) {
	b, out := made(t)
	text, err := b.index.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(text, []byte("artifactType")) {
		t.Errorf("images are called artifacts: %s", text)
	}
	var index v1.IndexManifest
	if err := json.Unmarshal(text, &index); err != nil {
		t.Fatal(err)
	}
	var named []string
	for _, m := range index.Manifests {
		named = append(named, m.Platform.String())
	}
	if !slices.Equal(named, []string{"linux/amd64", "linux/arm/v7"}) {
		t.Errorf("%q", named)
	}
	if index.Annotations["org.opencontainers.image.revision"] != released.commit {
		t.Errorf("%v", index.Annotations)
	}
	read, err := layout.ImageIndexFromPath(filepath.Join(out, "oci"))
	if err != nil {
		t.Fatal(err)
	}
	outer, err := read.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	want, err := b.index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if len(outer.Manifests) != 1 || outer.Manifests[0].Digest != want || outer.Manifests[0].Annotations["org.opencontainers.image.ref.name"] != "v0.1.0" {
		t.Errorf("the layout has %+v", outer.Manifests)
	}
}

func TestAContainerIsNobodysRoot(t *testing.T) {
	b, _ := made(t)
	file, err := b.images["linux-armv7"].ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if file.Architecture != "arm" || file.Variant != "v7" || !file.Created.Equal(released.date) {
		t.Errorf("%+v", file)
	}
	c := file.Config
	if c.User != "65532:65532" || !slices.Equal(c.Healthcheck.Test, []string{"CMD", "/usr/local/bin/registry", "healthcheck"}) {
		t.Errorf("%+v", c)
	}
	if !slices.Equal(append(c.Entrypoint, c.Cmd...), []string{"/usr/local/bin/registry", "serve"}) || !slices.Contains(c.Env, "REGISTRY_CONFIGURATION_PATH=/etc/registry/config.yml") {
		t.Errorf("%+v", c)
	}
}

// files are those of an image, with the text of each.
func files(t *testing.T, image v1.Image) (headers map[string]*tar.Header, texts map[string][]byte) {
	t.Helper()
	headers, texts = map[string]*tar.Header{}, map[string][]byte{}
	flat := mutate.Extract(image)
	defer func() { _ = flat.Close() }()
	for r := tar.NewReader(flat); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return headers, texts
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		headers["/"+h.Name], texts["/"+h.Name] = h, text
	}
}

func TestWhatIsInIt(t *testing.T) {
	b, _ := made(t)
	headers, texts := files(t, b.images["linux-amd64"])
	if got := string(texts["/usr/local/bin/registry"]); got != "for linux-amd64" {
		t.Errorf("the program is %q", got)
	}
	for name, h := range headers {
		owner, runs := 0, name == "/usr/local/bin/registry"
		if strings.HasPrefix(name, "/var/lib/registry") {
			owner = user
		}
		if h.Uid != owner || h.Gid != owner || !h.ModTime.Equal(released.date) {
			t.Errorf("%s: of %d:%d, %v", name, h.Uid, h.Gid, h.ModTime)
		}
		if h.Typeflag == tar.TypeReg && (h.Mode&0o111 != 0) != runs || h.Typeflag == tar.TypeReg && h.Mode&0o022 != 0 {
			t.Errorf("%s: mode %o", name, h.Mode)
		}
	}
	if h := headers["/var/lib/registry"]; h == nil || h.Mode != 0o700 {
		t.Errorf("the datastore's directory: %+v among %q", h, slices.Sorted(maps.Keys(headers)))
	}
	if roots := x509.NewCertPool(); !roots.AppendCertsFromPEM(texts["/etc/ssl/certs/ca-certificates.crt"]) {
		t.Error("no certificates")
	}
	if _, err := time.LoadLocationFromTZData("Europe/Berlin", texts["/usr/share/zoneinfo/Europe/Berlin"]); err != nil {
		t.Error(err)
	}
	if !bytes.Equal(texts["/etc/registry/config.yml"], config) {
		t.Error("no configuration")
	}
}

func TestDockerLoadsIt(t *testing.T) {
	b, out := made(t)
	for platform, image := range b.images {
		loaded, err := tarball.ImageFromPath(filepath.Join(out, "distribution-ipfs-v0.1.0-"+platform+".docker.tar"), nil)
		if err != nil {
			t.Fatal(err)
		}
		want, err := image.ConfigName()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := loaded.ConfigName(); err != nil || got != want {
			t.Errorf("%s: %s, want %s, %v", platform, got, want, err)
		}
	}
}

func TestMistakesAreNamed(t *testing.T) {
	zones := filepath.Join(t.TempDir(), "nowhere.zip")
	if _, err := released.build(t.TempDir(), t.TempDir(), zones); err == nil {
		t.Error("time zones are left out")
	}
	mine := t.TempDir()
	if err := os.WriteFile(filepath.Join(mine, "mine"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := emptied(mine); err == nil {
		t.Error("a directory with other files was emptied")
	}
	for _, c := range []struct{ version, commit, date string }{{"", "4ca5caf", "2026-11-28T12:00:00Z"}, {"v0.1.0", "", "2026-11-28T12:00:00Z"}, {"v0.1.0", "4ca5caf", "today"}} {
		r := release{version: c.version, commit: c.commit}
		if err := r.run(t.Context(), c.date, t.TempDir(), t.TempDir(), ""); err == nil {
			t.Errorf("%+v: no error", c)
		}
	}
}
