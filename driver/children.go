package driver

import (
	"context"
	"net/http"

	"golang.org/x/sync/errgroup"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// relyOnChild is called when the push of an index has found the bytes of a manifest. If the
// index names it, the index relies on all that it needs, about which distribution does not
// ask: a manifest without a tag may be garbage elsewhere, and everything in it, each part by
// versions of its own. The manifest looks missing when something that it needs has an entry,
// and all members say that they do not have its bytes.
func (s *store) relyOnChild(ctx context.Context, path string, e pathmap.Entry) error {
	r := requestOf(ctx)
	if !r.manifest || r.method != http.MethodPut || e.Size > smallBlob || !isBlobData(path) {
		return nil
	}
	u := s.requests.underway(ctx)
	d, _ := digestOf(path)
	link, ok := u.link(d, ocipath.Revision)
	if !ok {
		return nil
	}
	view := s.paths.View()
	if _, err := view.Get(link); err != nil {
		return notFound(path) // it has been deleted since, and so may be what it needs
	}
	if !u.look(d) { // distribution asks about each descriptor, also when one is like another
		return nil
	}
	refs := &references{s: s, root: ocipath.Parse(path).Root, look: u.look}
	refs.found = func(path string, e pathmap.Entry) { u.add(reliance{path, e}) }
	refs.repository = ocipath.Parse(link).Repository
	if err := refs.collectIn(ctx, view, e, 0); err != nil {
		return s.unreachable(ctx, path, err)
	}
	var g errgroup.Group
	g.SetLimit(questionsAtOnce)
	for _, blob := range refs.absent {
		g.Go(func() error { return s.heldNow(ctx, path, blob) })
	}
	return g.Wait()
}
