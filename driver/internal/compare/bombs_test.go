package compare_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/compare"
)

// zeros are without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// written is what f writes, until somebody has read enough.
func written(t *testing.T, f func(io.Writer) error) io.Reader {
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() { defer close(done); _ = w.CloseWithError(f(w)) }()
	t.Cleanup(func() { _ = r.Close(); <-done })
	return r
}

func zipped(f func(io.Writer) error) func(io.Writer) error {
	return func(w io.Writer) error {
		z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed)
		return errors.Join(f(z), z.Close())
	}
}

// endless writes a tar whose files have no end.
func endless(header tar.Header) func(io.Writer) error {
	return func(w io.Writer) error {
		for t := tar.NewWriter(w); ; {
			if err := t.WriteHeader(&header); err != nil {
				return err
			}
			if _, err := io.CopyN(t, zeros{}, header.Size); err != nil {
				return err
			}
		}
	}
}

// sparse is a tar with a file of zeros that are not in it, as GNU tar writes it.
func sparse(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	require.NoError(t, w.WriteHeader(&tar.Header{Name: "a", Typeflag: tar.TypeReg, Format: tar.FormatGNU}))
	require.NoError(t, w.Close())
	block := b.Bytes()
	block[156] = 'S'
	copy(block[386:], "77777777777\x0000000000000\x00") // where the first piece lies, and its size
	copy(block[483:], "77777777777\x00")                // of the whole file
	copy(block[148:], "        ")
	sum := 0
	for _, c := range block[:512] {
		sum += int(c)
	}
	copy(block[148:], fmt.Sprintf("%06o\x00 ", sum))
	return block
}

func fromZeros(w io.Writer) error { _, err := io.Copy(w, zeros{}); return err }

// TestBombs end soon, whatever they go on with: little of them is read, and less kept. They end with an error that names the layer.
func TestBombs(t *testing.T) {
	limits := compare.Usual()
	limits.Spare, limits.Files = 8<<20, 20_000
	window, err := zstd.NewWriter(nil, zstd.WithWindowSize(256<<20), zstd.WithSingleSegment(false))
	require.NoError(t, err)
	var wide bytes.Buffer
	window.Reset(&wide)
	_, err = window.Write(make([]byte, 4<<20))
	require.NoError(t, errors.Join(err, window.Flush(), window.Close()))
	plain := tarOf(t, file{"a", bytesOf(1, 1<<20)})
	broken := bytes.Clone(plain)
	broken[150] ^= 0xff // of its sum
	for name, c := range map[string]struct {
		in    io.Reader
		limit bool
	}{
		"zeros without end":        {written(t, zipped(fromZeros)), true},
		"a file of 1 TiB of zeros": {written(t, zipped(endless(tar.Header{Name: "a", Typeflag: tar.TypeReg, Size: 1 << 40}))), true},
		"a sparse file of 8 GiB":   {bytes.NewReader(sparse(t)), true},
		"files without end":        {written(t, zipped(endless(tar.Header{Name: "a", Typeflag: tar.TypeReg, Size: 600}))), true},
		"directories without end":  {written(t, endless(tar.Header{Name: "a", Typeflag: tar.TypeDir})), true},
		"a path of 100 KiB":        {written(t, endless(tar.Header{Name: strings.Repeat("a/", 50<<10) + "a", Typeflag: tar.TypeReg})), true},
		"a path of 2 MiB":          {written(t, endless(tar.Header{Name: strings.Repeat("a/", 1<<20) + "a", Typeflag: tar.TypeReg})), false},
		"a window of 256 MiB":      {&wide, false},
		"a broken header":          {bytes.NewReader(broken), false},
		"the first half":           {bytes.NewReader(plain[:len(plain)/2]), false},
		"half of a gzip":           {bytes.NewReader(gzipOf(t, plain, time.Time{})[:500<<10]), false},
		"half of a zstd":           {bytes.NewReader(zstdOf(t, plain)[:500<<10]), false},
		"a text":                   {strings.NewReader("this is no layer"), false},
		"the beginning of a gzip":  {bytes.NewReader([]byte{0x1f, 0x8b}), false},
	} {
		t.Run(name, func(t *testing.T) {
			in := &counter{Reader: c.in}
			l, err := compare.NewReader(limits).Layer(t.Context(), "sha256:b0b", in, 1<<10)
			require.ErrorContains(t, err, "layer sha256:b0b: ")
			require.Nil(t, l)
			require.Equal(t, c.limit, errors.Is(err, compare.ErrLimit), "%v", err)
			require.Less(t, in.n, int64(32<<20))
		})
	}
}

