package driver

import (
	"bytes"
	"crypto/sha256"
	"encoding"
	"fmt"
	"os"
	"testing"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
)

// hinting is an upload with states of distribution's digest.
type hinting struct {
	*testing.T
	d   *Driver
	dir string
}

// hint stores a state of the digest of some bytes, under a number of bytes, and reports whether it
// was kept.
func (h hinting) hint(hashed []byte, size int) bool {
	h.Helper()
	sum := sha256.New()
	sum.Write(hashed)
	state, err := sum.(encoding.BinaryMarshaler).MarshalBinary()
	file := fmt.Sprintf("%s/hashstates/sha256/%d", h.dir, size)
	if err == nil {
		err = h.d.PutContent(h.Context(), file, state)
	}
	if err != nil {
		h.Fatal(err)
	}
	_, err = os.Stat(h.d.store.localFile(file))
	return err == nil
}

func (h hinting) append(content []byte) storagedriver.FileWriter {
	h.Helper()
	w, err := h.d.Writer(h.Context(), h.dir+"/data", true)
	if err == nil {
		_, err = w.Write(content)
	}
	if err != nil {
		h.Fatal(err)
	}
	return w
}

func (h hinting) close(w storagedriver.FileWriter) {
	h.Helper()
	if err := w.Close(); err != nil {
		h.Fatal(err)
	}
}

// TestStatesOfOtherBytes are not kept: distribution names the state by the bytes that it has hashed,
// which are those of one request where it found no state of what came before. Once bytes were taken
// back, an upload could have that many, and others.
func TestStatesOfOtherBytes(t *testing.T) {
	h := hinting{t, newOffline(t), someUploads + "1"}
	first, other := bytes.Repeat([]byte("a"), 50_000), bytes.Repeat([]byte("b"), 2<<20)
	w := h.append(first)
	if h.hint(first, len(first)) {
		t.Error("the state of few bytes is kept")
	}
	h.close(w)
	w = h.append(other)
	if h.hint(other, len(other)) {
		t.Error("the state of other bytes is kept")
	}
	if !h.hint(append(first, other...), len(first)+len(other)) {
		t.Error("the state of all bytes is not kept")
	}
	h.close(w)
	if err := w.(roomyWriter).FileWriter.(*upload).Revert(); err != nil {
		t.Fatal(err)
	}
	if h.hint(other, len(other)) {
		t.Error("the state of an upload is kept that nobody writes")
	}
	w = h.append(make([]byte, len(other)-len(first)))
	if err := w.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.close(w)
	if err := h.d.Move(t.Context(), h.dir+"/data", ocipath.BlobData(ocipath.Root, digest.FromBytes(other))); err == nil {
		t.Error("bytes are published under the digest of others")
	}
}

// TestStatesOfOneLeaf are kept where its sum is not the digest.
func TestStatesOfOneLeaf(t *testing.T) {
	h := hinting{t, newOffline(t), someUploads + "1"}
	content := make([]byte, dag.LeafSize)
	w := h.append(content)
	if h.hint(content, len(content)) {
		t.Error("the state of one leaf is kept")
	}
	h.d.store.blobs.SetFunction(dag.BLAKE3)
	if !h.hint(content, len(content)) {
		t.Error("the state of one leaf is not kept, and the digest is not its sum")
	}
	h.close(w)
}
