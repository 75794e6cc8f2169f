package mark

import (
	"iter"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
)

// MaxUnreadable is how many places Result.Unreadable lists.
const MaxUnreadable = 1000

// Result is what a marking found.
type Result struct {
	All, Unused Sums

	// Unreadable is what could not be read, so that something stays because of it: the
	// first MaxUnreadable, of that many.
	Unreadable      []Unreadable
	UnreadableCount int

	repositories []unusedLinks
	roots        []unusedBlobs
}

// Sums count paths.
type Sums struct {
	Repositories int   // with such a path
	Manifests    int   // links of revisions
	Layers       int   // links of repositories to blobs
	Blobs        int   // bytes of blobs, manifests and configs among them
	Bytes        int64 // of these
}

// Unreadable is what could not be read.
type Unreadable struct {
	Path string // of the link to the manifest, or what lies at the path itself
	Err  error  // why
}

// unusedLinks are those of one repository.
type unusedLinks struct {
	path              string
	indexed           []indexed
	revisions, layers ids
}

// unusedBlobs are those of one root.
type unusedBlobs struct {
	path  string
	blobs ids
}

// Paths gives the paths that nothing live refers to, links before what they lead to: a tag's
// links to what it once named, manifests, links to blobs, and then bytes. Two results list
// the paths that both have in the same order.
func (r *Result) Paths() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, repo := range r.repositories {
			for _, link := range repo.indexed {
				if !yield(ocipath.IndexLink(repo.path, link.tag, link.id.digest())) {
					return
				}
			}
		}
		for _, repo := range r.repositories {
			for i := range repo.revisions.len() {
				if !yield(ocipath.RevisionLink(repo.path, repo.revisions.at(i).digest())) {
					return
				}
			}
		}
		for _, repo := range r.repositories {
			for i := range repo.layers.len() {
				if !yield(ocipath.LayerLink(repo.path, repo.layers.at(i).digest())) {
					return
				}
			}
		}
		for _, root := range r.roots {
			for i := range root.blobs.len() {
				if !yield(ocipath.BlobData(root.path, root.blobs.at(i).digest())) {
					return
				}
			}
		}
	}
}

func (r *Result) unreadable(path string, err error) {
	if r.UnreadableCount++; len(r.Unreadable) < MaxUnreadable {
		r.Unreadable = append(r.Unreadable, Unreadable{path, err})
	}
}

// repository takes what is unused of one that has been resolved.
func (r *Result) repository(of *repository) {
	r.All.Repositories++
	r.All.Manifests += of.revisions.len()
	r.All.Layers += of.layers.len()
	if of.stays {
		return
	}
	unused := unusedLinks{path: of.path, revisions: without(&of.revisions, of.liveRevisions), layers: without(&of.layers, of.liveLayers)}
	for _, link := range of.indexed {
		if i, ok := of.revisions.find(link.id); !ok || !of.liveRevisions[i] {
			unused.indexed = append(unused.indexed, link)
		}
	}
	if len(unused.indexed)+unused.revisions.len()+unused.layers.len() == 0 {
		return
	}
	r.Unused.Repositories++
	r.Unused.Manifests += unused.revisions.len()
	r.Unused.Layers += unused.layers.len()
	r.repositories = append(r.repositories, unused)
}

// root takes what is unused of one when all repositories have been resolved.
func (r *Result) root(of *root) {
	r.All.Blobs += of.blobs.len()
	for i, size := range of.sizes {
		r.All.Bytes += size
		if !of.live[i] {
			r.Unused.Blobs++
			r.Unused.Bytes += size
		}
	}
	if blobs := without(&of.blobs, of.live); blobs.len() > 0 {
		r.roots = append(r.roots, unusedBlobs{of.path, blobs})
	}
}

// nothing makes the result one of which nothing goes.
func (r *Result) nothing() { r.Unused, r.repositories, r.roots = Sums{}, nil, nil }

// without gives those that are not live.
func without(all *ids, live []bool) (unused ids) {
	for i, is := range live {
		if !is {
			unused.add(all.at(i))
		}
	}
	return unused
}
