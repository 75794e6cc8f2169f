package driver

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/manifest"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// An entry is a lease: a delete names the versions that it has seen, and a garbage
// collection those that it has seen unused for long enough. Before an answer lets a client
// rely on an entry, instead of pushing its content, the entry gets a new version of this
// registry's own, unless it has a recent one (package lease, rule 1). No client relies on the
// answer to a GET in this way.

// mayRely reports whether the answer to a request may let its client rely on an entry.
func (r request) mayRely() bool {
	return r.blob && r.method == http.MethodHead || r.manifest && r.method == http.MethodPut || r.mount || r.bringsBytes()
}

// relies gives the paths on which the answer to a request lets the client rely: those of
// the blob that it asked for, mounts, or refers to in a manifest.
func (r request) relies(path string) bool {
	kind := ocipath.Parse(path).Kind
	data, link := kind == ocipath.Blob, kind == ocipath.Layer || kind == ocipath.Revision
	switch {
	case r.blob && r.method == http.MethodHead, r.manifest && r.method == http.MethodPut:
		return data || link
	case r.mount, r.bringsBytes():
		return data // the link is written by the request itself
	}
	return false
}

// bringsBytes reports whether this request ends an upload.
func (r request) bringsBytes() bool { return r.upload && r.method == http.MethodPut }

// rely notes that the request's answer lets a client rely on a path. A HEAD of a blob reads
// the link first: with the blob both are renewed, together. The other requests write
// something of their own, and renew in the same change what they rely on. Where nothing can be
// written, a HEAD is answered all the same: a push that relies on it renews it, or is refused.
func (s *store) rely(ctx context.Context, path string, e pathmap.Entry) {
	r := requestOf(ctx)
	if !r.relies(path) || s.engine.ReadOnly() || s.engine.Twinned() != "" {
		return
	}
	u := s.requests.underway(ctx)
	u.add(reliance{path, e})
	if r.method != http.MethodHead || !isBlobData(path) {
		return
	}
	if ops := s.renewals(u.take(), func(string) bool { return false }); len(ops) > 0 {
		defer u.write()()
		_ = s.write(context.WithoutCancel(ctx), ops...)
	}
}

// relyOnAll notes that a manifest that is pushed relies on all that it names: distribution
// does not look all of it up, for example what its cache of descriptors has.
func (s *store) relyOnAll(ctx context.Context, path string, content []byte) {
	r, p := requestOf(ctx), ocipath.Parse(path)
	if !r.manifest || r.method != http.MethodPut || p.Kind != ocipath.Blob {
		return
	}
	m, err := manifest.Parse(content)
	name, _ := ctx.Value("vars.name").(string)
	if err != nil || name == "" {
		return
	}
	u, view := s.requests.underway(ctx), s.paths.View()
	for d := range m.Names() {
		if d.Validate() != nil {
			continue
		}
		repository := ocipath.Repository(name)
		for _, path := range []string{ocipath.BlobData(p.Root, d), ocipath.LayerLink(repository, d), ocipath.RevisionLink(repository, d)} {
			if e, err := view.Get(path); err == nil {
				u.add(reliance{path, e})
			}
		}
	}
}

// relyOnFound is relyOnAll for a manifest of which distribution writes no bytes, because it found
// them: its cache of descriptors may have answered for all that the manifest names.
func (s *store) relyOnFound(ctx context.Context, changes []change) error {
	path := requestOf(ctx).manifestIn(changes)
	if path == "" || slices.ContainsFunc(changes, func(c change) bool { return c.path == path }) {
		return nil
	}
	content, err := s.GetContent(ctx, path)
	if isNotFound(err) {
		return nil
	}
	if err == nil {
		s.relyOnAll(ctx, path, content)
	}
	return err
}

// renewals gives the ops that write anew those entries that have no recent version of this
// registry. When an entry's bytes came in, it is always written anew, since a registry that
// has not heard of the push may be deleting any existing version. One that was deleted since
// the request saw it comes back: the delete did not see the push.
func (s *store) renewals(relied []reliance, cameIn func(path string) bool) []pathmap.Op {
	var ops []pathmap.Op
	view := s.paths.View()
	for _, r := range relied {
		if s.paths.Wrote(r.path, s.renewAfter) && !cameIn(r.path) {
			continue
		}
		e, err := view.Get(r.path)
		if errors.Is(err, pathmap.ErrNotFound) {
			e, err = r.entry, nil
		}
		if err == nil {
			ops = append(ops, pathmap.Op{Path: r.path, Entry: &e})
		}
	}
	return ops
}

// besides gives the ops that accompany a request's changes: renewals of what the request
// has relied on, and with a manifest's revision its bytes, which came in with the request.
func (s *store) besides(r request, relied []reliance, changes []change) []pathmap.Op {
	manifest := r.manifestIn(changes)
	if e, err := s.paths.View().Get(manifest); err == nil && !slices.ContainsFunc(relied, func(o reliance) bool { return o.path == manifest }) {
		relied = append(relied, reliance{manifest, e})
	}
	relied = slices.DeleteFunc(relied, func(o reliance) bool {
		return slices.ContainsFunc(changes, func(c change) bool { return c.path == o.path })
	})
	return s.renewals(relied, func(p string) bool { return p == manifest || r.bringsBytes() })
}

// manifestIn is the path of the bytes of the manifest whose push makes the changes; empty
// when there is none.
func (r request) manifestIn(changes []change) string {
	if !r.manifest || r.method != http.MethodPut {
		return ""
	}
	for _, c := range changes {
		if p := ocipath.Parse(c.path); p.Kind == ocipath.Revision && p.Digest != "" {
			return ocipath.BlobData(p.Root, p.Digest)
		}
	}
	return ""
}
