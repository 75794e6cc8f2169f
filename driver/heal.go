package driver

import (
	"context"
	"net/http"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// smallBlob is the size in bytes up to which a blob counts as a manifest: the
// registry takes none that is larger.
const smallBlob = 4 << 20

// heal makes a path whose bytes are not here look missing where that lets a
// client push them again; everywhere else a Stat is answered from the map alone.
func (s *store) heal(ctx context.Context, path string, e pathmap.Entry) error {
	if !isBlobData(path) || s.hasBytes(e.CID) {
		return nil
	}
	r := requestOf(ctx)
	switch {
	case r.upload && r.method == http.MethodPut:
		return notFound(path) // the bytes are at hand: store them
	case r.blob && r.method == http.MethodHead, r.mount:
		holders, err := s.transfers.Holders(ctx, refOf(e))
		if err != nil || len(holders) == 0 {
			return notFound(path)
		}
	case r.manifest && (r.method == http.MethodPut || r.method == http.MethodHead) && e.Size <= smallBlob:
		// a client that sees an error at HEAD gives up, at 404 it pushes
		ctx, cancel := context.WithTimeout(ctx, s.params.SyncTimeout)
		defer cancel()
		if err := s.transfers.Fetch(ctx, refOf(e)); err != nil {
			return notFound(path)
		}
	}
	return nil
}
