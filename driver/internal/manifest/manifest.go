// Package manifest reads what a manifest names: one of OCI or docker, an index, an artifact.
//
//	m, err := manifest.Parse(content)
//	for d := range m.Names() {
//		if d.Validate() == nil { … }
//	}
//
// It looks at what is written, not at the media type: whatever has a digest is named, also
// what no specification knows yet.
//
// Limits: it checks neither the digests nor whether distribution would take the manifest. A
// digest in an annotation is not named by it.
package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/opencontainers/go-digest"
)

// MaxSize is the size in bytes of the largest manifest that distribution takes
// (maxManifestBodySize in its registry/handlers/manifests.go).
const MaxSize = 4 << 20

// ErrNotManifest reports content that is no manifest: it is too large, or no JSON object.
var ErrNotManifest = errors.New("not a manifest")

// Manifest is what a manifest names, as it is written there: a digest may be malformed, and
// may occur twice.
type Manifest struct {
	Config    digest.Digest   // of an image; empty: it names none
	Layers    []digest.Digest // of an image; the blobs of an artifact
	Manifests []digest.Digest // of an index
	Subjects  []digest.Digest // the manifest to which this one refers; there is at most one, unless keys are doubled
	Others    []digest.Digest // of anything else in it
}

// Names gives all that the manifest names but its subjects: that it needs itself.
func (m Manifest) Names() iter.Seq[digest.Digest] {
	return func(yield func(digest.Digest) bool) {
		if m.Config != "" && !yield(m.Config) {
			return
		}
		for _, of := range [][]digest.Digest{m.Layers, m.Manifests, m.Others} {
			for _, d := range of {
				if !yield(d) {
					return
				}
			}
		}
	}
}

// Parse reads a manifest. The error is ErrNotManifest.
func Parse(content []byte) (Manifest, error) {
	if len(content) > MaxSize {
		return Manifest{}, fmt.Errorf("%w: %d bytes, at most %d", ErrNotManifest, len(content), MaxSize)
	}
	if !json.Valid(content) { // which bounds how deep it is nested, too
		return Manifest{}, fmt.Errorf("%w: no JSON", ErrNotManifest)
	}
	r := reader{rest: content}
	if r.next() != '{' {
		return Manifest{}, fmt.Errorf("%w: no JSON object", ErrNotManifest)
	}
	r.value(nil, nil)
	return r.found, nil
}

// name notes a digest that was found in an object of that depth, in the field of the
// manifest with that name. A descriptor is an object of the field, or one in its array.
func (m *Manifest) name(field []byte, depth int, d digest.Digest) {
	of := &m.Others
	if depth == 2 {
		switch {
		case is(field, "config"):
			if m.Config != "" {
				*of = append(*of, m.Config) // doubled: the last one counts
			}
			m.Config = d
			return
		case is(field, "layers"), is(field, "blobs"), is(field, "fsLayers"):
			of = &m.Layers
		case is(field, "manifests"):
			of = &m.Manifests
		case is(field, "subject"):
			of = &m.Subjects
		}
	}
	*of = append(*of, d)
}

// is compares keys like distribution's decoder, which does not mind how they are capitalized.
func is(key []byte, name string) bool { return bytes.EqualFold(key, []byte(name)) }
