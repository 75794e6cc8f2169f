package driver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/admin"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// maxLink is more bytes than a link has, which holds a digest.
const maxLink = 256

// image verifies a manifest, those below it, and the blobs they refer to, including blobs
// that are not here: some member has to have those.
func (v *verification) image(ctx context.Context, image string) error {
	d, err := v.resolve(ctx, image)
	if err != nil {
		return err
	}
	return v.manifest(ctx, d, 0)
}

// resolve finds the digest of repository:tag or repository@digest in the path map, with
// or without the host of a registry in front, as clients write it.
func (s *store) resolve(ctx context.Context, image string) (digest.Digest, error) {
	d, err := s.resolveHere(ctx, image)
	host, rest, ok := strings.Cut(image, "/")
	if err == nil || !ok || host != "localhost" && !strings.ContainsAny(host, ".:") {
		return d, err
	}
	if d, rerr := s.resolveHere(ctx, rest); rerr == nil {
		return d, nil
	}
	return "", err
}

func (s *store) resolveHere(ctx context.Context, image string) (digest.Digest, error) {
	if name, d, ok := strings.Cut(image, "@"); ok {
		d := digest.Digest(d)
		if err := d.Validate(); err != nil {
			return "", admin.Invalid(fmt.Errorf("image %q: %w", image, err))
		}
		_, err := s.link(ctx, image, ocipath.RevisionLink(ocipath.Repository(name), d))
		return d, err
	}
	i := strings.LastIndex(image, ":")
	if i <= 0 || i == len(image)-1 {
		return "", admin.Invalid(fmt.Errorf("image %q: is neither repository:tag nor repository@digest", image))
	}
	return s.link(ctx, image, ocipath.CurrentLink(ocipath.Repository(image[:i]), image[i+1:]))
}

func (s *store) link(ctx context.Context, image, p string) (digest.Digest, error) {
	e, err := s.paths.View().Get(p)
	if errors.Is(err, pathmap.ErrNotFound) {
		return "", admin.NotFound(fmt.Errorf("image %q: this registry does not know it", image))
	}
	if err != nil {
		return "", err
	}
	body, err := s.transfers.Open(ctx, refOf(e), 0)
	if err != nil {
		return "", fmt.Errorf("image %q: %w", image, err)
	}
	defer func() { _ = body.Close() }()
	content, err := io.ReadAll(io.LimitReader(body, maxLink))
	if err != nil {
		return "", fmt.Errorf("image %q: %w", image, err)
	}
	d, err := digest.Parse(string(content))
	if err != nil {
		return "", fmt.Errorf("image %q: link %s: %w", image, p, err)
	}
	return d, nil
}

// manifest verifies a manifest and all below it, once however often it is named.
func (v *verification) manifest(ctx context.Context, d digest.Digest, depth int) error {
	if v.read[d] {
		return nil
	}
	if len(v.read) == maxManifests {
		return fmt.Errorf("the image has more than %d manifests", maxManifests)
	}
	v.read[d] = true
	e, ok, err := v.reference(ctx, d)
	if err != nil || !ok {
		return err
	}
	if e.Size > smallBlob {
		return fmt.Errorf("%s: is not a manifest: it has %d bytes", d, e.Size)
	}
	all, err := v.readManifest(ctx, e)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return nil // what is wrong with it was found
	}
	for _, child := range all.Manifests {
		if depth == maxIndexDepth {
			return fmt.Errorf("%s: indexes are nested more than %d deep", d, maxIndexDepth)
		}
		if err := v.manifest(ctx, child, depth+1); err != nil {
			return err
		}
	}
	for _, part := range append(all.Layers, all.Config) {
		if part == "" {
			continue // an index has no config
		}
		if _, _, err := v.reference(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

// named is what was found out of a blob that a manifest names.
type named struct {
	entry pathmap.Entry
	ok    bool // its bytes can be had
}

// reference verifies the blob of a digest once, however often it is named; ok when its bytes can be had.
func (v *verification) reference(ctx context.Context, d digest.Digest) (e pathmap.Entry, ok bool, err error) {
	if err := d.Validate(); err != nil {
		return e, false, fmt.Errorf("digest %q: %w", d, err)
	}
	if of, again := v.named[d]; again {
		return of.entry, of.ok, nil
	}
	if len(v.named) == maxDescribed {
		return e, false, fmt.Errorf("the image has more than %d blobs", maxDescribed)
	}
	if e, ok, err = v.blob(ctx, d); err == nil {
		v.named[d] = named{e, ok}
	}
	return e, ok, err
}

func (v *verification) blob(ctx context.Context, d digest.Digest) (e pathmap.Entry, ok bool, err error) {
	e, err = v.paths.View().Get(ocipath.BlobData(ocipath.Root, d))
	if errors.Is(err, pathmap.ErrNotFound) {
		v.find(Finding{Digest: d.String(), Fault: "no entry", Done: "not mended: it was never pushed, or it was deleted; push it"})
		return e, false, nil
	}
	if err != nil {
		return e, false, err
	}
	if _, inline := dag.InlineBytes(e.CID); inline || !v.seen.Visit(e.CID) {
		return e, true, nil
	}
	v.of.Add(1)
	before := len(v.result.Findings)
	absent, err := v.check(ctx, target{refOf(e), d})
	if err != nil {
		return e, false, err
	}
	if absent {
		return e, v.held(ctx, e, d), ctx.Err()
	}
	return e, len(v.result.Findings) == before || v.result.Findings[before].Mended, nil
}

// held reports whether a member has a blob that is not here.
func (v *verification) held(ctx context.Context, e pathmap.Entry, d digest.Digest) bool {
	holders, err := v.transfers.Holders(ctx, refOf(e))
	if err == nil && len(holders) > 0 {
		return true
	}
	f := Finding{CID: e.CID.String(), Digest: d.String(), Size: e.Size, Fault: string(blob.Absent), Leaves: dag.LeavesOf(e.Size)}
	f.Done = "not mended: no member that can be reached has it; start one that has, or push it"
	if !v.result.Running {
		f.Done = "not looked for: the registry is not running, so no member was asked"
	}
	v.find(f)
	return false
}
