package driver

import (
	"context"
	"net/http"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/admin"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/compare"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
)

// imageTime is for manifests that have to come from members; the client waits for a minute.
const imageTime = 40 * time.Second

// Image is what an image consists of.
type Image struct {
	Of       string         `json:"of"`     // as it was asked for
	Digest   string         `json:"digest"` // of its manifest, or of its index
	Size     int64          `json:"size"`   // bytes of the blobs of all variants, each counted once
	Variants []ImageVariant `json:"variants"`
	More     bool           `json:"more"` // it has more than 1,024 blobs, which are not all listed
}

// ImageVariant is an image for one platform.
type ImageVariant struct {
	Platform  string      `json:"platform"`   // such as linux/arm64/v8; "": it does not say
	Digest    string      `json:"digest"`     // of its manifest
	MediaType string      `json:"media_type"` // of its manifest; "": it does not say
	Size      int64       `json:"size"`       // bytes of its blobs and its manifest
	Blobs     []ImageBlob `json:"blobs"`      // the config first, then the layers from the lowest
}

// ImageBlob is a blob of an image.
type ImageBlob struct {
	Kind      string `json:"kind"` // config or layer
	Digest    string `json:"digest"`
	MediaType string `json:"media_type"`
	Size      int64  `json:"size"` // bytes; 0 as well when nobody knows the blob
	Known     bool   `json:"known"`
	Here      bool   `json:"here"` // its bytes are on this registry
}

// Image says what an image, repository:tag or repository@digest, consists of. Manifests that are not
// here are fetched. Who asks while that is looked for shares the answer, which is not to be changed.
func (d *Driver) Image(ctx context.Context, of string) (Image, error) { return d.store.image(ctx, of) }

// Image asks what an image consists of, as Driver.Image does.
func (c *Client) Image(ctx context.Context, of string) (Image, error) {
	return ask[Image](ctx, c, http.MethodGet, "/v1/image", admin.Query{"of": {of}})
}

func (s *store) imageRoute() admin.Route {
	return admin.Get("/v1/image", "What an image consists of: platforms, and the blobs of each.",
		func(ctx context.Context, q admin.Query) (Image, error) { return s.image(ctx, q.Get("of")) },
		admin.Param{Name: "of", About: "repository:tag or repository@digest"})
}

func (s *store) image(ctx context.Context, of string) (Image, error) {
	return s.images.ask(ctx, of, func(ctx context.Context) (Image, error) { return s.lookAtImage(ctx, of) })
}

func (s *store) lookAtImage(ctx context.Context, of string) (Image, error) {
	ctx, cancel := context.WithTimeout(ctx, imageTime)
	defer cancel()
	v, err := s.variants(ctx, of)
	if err != nil {
		return Image{}, err
	}
	img := Image{Of: of, Digest: v.digest.String(), Variants: []ImageVariant{}}
	l := &blobLister{s: s, seen: map[digest.Digest]bool{}, left: maxDescriptors}
	for _, x := range v.all {
		img.Variants = append(img.Variants, l.variant(x))
	}
	img.Size, img.More = l.size, l.left < 0
	return img, nil
}

// blobLister lists the blobs of an image's variants.
type blobLister struct {
	s    *store
	seen map[digest.Digest]bool // in size
	size int64
	left int // blobs that may still be listed; negative: there were more
}

func (l *blobLister) variant(x variant) ImageVariant {
	of := ImageVariant{Platform: x.platform, Digest: x.digest.String(), MediaType: x.manifest.MediaType, Blobs: []ImageBlob{}}
	of.Size = l.look(ImageBlob{Digest: of.Digest}).Size
	add := func(kind string, d descriptor) {
		if l.left--; l.left < 0 || d.Digest.Validate() != nil { // nobody can have what has no digest
			return
		}
		b := l.look(ImageBlob{Kind: kind, Digest: d.Digest.String(), MediaType: d.MediaType})
		of.Size = compare.Add(of.Size, b.Size)
		of.Blobs = append(of.Blobs, b)
	}
	if c := x.manifest.Config; c != nil {
		add("config", *c)
	}
	for _, layer := range x.manifest.Layers {
		add("layer", layer)
	}
	return of
}

// look completes a blob by its entry, and counts it unless that was done.
func (l *blobLister) look(b ImageBlob) ImageBlob {
	d := digest.Digest(b.Digest)
	e, err := l.s.paths.View().Get(ocipath.BlobData(ocipath.Root, d))
	if err != nil {
		return b
	}
	b.Known, b.Size = true, e.Size
	b.Here, _ = l.s.look(e) // what cannot be known is not here
	if !l.seen[d] {
		l.seen[d] = true
		l.size = compare.Add(l.size, e.Size)
	}
	return b
}
