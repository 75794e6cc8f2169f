package driver

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/compare"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// tellEvery is the time between two tellings of how far a comparison is.
const tellEvery = time.Second

// comparison compares two images of one platform.
type comparison struct {
	s        *store
	fetch    bool
	progress func(DiffProgress)

	result PlatformDiff
	blobs  []*part // each once, those of A first
	leaves int     // that were told apart
	told   time.Time
}

// part is a blob of one or both.
type part struct {
	digest digest.Digest
	in     [2]bool
	layer  bool // a tar, by its media type
	entry  pathmap.Entry
	known  bool // there is such an entry

	leaves  []compare.Item
	content *compare.Layer
}

func (c *comparison) run(ctx context.Context, p pairOf) (PlatformDiff, error) {
	c.result = PlatformDiff{
		Platform: p.platform(), A: p[0].digest.String(), B: p[1].digest.String(), NotHere: []DiffLayer{}, Unread: []DiffTrouble{},
	}
	for side, v := range p {
		if err := c.gather(side, v); err != nil {
			return PlatformDiff{}, err
		}
	}
	if err := c.read(ctx); err != nil {
		return PlatformDiff{}, err
	}
	c.sum(p)
	return c.result, nil
}

// gather finds the blobs of a side.
func (c *comparison) gather(side int, v variant) error {
	if err := c.add(side, v.digest, false); err != nil {
		return err
	}
	if v.manifest.Config != nil {
		if err := c.add(side, v.manifest.Config.Digest, false); err != nil {
			return err
		}
	}
	for _, l := range v.manifest.Layers {
		if err := c.add(side, l.Digest, isTar(l.MediaType)); err != nil {
			return err
		}
	}
	return nil
}

// isTar reports whether a blob of a type has files in it.
func isTar(mediaType string) bool {
	return (mediaType == "" || strings.Contains(mediaType, "tar")) && !strings.Contains(mediaType, "encrypted")
}

func (c *comparison) add(side int, d digest.Digest, layer bool) error {
	if err := d.Validate(); err != nil {
		return fmt.Errorf("digest %q: %w", d, err)
	}
	if i := slices.IndexFunc(c.blobs, func(b *part) bool { return b.digest == d }); i >= 0 {
		c.blobs[i].in[side] = true
		return nil
	}
	if len(c.blobs) == maxDescriptors {
		return fmt.Errorf("the images have more than %d blobs", maxDescriptors)
	}
	b := &part{digest: d, layer: layer}
	b.in[side] = true
	e, err := c.s.paths.View().Get(ocipath.BlobData(ocipath.Root, d))
	if err != nil && !errors.Is(err, pathmap.ErrNotFound) {
		return err
	}
	b.entry, b.known = e, err == nil // a layer without an entry is fetched from a URL
	c.blobs = append(c.blobs, b)
	return nil
}

// read reads the layers, and then finds the leaves of all blobs.
func (c *comparison) read(ctx context.Context) error {
	at := DiffProgress{Platform: c.result.Platform}
	for _, b := range c.blobs {
		if b.layer && c.mayRead(b) {
			at.Of = compare.Add(at.Of, b.entry.Size)
		}
	}
	layers := compare.NewReader(compare.Usual())
	for _, b := range c.blobs {
		if b.layer && c.mayRead(b) {
			at.Layer = b.digest.String()
			if err := c.readLayer(ctx, layers, b, &at); err != nil {
				return err
			}
		}
		c.findLeaves(ctx, b)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if len(b.leaves) == 0 || b.layer && !c.mayRead(b) {
			c.result.NotHere = append(c.result.NotHere, DiffLayer{b.digest.String(), b.entry.Size, b.where()})
		}
	}
	return nil
}

// mayRead reports whether the bytes of a blob are here, or may be fetched.
func (c *comparison) mayRead(b *part) bool {
	return b.known && (c.fetch || b.inline() || c.s.blobs.Has(b.entry.CID))
}

func (b *part) inline() bool {
	_, inline := dag.InlineBytes(b.entry.CID)
	return b.known && inline
}

func (b *part) where() string {
	switch b.in {
	case [2]bool{true, false}:
		return "a"
	case [2]bool{false, true}:
		return "b"
	}
	return "both"
}

// readLayer reads what is in a layer. What is wrong with it is a part of the result.
func (c *comparison) readLayer(ctx context.Context, layers *compare.Reader, b *part, at *DiffProgress) error {
	body, err := c.s.transfers.Open(ctx, refOf(b.entry), 0)
	if err == nil {
		before := at.Bytes
		b.content, err = layers.Layer(ctx, b.digest.String(), &telling{body, c, at}, b.entry.Size)
		at.Bytes = compare.Add(before, b.entry.Size)
		_ = body.Close() // it was only read
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		c.result.Unread = append(c.result.Unread, DiffTrouble{b.digest.String(), err.Error()})
	}
	return nil
}

// telling tells how far a reader is.
type telling struct {
	io.Reader
	c  *comparison
	at *DiffProgress
}

func (t *telling) Read(p []byte) (int, error) {
	n, err := t.Reader.Read(p)
	t.at.Bytes += int64(n)
	if time.Since(t.c.told) > tellEvery {
		t.c.told = time.Now()
		t.c.progress(*t.at)
	}
	return n, err
}

// maxLeaves is how many leaves of a comparison are told apart: of the blobs that follow each is one.
// An entry may say any size of a blob that is not here.
const maxLeaves = 4 << 20

// findLeaves names the leaves of a blob, as far as they are known: a blob that both images have
// shares all of them, whatever they are.
func (c *comparison) findLeaves(ctx context.Context, b *part) {
	if !b.known {
		return
	}
	n := dag.LeavesOf(b.entry.Size)
	if n > 1 {
		layout, _, err := dag.ReadLayout(ctx, b.entry.CID, b.entry.Size, c.s.blobs.InnerBlock)
		if err == nil {
			c.leaves += n
			for i := range layout.Leaves() {
				leaf, _, length := layout.Leaf(i)
				b.leaves = append(b.leaves, itemOf(leaf.Hash(), length))
			}
			return
		}
		if b.where() != "both" {
			return
		}
	}
	name := b.entry.CID.Hash()
	if n == 1 || n > maxLeaves-c.leaves {
		b.leaves = append(b.leaves, itemOf(name, b.entry.Size))
		return
	}
	c.leaves += n
	for i := range n {
		_, length := dag.Profile().Span(i, b.entry.Size)
		b.leaves = append(b.leaves, itemOf(binary.BigEndian.AppendUint32(slices.Clone(name), uint32(i)), length))
	}
}

// itemOf is a thing of that name.
func itemOf(name []byte, size int64) compare.Item {
	sum := sha256.Sum256(name)
	return compare.Item{Key: [16]byte(sum[:16]), Size: size}
}
