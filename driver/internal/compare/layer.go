package compare

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// Compression is how a layer is compressed.
type Compression string

// These are told by the first bytes of a layer.
const (
	None Compression = "none"
	Gzip Compression = "gzip"
	Zstd Compression = "zstd"
)

// maxWindow is the memory that zstd may want for one layer: what its tool needs without --long=28.
const maxWindow = 128 << 20

// Layer is what is kept of one that was read. It does not change.
type Layer struct {
	Compression Compression
	Files       Sum // plain files in it
	files       []file
	leaves      []Item // of the layer without its compression
}

// file is one in a layer.
type file struct {
	path, content key
	size          int64
}

func (l *Layer) contents() []Item {
	all := make([]Item, 0, len(l.files))
	for _, f := range l.files {
		all = append(all, Item{f.content, f.size})
	}
	return all
}

// Reader reads layers, one at a time.
type Reader struct {
	limits Limits
	files  int   // that were read
	spare  int64 // bytes of the limits' that are left
	copy   []byte
}

// NewReader makes a reader.
func NewReader(l Limits) *Reader {
	return &Reader{limits: l, spare: l.Spare, copy: make([]byte, 64<<10)}
}

// Layer reads a layer of that many bytes to its end. The error is that of in, of ctx, ErrLimit, or
// what is wrong with the layer, and names it.
func (r *Reader) Layer(ctx context.Context, name string, in io.Reader, size int64) (*Layer, error) {
	l, err := r.read(ctx, in, size)
	if err != nil {
		return nil, fmt.Errorf("layer %s: %w", name, err)
	}
	return l, nil
}

func (r *Reader) read(ctx context.Context, in io.Reader, size int64) (*Layer, error) {
	buffered := bufio.NewReaderSize(in, 64<<10)
	l := &Layer{Compression: compressionOf(buffered)}
	plain, done, err := expand(buffered, l.Compression)
	if err != nil {
		return nil, err
	}
	defer done()
	own := r.limits.expanded(size)
	most := min(r.limits.Content, own+r.spare)
	leaves, content := &leafSums{}, &bounded{ctx: ctx, in: plain, left: most, most: most}
	stream := io.TeeReader(content, leaves)
	left, err := r.tar(l, tar.NewReader(stream), most)
	defer func() { r.spare -= max(0, most-min(left, content.left)-own) }()
	if err != nil {
		return nil, err
	}
	if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, stream, r.copy); err != nil { // what fills up the last block
		return nil, err
	}
	l.leaves = leaves.end()
	return l, nil
}

func compressionOf(r *bufio.Reader) Compression {
	begin, _ := r.Peek(4)
	switch {
	case bytes.HasPrefix(begin, []byte{0x1f, 0x8b}):
		return Gzip
	case bytes.Equal(begin, []byte{0x28, 0xb5, 0x2f, 0xfd}), // a frame, or one to skip
		len(begin) == 4 && begin[0]>>4 == 5 && bytes.Equal(begin[1:], []byte{0x2a, 0x4d, 0x18}):
		return Zstd
	}
	return None
}

// expand undoes a compression; done frees what that takes.
func expand(r io.Reader, c Compression) (plain io.Reader, done func(), err error) {
	switch c {
	case Gzip:
		z, err := gzip.NewReader(r)
		return z, func() {}, err
	case Zstd:
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, nil, err
		}
		return z, z.Close, nil
	}
	return r, func() {}, nil
}

// tar reads all files, of most bytes together at most, and says how many are left of these.
func (r *Reader) tar(l *Layer, t *tar.Reader, most int64) (left int64, err error) {
	left, sum := most, sha256.New()
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return left, nil
		}
		if err != nil {
			return left, err
		}
		if len(h.Name) > r.limits.Path {
			return left, fmt.Errorf("a path of %d bytes: %w", len(h.Name), ErrLimit)
		}
		if r.files++; r.files > r.limits.Files {
			return left, fmt.Errorf("more than %d files, with those of the layers before: %w", r.limits.Files, ErrLimit)
		}
		if !isFile(h) {
			continue
		}
		if left -= h.Size; left < 0 { // it may be sparse, and not come at all
			return 0, tooLarge(most)
		}
		sum.Reset()
		if _, err := io.CopyBuffer(struct{ io.Writer }{sum}, t, r.copy); err != nil {
			return left, fmt.Errorf("file %q: %w", h.Name, err)
		}
		at := sha256.Sum256([]byte(path.Clean("/" + h.Name)))
		l.files = append(l.files, file{path: keyOf(at[:]), content: keyOf(sum.Sum(nil)), size: h.Size})
		l.Files.add(h.Size)
	}
}

// isFile reports whether an entry is a file with bytes of its own, and not the mark of a deleted one.
func isFile(h *tar.Header) bool {
	return (h.Typeflag == tar.TypeReg || h.Typeflag == tar.TypeGNUSparse) && !strings.HasPrefix(path.Base(h.Name), ".wh.")
}

// bounded reads no more than it may.
type bounded struct {
	ctx        context.Context
	in         io.Reader
	left, most int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, context.Cause(b.ctx)
	}
	n, err := b.in.Read(p[:min(int64(len(p)), b.left+1)])
	if b.left -= int64(n); b.left < 0 {
		return 0, tooLarge(b.most)
	}
	return n, err
}

// leafSums hashes leaves.
type leafSums struct {
	all  []Item
	leaf []byte
}

func (l *leafSums) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		n := min(len(rest), dag.LeafSize-len(l.leaf))
		l.leaf = append(l.leaf, rest[:n]...)
		if rest = rest[n:]; len(l.leaf) == dag.LeafSize {
			l.add()
		}
	}
	return len(p), nil
}

func (l *leafSums) add() {
	sum := dag.SHA2.Sum(l.leaf)
	l.all = append(l.all, Item{keyOf(sum[:]), int64(len(l.leaf))})
	l.leaf = l.leaf[:0]
}

// end takes the last leaf.
func (l *leafSums) end() []Item {
	if len(l.leaf) > 0 {
		l.add()
	}
	return l.all
}
