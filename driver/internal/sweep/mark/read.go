package mark

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/manifest"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// atOnce is how many manifests are read at once.
const atOnce = 16

// task is a manifest to read.
type task struct {
	r        *repository
	revision int
	err      error
}

// readAll reads the manifests of the gathered repositories.
func (m *marking) readAll(ctx context.Context) {
	tasks := make([]task, 0, m.waiting)
	for _, r := range m.gathered {
		r.named = make([]*named, r.revisions.len())
		for i := range r.named {
			tasks = append(tasks, task{r: r, revision: i})
		}
	}
	for some := range slices.Chunk(tasks, batch) {
		var g errgroup.Group
		g.SetLimit(atOnce)
		for i := range some {
			g.Go(func() error { m.read(ctx, &some[i]); return ctx.Err() })
		}
		if g.Wait() != nil {
			return
		}
		for _, t := range some {
			if t.err != nil {
				t.r.stays = true
				t.r.failed = append(t.r.failed, t.revision)
				m.result.unreadable(t.r.revisionLink(t.revision), t.err)
			}
		}
		m.progress.Manifests += len(some)
		m.Progress(m.progress)
	}
}

// read notes what a manifest names, wherever its bytes lie.
func (m *marking) read(ctx context.Context, t *task) {
	for _, x := range t.r.where(t.revision) {
		e, ok, err := m.dataOf(t.r.root.path, x)
		if err == nil && ok {
			t.r.named[t.revision], err = m.names(ctx, e)
		}
		if ok || err != nil {
			t.err = err
			return
		}
	}
}

// names gives what a manifest names.
func (m *marking) names(ctx context.Context, e pathmap.Entry) (*named, error) {
	if e.Size > manifest.MaxSize {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", manifest.ErrNotManifest, e.Size, manifest.MaxSize)
	}
	if n := m.Cache.get(e.CID); n != nil {
		return n, nil
	}
	content, err := m.Read(ctx, e)
	if err != nil {
		return nil, err
	}
	parsed, err := manifest.Parse(content)
	if err != nil {
		return nil, err
	}
	n := namedBy(parsed)
	m.Cache.put(e.CID, n)
	return n, nil
}
