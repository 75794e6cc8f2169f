package backup

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var head = Head{ID: strings.Repeat("A", 26), Peer: "12D3", Release: "v1", Created: time.Unix(1, 0).UTC()}

func written(t testing.TB, recs ...Record) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := newRecordWriter(&out, head)
	require.NoError(t, err)
	for _, r := range recs {
		require.NoError(t, w.put(r))
	}
	sum, err := w.end()
	require.NoError(t, err)
	require.Equal(t, len(recs), sum.Records)
	require.Equal(t, int64(out.Len()), sum.Bytes)
	return out.Bytes()
}

func readAll(b []byte) (recs []Record, r *RecordReader, err error) {
	if r, err = ReadRecords(bytes.NewReader(b)); err != nil {
		return nil, nil, err
	}
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return recs, r, nil
		}
		if err != nil {
			return recs, r, err
		}
		recs = append(recs, rec)
	}
}

// TestRecords come back as they were written, and with the same sum.
func TestRecords(t *testing.T) {
	want := []Record{{"/a", []byte("value")}, {"/b", nil}, {"/c", bytes.Repeat([]byte("x"), 300_000)}}
	b := written(t, want...)
	got, r, err := readAll(b)
	require.NoError(t, err)
	require.Equal(t, head, r.Head)
	require.Len(t, got, len(want))
	for i := range want {
		require.Equal(t, want[i].Key, got[i].Key)
		require.True(t, bytes.Equal(want[i].Value, got[i].Value))
	}
	require.Equal(t, int64(len(b)), r.Sum().Bytes)
	_, err = r.Next()
	require.ErrorIs(t, err, io.EOF)
}

// TestDamagedRecords: a bit that is wrong, an end that is missing and bytes behind the end are seen.
func TestDamagedRecords(t *testing.T) {
	b := written(t, Record{"/a", []byte("value")}, Record{"/b", []byte("other")})
	for i := range b {
		bad := bytes.Clone(b)
		bad[i] ^= 1
		_, _, err := readAll(bad)
		require.Error(t, err, "byte %d", i)
		_, _, err = readAll(b[:i])
		require.ErrorIs(t, err, ErrDamaged, "ends after %d bytes", i)
	}
	_, _, err := readAll(append(bytes.Clone(b), 0))
	require.ErrorIs(t, err, ErrDamaged)
}

// FuzzRecords: nothing that is read takes more memory than it has bytes, or is taken for whole without
// its sum.
func FuzzRecords(f *testing.F) {
	f.Add([]byte(magic))
	f.Add(written(f))
	f.Add(written(f, Record{"/a", []byte("value")}))
	f.Add(append([]byte(magic), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		recs, r, err := readAll(b)
		n := 0
		for _, rec := range recs {
			n += len(rec.Key) + len(rec.Value)
		}
		if n > len(b) {
			t.Fatalf("%d bytes of %d", n, len(b))
		}
		if err == nil && r.Sum().Records != len(recs) {
			t.Fatal("another number of records")
		}
	})
}

// FuzzManifest: a manifest that is taken can name a file.
func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"format":1,"id":"AAAAAAAAAAAAAAAAAAAAAAAAAA"}`))
	f.Add([]byte(`{"format":1,"id":"../../../../etc/passwd"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := parseManifest(b); err == nil && filepath.Base(m.ID) != m.ID {
			t.Fatalf("%q", m.ID)
		}
	})
}

func putRecords(recs ...Record) func(func(Record) error) error {
	return func(put func(Record) error) error {
		for _, r := range recs {
			if err := put(r); err != nil {
				return err
			}
		}
		return nil
	}
}

// idOf makes a head of a backup.
func idOf(c string) Head {
	h := head
	h.ID = strings.Repeat(c, 26)
	return h
}

