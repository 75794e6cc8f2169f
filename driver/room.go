package driver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/dustin/go-humanize"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/engine"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/room"
)

const (
	fullRetry     = time.Minute     // somebody has to make room
	crowdedRetry  = 5 * time.Second // other requests end
	reopenedRetry = 2 * time.Second // the datastore is opened again
)

// short makes a Refusal of an error that means a lack of room: 507 when the disk is full, 503
// when file descriptors are short or the datastore takes no writes. It returns any other
// error unchanged. Behind a load balancer a client cannot know whose disk is full: so this
// registry says its name, if it has one.
func short(ctx context.Context, name string, err error) error {
	cause := err
	var wrapped storagedriver.Error // which errors.Is does not look into
	if errors.As(err, &wrapped) {
		cause = wrapped.Detail
	}
	var refused *Refusal
	down, full := engine.TakesNoWrites(err)
	switch {
	case err == nil, errors.As(err, &refused):
		return err
	case down && !full:
		return refuse(ctx, Refusal{Status: http.StatusServiceUnavailable, Code: unavailable, Retry: reopenedRetry, Err: err})
	case room.IsFull(cause), down:
		return refuse(ctx, Refusal{Status: http.StatusInsufficientStorage, Code: unavailable, Retry: fullRetry, Err: saidBy(name, err)})
	case room.IsCrowded(cause):
		return refuse(ctx, Refusal{Status: http.StatusServiceUnavailable, Code: unavailable, Retry: crowdedRetry, Err: err})
	}
	return err
}

func saidBy(name string, err error) error {
	if name == "" {
		return err
	}
	return fmt.Errorf("registry %q: %w", name, err)
}

// stillToCome adds to an error that means a full disk how many bytes of all have not been taken yet.
func stillToCome(err error, taken, of int64) error {
	if !room.IsFull(err) || taken >= of {
		return err
	}
	return fmt.Errorf("%w: %s of %s are still to come: make room, and run it again, which goes on",
		err, humanize.IBytes(uint64(of-taken)), humanize.IBytes(uint64(of)))
}

// lost makes a Refusal of an error by which bytes of an upload were lost, because
// distribution answers 202 without looking at the error of the upload's Close.
func lost(ctx context.Context, name string, err error) error {
	r := Refusal{Status: http.StatusInternalServerError, Code: "UNKNOWN", Err: err}
	var known *Refusal
	if errors.As(short(ctx, name, err), &known) {
		r = *known
	}
	r.Lost = true
	return refuse(ctx, r)
}

// mayOpen refuses a Writer when there is no room for it. A request that only looks at an
// upload, or cancels it, needs no room, and ending an upload whose bytes are here needs
// little.
func (s *store) mayOpen(ctx context.Context, appending bool) error {
	switch r := requestOf(ctx); {
	case appending && (r.method == http.MethodGet || r.method == http.MethodHead || r.method == http.MethodDelete):
		return nil
	case appending && r.bringsBytes() && r.length <= 0:
		return s.withRoom(ctx, 0, s.blobs.Room().End)
	}
	return s.withRoom(ctx, max(0, requestOf(ctx).length), s.blobs.Room().Begin)
}

// withRoom does something for which room may be short; then once more, after room was made for n
// bytes by what is in the cache.
func (s *store) withRoom(ctx context.Context, n int64, do func() error) error {
	err := do()
	if room.IsFull(err) {
		s.blobs.Room().Await(ctx, n)
		err = do()
	}
	return err
}

// mayPut refuses an entry when there is no room for it. Entries at the end of an upload,
// whose bytes are here, may use some of the reserve.
func (s *store) mayPut(ctx context.Context) error {
	if requestOf(ctx).bringsBytes() {
		return s.withRoom(ctx, 0, s.blobs.Room().End)
	}
	return s.withRoom(ctx, 0, s.blobs.Room().Begin)
}

// putHint writes a hash state of distribution's, which only saves reading the upload again:
// it is not synced, and when there is no room, the upload goes on without it. An older state,
// of bytes that have been taken back, must not stay in its place. The state of few bytes costs
// more than it saves.
func (l local) putHint(p string, content []byte) error {
	n, err := strconv.ParseInt(path.Base(p), 10, 64)
	if err == nil && (n <= l.reread() || !l.covers(p, n)) {
		return removeIfThere(l.file(p))
	}
	err = l.blobs.Room().End()
	if err == nil {
		err = l.write(p, content)
	}
	if err == nil {
		return nil
	}
	if errRemove := removeIfThere(l.file(p)); errRemove != nil {
		return errors.Join(err, errRemove)
	}
	return nil
}

// reread is how many bytes of an upload are read again at most, rather than keep a hash state of
// them: those of one leaf, whose sum is the digest, and little where it is not.
func (l local) reread() int64 {
	if l.blobs.Function() == dag.SHA2 {
		return dag.LeafSize
	}
	return blob.SmallSize
}

// covers reports whether the state of n bytes is one of an upload that is being written, and of
// all its bytes. Where distribution has no state of the bytes that came with earlier requests it
// hashes those of this one alone, and names the state by their number: after some of an upload was
// taken back that might become the upload's size.
func (l local) covers(p string, n int64) bool {
	upload, _, _ := strings.Cut(p, "/hashstates/")
	size, ok := l.blobs.Growing(l.file(upload + "/data"))
	return ok && size == n
}

func removeIfThere(file string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// isHint reports whether a path is that of a hash state.
func isHint(p string) bool {
	return ocipath.Parse(p).Kind == ocipath.Upload && strings.Contains(p, "/hashstates/")
}

// beginning is the name of the first file that distribution writes of an upload.
const beginning = "startedat"

func isBeginning(p string) bool { return path.Base(p) == beginning }
