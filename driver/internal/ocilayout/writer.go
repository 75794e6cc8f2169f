// Package ocilayout writes an OCI image layout
// (https://github.com/opencontainers/image-spec/blob/main/image-layout.md):
//
//	oci-layout                 which version of it
//	blobs/<algorithm>/<hex>    the bytes of each digest
//	index.json                 what is in it, each manifest with its name. It is written last
//
//	w, err := ocilayout.Create("/media/disk/images")
//	shared, err := w.PutBlob(d, exportdir.Source{Reader: r})
//	w.Name("team/app:1", descriptor)
//	err = w.Commit()
//	err = w.Close()
//
// What is there already stays, whoever wrote it: blobs, and the entries of index.json that have other
// names than those that are given.
//
// Limits: it takes memory for index.json, some 300 bytes an entry.
package ocilayout

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/exportdir"
)

// maxIndex is how many bytes of an index.json are read: that of a million entries has less.
const maxIndex = 512 << 20

// Writer writes a layout. It is safe for concurrent use, but for that of one blob.
type Writer struct {
	dir *exportdir.Dir

	mu    sync.Mutex
	old   v1.Index
	named map[string]v1.Descriptor
}

// Create makes a layout where none is, or adds to the one that is there.
func Create(dir string) (*Writer, error) {
	return opened(exportdir.Create(dir, v1.ImageBlobsDir))
}

// Look opens a layout, if there is one, to see what is there.
func Look(dir string) (*Writer, error) { return opened(exportdir.Look(dir)) }

func opened(dir *exportdir.Dir, err error) (*Writer, error) {
	if err != nil {
		return nil, err
	}
	w := &Writer{dir: dir, named: map[string]v1.Descriptor{}}
	if err := w.read(); err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	return w, nil
}

// read reads what is there of a layout.
func (w *Writer) read() error {
	var layout v1.ImageLayout
	err := w.decode(v1.ImageLayoutFile, &layout)
	if err == nil && layout.Version != v1.ImageLayoutVersion {
		err = fmt.Errorf("%s: is of version %.20q: only %s is known", v1.ImageLayoutFile, layout.Version, v1.ImageLayoutVersion)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	w.old = v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex}
	if err := w.decode(v1.ImageIndexFile, &w.old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (w *Writer) decode(name string, v any) error {
	content, err := w.dir.Read(name, maxIndex)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(content, v); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// HasBlob reports whether the bytes of a digest, which must be valid, are there.
func (w *Writer) HasBlob(d digest.Digest, size int64) bool { return w.dir.Has(blobName(d), size) }

// PutBlob writes the bytes of a digest, as exportdir.Dir.PutBlob does.
func (w *Writer) PutBlob(d digest.Digest, from exportdir.Source) (shared bool, err error) {
	return w.dir.PutBlob(blobName(d), d, from)
}

func blobName(d digest.Digest) string {
	return path.Join(v1.ImageBlobsDir, d.Algorithm().String(), d.Encoded())
}

// Name gives a manifest whose bytes are there a name in the index, in place of what had it.
func (w *Writer) Name(name string, to v1.Descriptor) {
	annotations := maps.Clone(to.Annotations)
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[v1.AnnotationRefName] = name
	to.Annotations = annotations
	w.mu.Lock()
	defer w.mu.Unlock()
	w.named[name] = to
}

// Commit writes the index, when all blobs are safe on disk.
func (w *Writer) Commit() error {
	if err := w.put(v1.ImageLayoutFile, v1.ImageLayout{Version: v1.ImageLayoutVersion}); err != nil {
		return err
	}
	if err := w.dir.Sync(); err != nil {
		return err
	}
	return w.put(v1.ImageIndexFile, w.index())
}

// index is what was there, but for what has another meaning now, and then what was named.
func (w *Writer) index() v1.Index {
	w.mu.Lock()
	defer w.mu.Unlock()
	index := w.old
	index.Manifests = []v1.Descriptor{} // the specification wants a list
	for _, d := range w.old.Manifests {
		if _, again := w.named[d.Annotations[v1.AnnotationRefName]]; !again {
			index.Manifests = append(index.Manifests, d)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.named)) {
		index.Manifests = append(index.Manifests, w.named[name])
	}
	return index
}

func (w *Writer) put(name string, v any) error {
	return w.dir.Put(name, func(f *os.File) error {
		out := json.NewEncoder(f)
		out.SetIndent("", "  ")
		return errors.Join(out.Encode(v), f.Sync())
	})
}

// Close makes all that was written safe on disk.
func (w *Writer) Close() error { return w.dir.Close() }
