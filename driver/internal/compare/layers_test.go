package compare_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/compare"
)

// file is one that a test puts into a layer.
type file struct {
	path    string
	content []byte
}

// bytesOf are as many bytes as nobody has seen before, for a seed.
func bytesOf(seed uint64, n int) []byte {
	rnd, b := rand.New(rand.NewPCG(seed, 0)), make([]byte, n)
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	return b
}

func tarOf(t testing.TB, files ...file) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		require.NoError(t, w.WriteHeader(&tar.Header{Name: f.path, Size: int64(len(f.content)), Mode: 0o644, Typeflag: tar.TypeReg}))
		_, err := w.Write(f.content)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

func gzipOf(t testing.TB, plain []byte, at time.Time) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.ModTime = at
	_, err := w.Write(plain)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

func zstdOf(t testing.TB, plain []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	return w.EncodeAll(plain, nil)
}

func read(t testing.TB, layers ...[]byte) (all []*compare.Layer) {
	t.Helper()
	r := compare.NewReader(compare.Usual())
	for i, b := range layers {
		l, err := r.Layer(t.Context(), fmt.Sprint(i), bytes.NewReader(b), int64(len(b)))
		require.NoError(t, err)
		all = append(all, l)
	}
	return all
}

// TestCompressionHidesNothing: the same files are the same whatever compresses them.
func TestCompressionHidesNothing(t *testing.T) {
	files := []file{{"a", bytesOf(1, 3<<20)}, {"b/c", bytesOf(2, 100)}, {"empty", nil}}
	plain := tarOf(t, files...)
	skipped := append([]byte{0x5a, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 'x'}, zstdOf(t, plain)...)
	twice := append(gzipOf(t, plain[:1000], time.Time{}), gzipOf(t, plain[1000:], time.Time{})...) // as eStargz has it
	all := map[string]struct {
		is   compare.Compression
		have []byte
	}{
		"tar": {compare.None, plain}, "gzip": {compare.Gzip, gzipOf(t, plain, time.Unix(1, 0))}, "gzip in parts": {compare.Gzip, twice},
		"zstd": {compare.Zstd, zstdOf(t, plain)}, "zstd behind a frame to skip": {compare.Zstd, skipped},
	}
	whole := compare.Sum{Count: 3, Bytes: 3<<20 + 100}
	for name, a := range all {
		for other, b := range all {
			x, y := read(t, a.have), read(t, b.have)
			require.Equal(t, a.is, x[0].Compression, name)
			require.Equal(t, whole, x[0].Files, name)
			require.Equal(t, compare.Shares{Shared: whole}, compare.Files(x, y), "%s, %s", name, other)
			require.Equal(t, compare.Shares{Shared: compare.Sum{Count: 4, Bytes: int64(len(plain))}}, compare.Plain(x, y), "%s, %s", name, other)
			require.Equal(t, compare.Paths{Same: whole}, compare.ByPath(x, y))
		}
	}
}

// TestWhatTwoImagesShare: of two layers each, in which a file moved, one changed, and one is there
// twice.
func TestWhatTwoImagesShare(t *testing.T) {
	base, moved, old, changed := bytesOf(1, 1000), bytesOf(2, 200), bytesOf(3, 30), bytesOf(4, 31)
	a := read(t, tarOf(t, file{"base", base}, file{"x", moved}), tarOf(t, file{"etc/conf", old}, file{".wh.base", nil}))
	b := read(t, gzipOf(t, tarOf(t, file{"./base", base}), time.Time{}),
		zstdOf(t, tarOf(t, file{"/y", moved}, file{"etc/conf", old}, file{"z", base})), tarOf(t, file{"etc/conf", changed}))
	require.Equal(t, compare.Shares{
		Shared: compare.Sum{Count: 3, Bytes: 1230}, OnlyB: compare.Sum{Count: 1, Bytes: 31},
	}, compare.Files(a, b))
	require.Equal(t, compare.Paths{
		Same:     compare.Sum{Count: 1, Bytes: 1000},
		ChangedA: compare.Sum{Count: 1, Bytes: 30}, ChangedB: compare.Sum{Count: 1, Bytes: 31},
		OnlyA: compare.Sum{Count: 1, Bytes: 200}, OnlyB: compare.Sum{Count: 2, Bytes: 1200},
	}, compare.ByPath(a, b))
	turned := compare.Files(b, a)
	require.Equal(t, compare.Shares{Shared: compare.Sum{Count: 3, Bytes: 1230}, OnlyA: compare.Sum{Count: 1, Bytes: 31}}, turned)
	require.Equal(t, compare.Shares{}, compare.Files(nil, nil))
}

// TestWhatWouldBeShared without compression is what has not moved within a layer.
func TestWhatWouldBeShared(t *testing.T) {
	one, two := bytesOf(1, 4<<20), bytesOf(2, 1<<20)
	a := read(t, gzipOf(t, tarOf(t, file{"a", one}, file{"b", two}), time.Time{}))
	behind := read(t, gzipOf(t, tarOf(t, file{"a", one}, file{"b", two}, file{"c", two}), time.Time{}))
	before := read(t, gzipOf(t, tarOf(t, file{"0", []byte("x")}, file{"a", one}, file{"b", two}), time.Time{}))
	require.EqualValues(t, 5<<20, compare.Plain(a, behind).Shared.Bytes)
	require.Zero(t, compare.Plain(a, before).Shared)
	require.EqualValues(t, 5<<20, compare.Files(a, before).Shared.Bytes)
}

// TestItems compares as sets do.
func TestItems(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var lists [2][]compare.Item
		for i := range lists {
			for range rnd.IntN(20) {
				n := rnd.IntN(12)
				lists[i] = append(lists[i], compare.Item{Key: [16]byte{byte(n)}, Size: int64(n)})
			}
		}
		var want compare.Shares
		for n := range 12 {
			in := [2]bool{}
			for i, list := range lists {
				for _, item := range list {
					in[i] = in[i] || int(item.Key[0]) == n
				}
			}
			for sum, is := range map[*compare.Sum]bool{&want.Shared: in[0] && in[1], &want.OnlyA: in[0] && !in[1], &want.OnlyB: in[1] && !in[0]} {
				if is {
					sum.Count, sum.Bytes = sum.Count+1, sum.Bytes+int64(n)
				}
			}
		}
		require.Equal(t, want, compare.Items(lists[0], lists[1]))
	}
}

// counter counts what was read of a layer.
type counter struct {
	io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}
