package driver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/admin"
)

// DiffOptions say how two images are compared.
type DiffOptions struct {
	Platform string `json:"platform"` // such as linux/amd64, of indexes; "": all that both have
	Fetch    bool   `json:"fetch"`    // layers that are not here from other registries
}

// Diff says what two images have in common.
type Diff struct {
	A         DiffImage      `json:"a"`
	B         DiffImage      `json:"b"`
	Platforms []PlatformDiff `json:"platforms"` // that were compared, by name
}

// Unread counts the layers that could not be read.
func (d Diff) Unread() (n int) {
	for _, p := range d.Platforms {
		n += len(p.Unread)
	}
	return n
}

// DiffImage is one of the images.
type DiffImage struct {
	Of     string   `json:"of"` // as it was asked for
	Digest string   `json:"digest"`
	Only   []string `json:"only"` // platforms that the other lacks, or that were not asked for
}

// PlatformDiff compares what two images have for one platform.
type PlatformDiff struct {
	Platform string `json:"platform"` // "" when an image does not say
	A        string `json:"a"`        // digests of the manifests
	B        string `json:"b"`

	Blobs  Shares     `json:"blobs"`  // manifest, config and layers
	Leaves Shares     `json:"leaves"` // of 1 MiB, of which blobs consist: what registries could share
	Files  Shares     `json:"files"`  // in the layers, without their compression, by their bytes
	Paths  PathShares `json:"paths"`  // likewise, by path: of several layers the last that has it counts

	Rest    RestDiff      `json:"rest"`     // the layers that only one of them has
	NotHere []DiffLayer   `json:"not_here"` // layers that are not on this disk: Files and Paths lack them, Leaves where it is in one image only
	Unread  []DiffTrouble `json:"unread"`   // layers that could not be read: likewise, but for Leaves
}

// RestDiff compares the layers that two images do not share: so it shows what compression hides.
type RestDiff struct {
	Compression []string `json:"compression"` // of these layers: none, gzip, zstd
	Leaves      Shares   `json:"leaves"`
	Files       Shares   `json:"files"` // by their bytes
	Plain       Shares   `json:"plain"` // the leaves that these layers would have without compression
}

// Shares are things that both images have, or one; each once.
type Shares struct {
	Shared DiffSum `json:"shared"`
	OnlyA  DiffSum `json:"only_a"`
	OnlyB  DiffSum `json:"only_b"`
}

// Percent is how many hundredths of B's bytes A has, too.
func (s Shares) Percent() int {
	if all := s.Shared.Bytes + s.OnlyB.Bytes; all > 0 {
		return int(float64(s.Shared.Bytes) / float64(all) * 100)
	}
	return 0
}

// PathShares are what the paths of two images lead to.
type PathShares struct {
	Same     DiffSum `json:"same"`      // the same bytes in both
	ChangedA DiffSum `json:"changed_a"` // other bytes: those of A
	ChangedB DiffSum `json:"changed_b"` // and those of B
	OnlyA    DiffSum `json:"only_a"`    // paths of A alone
	OnlyB    DiffSum `json:"only_b"`
}

// DiffSum is a number of things, and of their bytes.
type DiffSum struct {
	Count int   `json:"count"`
	Bytes int64 `json:"bytes"`
}

// DiffLayer is a layer.
type DiffLayer struct {
	Digest string `json:"digest"`
	Size   int64  `json:"size"`
	In     string `json:"in"` // a, b or both
}

// DiffTrouble is a layer that could not be read.
type DiffTrouble struct {
	Digest string `json:"digest"`
	Reason string `json:"reason"` // names the layer
}

// DiffProgress is how far a comparison is.
type DiffProgress struct {
	Platform string `json:"platform"`
	Layer    string `json:"layer"` // digest
	Bytes    int64  `json:"bytes"` // of layers that were read, as they are compressed
	Of       int64  `json:"of"`
}

// Diff compares two images, given as repository:tag or repository@digest: by their blobs, by the
// leaves of these, and by the files in their layers, all of which it reads. progress is called now
// and then, from one goroutine at a time.
func (d *Driver) Diff(ctx context.Context, a, b string, o DiffOptions, progress func(DiffProgress)) (Diff, error) {
	return d.store.diff(ctx, a, b, o, progress)
}

func (s *store) diff(ctx context.Context, a, b string, o DiffOptions, progress func(DiffProgress)) (Diff, error) {
	one, err := s.variants(ctx, a)
	if err != nil {
		return Diff{}, err
	}
	other, err := s.variants(ctx, b)
	if err != nil {
		return Diff{}, err
	}
	pairs, err := pair(one, other, o.Platform)
	if err != nil {
		return Diff{}, err
	}
	d := Diff{A: DiffImage{Of: a, Digest: one.digest.String()}, B: DiffImage{Of: b, Digest: other.digest.String()}}
	d.A.Only, d.B.Only = unpaired(one, pairs, 0), unpaired(other, pairs, 1)
	for _, p := range pairs {
		c := &comparison{s: s, fetch: o.Fetch, progress: progress, told: time.Now()}
		of, err := c.run(ctx, p)
		if err != nil {
			return Diff{}, err
		}
		d.Platforms = append(d.Platforms, of)
	}
	return d, nil
}

// pairOf are the variants of two images for one platform.
type pairOf [2]variant

// platform is its name, of the image that says it.
func (p pairOf) platform() string {
	if p[0].platform != "" {
		return p[0].platform
	}
	return p[1].platform
}

var errNoPlatform = errors.New("the images have no platform in common")

// maxPairs is how many platforms are compared: each reads all layers of two images.
const maxPairs = 32

// pair finds what is to be compared. Two images of one platform each are, whatever they say.
func pair(a, b variants, platform string) (pairs []pairOf, err error) {
	if len(a.all) == 1 && len(b.all) == 1 && platform == "" {
		return []pairOf{{a.all[0], b.all[0]}}, nil
	}
	for _, x := range a.all {
		i := slices.IndexFunc(b.all, func(y variant) bool { return x.platform == y.platform })
		if i >= 0 && (platform == "" || isPlatform(x.platform, platform)) {
			pairs = append(pairs, pairOf{x, b.all[i]})
		}
	}
	if len(pairs) > maxPairs {
		return nil, admin.Invalid(fmt.Errorf("the images have more than %d platforms in common: name one, or compare manifests by their digests", maxPairs))
	}
	slices.SortStableFunc(pairs, func(x, y pairOf) int { return strings.Compare(x.platform(), y.platform()) })
	if len(pairs) == 0 {
		return nil, fmt.Errorf("%w: %s is for %s, and %s for %s", errNoPlatform, a.of, a.platforms(), b.of, b.platforms())
	}
	return pairs, nil
}

// isPlatform reports whether a platform is the one that is meant, which may lack the variant.
func isPlatform(is, meant string) bool { return is == meant || strings.HasPrefix(is, meant+"/") }

// unpaired are the platforms of an image that are not compared.
func unpaired(v variants, pairs []pairOf, side int) []string {
	only := []string{}
	for _, x := range v.all {
		if !slices.ContainsFunc(pairs, func(p pairOf) bool { return p[side].digest == x.digest }) {
			only = append(only, x.platform)
		}
	}
	return only
}