// TestAWholeImageMayNotHaveMoreFiles than a reader takes of all layers.
func TestAWholeImageMayNotHaveMoreFiles(t *testing.T) {
	limits := compare.Usual()
	limits.Files = 3
	r := compare.NewReader(limits)
	b := tarOf(t, file{"a", nil}, file{"b", nil})
	_, err := r.Layer(t.Context(), "first", bytes.NewReader(b), int64(len(b)))
	require.NoError(t, err)
	_, err = r.Layer(t.Context(), "second", bytes.NewReader(b), int64(len(b)))
	require.ErrorIs(t, err, compare.ErrLimit)
	require.ErrorContains(t, err, "layer second: ")
}

// TestBombsShareWhatTheyMayExpandTo: many small layers may expand to no more than one.
func TestBombsShareWhatTheyMayExpandTo(t *testing.T) {
	limits := compare.Usual()
	limits.Spare = 8 << 20
	r := compare.NewReader(limits)
	b := zstdOf(t, tarOf(t, file{"a", make([]byte, 5<<20)}))
	require.Less(t, int64(len(b))*limits.Ratio, int64(1<<20))
	_, err := r.Layer(t.Context(), "first", bytes.NewReader(b), int64(len(b)))
	require.NoError(t, err)
	_, err = r.Layer(t.Context(), "second", bytes.NewReader(b), int64(len(b)))
	require.ErrorIs(t, err, compare.ErrLimit)
	holes := sparse(t)
	_, err = r.Layer(t.Context(), "sparse", bytes.NewReader(holes), int64(len(holes)))
	require.ErrorIs(t, err, compare.ErrLimit)
	plain := tarOf(t, file{"a", make([]byte, 20<<20)}) // as large as it says
	_, err = r.Layer(t.Context(), "honest", bytes.NewReader(plain), int64(len(plain)))
	require.NoError(t, err)
}

// TestSizesOfAnyKindAddUp to the largest that there is.
func TestSizesOfAnyKindAddUp(t *testing.T) {
	s := compare.Items([]compare.Item{{Key: [16]byte{1}, Size: math.MaxInt64}, {Key: [16]byte{2}, Size: 5}}, nil)
	require.Equal(t, compare.Sum{Count: 2, Bytes: math.MaxInt64}, s.OnlyA)
}

// TestReadingEnds with its context, and a layer of an honest size is read to its end.
func TestReadingEnds(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	in := &counter{Reader: written(t, endless(tar.Header{Name: "a", Typeflag: tar.TypeReg, Size: 1 << 20}))}
	stop := &stopping{in, 5 << 20, func() { cancel(errEnough) }}
	_, err := compare.NewReader(compare.Usual()).Layer(ctx, "x", stop, 1<<40)
	require.ErrorIs(t, err, errEnough)
	require.Less(t, in.n, int64(8<<20))
}

var errEnough = errors.New("enough")

// stopping stops what reads it when that has read so much.
type stopping struct {
	*counter
	after int64
	stop  func()
}

func (s *stopping) Read(p []byte) (int, error) {
	if s.n > s.after {
		s.stop()
	}
	return s.counter.Read(p)
}

// FuzzLayer reads anything: it ends, keeps no more than it may, and what it took is like itself.
func FuzzLayer(f *testing.F) {
	plain := tarOf(f, file{"a", bytesOf(1, 100)}, file{"b/c", nil})
	for _, seed := range [][]byte{plain, gzipOf(f, plain, time.Time{}), zstdOf(f, plain), plain[:700], {0x1f, 0x8b}, {0x28, 0xb5, 0x2f, 0xfd}, nil} {
		f.Add(seed)
	}
	limits := compare.Limits{Files: 100, Path: 1000, Spare: 1 << 20, Ratio: 10, Content: 4 << 20}
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := compare.NewReader(limits).Layer(t.Context(), "fuzzed", bytes.NewReader(b), int64(len(b)))
		if err != nil {
			require.ErrorContains(t, err, "layer fuzzed: ")
			return
		}
		require.LessOrEqual(t, l.Files.Count, limits.Files)
		require.LessOrEqual(t, l.Files.Bytes, limits.Content)
		s := compare.Files([]*compare.Layer{l}, []*compare.Layer{l})
		require.Zero(t, s.OnlyA.Count+s.OnlyB.Count)
	})
}
