package driver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/manifest"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer"
)

const (
	completeFor     = time.Minute // an image that was complete is not looked at again
	maxComplete     = 4096        // images that are remembered as complete
	maxIndexDepth   = 4           // of indexes in indexes
	maxDescriptors  = 1024        // looked at of one image
	questionsAtOnce = 8
)

// completes remembers images whose blobs were all on this registry, or held by a member.
type completes struct {
	mu    sync.Mutex
	until map[cid.Cid]time.Time
}

func (c *completes) has(of cid.Cid) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Before(c.until[of])
}

func (c *completes) add(of cid.Cid) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.until == nil || len(c.until) >= maxComplete {
		c.until = map[cid.Cid]time.Time{}
	}
	c.until[of] = time.Now().Add(completeFor)
}

// complete is called at HEAD of a manifest that is here. Manifests are on every registry,
// layers are not: a client that is told 200, such as crane, believes that the image is here
// and skips its push, even when no reachable registry holds one of its layers. In that case
// complete returns a refusal.
func (s *store) complete(ctx context.Context, path string, e pathmap.Entry) error {
	if err := s.acknowledgedLate(ctx, e); err != nil {
		return err
	}
	if e.Size > smallBlob || s.completes.has(e.CID) {
		return nil
	}
	client := ctx
	ctx, cancel := context.WithTimeout(ctx, s.syncTimeout)
	defer cancel()
	var seen lookedAt
	refs := &references{s: s, root: ocipath.Parse(path).Root, look: seen.add}
	err := refs.collect(ctx, e, 0)
	if err != nil && ctx.Err() != nil && client.Err() == nil {
		err = &transfer.Unavailable{CID: e.CID, Cause: err} // a damaged one, which nobody mends in time
	}
	if err != nil {
		return s.unreachable(client, path, err)
	}
	var g errgroup.Group
	g.SetLimit(questionsAtOnce)
	for _, blob := range refs.absent {
		g.Go(func() error { return s.held(ctx, blob) })
	}
	if err := g.Wait(); err != nil {
		return s.unreachable(client, path, err)
	}
	s.completes.add(e.CID)
	return nil
}

// held returns an error unless a member says in time that it holds a blob.
func (s *store) held(ctx context.Context, e pathmap.Entry) error {
	holders, err := s.transfers.Holders(ctx, refOf(e))
	if _, unheard := errors.AsType[*transfer.Unavailable](err); unheard || err == nil && len(holders) > 0 {
		return err
	}
	return &transfer.Unavailable{CID: e.CID, Cause: err}
}

// lookedAt is a set of digests. It is ready to use.
type lookedAt map[digest.Digest]struct{}

// add reports whether d is new.
func (s *lookedAt) add(d digest.Digest) bool {
	if _, ok := (*s)[d]; ok {
		return false
	}
	if *s == nil {
		*s = lookedAt{}
	}
	(*s)[d] = struct{}{}
	return true
}

// references gathers the blobs of an image that are not here.
type references struct {
	s      *store
	root   string // of the registry's paths
	seen   int
	absent []pathmap.Entry

	look func(digest.Digest) bool // whether what a descriptor refers to has not been looked at yet

	found      func(path string, e pathmap.Entry) // is told of each, and of its links; may be nil
	repository string                             // of these links
}

// collect reads a manifest, and those below an index. A descriptor without an entry belongs
// to another registry: a layer that is fetched from a URL.
func (r *references) collect(ctx context.Context, e pathmap.Entry, depth int) error {
	return r.collectIn(ctx, r.s.paths.View(), e, depth)
}

// collectIn is collect with the entries of a view.
func (r *references) collectIn(ctx context.Context, view pathmap.View, e pathmap.Entry, depth int) error {
	all, err := r.s.readManifest(ctx, e)
	if err != nil {
		return err
	}
	for _, d := range append(all.Layers, all.Config) {
		blob, err := r.entry(view, d)
		if err != nil {
			continue
		}
		if here, err := r.s.keeps(ctx, blob); err != nil || !here {
			r.absent = append(r.absent, blob)
		}
	}
	for _, d := range all.Manifests {
		child, err := r.entry(view, d)
		if err != nil || child.Size > smallBlob || depth == maxIndexDepth {
			continue
		}
		if err := r.s.fetchSoon(ctx, child); err != nil {
			return err
		}
		if err := r.collectIn(ctx, view, child, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// entry finds what a descriptor refers to, once, for the first maxDescriptors of an image.
func (r *references) entry(view pathmap.View, d digest.Digest) (pathmap.Entry, error) {
	if r.seen >= maxDescriptors || d.Validate() != nil || !r.look(d) {
		return pathmap.Entry{}, pathmap.ErrNotFound
	}
	r.seen++
	path := ocipath.BlobData(r.root, d)
	e, err := view.Get(path)
	if err == nil && r.found != nil {
		r.found(path, e)
		r.links(view, d)
	}
	return e, err
}

// links tells of the links of a repository to a digest.
func (r *references) links(view pathmap.View, d digest.Digest) {
	for _, path := range []string{ocipath.LayerLink(r.repository, d), ocipath.RevisionLink(r.repository, d)} {
		if e, err := view.Get(path); err == nil {
			r.found(path, e)
		}
	}
}

// readManifest reads what a manifest names; anything else names nothing.
func (s *store) readManifest(ctx context.Context, e pathmap.Entry) (manifest.Manifest, error) {
	content, err := s.readSmall(ctx, e)
	if err != nil {
		return manifest.Manifest{}, err
	}
	m, _ := manifest.Parse(content)
	return m, nil
}

// readSmall reads the bytes of a manifest or a config, wherever they are: at most smallBlob.
func (s *store) readSmall(ctx context.Context, e pathmap.Entry) ([]byte, error) {
	body, err := s.transfers.Open(ctx, refOf(e), 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	content, err := io.ReadAll(io.LimitReader(body, smallBlob))
	if err != nil {
		return nil, fmt.Errorf("read manifest %s: %w", e.CID, err)
	}
	return content, nil
}
