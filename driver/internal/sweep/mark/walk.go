package mark

import (
	"context"
	"slices"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// Visitor is told what a walk comes to, in order, by the goroutine that walks: all blobs of a
// root, and then its repositories.
type Visitor struct {
	// Blob is given the entries of one, which are its own only until it returns; none, when a
	// later release wrote it.
	Blob       func(root string, live []pathmap.Entry)
	Repository func(*Tree) // is valid until it returns
}

// Walked is what a walk found beside the trees.
type Walked struct {
	Unreadable      []Unreadable // as in Result
	UnreadableCount int
	Stuck           bool // Mark would find nothing unused: a later release wrote something outside a repository
}

// Walk goes through a view as Mark does, and reads each manifest once. The error is that of ctx.
func Walk(ctx context.Context, view pathmap.View, o Options, v Visitor) (*Walked, error) {
	m := newMarking(view, o)
	m.tagNames, m.blob = true, v.Blob
	m.each = func(r *repository) {
		t := &Tree{r: r, graph: r.newGraph(make([]bool, r.revisions.len())), result: m.result}
		t.readTags()
		v.Repository(t)
	}
	if err := m.run(ctx); err != nil {
		return nil, err
	}
	return &Walked{Unreadable: m.result.Unreadable, UnreadableCount: m.result.UnreadableCount, Stuck: m.nothing}, nil
}

// Tree is a repository, with what its manifests name as far as they can be read. A blob is told
// by its place: how many of its root the visitor was told of before. Each may be told of several
// times.
type Tree struct {
	r      *repository
	graph  *graph
	result *Result
	tags   []tagged
	tagged []bool // revisions to which a tag leads
}

// tagged is a tag, with the manifests to which it leads.
type tagged struct {
	name string
	to   []id
}

// Root is where the registry of the repository lies, and Path its directory.
func (t *Tree) Root() string { return t.r.root.path }

// Path is the directory of the repository.
func (t *Tree) Path() string { return t.r.path }

// Stays reports whether all of the repository stays, because something in it cannot be read. It
// is known when all tags have been followed.
func (t *Tree) Stays() bool { return t.r.stays }

// Tags are the names of the tags, in order.
func (t *Tree) Tags() (names []string) {
	for _, of := range t.tags {
		names = append(names, of.name)
	}
	return names
}

func (t *Tree) readTags() {
	t.tagged = make([]bool, t.r.revisions.len())
	for _, of := range t.r.tags {
		if n := len(t.tags); n == 0 || t.tags[n-1].name != of.name {
			t.tags = append(t.tags, tagged{name: of.name})
		}
		last := &t.tags[len(t.tags)-1]
		last.to = append(last.to, of.id)
	}
}

// Follow calls blob for each that the tag with that number needs: its manifest, those which that
// names or which refer to it, and all that they name. It returns how many manifests there are, and
// how many of them cannot be read, so that what they name is not known.
func (t *Tree) Follow(tag int, blob func(place int)) (manifests, unread int) {
	for _, x := range t.tags[tag].to {
		if _, ok := t.r.revisions.find(x); !ok {
			manifests, unread = manifests+1, unread+1
		}
		t.graph.reach(x)
	}
	var all []int
	for i, ok := t.graph.next(); ok; i, ok = t.graph.next() {
		all = append(all, i)
		if t.r.named[i] == nil {
			t.unread(i)
			unread++
		}
		t.tagged[i] = true
		t.r.names(i, t.at(blob))
	}
	for _, i := range all { // for the next tag
		t.graph.reached[i] = false
	}
	return manifests + len(all), unread
}

// unread notes a manifest to which a tag leads and that cannot be read: that its bytes are not
// here was noted before, that they have no entry was not.
func (t *Tree) unread(revision int) {
	t.r.stays = true
	_, noted := slices.BinarySearch(t.r.failed, revision)
	if !noted && !t.tagged[revision] {
		t.result.unreadable(t.r.revisionLink(revision), errGone)
	}
}

// Untagged calls blob for each that a manifest needs to which no tag leads, after all tags have
// been followed. It returns how many such manifests there are.
func (t *Tree) Untagged(blob func(place int)) (manifests int) {
	for i, is := range t.tagged {
		if !is {
			manifests++
			t.r.names(i, t.at(blob))
		}
	}
	return manifests
}

// Linked calls blob for each to which a link of the repository leads.
func (t *Tree) Linked(blob func(place int)) {
	t.r.leadsTo(t.at(blob))
	for i := range t.r.revisions.len() {
		t.r.both(t.r.revisions.at(i), t.at(blob))
	}
}

// at tells of the places of digests whose bytes have an entry.
func (t *Tree) at(blob func(place int)) func(id) {
	return func(x id) {
		if i, ok := t.r.root.blobs.find(x); ok {
			blob(i)
		}
	}
}
