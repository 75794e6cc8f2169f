package driver

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/admin"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

const (
	shortDigits = 12 // of a digest, as docker shows them
	maxAlike    = 3  // digests that an error names
)

// meant is the digest that somebody means by an image, a digest or the start of one, and the kind of
// what it names as far as that shows.
func (s *store) meant(ctx context.Context, of string) (d digest.Digest, kind string, err error) {
	if d, err := digest.Parse(of); err == nil {
		return d, "blob", nil
	}
	d, errShort := s.fullDigest(of)
	if errShort == nil {
		return d, "blob", nil
	}
	if d, err = s.resolve(ctx, of); err == nil {
		return d, "manifest", nil
	}
	if !errors.Is(errShort, errNoDigest) {
		err = errShort
	}
	return "", "", err
}

var errNoDigest = errors.New("is not the start of a digest")

// fullDigest finds the sha256 digest of this registry's entries that begins with some digits, with
// or without its algorithm.
func (s *store) fullDigest(short string) (digest.Digest, error) {
	hex := strings.TrimPrefix(short, digest.SHA256.String()+":")
	if len(hex) < shortDigits || len(hex) >= digest.SHA256.Size()*2 || strings.Trim(hex, "0123456789abcdef") != "" {
		return "", errNoDigest
	}
	var alike []string
	dir := path.Join(ocipath.Root, "blobs", digest.SHA256.String(), hex[:2])
	s.paths.View().Children(dir, hex[:len(hex)-1], func(c pathmap.Child) bool {
		name := path.Base(c.Path)
		if strings.HasPrefix(name, hex) {
			alike = append(alike, digest.NewDigestFromEncoded(digest.SHA256, name).String())
		}
		return name < hex || strings.HasPrefix(name, hex) && len(alike) <= maxAlike
	})
	switch {
	case len(alike) == 0:
		return "", admin.NotFound(fmt.Errorf("%s: this registry knows no digest that begins so", short))
	case len(alike) > 1:
		return "", admin.Invalid(fmt.Errorf("%s: more than one digest begins so, give more of it: %s", short, strings.Join(alike[:min(len(alike), maxAlike)], ", ")))
	}
	return digest.Digest(alike[0]), nil
}
