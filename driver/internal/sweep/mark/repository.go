package mark

import (
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

var errGone = errors.New("its bytes have no entry: push the manifest again, or delete the tag that leads to it")

// maxLink is more bytes than a link has, which holds a digest.
const maxLink = 256

// root is all blobs below one root of a registry's paths.
type root struct {
	path  string
	blobs ids
	sizes []int64
	live  []bool
}

// use marks the bytes of a digest, if they have an entry.
func (r *root) use(x id) {
	if i, ok := r.blobs.find(x); ok {
		r.live[i] = true
	}
}

// repository is the links of one repository, while it is marked.
type repository struct {
	root    *root
	path    string
	layers  ids
	tagged  ids // what tags lead to
	indexed []indexed
	// Revisions, and for each what its manifest names: nil when its bytes have no entry.
	revisions ids
	named     []*named
	// targets are digests in links whose paths have another digest: distribution links what
	// was pushed by a digest of sha512 to its bytes, which lie by sha256.
	targets map[id][]id
	stays   bool // all of it, because something in it cannot be read

	liveLayers, liveRevisions []bool
}

// indexed is the link of a tag to what it once named.
type indexed struct {
	tag string
	id  id
}

// add notes a link; an error when it cannot be read.
func (r *repository) add(p ocipath.Path, live []pathmap.Entry, read func(pathmap.Entry) ([]byte, error)) error {
	own := id{}
	if p.Digest != "" {
		own = idOf(p.Digest)
	}
	switch p.Kind {
	case ocipath.Layer:
		r.layers.add(own)
	case ocipath.Revision:
		r.revisions.add(own)
	case ocipath.TagIndex:
		r.indexed = append(r.indexed, indexed{r.tagName(p.Tag), own})
		return nil // where it leads is in its path
	}
	var failed error
	for _, e := range live {
		d, err := linkOf(e, read)
		switch {
		case err != nil:
			failed = fmt.Errorf("link: %w", err) // what others say counts all the same
		case d != p.Digest:
			r.leads(p, own, idOf(d))
		}
	}
	return failed
}

// leads notes where a link leads that says other than its path.
func (r *repository) leads(p ocipath.Path, own, target id) {
	if p.Kind == ocipath.TagCurrent {
		r.tagged.add(target)
		return
	}
	if r.targets == nil {
		r.targets = map[id][]id{}
	}
	r.targets[own] = append(r.targets[own], target)
}

// linkOf is the digest that a link holds. One of sha512 is too long to be in its CID.
func linkOf(e pathmap.Entry, read func(pathmap.Entry) ([]byte, error)) (digest.Digest, error) {
	content, inline := dag.InlineBytes(e.CID)
	if !inline && e.Size > maxLink {
		return "", fmt.Errorf("%d bytes are no digest", e.Size)
	}
	if !inline {
		var err error
		if content, err = read(e); err != nil {
			return "", err
		}
	}
	if _, ok := parse(digest.Digest(content)); !ok {
		return "", fmt.Errorf("%q: %w", content[:min(len(content), maxLink)], digest.ErrDigestInvalidFormat)
	}
	return digest.Digest(content), nil
}

// tagName spares each link of a tag a copy of its name, and the map's path from being kept.
func (r *repository) tagName(tag string) string {
	if n := len(r.indexed); n > 0 && r.indexed[n-1].tag == tag {
		return r.indexed[n-1].tag
	}
	return strings.Clone(tag)
}

// where gives the digests under which the bytes of a revision may lie.
func (r *repository) where(i int) []id {
	revision := r.revisions.at(i)
	return append([]id{revision}, r.targets[revision]...)
}

func (r *repository) revisionLink(i int) string {
	return ocipath.RevisionLink(r.path, r.revisions.at(i).digest())
}

// resolve finds out what is live; its manifests have been read. It returns the revisions to
// which a tag leads and whose bytes have no entry.
func (r *repository) resolve(untagged bool) (gone []int) {
	r.liveRevisions, r.liveLayers = make([]bool, r.revisions.len()), make([]bool, r.layers.len())
	if !r.stays {
		gone = r.fromTags()
		r.stays = len(gone) > 0
	}
	for i := range r.liveRevisions {
		r.liveRevisions[i] = r.liveRevisions[i] || r.stays || !untagged
		if r.liveRevisions[i] {
			r.useAll(i)
		}
	}
	if r.stays {
		r.keep()
	}
	return gone
}

// fromTags marks the manifests that tags keep.
func (r *repository) fromTags() (gone []int) {
	g := r.newGraph()
	for i := range r.tagged.len() {
		g.reach(r.tagged.at(i))
	}
	for i, ok := g.next(); ok; i, ok = g.next() {
		if r.named[i] == nil {
			gone = append(gone, i)
		}
	}
	return gone
}

// useAll marks what a live manifest is, and names.
func (r *repository) useAll(revision int) {
	r.use(r.revisions.at(revision))
	if n := r.named[revision]; n != nil {
		for i := range n.needs.len() {
			r.use(n.needs.at(i))
		}
	}
}

// use marks the link to a digest, if there is one, and the bytes, under the digest that the
// link holds, too.
func (r *repository) use(x id) {
	r.useOne(x)
	for _, target := range r.targets[x] {
		r.useOne(target)
	}
}

func (r *repository) useOne(x id) {
	if i, ok := r.layers.find(x); ok {
		r.liveLayers[i] = true
	}
	r.root.use(x)
}

// keep marks all that its links lead to, besides its manifests.
func (r *repository) keep() {
	for _, of := range []*ids{&r.layers, &r.tagged} {
		for i := range of.len() {
			r.use(of.at(i))
		}
	}
	for _, link := range r.indexed {
		r.use(link.id)
	}
}
