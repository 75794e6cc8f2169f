package driver

import (
	"cmp"
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/fsregistry"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// exportingTree exports as distribution's filesystem driver keeps images.
type exportingTree struct {
	*exporting
	to *fsregistry.Writer
}

func (ex *exporting) openTree() (exportForm, error) {
	open := fsregistry.Create
	if ex.o.DryRun {
		open = fsregistry.Look
	}
	to, err := open(ex.o.Dir)
	if err != nil {
		return nil, err
	}
	ex.to = to
	return &exportingTree{ex, to}, nil
}

func (ex *exportingTree) commit() error { return nil }

// repository exports one repository: its layers, then its manifests, then its tags.
func (ex *exportingTree) repository(ctx context.Context, name string) error {
	for _, part := range []string{"/_layers", "/_manifests/revisions", "/_manifests/tags"} {
		g, within := errgroup.WithContext(ctx)
		g.SetLimit(exportsAtOnce)
		ex.view.Under(ocipath.Repository(name)+part, func(path string, e pathmap.Entry) bool {
			g.Go(func() error { return ex.link(within, path, e) })
			return within.Err() == nil
		})
		if err := cmp.Or(g.Wait(), ctx.Err()); err != nil {
			return err
		}
	}
	return nil
}

// link exports a link, and what it leads to. The error is of what is written to; any other is a fault.
func (ex *exportingTree) link(ctx context.Context, path string, e pathmap.Entry) error {
	if !ocipath.Parse(path).IsLink() {
		return nil
	}
	ex.looked()
	d, err := ex.target(ctx, e)
	if err != nil {
		return ex.fault(ctx, path, "", err)
	}
	if ok, err := ex.blob(ctx, path, d); err != nil || !ok {
		return err
	}
	if ex.to.HasLink(path, d) {
		return nil
	}
	if !ex.o.DryRun {
		if err := ex.to.PutLink(path, d); err != nil {
			return err
		}
	}
	ex.count(func(r *Export) { r.Links++ })
	return nil
}