func source(t *testing.T, content string) *os.File {
	t.Helper()
	file := filepath.Join(t.TempDir(), "blob")
	require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
	f, err := os.Open(file)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func commit(t *testing.T, w *Writer, h Head, keep func(string) bool, recs ...Record) int {
	t.Helper()
	sum, err := w.PutRecords(h, putRecords(recs...))
	require.NoError(t, err)
	removed, err := w.Commit(Manifest{Head: h, Sum: sum}, keep)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return removed
}

// TestADirectory holds the earlier backup until the next one is whole, and shares its blobs.
func TestADirectory(t *testing.T) {
	dir := t.TempDir()
	_, err := Open(dir)
	require.ErrorIs(t, err, ErrNone)

	w, err := Create(dir, head.Peer, false)
	require.NoError(t, err)
	_, err = Create(dir, head.Peer, false)
	require.ErrorContains(t, err, "another backup is being written")
	for _, name := range []string{"one", "two"} {
		_, err = w.PutBlob(t.Context(), name, source(t, name), 3)
		require.NoError(t, err)
	}
	first := idOf("A")
	commit(t, w, first, func(string) bool { return true }, Record{"/a", []byte("1")})

	w, err = Create(dir, head.Peer, false)
	require.NoError(t, err)
	require.True(t, w.HasBlob("one", 3, nil))
	require.False(t, w.HasBlob("one", 4, nil), "of another size")
	_, err = w.PutRecords(idOf("B"), putRecords())
	require.NoError(t, err)
	require.NoError(t, w.Close()) // without a commit
	r, err := Open(dir)
	require.NoError(t, err)
	require.Equal(t, first.ID, r.Manifest.ID)
	require.NoError(t, r.Records(func(rec Record) error { require.Equal(t, "/a", rec.Key); return nil }))
	f, err := r.Blob("two")
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.NoError(t, r.Close())

	w, err = Create(dir, head.Peer, false)
	require.NoError(t, err)
	require.Equal(t, 1, commit(t, w, idOf("C"), func(name string) bool { return name == "one" }))
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.Len(t, names, 3, "%v", names)
	_, err = os.Stat(filepath.Join(dir, "blobs/two"))
	require.ErrorIs(t, err, os.ErrNotExist)

	_, err = Create(dir, "another", false)
	require.ErrorContains(t, err, "another registry")
}

// TestABlobThatWasWrittenAnew in the registry, because it was damaged, is written anew in the backup, however it came
// there; one that is only used, by whatever name, is not.
func TestABlobThatWasWrittenAnew(t *testing.T) {
	for name, put := range map[string]func(t *testing.T, w *Writer, from *os.File){
		"a second name or shared": func(t *testing.T, w *Writer, from *os.File) {
			_, err := w.PutBlob(t.Context(), "one", from, 3)
			require.NoError(t, err)
		},
		"copied": func(t *testing.T, w *Writer, from *os.File) {
			require.NoError(t, copyBlob(t.Context(), filepath.Join(w.dir, blobsDir, "one"), from, 3))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := Create(t.TempDir(), head.Peer, false)
			require.NoError(t, err)
			defer func() { require.NoError(t, w.Close()) }()
			damaged, mended := source(t, "0ne"), source(t, "one")
			old := time.Now().Add(-time.Hour)
			require.NoError(t, os.Chtimes(damaged.Name(), old, old))
			put(t, w, damaged)
			require.True(t, w.HasBlob("one", 3, damaged))
			require.NoError(t, os.Chtimes(damaged.Name(), time.Now().Add(time.Minute), time.Time{}))
			require.True(t, w.HasBlob("one", 3, damaged), "it was used")

			later := time.Now().Add(time.Minute)
			require.NoError(t, os.Chtimes(mended.Name(), later, later))
			require.False(t, w.HasBlob("one", 3, mended))
			_, err = w.PutBlob(t.Context(), "one", mended, 3)
			require.NoError(t, err)
			content, err := os.ReadFile(filepath.Join(w.dir, blobsDir, "one"))
			require.NoError(t, err)
			require.Equal(t, "one", string(content))
		})
	}
}

