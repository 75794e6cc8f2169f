package driver

import (
	"context"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/distribution/distribution/v3/registry/storage/driver/base"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/engine"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/replica/ack"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer"
)

// Driver is the storage driver of one registry. All methods are safe for
// concurrent use.
type Driver struct {
	base.Base
	store *store
}

// store implements storagedriver.StorageDriver; Driver wraps it with the path
// checks, spans and timers that every driver of distribution has.
type store struct {
	engine    *engine.Engine
	paths     *pathmap.Map
	blobs     *blob.Store
	transfers *transfer.Transfers
	log       *logrus.Entry
	local     storagedriver.StorageDriver // what is not shared

	manifests   *manifestFetcher
	syncTimeout time.Duration // how long a request waits for members, at most
	gcGrace     time.Duration
	gcUntagged  bool
	renewAfter  time.Duration // the age at which this registry's version of an entry is renewed
	waits       waitBudget
	requests    requests
	counted     counted
	measuring   sync.Mutex // usage
	handing     handing
	swarms      *shared[SwarmStatus]
	peering     *shared[Peers]
	wheres      *shared[Where]
	images      *shared[Image]
	damages     damages // of blobs that are damaged
	alone       damages // of blobs that are on this disk only
	digests     *digests
	followers   atomic.Int32 // who follow the transfers
	completes   completes

	refusedPushes refusedPushes
	growths       growths
	returned      returned
}

func (s *store) localFile(path string) string  { return filepath.Join(s.engine.LocalDir(), path) }
func (s *store) stagedFile(name string) string { return filepath.Join(s.engine.WritersDir(), name) }

var _ storagedriver.StorageDriver = (*store)(nil)

// Name implements storagedriver.StorageDriver.
func (s *store) Name() string { return Name }

func notFound(path string) error {
	return storagedriver.PathNotFoundError{Path: path, DriverName: Name}
}

func isNotFound(err error) bool {
	_, ok := errors.AsType[storagedriver.PathNotFoundError](err)
	return ok
}

// isLocal reports whether a path stays on this registry: uploads in progress, and
// the state of a pull-through cache.
func isLocal(path string) bool {
	return path == "/scheduler-state.json" || ocipath.Parse(path).Kind == ocipath.Upload
}

// lookup finds the entry of a shared path. On a miss it asks the members, in those requests
// for which a miss may only mean that this registry has not heard of the path yet.
func (s *store) lookup(ctx context.Context, path string) (pathmap.Entry, error) {
	if err := s.hearFirst(ctx); err != nil {
		return pathmap.Entry{}, err
	}
	r := requestOf(ctx)
	if isTag(path) && r.method != "" {
		if err := s.awaitJoined(ctx); err != nil {
			return pathmap.Entry{}, err
		}
	}
	if r.mayRely() {
		s.requests.underway(ctx) // a reliance begins before the entry is looked up
	}
	e, err := s.paths.View().Get(path)
	if !errors.Is(err, pathmap.ErrNotFound) {
		return e, newer(ctx, err)
	}
	if !r.asksOnMiss(path) {
		return e, notFound(path)
	}
	late := s.catchUp(ctx, func() bool { // it has come meanwhile
		_, err := s.paths.View().Get(path)
		return !errors.Is(err, pathmap.ErrNotFound)
	})
	e, err = s.paths.View().Get(path)
	if errors.Is(err, pathmap.ErrNotFound) {
		if late != nil {
			return e, behind(ctx, late)
		}
		return e, notFound(path)
	}
	return e, err
}

// catchUp brings the map up to what the members acknowledged before the call, within the
// time that the request may wait. The error is a Refusal, or pathmap.ErrBehind, when
// changes that they named have not come. When the request may wait no more, it is what the members
// have answered to it before, which covers all that was acknowledged before it began. enough ends it
// earlier.
func (s *store) catchUp(ctx context.Context, enough func() bool) error {
	if err := s.awaitJoined(ctx); err != nil {
		return err
	}
	key := requestKeyOf(ctx)
	wait, cancel, ok := s.waits.begin(ctx, key, s.syncTimeout)
	if !ok {
		asked, late := s.waits.last(key)
		if !asked && s.syncTimeout > 0 { // at 0 nobody is ever waited for
			late = s.paths.Unasked()
		}
		return late
	}
	defer cancel()
	late := s.paths.CatchUpUntil(wait, enough)
	if late != nil || !enough() { // else some may not have answered yet
		s.waits.asked(key, late)
	}
	return late
}

