package mark_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/manifest"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/sweep/mark"
)

// TestTrees plays the files in testdata: a registry, "----", and what of it is unused, in
// the order in which it may be deleted. Each line says what was done:
//
//	manifest a m config=c layers=l1,l2 m is pushed to repository a, with its blobs; also
//	                                   type=, manifests=, subject=, blobs=, fsLayers=, and
//	                                   any field that nobody knows
//	tag a 1 m                          a:1 names m; "concurrently": it also names another
//	untag a 1, unlink a m              a client deletes a tag, or a manifest of a
//	layer a l                          l is pushed to a, or mounted
//	layer a l@sha512                   it was pushed by that digest, and lies by sha256
//	alias a m@sha512                   m was pushed by that digest, and lies by sha256
//	lose m                             the bytes of m have no entry
//	fail m                             the bytes of m cannot be read here
//	text m …                           the bytes of m are something else
//	large m                            they are more than a manifest has
//	path /x                            a path; with "newer" one of a later release
//	newer blob m, newer layer a l, newer manifest a m, newer tag a 1, newer index a 1 m
//	empty tag a 1                      a link, likewise, also has a version that holds nothing
//
// A repository may be written root!a. After a change that is meant, go test -run TestTrees
// -rewrite writes the new outcomes into the files: read each.
func TestTrees(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, file string) {
		datadriven.RunTest(t, file, func(t *testing.T, d *datadriven.TestData) string {
			require.Equal(t, "mark", d.Cmd, d.Pos)
			w := newWorld()
			for line := range strings.Lines(d.Input) {
				if fields := strings.Fields(line); len(fields) > 0 {
					w.play(t, d.Pos, fields)
				}
			}
			result, err := mark.Mark(t.Context(), w.view(), mark.Options{Read: w.read, Untagged: d.HasArg("untagged")})
			require.NoError(t, err)
			return w.outcome(result)
		})
	})
}

// play does what one line says.
func (w *world) play(t *testing.T, pos string, line []string) {
	options := map[string][]string{}
	var words []string
	for _, f := range line {
		if key, value, ok := strings.Cut(f, "="); ok {
			options[key] = strings.Split(value, ",")
		} else {
			words = append(words, f)
		}
	}
	at := func(i int) string {
		require.Less(t, i, len(words), "%s: %s", pos, strings.Join(line, " "))
		return words[i]
	}
	switch at(0) {
	case "manifest":
		w.push(at(1), at(2), options)
	case "tag":
		if len(words) > 4 {
			w.add(ocipath.CurrentLink(repository(at(1)), at(2)), w.linkTo(w.digest(at(3))))
			return
		}
		w.tag(repository(at(1)), at(2), at(3))
	case "untag":
		w.remove(ocipath.Tags(repository(at(1))) + "/" + at(2))
	case "unlink":
		w.remove(ocipath.RevisionLink(repository(at(1)), w.digest(at(2))))
	case "alias":
		canonical, _, _ := strings.Cut(at(2), "@")
		w.set(ocipath.RevisionLink(repository(at(1)), w.digest(at(2))), w.linkTo(w.digest(canonical)))
	case "layer":
		w.pushLayer(at(1), at(2))
	case "lose":
		w.remove(ocipath.BlobData(ocipath.Root, w.digest(at(1))))
	case "fail":
		w.failing[w.cid(at(1))] = errElsewhere
	case "text":
		w.contents[w.cid(at(1))] = []byte(strings.Join(line[2:], " "))
	case "large":
		w.data(ocipath.Root, at(1), manifest.MaxSize+1)
	case "path":
		w.set(at(1), pathmap.Entry{CID: w.cid(at(1)), Size: 1}.Marshal())
		if len(words) > 2 {
			w.newer(at(1))
		}
	case "empty":
		w.add(w.pathOf(t, words[1:]), w.linkTo(""))
	case "newer":
		w.newer(w.pathOf(t, words[1:]))
	default:
		require.Fail(t, "unknown", "%s: %s", pos, strings.Join(line, " "))
	}
}