// TestRunsThatFail leave no maps behind when the next one begins, and none takes the map of the backup.
func TestRunsThatFail(t *testing.T) {
	dir := t.TempDir()
	maps := func() []string {
		names, err := filepath.Glob(filepath.Join(dir, mapPrefix+"*"))
		require.NoError(t, err)
		return names
	}
	fail := func(id string) {
		w, err := Create(dir, head.Peer, false)
		require.NoError(t, err)
		_, err = w.PutRecords(idOf(id), putRecords())
		require.NoError(t, err)
		require.NoError(t, w.Close())
	}
	fail("A")
	fail("B")
	require.Equal(t, []string{filepath.Join(dir, mapPrefix+idOf("B").ID)}, maps())
	w, err := Create(dir, head.Peer, false)
	require.NoError(t, err)
	commit(t, w, head, func(string) bool { return true })
	fail("C")
	fail("D")
	require.Len(t, maps(), 2)
	require.Contains(t, maps(), filepath.Join(dir, mapPrefix+head.ID))
}

// TestAMapAlone removes no blobs of an earlier backup.
func TestAMapAlone(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(dir, head.Peer, false)
	require.NoError(t, err)
	_, err = w.PutBlob(t.Context(), "one", source(t, "one"), 3)
	require.NoError(t, err)
	commit(t, w, head, func(string) bool { return true })
	_, err = Create(dir, head.Peer, true)
	require.ErrorContains(t, err, "name another directory")
	require.FileExists(t, filepath.Join(dir, blobsDir, "one"))

	other := t.TempDir()
	for _, id := range []string{"A", "B"} { // its own is replaced
		w, err = Create(other, head.Peer, true)
		require.NoError(t, err)
		sum, err := w.PutRecords(idOf(id), putRecords())
		require.NoError(t, err)
		_, err = w.Commit(Manifest{Head: idOf(id), Sum: sum, MapOnly: true}, func(string) bool { return false })
		require.NoError(t, err)
		require.NoError(t, w.Close())
	}
}

// TestAMapOfAnother backup, or one that is damaged, is not taken for that of the manifest.
func TestAMapOfAnother(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(dir, head.Peer, false)
	require.NoError(t, err)
	commit(t, w, head, func(string) bool { return true }, Record{"/a", []byte("1")})
	file := filepath.Join(dir, mapPrefix+head.ID)
	for name, other := range map[string][]byte{
		"of other records": written(t, Record{"/a", []byte("2")}),
		"cut":              written(t, Record{"/a", []byte("1")})[:100],
		"none":             nil,
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.WriteFile(file, other, 0o600))
			r, err := Open(dir)
			require.NoError(t, err)
			defer r.Close()
			require.ErrorIs(t, r.Records(func(Record) error { return nil }), ErrDamaged)
		})
	}
}

// TestLaterFormats say which release reads them.
func TestLaterFormats(t *testing.T) {
	_, err := parseManifest(fmt.Appendf(nil, `{"format":%d,"id":%q,"release":"v9"}`, format+1, head.ID))
	require.ErrorContains(t, err, `"v9"`)
	_, _, err = readAll([]byte(strings.Replace(magic, "1\n", "2\n", 1)))
	require.ErrorContains(t, err, "later format")
}

// asTar writes a backup of two blobs as a tar.
func asTar(t testing.TB, recs ...Record) []byte {
	t.Helper()
	var out bytes.Buffer
	w := NewTarWriter(&out, head.Created)
	sum, err := w.PutRecords(head, putRecords(recs...))
	require.NoError(t, err)
	for _, name := range []string{"one", "two"} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600))
		f, err := os.Open(filepath.Join(dir, name))
		require.NoError(t, err)
		_, err = w.PutBlob(t.Context(), name, f, 3)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	_, err = w.Commit(Manifest{Head: head, Sum: sum, Blobs: 2}, nil)
	require.NoError(t, err)
	return out.Bytes()
}

// fromTar reads all of a tar.
func fromTar(b []byte) (recs []Record, blobs map[string]string, m Manifest, err error) {
	r, err := OpenTar(bytes.NewReader(b))
	if err != nil {
		return nil, nil, m, err
	}
	if err := r.Records(func(rec Record) error { recs = append(recs, rec); return nil }); err != nil {
		return nil, nil, m, err
	}
	blobs = map[string]string{}
	err = r.Blobs(func(name string, _ int64, content io.Reader) error {
		b, err := io.ReadAll(content)
		blobs[name] = string(b)
		return err
	})
	return recs, blobs, r.Manifest, err
}

