package sweep

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/lease"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/manifest"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// returnEvery is how often a collector looks for records of registries that were not waited
// for. There are hardly ever any.
const returnEvery = time.Minute

// returning looks for such records until the collector is closed.
func (c *Collector) returning() {
	tick := time.NewTicker(returnEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-c.ctx.Done():
			return
		}
		if err := c.Return(c.ctx); err != nil && c.ctx.Err() == nil {
			c.cfg.Log.WithError(err).Debug("what a forgotten registry relies on is not written anew yet")
		}
	}
}

// Return writes anew what collections deleted that did not wait for a writer, and on which
// manifests of that writer rely, where the bytes are on this disk: rule 5 of package lease.
// Collectors that are started do this by themselves.
func (c *Collector) Return(ctx context.Context) error {
	if len(c.cfg.Paths.View().Unheard()) == 0 {
		return nil
	}
	c.collecting.Lock()
	defer c.collecting.Unlock()
	return c.writeAnew(ctx)
}

// writeAnew is Return; the collector's lock is held.
func (c *Collector) writeAnew(ctx context.Context) error {
	view := c.cfg.Paths.View()
	if len(view.Unheard()) == 0 || !c.cfg.MayWrite() {
		return nil
	}
	if err := c.cfg.Paths.Lapse(ctx, 0); err != nil { // reliances from before the deletes were merged
		return err
	}
	ops, unpin, err := c.anew(ctx, c.cfg.Paths.View(), view.Unheard())
	defer unpin()
	if err != nil {
		return err
	}
	if n := len(ops); n > 0 {
		c.cfg.Log.WithField("entries", n).Info("entries written anew: a registry that was forgotten has pushed manifests that need them")
	}
	if _, own := view.Unheard()[c.cfg.Self]; own {
		ops = append(ops, view.DropUnheard(c.cfg.Self))
	}
	return c.cfg.Paths.Write(context.WithoutCancel(ctx), ops...)
}

// anew gives the ops that write what is missing. Their bytes stay here until unpin: nothing names
// them yet, so the cache may be giving them up to members that would not keep them either.
func (c *Collector) anew(ctx context.Context, view pathmap.View, forgotten map[string]uint64) (ops []pathmap.Op, unpin func(), err error) {
	r := &returns{ctx: ctx, c: c, view: view, forgotten: forgotten, entries: map[string]pathmap.Entry{}, unnamedOf: map[string]cid.Cid{}}
	var pins []blob.Unpin
	for path := range lease.Missing(forgotten, r.manifests()) {
		e, ok := r.entries[path]
		if !ok {
			continue
		}
		delete(r.entries, path) // it may be missed by several
		if bytes := r.unnamedOf[path]; bytes.Defined() {
			pins = append(pins, c.cfg.Bytes.blobs.Pin(bytes))
			if !c.cfg.Bytes.blobs.Has(bytes) {
				continue // they went just now: neither their entry nor a link to them is of use
			}
		}
		ops = append(ops, pathmap.Op{Path: path, Entry: &e})
	}
	unpin = func() {
		for _, end := range pins {
			end()
		}
	}
	return ops, unpin, errors.Join(r.err, ctx.Err())
}

// returns finds what manifests of forgotten writers rely on.
type returns struct {
	ctx       context.Context
	c         *Collector
	view      pathmap.View
	forgotten map[string]uint64
	entries   map[string]pathmap.Entry // that can be written, by their paths
	unnamedOf map[string]cid.Cid       // the blobs here that these need, where no entry names them
	unnamed   map[digest.Digest]dag.Ref
	err       error
}

// manifests gives those of forgotten writers that can be read here.
func (r *returns) manifests() iter.Seq[lease.Manifest] {
	return func(yield func(lease.Manifest) bool) {
		r.view.Under("/", func(path string, _ pathmap.Entry) bool {
			p := ocipath.Parse(path)
			writer, counter := r.view.Newest(path)
			if seen, ok := r.forgotten[writer]; p.Kind != ocipath.Revision || p.Digest == "" || !ok || counter <= seen {
				return r.ctx.Err() == nil
			}
			m := lease.Manifest{Writer: writer, Counter: counter, Refs: r.refs(p)}
			return yield(m) && r.err == nil && r.ctx.Err() == nil
		})
	}
}