// pathOf is what a line of "newer" names.
func (w *world) pathOf(t *testing.T, words []string) string {
	switch words[0] {
	case "blob":
		return ocipath.BlobData(ocipath.Root, w.digest(words[1]))
	case "layer":
		return ocipath.LayerLink(repository(words[1]), w.digest(words[2]))
	case "manifest":
		return ocipath.RevisionLink(repository(words[1]), w.digest(words[2]))
	case "tag":
		return ocipath.CurrentLink(repository(words[1]), words[2])
	}
	require.Equal(t, "index", words[0])
	return ocipath.IndexLink(repository(words[1]), words[2], w.digest(words[3]))
}

// rootOf is the root of a repository.
func rootOf(name string) string {
	if root, _, ok := strings.Cut(name, "!"); ok {
		return root
	}
	return ocipath.Root
}

// repository is the directory of a repository "a", or "root!a".
func repository(name string) string {
	if root, name, ok := strings.Cut(name, "!"); ok {
		return root + "/repositories/" + name
	}
	return ocipath.Repository(name)
}

func (w *world) remove(at string) {
	for path := range w.paths {
		if path == at || strings.HasPrefix(path, at+"/") {
			delete(w.paths, path)
		}
	}
}

// push pushes a manifest, and its blobs before it.
func (w *world) push(repo, name string, fields map[string][]string) {
	mediaType := "application/vnd.oci.image.manifest.v1+json"
	if types := fields["type"]; types != nil {
		mediaType = types[0]
		delete(fields, "type")
	}
	for _, field := range []string{"config", "layers", "blobs", "fsLayers"} {
		for _, blob := range fields[field] {
			if w.contents[w.cid(blob)] == nil { // no manifest
				w.pushLayer(repo, blob)
			}
		}
	}
	w.content(name, mediaType, fields)
	w.data(rootOf(repo), name, 100)
	w.revision(repository(repo), name)
}

// pushLayer pushes a blob by its digest.
func (w *world) pushLayer(repo, name string) {
	canonical, _, _ := strings.Cut(name, "@")
	w.data(rootOf(repo), canonical, 10)
	w.layer(repository(repo), canonical)
	if name != canonical {
		w.set(ocipath.LayerLink(repository(repo), w.digest(name)), w.linkTo(w.digest(canonical)))
	}
}

// outcome lists what may be deleted, what could not be read, and the sums.
func (w *world) outcome(r *mark.Result) string {
	var b strings.Builder
	for path := range r.Paths() {
		fmt.Fprintln(&b, w.name(path))
	}
	for _, u := range r.Unreadable {
		fmt.Fprintf(&b, "cannot read %s: %s\n", w.name(u.Path), u.Err)
	}
	u, all := r.Unused, r.All
	fmt.Fprintf(&b, "unused: %d of %d manifests, %d of %d layers, %d of %d blobs, %d of %d bytes, in %d of %d repositories\n",
		u.Manifests, all.Manifests, u.Layers, all.Layers, u.Blobs, all.Blobs, u.Bytes, all.Bytes, u.Repositories, all.Repositories)
	return b.String()
}

// name is a path in the words of TestTrees.
func (w *world) name(at string) string {
	p := ocipath.Parse(at)
	repo := strings.TrimPrefix(p.Repository, p.Root+"/repositories/")
	if p.Root != ocipath.Root {
		repo = p.Root + "!" + repo
	}
	switch p.Kind {
	case ocipath.Blob:
		return strings.TrimSuffix("blob "+w.names[p.Digest]+" "+strings.TrimSuffix(repo, "!"), " ")
	case ocipath.Layer:
		return "layer " + repo + " " + w.names[p.Digest]
	case ocipath.Revision:
		return "manifest " + repo + " " + w.names[p.Digest]
	case ocipath.TagCurrent:
		return "tag " + repo + " " + p.Tag
	case ocipath.TagIndex:
		return "index " + repo + " " + p.Tag + " " + w.names[p.Digest]
	}
	return at
}
