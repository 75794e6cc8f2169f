package driver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/manifest"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// variants are what an image is for each platform: one, unless it is an index.
type variants struct {
	of     string // as it was asked for
	digest digest.Digest
	all    []variant
}

// variant is a manifest of an image.
type variant struct {
	platform string // such as linux/arm64/v8; "": it does not say
	digest   digest.Digest
	manifest described
}

func (v variants) platforms() string {
	var names []string
	for _, x := range v.all {
		names = append(names, x.platform)
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// described is what is read of a manifest or an index.
type described struct {
	MediaType string      `json:"mediaType"`
	Config    *descriptor `json:"config"`
	Layers    descriptors `json:"layers"`
	Manifests descriptors `json:"manifests"`
}

// descriptor is what a manifest names.
type descriptor struct {
	MediaType string        `json:"mediaType"`
	Digest    digest.Digest `json:"digest"`
	Platform  *platform     `json:"platform"`
}

// descriptors are maxDescribed at most: a manifest has room for a million of three bytes each, which
// would take twenty times the memory.
type descriptors []descriptor

// UnmarshalJSON implements json.Unmarshaler.
func (d *descriptors) UnmarshalJSON(b []byte) error {
	list := json.NewDecoder(bytes.NewReader(b))
	if t, err := list.Token(); err != nil || t != json.Delim('[') {
		return err // null, or what names nothing
	}
	for list.More() {
		if len(*d) == maxDescribed {
			return fmt.Errorf("it names more than %d in one list", maxDescribed)
		}
		var one descriptor
		if err := list.Decode(&one); err != nil {
			return err
		}
		*d = append(*d, one)
	}
	return nil
}

type platform struct {
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
	Variant      string `json:"variant"`
}

func (p platform) String() string { return path.Join(p.OS, p.Architecture, p.Variant) }

// unknownPlatform is that of what belongs to an image and is none, such as an attestation.
const unknownPlatform = "unknown/unknown"

// variants reads the manifests of an image.
func (s *store) variants(ctx context.Context, of string) (variants, error) {
	d, err := s.resolve(ctx, of)
	if err != nil {
		return variants{}, err
	}
	g := &variantReader{s: s, found: variants{of: of, digest: d}, seen: map[variantKey]bool{}}
	if err := g.gather(ctx, d, "", 0); err != nil {
		return variants{}, fmt.Errorf("image %q: %w", of, err)
	}
	return g.found, nil
}

const (
	maxManifests    = 4 * maxDescriptors    // that are read of one image, with configs
	maxManifestRead = 16 * manifest.MaxSize // bytes of these
	maxDescribed    = 32 * maxDescriptors   // that one list names, or all manifests of one image
)

// variantReader reads the manifests of one image, which may have been made so that there is no end of
// them.
type variantReader struct {
	s     *store
	found variants
	seen  map[variantKey]bool

	read  int   // manifests and configs
	bytes int64 // of these
	blobs int   // that the manifests name
}

// variantKey is where a manifest was found: for one platform it counts once.
type variantKey struct {
	digest   digest.Digest
	platform string
}

// gather adds a manifest, or those of an index.
func (g *variantReader) gather(ctx context.Context, d digest.Digest, at string, depth int) error {
	key := variantKey{d, at}
	if g.seen[key] {
		return nil
	}
	g.seen[key] = true
	var m described
	if err := g.readJSON(ctx, d, &m); err != nil {
		return err
	}
	if len(m.Manifests) == 0 {
		return g.add(ctx, variant{at, d, m})
	}
	if depth == maxIndexDepth {
		return fmt.Errorf("%s: indexes are nested more than %d deep", d, maxIndexDepth)
	}
	for _, child := range m.Manifests {
		is := ""
		if child.Platform != nil {
			is = child.Platform.String()
		}
		if is == unknownPlatform {
			continue
		}
		if err := g.gather(ctx, child.Digest, is, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// add adds a manifest, for the platform of its config where the index says none.
func (g *variantReader) add(ctx context.Context, v variant) error {
	if g.blobs += len(v.manifest.Layers); g.blobs > maxDescribed {
		return fmt.Errorf("%s: its manifests name more than %d layers", g.found.digest, maxDescribed)
	}
	if c := v.manifest.Config; c != nil && v.platform == "" {
		var p platform
		if g.readJSON(ctx, c.Digest, &p) == nil {
			v.platform = p.String()
		}
	}
	g.found.all = append(g.found.all, v)
	return ctx.Err()
}

// readJSON decodes a small blob, wherever its bytes are.
func (g *variantReader) readJSON(ctx context.Context, d digest.Digest, v any) error {
	if err := d.Validate(); err != nil {
		return fmt.Errorf("digest %q: %w", d, err)
	}
	e, err := g.s.paths.View().Get(ocipath.BlobData(ocipath.Root, d))
	switch {
	case errors.Is(err, pathmap.ErrNotFound):
		return fmt.Errorf("%s: it has no entry: push it again", d)
	case err == nil && e.Size > smallBlob:
		return fmt.Errorf("%s: is not a manifest: it has %d bytes", d, e.Size)
	case err != nil:
		return err
	}
	g.read, g.bytes = g.read+1, g.bytes+e.Size
	if g.read > maxManifests || g.bytes > maxManifestRead {
		return fmt.Errorf("%s: it leads to more than %d manifests, or %d bytes of them", g.found.digest, maxManifests, maxManifestRead)
	}
	content, err := g.s.readSmall(ctx, e)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(content, v); err != nil {
		return fmt.Errorf("%s: is not a manifest: %w", d, err)
	}
	return nil
}
