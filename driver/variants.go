package driver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/opencontainers/go-digest"

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

// described is what is read of a manifest, of an index, of a descriptor in them, and of a config.
type described struct {
	MediaType string        `json:"mediaType"`
	Digest    digest.Digest `json:"digest"`
	Platform  *platform     `json:"platform"`

	Config    *described  `json:"config"`
	Layers    []described `json:"layers"`
	Manifests []described `json:"manifests"`
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
	v := variants{of: of, digest: d}
	if err := v.gather(ctx, s, d, "", 0); err != nil {
		return variants{}, fmt.Errorf("image %q: %w", of, err)
	}
	return v, nil
}

// gather adds a manifest, or those of an index.
func (v *variants) gather(ctx context.Context, s *store, d digest.Digest, at string, depth int) error {
	var m described
	if err := s.readJSON(ctx, d, &m); err != nil {
		return err
	}
	if len(m.Manifests) == 0 {
		if m.Config != nil && at == "" {
			at = s.platformOf(ctx, m.Config.Digest)
		}
		v.all = append(v.all, variant{at, d, m})
		return nil
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
		if len(v.all) == maxDescriptors {
			return fmt.Errorf("%s: more than %d manifests", d, maxDescriptors)
		}
		if err := v.gather(ctx, s, child.Digest, is, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// platformOf is that of a config; "" when that cannot be read, or is none.
func (s *store) platformOf(ctx context.Context, config digest.Digest) string {
	var p platform
	if s.readJSON(ctx, config, &p) != nil {
		return ""
	}
	return p.String()
}

// readJSON decodes a small blob, wherever its bytes are.
func (s *store) readJSON(ctx context.Context, d digest.Digest, v any) error {
	if err := d.Validate(); err != nil {
		return fmt.Errorf("digest %q: %w", d, err)
	}
	e, err := s.paths.View().Get(ocipath.BlobData(ocipath.Root, d))
	switch {
	case errors.Is(err, pathmap.ErrNotFound):
		return fmt.Errorf("%s: it has no entry: push it again", d)
	case err == nil && e.Size > smallBlob:
		return fmt.Errorf("%s: is not a manifest: it has %d bytes", d, e.Size)
	case err != nil:
		return err
	}
	content, err := s.readSmall(ctx, e)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(content, v); err != nil {
		return fmt.Errorf("%s: is not a manifest: %w", d, err)
	}
	return nil
}
