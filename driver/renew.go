package driver

import (
	"context"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// An entry is a lease: a delete names the versions that it saw, and a garbage collection
// will name those that it has seen unused for long enough. Before an answer has a client
// rely on an entry, instead of pushing what it stands for, the entry gets a version of
// this registry's own, unless it has a recent one. A GET lets nobody rely on anything.
const (
	garbageGrace = 24 * time.Hour   // from one look at what is unused to the next
	renewAfter   = garbageGrace / 4 // of running time; a version is renewed when it is older
)

// relies tells what the answer to a request lets its client rely on: the blob that it
// asked for, mounts or refers to in a manifest.
func (r request) relies(path string) bool {
	data := isBlobData(path)
	link := strings.Contains(path, "/_layers/") || strings.Contains(path, "/_manifests/revisions/")
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

// rely notes that the request's answer lets a client rely on a path. A HEAD of a blob
// reads the link first: with the blob both are renewed, together. The other requests
// write something of their own, and what they rely on goes with that.
func (s *store) rely(ctx context.Context, path string) error {
	r := requestOf(ctx)
	if !r.relies(path) || s.ReadOnly() || s.twinned() != "" {
		return nil
	}
	u := s.requests.underway(ctx)
	u.add(path)
	if r.method != http.MethodHead || !isBlobData(path) {
		return nil
	}
	if ops := s.renewals(r, u.take()); len(ops) > 0 {
		return s.write(ctx, ops...)
	}
	return nil
}

// renewals write anew what has no recent version of this registry. Where bytes came in,
// whatever version there is may be deleted by somebody who never heard of them.
func (s *store) renewals(r request, relied []string) []pathmap.Op {
	var ops []pathmap.Op
	view := s.paths.View()
	for _, p := range relied {
		if s.paths.Wrote(p, renewAfter) && !r.bringsBytes() {
			continue
		}
		if e, err := view.Get(p); err == nil {
			ops = append(ops, pathmap.Op{Path: p, Entry: &e})
		}
	}
	return ops
}

// besides are the ops that go with a write of a path: what the request relied on before;
// with a manifest's revision its bytes, which came in with the request; and with a tag
// that revision, if it was deleted meanwhile.
func (s *store) besides(ctx context.Context, u *underway, link string, ref blob.Ref) []pathmap.Op {
	r := requestOf(ctx)
	ops := s.renewals(r, u.take())
	if !r.manifest || r.method != http.MethodPut {
		return ops
	}
	d, ok := linkedDigest(ref)
	repository, rest, manifest := strings.Cut(link, "/_manifests/")
	if !ok || !manifest {
		return ops
	}
	if strings.HasPrefix(rest, "revisions/") {
		data := dataPath(repository, d)
		e, err := s.paths.View().Get(data)
		if err == nil && !u.wrote(data) && !slices.ContainsFunc(ops, func(op pathmap.Op) bool { return op.Path == data }) {
			ops = append(ops, pathmap.Op{Path: data, Entry: &e})
		}
	} else if strings.HasSuffix(rest, "/current/link") {
		revision := path.Join(repository, "_manifests/revisions", d.Algorithm().String(), d.Encoded(), "link")
		e := pathmap.Entry{CID: ref.CID, Size: ref.Size, ModTime: time.Now()}
		ops = append(ops, pathmap.Op{Path: revision, Entry: &e, UnlessAlive: true})
	}
	return ops
}

// linkedDigest reads the digest that a link holds.
func linkedDigest(ref blob.Ref) (digest.Digest, bool) {
	content, ok := blob.InlineBytes(ref.CID)
	d := digest.Digest(content)
	return d, ok && d.Validate() == nil
}

// dataPath is where the registry keeps the bytes of a digest that a repository links.
func dataPath(repository string, d digest.Digest) string {
	root, _, _ := strings.Cut(repository, "/repositories/")
	return path.Join(root, "blobs", d.Algorithm().String(), d.Encoded()[:2], d.Encoded(), "data")
}
