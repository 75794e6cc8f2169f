package driver

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/manifest"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/room"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer"
)

// smallBlob is the size in bytes up to which a blob counts as a manifest.
const smallBlob = manifest.MaxSize

// repush makes a path whose bytes are not on this registry look missing in those requests in
// which that makes a client push them again. In all others a Stat is answered from the map
// alone.
func (s *store) repush(ctx context.Context, path string, e pathmap.Entry) error {
	if !isBlobData(path) {
		return nil
	}
	r := requestOf(ctx)
	if r.upload && r.method == http.MethodPut {
		if !s.engine.Bytes.Asked(e.CID) || !s.hasVerified(e) {
			return notFound(path) // the bytes are at hand, and verified: store them
		}
		return nil
	}
	here, err := s.keeps(ctx, e)
	if err != nil {
		return err // "not here" would be a guess
	}
	if here && r.manifest && r.method == http.MethodPut && e.Size <= smallBlob {
		here = s.proves(ctx, e)
	}
	if here {
		if r.manifest && r.method == http.MethodHead {
			return s.complete(ctx, path, e)
		}
		return nil
	}
	switch {
	case r.blob && r.method == http.MethodHead, r.mount:
		holders, err := s.transfers.Holders(ctx, refOf(e))
		if err != nil || len(holders) == 0 {
			return notFound(path) // also when one that may have it is silent: the client can push it now
		}
	case r.manifest && r.method == http.MethodPut && e.Size > smallBlob:
		return s.heldNow(ctx, path, e)
	case r.manifest && (r.method == http.MethodPut || r.method == http.MethodHead) && e.Size <= smallBlob:
		err := s.fetchSoon(ctx, e)
		switch {
		case errors.Is(err, transfer.ErrNotKept) && r.method == http.MethodHead:
			return s.findHolder(ctx, path, e) // GET would stream the blob
		case room.Is(err):
			return err
		case err != nil && r.method == http.MethodPut && s.isReference(ctx, path):
			if gone := s.heldNow(ctx, path, e); gone != nil {
				return gone
			}
			return s.unreachable(ctx, path, &transfer.Unavailable{CID: e.CID, Cause: err})
		case err != nil && r.method == http.MethodPut:
			return notFound(path) // the bytes are at hand
		}
		if err == nil && r.method == http.MethodHead {
			return s.complete(ctx, path, e)
		}
		return s.unreachable(ctx, path, err)
	}
	return nil
}

// proves reads a small blob that nobody has verified in this run, and reports whether its
// file is right as far as can be told: a manifest that is pushed must not be thrown away in
// favor of a damaged one.
func (s *store) proves(ctx context.Context, e pathmap.Entry) bool {
	if s.hasVerified(e) {
		return true
	}
	body, err := s.blobs.Reader(ctx, refOf(e), 0)
	if err == nil {
		_, err = io.Copy(io.Discard, body)
		err = errors.Join(err, body.Close())
	}
	return !errors.Is(err, blob.ErrRotten) && !errors.Is(err, blob.ErrNotFound)
}

// isReference reports whether a blob's path was looked up because the manifest that is pushed
// refers to it, and not because it is the manifest: then its link was read before.
func (s *store) isReference(ctx context.Context, path string) bool {
	d, _ := digestOf(path)
	_, ok := s.requests.underway(ctx).link(d, ocipath.Layer, ocipath.Revision)
	return ok
}

// heldNow returns an error unless a connected member has said, since the call, that it holds a
// blob to which a manifest refers that is being pushed. The error is not-found only when all have
// said that they do not: the client then gives up, or pushes the blob again, which it need not
// when a member has just been silent.
func (s *store) heldNow(ctx context.Context, path string, e pathmap.Entry) error {
	holders, err := s.transfers.HoldersNow(ctx, refOf(e))
	switch {
	case err != nil:
		return s.unreachable(ctx, path, err)
	case len(holders) == 0:
		return notFound(path)
	}
	return nil
}

// findHolder returns an error when no connected member holds a blob.
func (s *store) findHolder(ctx context.Context, path string, e pathmap.Entry) error {
	holders, err := s.transfers.Holders(ctx, refOf(e))
	if err == nil && len(holders) == 0 {
		err = &transfer.Unavailable{CID: e.CID}
	}
	return s.unreachable(ctx, path, err)
}

// fetchSoon fetches a blob for a request that cannot wait longer than `synctimeout`.
func (s *store) fetchSoon(ctx context.Context, e pathmap.Entry) error {
	wait, cancel := context.WithTimeout(ctx, s.syncTimeout)
	defer cancel()
	err := s.transfers.Fetch(wait, refOf(e))
	if err != nil && wait.Err() != nil && ctx.Err() == nil {
		return &transfer.Unavailable{CID: e.CID, Cause: wait.Err()}
	}
	return err
}