// TestATar has what a directory has, and extracted it is one.
func TestATar(t *testing.T) {
	want := []Record{{"/a", []byte("1")}, {"/b", bytes.Repeat([]byte("x"), 3<<20)}, {"/c", []byte("2")}}
	b := asTar(t, want...)
	recs, blobs, m, err := fromTar(b)
	require.NoError(t, err)
	require.Equal(t, want, recs)
	require.Equal(t, map[string]string{"one": "one", "two": "two"}, blobs)
	require.Equal(t, head, m.Head)

	dir := t.TempDir()
	extract(t, b, dir)
	parts, err := os.ReadDir(filepath.Join(dir, mapPrefix+head.ID))
	require.NoError(t, err)
	require.Greater(t, len(parts), 1)
	r, err := Open(dir)
	require.NoError(t, err)
	recs = nil
	require.NoError(t, r.Records(func(rec Record) error { recs = append(recs, rec); return nil }))
	require.Equal(t, want, recs)
	f, err := r.Blob("two")
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.NoError(t, r.Close())

	w, err := Create(dir, head.Peer, false) // and goes on as one
	require.NoError(t, err)
	require.True(t, w.HasBlob("one", 3, nil))
	commit(t, w, idOf("B"), func(string) bool { return true })
	names, err := filepath.Glob(filepath.Join(dir, mapPrefix+"*"))
	require.NoError(t, err)
	require.Equal(t, []string{filepath.Join(dir, mapPrefix+idOf("B").ID)}, names)
}

func extract(t *testing.T, b []byte, dir string) {
	t.Helper()
	for r := tar.NewReader(bytes.NewReader(b)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
		file := filepath.Join(dir, h.Name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		content, err := io.ReadAll(r)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(file, content, 0o600))
	}
}

// TestACutTar is no whole backup, wherever it ends; nor is another tar, or what is none.
func TestACutTar(t *testing.T) {
	b := asTar(t, Record{"/a", []byte("value")})
	whole := bytes.TrimRight(b, "\x00")
	for n := 0; n < len(whole); n += 7 {
		_, _, _, err := fromTar(b[:n])
		require.Error(t, err, "%d bytes", n)
		require.True(t, errors.Is(err, ErrDamaged) || errors.Is(err, ErrNone), "%d bytes: %v", n, err)
	}
	var other bytes.Buffer
	w := tar.NewWriter(&other)
	require.NoError(t, w.WriteHeader(&tar.Header{Name: "etc/passwd", Typeflag: tar.TypeReg}))
	require.NoError(t, w.Close())
	for _, b := range [][]byte{nil, []byte("\x1f\x8b\x08 compressed"), bytes.Repeat([]byte{1}, 2000), other.Bytes()} {
		_, err := OpenTar(bytes.NewReader(b))
		require.ErrorIs(t, err, ErrNone)
	}
}

// TestATarOfWhatCannotBeRead goes on behind it.
func TestATarOfWhatCannotBeRead(t *testing.T) {
	var out bytes.Buffer
	w := NewTarWriter(&out, head.Created)
	sum, err := w.PutRecords(head, putRecords())
	require.NoError(t, err)
	_, err = w.PutBlob(t.Context(), "short", source(t, "ab"), 5)
	require.ErrorIs(t, err, ErrUnread)
	_, err = w.PutBlob(t.Context(), "next", source(t, "next"), 4)
	require.NoError(t, err)
	_, err = w.Commit(Manifest{Head: head, Sum: sum}, nil)
	require.NoError(t, err)
	_, blobs, _, err := fromTar(out.Bytes())
	require.NoError(t, err)
	require.Equal(t, map[string]string{"short": "ab\x00\x00\x00", "next": "next"}, blobs)
}

// FuzzTar: what is read of a tar is bounded by it, and is whole or an error.
func FuzzTar(f *testing.F) {
	f.Add(asTar(f, Record{"/a", []byte("value")}))
	f.Add([]byte("map-"))
	f.Fuzz(func(t *testing.T, b []byte) {
		recs, _, m, err := fromTar(b)
		if err == nil && m.Sum.Records != len(recs) {
			t.Fatal("another number of records")
		}
	})
}
