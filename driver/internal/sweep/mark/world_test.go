package mark_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// world is a registry whose blobs and manifests have names instead of content: the digest
// of each is that of its name, so that referrers can go round in circles.
type world struct {
	paths    map[string][]pathmap.Version
	contents map[cid.Cid][]byte // of manifests
	failing  map[cid.Cid]error
	names    map[digest.Digest]string
	reads    atomic.Int64
}

func newWorld() *world {
	return &world{paths: map[string][]pathmap.Version{}, contents: map[cid.Cid][]byte{}, failing: map[cid.Cid]error{}, names: map[digest.Digest]string{}}
}

// digest is that of a name; "x@sha512" is that of x by another algorithm.
func (w *world) digest(name string) digest.Digest {
	plain, algorithm, ok := strings.Cut(name, "@")
	d := digest.FromString(plain)
	if ok {
		d = digest.Algorithm(algorithm).FromString(plain)
	}
	w.names[d] = name
	return d
}

func (w *world) cid(name string) cid.Cid {
	mh, err := multihash.Sum([]byte(name), multihash.SHA2_256, -1)
	if err != nil {
		panic(err)
	}
	return cid.NewCidV1(cid.Raw, mh)
}

// set gives a path one version.
func (w *world) set(path string, value []byte) {
	delete(w.paths, path)
	w.add(path, value)
}

// add gives a path one more version, a greater one.
func (w *world) add(path string, value []byte) {
	n := uint64(len(w.paths[path]))
	w.paths[path] = append(w.paths[path], pathmap.Version{Path: path, Counter: n + 1, Writer: "w", Value: value})
}

// newer makes a path one that a later release wrote, too.
func (w *world) newer(path string) { w.add(path, []byte{2}) }

func (w *world) data(root, name string, size int64) {
	w.set(ocipath.BlobData(root, w.digest(name)), pathmap.Entry{CID: w.cid(name), Size: size}.Marshal())
}

// linkTo is an entry of a link. One that is too long to be in its CID is like any blob.
func (w *world) linkTo(d digest.Digest) []byte {
	c, ok := dag.Identity([]byte(d))
	if !ok {
		sum := dag.SHA2.Sum([]byte(d))
		c = dag.SHA2.LeafCID(sum[:])
		w.contents[c] = []byte(d)
	}
	return pathmap.Entry{CID: c, Size: int64(len(d))}.Marshal()
}

func (w *world) layer(repo, name string) {
	w.set(ocipath.LayerLink(repo, w.digest(name)), w.linkTo(w.digest(name)))
}

func (w *world) revision(repo, name string) {
	w.set(ocipath.RevisionLink(repo, w.digest(name)), w.linkTo(w.digest(name)))
}

func (w *world) tag(repo, tag, name string) {
	d := w.digest(name)
	w.set(ocipath.CurrentLink(repo, tag), w.linkTo(d))
	w.set(ocipath.IndexLink(repo, tag, d), w.linkTo(d))
}

type descriptor struct {
	Digest  digest.Digest `json:"digest,omitempty"`
	BlobSum digest.Digest `json:"blobSum,omitempty"`
}

func (w *world) descriptors(names []string) (all []descriptor) {
	for _, name := range names {
		all = append(all, descriptor{Digest: w.digest(name)})
	}
	return all
}

// content is what a manifest of a type says. Fields are config, layers, blobs, fsLayers,
// manifests, subject and whatever else, each with names.
func (w *world) content(name, mediaType string, fields map[string][]string) {
	m := map[string]any{"schemaVersion": 2, "mediaType": mediaType}
	for field, names := range fields {
		all := w.descriptors(names)
		m[field] = all
		switch field {
		case "config", "subject":
			m[field] = all[0]
		case "fsLayers":
			for i, d := range all {
				all[i] = descriptor{BlobSum: d.Digest}
			}
		}
	}
	content, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	w.contents[w.cid(name)] = content
}

func (w *world) view() pathmap.View {
	return pathmap.ViewOf(func(yield func(pathmap.Version) bool) {
		for _, path := range slices.Sorted(maps.Keys(w.paths)) {
			for _, v := range w.paths[path] {
				if !yield(v) {
					return
				}
			}
		}
	})
}

var errElsewhere = errors.New("no member that can be reached has it")

// read is Options.Read.
func (w *world) read(_ context.Context, e pathmap.Entry) ([]byte, error) {
	w.reads.Add(1)
	if err := w.failing[e.CID]; err != nil {
		return nil, err
	}
	if content, ok := w.contents[e.CID]; ok {
		return content, nil
	}
	return []byte("bytes of a layer"), nil
}