// PutContent implements storagedriver.StorageDriver.
func (s *store) PutContent(ctx context.Context, path string, content []byte) error {
	if isLocal(path) {
		if isBeginning(path) { // rather than when all its bytes have come
			if err := s.mayWrite(ctx); err != nil {
				return err
			}
		}
		return s.local.PutContent(ctx, path, content)
	}
	err := s.putShared(ctx, path, content)
	if err != nil {
		s.requests.underway(ctx).giveUp()
	}
	return err
}

func (s *store) putShared(ctx context.Context, path string, content []byte) error {
	if err := s.mayWrite(ctx); err != nil {
		return err
	}
	if err := s.mayPut(ctx); err != nil {
		return err
	}
	if c, ok := dag.Identity(content); ok && !isBlobData(path) {
		return s.put(ctx, change{path: path, ref: dag.Ref{CID: c, Size: int64(len(content))}})
	}
	if err := checkDigest(path, content); err != nil {
		return err
	}
	if err := s.engine.SettleHash(ctx); err != nil {
		return err
	}
	s.relyOnAll(ctx, path, content)
	bytes, err := s.blobs.PushContent(ctx, content, s.functionOf(path))
	if err != nil {
		return err
	}
	return s.put(ctx, change{path: path, ref: bytes.Ref, bytes: bytes, ahead: s.engine.Acks.Ahead(ctx, ack.Blob{Ref: bytes.Ref})})
}

// Reader implements storagedriver.StorageDriver. The first bytes are in hand
// when it returns: an error can still become a status.
func (s *store) Reader(ctx context.Context, path string, offset int64) (io.ReadCloser, error) {
	if offset < 0 {
		return nil, storagedriver.InvalidOffsetError{Path: path, Offset: offset, DriverName: Name}
	}
	if isLocal(path) {
		return s.local.Reader(ctx, path, offset)
	}
	e, err := s.lookup(ctx, path)
	if err != nil {
		return nil, err
	}
	return s.open(ctx, path, e, offset)
}

// Stat implements storagedriver.StorageDriver.
func (s *store) Stat(ctx context.Context, path string) (storagedriver.FileInfo, error) {
	if isLocal(path) {
		return s.local.Stat(ctx, path)
	}
	e, err := s.lookup(ctx, path)
	if err == nil {
		if err := s.repush(ctx, path, e); err != nil {
			return nil, err
		}
		if err := s.relyOnChild(ctx, path, e); err != nil {
			return nil, err
		}
		s.rely(ctx, path, e)
		return fileInfo(path, e), nil
	}
	if !isNotFound(err) {
		return nil, err
	}
	if path == "/" || s.paths.View().IsDir(path) || s.hasLocalDir(path) {
		return dirInfo(path), nil
	}
	return nil, notFound(path)
}

// RedirectURL implements storagedriver.StorageDriver. It never redirects. distribution
// calls it in a download before it sends a status, so this is where bytes that no reachable
// registry holds become an error.
func (s *store) RedirectURL(r *http.Request, path string) (string, error) {
	if isLocal(path) || r.Method != http.MethodGet {
		return "", nil
	}
	e, err := s.lookup(r.Context(), path)
	if err != nil {
		return "", err
	}
	body, err := s.open(r.Context(), path, e, firstByte(r.Header.Get("Range"), e.Size))
	if err != nil {
		return "", err
	}
	return "", body.Close()
}

func refOf(e pathmap.Entry) dag.Ref { return dag.Ref{CID: e.CID, Size: e.Size} }

// look reports whether all bytes of an entry are on this registry, verified or not. The
// error says that this cannot be known.
func (s *store) look(e pathmap.Entry) (here bool, err error) {
	if _, inline := dag.InlineBytes(e.CID); inline {
		return true, nil
	}
	size, err := s.blobs.Size(e.CID)
	if errors.Is(err, blob.ErrNotFound) {
		return false, nil
	}
	return size == e.Size, err
}

// keeps is look for a request that relies on what is here. It counts as here what a transfer has
// brought whole and is about to keep: a client may have read it already.
func (s *store) keeps(ctx context.Context, e pathmap.Entry) (here bool, err error) {
	if !s.engine.Bytes.Asked(e.CID) {
		return false, nil // it is being given up
	}
	if here, err = s.look(e); here || err != nil {
		return here, err
	}
	s.transfers.AwaitKept(ctx, e.CID)
	return s.look(e)
}

// hasVerified is look for bytes that this process has verified.
func (s *store) hasVerified(e pathmap.Entry) bool {
	_, inline := dag.InlineBytes(e.CID)
	return inline || s.blobs.Verified(refOf(e))
}