// refs are the entries that a revision relies on: those of its own bytes, and of all that it
// names.
func (r *returns) refs(p ocipath.Path) (refs []lease.Ref) {
	data := ocipath.BlobData(p.Root, p.Digest)
	refs = r.ref(refs, data, p.Digest)
	e, err := r.view.Get(data)
	if kept, ok := r.entries[data]; err != nil && ok {
		e, err = kept, nil
	}
	if err != nil {
		return refs
	}
	content, err := r.c.cfg.Read(r.ctx, e)
	if err != nil {
		return refs
	}
	m, err := manifest.Parse(content)
	if err != nil {
		return refs
	}
	children := map[digest.Digest]bool{}
	for _, d := range m.Manifests {
		children[d] = true
	}
	for d := range m.Names() {
		if d.Validate() != nil {
			continue
		}
		refs = r.ref(refs, ocipath.BlobData(p.Root, d), d)
		link := ocipath.LayerLink(p.Repository, d)
		if children[d] {
			link = ocipath.RevisionLink(p.Repository, d)
		}
		refs = r.ref(refs, link, d)
	}
	return refs
}

// ref adds an entry that is relied on, and, when it is missing and the bytes are here, what
// to write.
func (r *returns) ref(refs []lease.Ref, path string, d digest.Digest) []lease.Ref {
	_, err := r.view.Get(path)
	if !errors.Is(err, pathmap.ErrNotFound) {
		return append(refs, lease.Ref{Path: path, Alive: true})
	}
	of, named, here := r.bytesOf(path, d)
	if here {
		if !named {
			r.unnamedOf[path] = of.CID
		}
		e := pathmap.Entry{CID: of.CID, Size: of.Size, ModTime: time.Now()}
		if ocipath.Parse(path).IsLink() {
			text := d.String()
			link, ok := dag.Identity([]byte(text))
			if !ok {
				return refs
			}
			e.CID, e.Size = link, int64(len(text))
		}
		r.entries[path] = e
	}
	return append(refs, lease.Ref{Path: path, Here: here})
}

// bytesOf finds the blob with a digest. When it has an entry that says which it is, wherever its
// bytes are; otherwise it is one of those on this disk that nothing names.
func (r *returns) bytesOf(path string, d digest.Digest) (of dag.Ref, named, here bool) {
	if e, err := r.view.Get(ocipath.BlobData(ocipath.Parse(path).Root, d)); err == nil {
		return dag.Ref{CID: e.CID, Size: e.Size}, true, true
	}
	if r.unnamed == nil {
		r.unnamed = map[digest.Digest]dag.Ref{}
		r.err = r.hashUnnamed()
	}
	of, here = r.unnamed[d]
	return of, false, here
}

// hashUnnamed finds the digests of the blobs here that nothing names: a CID does not tell
// them.
func (r *returns) hashUnnamed() error {
	refs, err := r.c.cfg.Bytes.unnamed(r.ctx, r.view)
	if err != nil {
		return err
	}
	for _, ref := range refs {
		if err := r.hash(ref); err != nil && r.ctx.Err() != nil {
			return err // one that cannot be read is not here
		}
	}
	return nil
}

func (r *returns) hash(ref dag.Ref) (err error) {
	body, err := r.c.cfg.Bytes.blobs.Reader(r.ctx, ref, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	sha2, sha5 := crypto.SHA256.New(), crypto.SHA512.New()
	if _, err := io.Copy(io.MultiWriter(sha2, sha5), body); err != nil {
		return fmt.Errorf("hash blob %s: %w", ref.CID, err)
	}
	r.unnamed[digest.NewDigest(digest.SHA256, sha2)] = ref
	r.unnamed[digest.NewDigest(digest.SHA512, sha5)] = ref
	return nil
}

// unnamed gives the whole blobs here that no entry in a view names.
func (b *Bytes) unnamed(ctx context.Context, view pathmap.View) ([]dag.Ref, error) {
	refs, err := b.blobs.Blobs(ctx)
	if err != nil {
		return nil, err
	}
	of := map[cid.Cid]dag.Ref{}
	for _, ref := range refs {
		of[ref.CID] = ref
	}
	view.CIDs(func(c cid.Cid) bool { delete(of, c); return true })
	refs = refs[:0]
	for _, ref := range of {
		refs = append(refs, ref)
	}
	return refs, nil
}
