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
	tags    []tag
	indexed []indexed
	// Revisions, and for each what its manifest names: nil when its bytes have no entry.
	revisions ids
	named     []*named
	failed    []int // of these, those that cannot be read here, in order
	// targets are digests in links whose paths have another digest: distribution links what
	// was pushed by a digest of sha512 to its bytes, which lie by sha256.
	targets map[id][]id
	stays   bool // all of it, because something in it cannot be read

	keepsNames bool // of its tags

	liveLayers, liveRevisions []bool
}

// tag is what a tag leads to. One that has several versions is several.
type tag struct {
	name string
	id   id
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
		if r.keepsNames {
			r.tags = append(r.tags, tag{strings.Clone(p.Tag), target})
		}
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
			r.names(i, r.use)
		}
	}
	if r.stays {
		r.leadsTo(r.use)
	}
	return gone
}

// fromTags marks the manifests that tags keep.
func (r *repository) fromTags() (gone []int) {
	g := r.newGraph(r.liveRevisions)
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

// use marks the link to a digest, if there is one, and the bytes.
func (r *repository) use(x id) {
	if i, ok := r.layers.find(x); ok {
		r.liveLayers[i] = true
	}
	r.root.use(x)
}

// names calls f for what a manifest is, and what it names.
func (r *repository) names(revision int, f func(id)) {
	r.both(r.revisions.at(revision), f)
	if n := r.named[revision]; n != nil {
		for i := range n.needs.len() {
			r.both(n.needs.at(i), f)
		}
	}
}

// both calls f for a digest, and for those that links to it hold.
func (r *repository) both(x id, f func(id)) {
	f(x)
	for _, target := range r.targets[x] {
		f(target)
	}
}

// leadsTo calls f for all that its links lead to, besides its manifests.
func (r *repository) leadsTo(f func(id)) {
	for _, of := range []*ids{&r.layers, &r.tagged} {
		for i := range of.len() {
			r.both(of.at(i), f)
		}
	}
	for _, link := range r.indexed {
		r.both(link.id, f)
	}
}
