package blob

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// FuzzKnown: what lies beside an upload is what was written there, or the upload is read again.
func FuzzKnown(f *testing.F) {
	whole := &known{Version: knownVersion, Size: 5, Function: dag.SHA2.String(), Sums: make([]byte, dag.SumSize)}
	b, err := whole.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(bytes.Replace(b, []byte("5"), []byte("-5"), 1))
	f.Add([]byte(`{"version":1,"size":1e99}`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, note []byte) {
		file := filepath.Join(dir, "data")
		if err := os.WriteFile(UploadNote(file), note, 0o600); err != nil {
			t.Fatal(err)
		}
		k, err := readKnown(file)
		if err != nil {
			return
		}
		if again, err := k.encode(); err != nil || !bytes.Equal(again, note) {
			t.Errorf("%s became %s: %v", note, again, err)
		}
	})
}

// FuzzNumber: a number of the index is the one that was written, and no blob is larger than one
// can be.
func FuzzNumber(f *testing.F) {
	f.Add(number(0))
	f.Add(number(dag.MaxSize + 1))
	f.Add([]byte{0x80, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := readNumber(b)
		if err != nil {
			return
		}
		if again, err := readNumber(number(n)); err != nil || again != n || n < 0 || n > dag.MaxSize {
			t.Errorf("%x is %d, and then %d: %v", b, n, again, err)
		}
	})
}

// FuzzFileNames: a file that looks like a partial blob has the name that its blob gives it.
func FuzzFileNames(f *testing.F) {
	f.Add("bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku" + partialSuffix)
	f.Add(partialSuffix)
	f.Fuzz(func(t *testing.T, name string) {
		if c, ok := partialRoot(name); ok && (!c.Defined() || c.String() != name[:len(c.String())]) {
			t.Errorf("%q is of %s", name, c)
		}
	})
}
