package mark

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// Options are what a marking needs besides the view.
type Options struct {
	// Read gives the bytes of a manifest, verified, or an error when they cannot be had
	// here. It is called from several goroutines, for entries of up to manifest.MaxSize;
	// also for a link that is too long to be in its CID.
	Read func(ctx context.Context, e pathmap.Entry) ([]byte, error)

	Untagged bool           // manifests to which no tag leads are garbage, too
	Cache    *Cache         // may be nil
	Progress func(Progress) // called now and then, by the goroutine that marks; may be nil
}

// Progress is how far a marking has come.
type Progress struct {
	Paths, Of int // that were looked at
	Manifests int // that were read, or found in the cache
}

const (
	reportEvery = 4096 // paths
	batch       = 1024 // repositories and manifests before these are read and those resolved
)

// Mark finds what nothing live refers to. The error is that of ctx: what cannot be read is
// part of the result. It goes through the view once, in order, and never writes.
func Mark(ctx context.Context, view pathmap.View, o Options) (*Result, error) {
	m := newMarking(view, o)
	m.each = m.mark
	if err := m.run(ctx); err != nil {
		return nil, err
	}
	for _, root := range m.order {
		m.result.root(root)
	}
	if m.nothing {
		m.result.nothing()
	}
	return m.result, nil
}

func newMarking(view pathmap.View, o Options) *marking {
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	return &marking{Options: o, view: view, roots: map[string]*root{}, result: &Result{}, blob: func(string, []pathmap.Entry) {}}
}

// run goes through the view.
func (m *marking) run(ctx context.Context) error {
	m.progress.Of = m.view.Len()
	m.view.Each("/", func(path string, live []pathmap.Entry, err error) bool {
		if m.progress.Paths++; m.progress.Paths%reportEvery == 0 {
			m.Progress(m.progress)
		}
		m.visit(ctx, path, live, err)
		if m.waiting >= batch {
			m.resolve(ctx)
		}
		return ctx.Err() == nil
	})
	m.leave()
	m.resolve(ctx)
	if err := ctx.Err(); err != nil {
		return err
	}
	m.Cache.end()
	m.Progress(m.progress)
	return nil
}

// mark finds what is live in a repository whose manifests have been read.
func (m *marking) mark(r *repository) {
	for _, revision := range r.resolve(m.Untagged) {
		m.result.unreadable(r.revisionLink(revision), errGone)
	}
	m.result.repository(r)
}

// marking is one run of Mark, or of Walk.
type marking struct {
	Options
	each     func(*repository)                       // is given each whose manifests have been read
	blob     func(root string, live []pathmap.Entry) // is told of each
	tagNames bool                                    // are wanted

	view     pathmap.View
	result   *Result
	progress Progress
	roots    map[string]*root
	order    []*root
	in       *repository   // to which the last link belonged
	gathered []*repository // whose links are all known, and which are not yet resolved
	waiting  int           // these, and their manifests
	nothing  bool          // goes, because something might name anything
}

// visit looks at one path. All links of a repository come one after the other, and after the
// blobs of their root: their paths begin alike, and "blobs" comes before "repositories".
func (m *marking) visit(ctx context.Context, path string, live []pathmap.Entry, err error) {
	p := ocipath.Parse(path)
	switch {
	case p.Kind == ocipath.Blob:
		r := m.root(p.Root)
		r.blobs.add(idOf(p.Digest))
		r.sizes = append(r.sizes, sizeOf(live))
		r.live = append(r.live, err != nil) // by a later release
		m.blob(r.path, live)
	case err != nil && (p.Repository == "" || !strings.HasPrefix(path, p.Repository+"/_")): // in no repository
		m.nothing = true
		m.result.unreadable(path, err)
	case err != nil:
		m.enter(p).stays = true
		m.result.unreadable(path, err)
		_ = m.add(ctx, p, live)
	default:
		if err := m.add(ctx, p, live); err != nil {
			m.in.stays = true
			m.result.unreadable(path, err)
		}
	}
}

// add notes a link; other paths are nobody's concern.
func (m *marking) add(ctx context.Context, p ocipath.Path, live []pathmap.Entry) error {
	if !p.IsLink() || p.Digest == "" && p.Kind != ocipath.TagCurrent {
		return nil
	}
	return m.enter(p).add(p, live, func(e pathmap.Entry) ([]byte, error) { return m.Read(ctx, e) })
}

func sizeOf(live []pathmap.Entry) int64 {
	if len(live) == 0 {
		return 0
	}
	return live[0].Size
}

func (m *marking) root(path string) *root {
	r, ok := m.roots[path]
	if !ok {
		r = &root{path: strings.Clone(path)}
		m.roots[r.path] = r
		m.order = append(m.order, r)
	}
	return r
}

// enter gives the repository of a path.
func (m *marking) enter(p ocipath.Path) *repository {
	if m.in == nil || m.in.path != p.Repository {
		m.leave()
		m.in = &repository{root: m.root(p.Root), path: strings.Clone(p.Repository), keepsNames: m.tagNames}
	}
	return m.in
}

// leave ends the repository whose links came last.
func (m *marking) leave() {
	if m.in != nil {
		m.gathered = append(m.gathered, m.in)
		m.waiting += 1 + m.in.revisions.len()
		m.in = nil
	}
}

// resolve reads the manifests of the repositories that were gathered, and hands these on.
func (m *marking) resolve(ctx context.Context) {
	m.readAll(ctx)
	if ctx.Err() == nil {
		for _, r := range m.gathered {
			m.each(r)
		}
	}
	m.gathered, m.waiting = nil, 0
}

// dataOf is the entry of the bytes of a digest; false when there is none.
func (m *marking) dataOf(root string, x id) (pathmap.Entry, bool, error) {
	e, err := m.view.Get(ocipath.BlobData(root, x.digest()))
	if errors.Is(err, pathmap.ErrNotFound) {
		return e, false, nil
	}
	if err != nil {
		err = fmt.Errorf("bytes: %w", err)
	}
	return e, true, err
}
