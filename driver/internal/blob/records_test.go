package blob

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/golden"
)

// TestGoldenRecords: what lies in the datastore of blobs, and beside uploads.
func TestGoldenRecords(t *testing.T) {
	sum, err := multihash.Sum([]byte("content"), multihash.SHA2_256, -1)
	if err != nil {
		t.Fatal(err)
	}
	root := cid.NewCidV1(cid.Raw, sum)
	note := &known{Version: knownVersion, Size: 7, ModTime: 1700000000, Inode: 9, Function: "sha2-256", Sums: bytes.Repeat([]byte{1}, 32), Reread: true, Run: "run"}
	text, err := note.encode()
	if err != nil {
		t.Fatal(err)
	}
	stored := golden.Held(t, *update, "records.json", map[string]string{
		"root":    rootKey(root).String(),
		"partial": partialKey(root).String(),
		"rotten":  rottenKey(root).String(),
		"leaf":    leafKey(sum, root.String()).String(),
		"inner":   innerKey(sum, root.String()).String(),
		"extra":   extraKey(sum).String(),
		"journal": (&journal{run: "run"}).newKey(root).String(),
		"number":  hex.EncodeToString(number(300)),
		"note":    string(text),
	})
	if n, err := readNumber(golden.Bytes(t, stored["number"])); err != nil || n != 300 {
		t.Errorf("%d %v", n, err)
	}
	for _, name := range []string{"root", "partial", "rotten", "leaf", "inner"} {
		if c, err := keyRoot(stored[name]); err != nil || c != root {
			t.Errorf("%s: %s %v", name, c, err)
		}
	}
	for name, prefix := range map[string]string{"leaf": leafPrefix, "inner": innerPrefix, "extra": extraPrefix} {
		if mh, err := keyHash(prefix, stored[name]); err != nil || !bytes.Equal(mh, sum) {
			t.Errorf("%s: %s %v", name, mh, err)
		}
	}
	file := filepath.Join(t.TempDir(), "upload")
	if err := os.WriteFile(UploadNote(file), []byte(stored["note"]), 0o600); err != nil {
		t.Fatal(err)
	}
	if was, err := readKnown(file); err != nil || !reflect.DeepEqual(was, note) {
		t.Errorf("%+v %v", was, err)
	}
}
