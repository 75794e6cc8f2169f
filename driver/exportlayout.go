package driver

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/manifest"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocilayout"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// exportingLayout exports as an OCI image layout.
type exportingLayout struct {
	*exporting
	to *ocilayout.Writer
}

func (ex *exporting) openLayout() (exportForm, error) {
	open := ocilayout.Create
	if ex.o.DryRun {
		open = ocilayout.Look
	}
	to, err := open(ex.o.Dir)
	if err != nil {
		return nil, err
	}
	ex.to = to
	return &exportingLayout{ex, to}, nil
}

func (ex *exportingLayout) commit() error { return ex.to.Commit() }

// repository exports one repository: its manifests with what they name, and then their names.
func (ex *exportingLayout) repository(ctx context.Context, name string) error {
	r := &layoutRepository{exportingLayout: ex, name: name, has: map[digest.Digest]*layoutManifest{}}
	if err := r.manifests(ctx); err != nil {
		return err
	}
	if err := r.tags(ctx); err != nil {
		return err
	}
	for d, m := range r.has {
		for _, name := range m.names {
			r.has[name].reached = r.has[name].reached || r.isWhole(d)
		}
	}
	for d, m := range r.has {
		if !m.reached && r.isWhole(d) {
			r.to.Name(name+"@"+d.String(), m.descriptor)
			ex.count(func(r *Export) { r.Untagged++ })
		}
	}
	return nil
}

// layoutRepository is one repository on its way into a layout.
type layoutRepository struct {
	*exportingLayout
	name string
	has  map[digest.Digest]*layoutManifest // all its manifests, by their digests
}

// layoutManifest is a manifest on its way into a layout. It is written by one goroutine, and read when
// all are written.
type layoutManifest struct {
	link       string
	descriptor v1.Descriptor
	names      []digest.Digest // manifests of the same repository
	whole      bool            // its bytes are there, and those of all blobs that it names
	judged     bool            // whole is also of the manifests that it names
	reached    bool            // from a tag, or from another whole manifest
}

// manifests exports the manifests of the repository, with the blobs that they name.
func (r *layoutRepository) manifests(ctx context.Context) error {
	var fault error
	r.view.Under(ocipath.Repository(r.name)+"/_manifests/revisions", func(path string, e pathmap.Entry) bool {
		if ocipath.Parse(path).Kind != ocipath.Revision {
			return true
		}
		r.looked()
		d, err := r.target(ctx, e)
		if err != nil {
			fault = r.fault(ctx, path, "", err)
			return fault == nil
		}
		r.has[d] = &layoutManifest{link: path}
		return true
	})
	if fault != nil {
		return fault
	}
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(exportsAtOnce)
	for d, m := range r.has {
		if within.Err() != nil {
			break
		}
		g.Go(func() error { return r.manifest(within, d, m) })
	}
	return cmp.Or(g.Wait(), ctx.Err())
}

// manifest exports one manifest, and the blobs that it names. The error is of what is written to.
func (r *layoutRepository) manifest(ctx context.Context, d digest.Digest, m *layoutManifest) error {
	e, err := r.view.Get(ocipath.BlobData(ocipath.Root, d))
	if err != nil {
		return r.fault(ctx, m.link, d, err)
	}
	content, err := r.readSmall(ctx, e)
	if err != nil {
		return r.fault(ctx, m.link, d, err)
	}
	m.descriptor = v1.Descriptor{MediaType: mediaTypeOf(content), Digest: d, Size: e.Size}
	if m.whole, err = r.blob(ctx, m.link, d); err != nil {
		return err
	}
	names, err := manifest.Parse(content)
	if err != nil {
		return nil //nolint:nilerr // it names nothing
	}
	for name := range names.Names() {
		if err := r.named(ctx, m, name); err != nil {
			return err
		}
	}
	return nil
}

// named exports what a manifest names, if the repository has it: blobs at once, manifests by themselves.
func (r *layoutRepository) named(ctx context.Context, by *layoutManifest, d digest.Digest) error {
	if d.Validate() != nil {
		return nil
	}
	if r.has[d] != nil {
		by.names = append(by.names, d)
		return nil
	}
	link := ocipath.LayerLink(ocipath.Repository(r.name), d)
	if _, err := r.view.Get(link); errors.Is(err, pathmap.ErrNotFound) {
		r.count(func(r *Export) { r.Dangling++ }) // a layer that comes from elsewhere, or a platform that was not pushed
		return nil
	}
	ok, err := r.blob(ctx, link, d)
	by.whole = by.whole && ok
	return err
}

// errPartly is a tag of an image that is not whole.
var errPartly = errors.New("not all of its bytes could be exported: the index does not name it")

// tags names the manifests to which tags lead.
func (r *layoutRepository) tags(ctx context.Context) error {
	var fault error
	r.view.Under(ocipath.Tags(ocipath.Repository(r.name)), func(path string, e pathmap.Entry) bool {
		p := ocipath.Parse(path)
		if p.Kind != ocipath.TagCurrent {
			return true
		}
		r.looked()
		d, err := r.target(ctx, e)
		if err == nil && !r.isWhole(d) {
			err = errPartly
		}
		if err != nil {
			fault = r.fault(ctx, path, d, err)
			return fault == nil
		}
		r.to.Name(r.name+":"+p.Tag, r.has[d].descriptor)
		r.has[d].reached = true
		r.count(func(r *Export) { r.Tags++ })
		return true
	})
	return fault
}

// isWhole reports whether all bytes of a manifest are there, and of those that it names.
func (r *layoutRepository) isWhole(d digest.Digest) bool {
	m := r.has[d]
	if m == nil || m.judged {
		return m != nil && m.whole
	}
	m.judged = true
	for _, name := range m.names {
		m.whole = r.isWhole(name) && m.whole
	}
	return m.whole
}

// mediaTypeOf is that of a manifest, which need not say it.
func mediaTypeOf(content []byte) string {
	var m struct {
		MediaType string          `json:"mediaType"`
		Manifests json.RawMessage `json:"manifests"`
	}
	_ = json.Unmarshal(content, &m) // what is no JSON is no index
	if m.MediaType == "" && m.Manifests != nil {
		return v1.MediaTypeImageIndex
	}
	return cmp.Or(m.MediaType, v1.MediaTypeImageManifest)
}
