package usage_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

const manifestSize = 100

// world is a registry whose blobs have names instead of content.
type world struct {
	t        *testing.T
	paths    map[string][]byte
	contents map[cid.Cid][]byte
	away     map[cid.Cid]bool
	copies   map[cid.Cid]int
}

func newWorld(t *testing.T) *world {
	return &world{t: t, paths: map[string][]byte{}, contents: map[cid.Cid][]byte{}, away: map[cid.Cid]bool{}, copies: map[cid.Cid]int{}}
}

func cidOf(name string) cid.Cid {
	mh, err := multihash.Sum([]byte(name), multihash.SHA2_256, -1)
	if err != nil {
		panic(err)
	}
	return cid.NewCidV1(cid.Raw, mh)
}

// play does what a line says; TestShares lists them.
func (w *world) play(line string) {
	words, fields := strings.Fields(line), map[string][]string{}
	for i, word := range words {
		if key, value, ok := strings.Cut(word, "="); ok {
			fields[key] = strings.Split(value, ",")
			words[i] = ""
		}
	}
	repo, tag, _ := strings.Cut(words[1], ":")
	switch words[0] {
	case "push":
		w.push(repo, words[2], fields)
		if tag != "" {
			w.tag(repo, tag, words[2])
		}
	case "tag":
		w.tag(repo, tag, words[2])
	case "layer":
		w.layer(repo, words[2])
	case "untag":
		w.remove(ocipath.Tags(ocipath.Repository(repo)) + "/" + tag)
	case "delete":
		w.remove(ocipath.RevisionLink(ocipath.Repository(repo), digest.FromString(words[2])))
	case "lose":
		w.remove(ocipath.BlobData(ocipath.Root, digest.FromString(words[1])))
	case "fail":
		delete(w.contents, cidOf(words[1]))
		w.away[cidOf(words[1])] = true
	case "away":
		w.away[cidOf(words[1])] = true
	case "copies":
		n, err := strconv.Atoi(words[2])
		require.NoError(w.t, err)
		w.copies[cidOf(words[1])] = n
	case "newer":
		w.paths[words[1]] = []byte{2}
	default:
		require.Fail(w.t, line)
	}
}

type descriptor struct {
	Digest digest.Digest `json:"digest"`
}

// push pushes a manifest, and its blobs before it. A blob is written name:size, what is not a
// manifest.
func (w *world) push(repo, name string, fields map[string][]string) {
	m := map[string]any{}
	for field, names := range fields {
		var all []descriptor
		for _, of := range names {
			if strings.Contains(of, ":") {
				of = w.layer(repo, of)
			}
			all = append(all, descriptor{digest.FromString(of)})
		}
		m[field] = all
		if field == "config" || field == "subject" {
			m[field] = all[0]
		}
	}
	content, err := json.Marshal(m)
	require.NoError(w.t, err)
	w.contents[cidOf(name)] = content
	w.data(name, manifestSize)
	w.link(ocipath.RevisionLink(ocipath.Repository(repo), digest.FromString(name)), name)
}

func (w *world) layer(repo, of string) (name string) {
	name, size, _ := strings.Cut(of, ":")
	n, err := strconv.Atoi(size)
	require.NoError(w.t, err, of)
	w.data(name, int64(n))
	w.link(ocipath.LayerLink(ocipath.Repository(repo), digest.FromString(name)), name)
	return name
}

func (w *world) data(name string, size int64) {
	w.paths[ocipath.BlobData(ocipath.Root, digest.FromString(name))] = pathmap.Entry{CID: cidOf(name), Size: size}.Marshal()
}

func (w *world) link(path, name string) {
	d := digest.FromString(name)
	c, _ := dag.Identity([]byte(d))
	w.paths[path] = pathmap.Entry{CID: c, Size: int64(len(d))}.Marshal()
}

func (w *world) tag(repo, tag, name string) {
	dir := ocipath.Repository(repo)
	w.link(ocipath.CurrentLink(dir, tag), name)
	w.link(ocipath.IndexLink(dir, tag, digest.FromString(name)), name)
}

func (w *world) remove(at string) {
	maps.DeleteFunc(w.paths, func(path string, _ []byte) bool { return path == at || strings.HasPrefix(path, at+"/") })
}

func (w *world) view() pathmap.View {
	return pathmap.ViewOf(func(yield func(pathmap.Version) bool) {
		for _, path := range slices.Sorted(maps.Keys(w.paths)) {
			if !yield(pathmap.Version{Path: path, Counter: 1, Writer: "w", Value: w.paths[path]}) {
				return
			}
		}
	})
}

var errElsewhere = errors.New("no such blob here")

func (w *world) read(_ context.Context, e pathmap.Entry) ([]byte, error) {
	if content, ok := w.contents[e.CID]; ok {
		return content, nil
	}
	return nil, errElsewhere
}
