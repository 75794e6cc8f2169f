package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// platforms are those of the image; a release for some of them makes an image for these.
var platforms = []v1.Platform{
	{OS: "linux", Architecture: "amd64"},
	{OS: "linux", Architecture: "arm64"},
	{OS: "linux", Architecture: "arm", Variant: "v7"},
	{OS: "linux", Architecture: "riscv64"},
}

// release is what the image is of.
type release struct {
	version, commit string
	date            time.Time // of the commit: of every file, too
}

// built is the image, and by the names of their binaries' directories those of each platform.
type built struct {
	index  v1.ImageIndex
	images map[string]v1.Image
}

// build makes the image of all platforms that have a binary.
func (r *release) build(work, binaries, zones string) (built, error) {
	b := built{index: mutate.IndexMediaType(empty.Index, types.OCIImageIndex), images: map[string]v1.Image{}}
	base, err := r.base(filepath.Join(work, "base.tar"), zones)
	if err != nil {
		return b, err
	}
	for _, p := range platforms {
		dir := p.OS + "-" + p.Architecture + p.Variant
		binary := filepath.Join(binaries, dir, "registry")
		if _, err := os.Stat(binary); errors.Is(err, os.ErrNotExist) {
			continue
		}
		program, err := r.program(filepath.Join(work, dir+".tar"), binary)
		if err != nil {
			return b, err
		}
		image, err := r.image(p, base, program)
		if err != nil {
			return b, fmt.Errorf("image for %s: %w", p, err)
		}
		b.images[dir] = image
		b.index = mutate.AppendManifests(b.index, mutate.IndexAddendum{Add: described{image}, Descriptor: v1.Descriptor{Platform: &p}})
	}
	if len(b.images) == 0 {
		return b, fmt.Errorf("no binary below %s: run `make release VERSION=%s` first", binaries, r.version)
	}
	b.index = mutate.Annotations(b.index, r.annotations()).(v1.ImageIndex)
	return b, nil
}

// image is that of one platform.
func (r *release) image(p v1.Platform, layers ...v1.Layer) (v1.Image, error) {
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err := mutate.ConfigFile(image, &v1.ConfigFile{
		OS: p.OS, Architecture: p.Architecture, Variant: p.Variant, Created: v1.Time{Time: r.date},
		Config: r.config(), RootFS: v1.RootFS{Type: "layers"},
	})
	if err != nil {
		return nil, err
	}
	for _, layer := range layers {
		added := mutate.Addendum{Layer: layer, History: v1.History{Created: v1.Time{Time: r.date}, CreatedBy: "deploy/image"}, MediaType: types.OCILayer}
		if image, err = mutate.Append(image, added); err != nil {
			return nil, err
		}
	}
	return mutate.Annotations(image, r.annotations()).(v1.Image), nil
}

// config is how a container of it runs, unless it is told otherwise.
func (r *release) config() v1.Config {
	return v1.Config{
		User:       fmt.Sprintf("%d:%d", user, user),
		Entrypoint: []string{programPath},
		Cmd:        []string{"serve"},
		Env:        []string{"PATH=/usr/local/bin", "REGISTRY_CONFIGURATION_PATH=" + configPath},
		WorkingDir: "/",
		StopSignal: "SIGTERM",
		// Clients, members (swarm and data), and probes, metrics and the page.
		ExposedPorts: map[string]struct{}{"5000/tcp": {}, "4619/tcp": {}, "4620/tcp": {}, "5001/tcp": {}},
		Volumes:      map[string]struct{}{dataPath: {}},
		Labels:       r.annotations(),
		Healthcheck: &v1.HealthConfig{
			Test: []string{"CMD", programPath, "healthcheck"}, Interval: 10 * time.Second, Timeout: 6 * time.Second, StartPeriod: time.Minute, Retries: 3,
		},
	}
}

// annotations are the keys that OCI has agreed on
// (https://github.com/opencontainers/image-spec/blob/main/annotations.md).
func (r *release) annotations() map[string]string {
	const home, prefix = "https://github.com/distribution-ipfs/distribution-ipfs", "org.opencontainers.image."
	return map[string]string{
		prefix + "title":         "distribution-ipfs",
		prefix + "description":   "A container registry whose storage is shared peer to peer",
		prefix + "url":           home,
		prefix + "source":        home,
		prefix + "documentation": home + "/blob/" + r.version + "/docs/install.md",
		prefix + "licenses":      "Apache-2.0",
		prefix + "version":       r.version,
		prefix + "revision":      r.commit,
		prefix + "created":       r.date.UTC().Format(time.RFC3339),
	}
}

// described has an image be named in an index without artifactType: go-containerregistry would write the
// configuration's media type there, which is for what is no image.
type described struct{ v1.Image }

// Descriptor is what partial.Descriptor asks for.
func (d described) Descriptor() (*v1.Descriptor, error) {
	digest, err := d.Digest()
	if err != nil {
		return nil, err
	}
	size, err := d.Size()
	if err != nil {
		return nil, err
	}
	kind, err := d.MediaType()
	return &v1.Descriptor{MediaType: kind, Size: size, Digest: digest}, err
}
