package driver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// mayWrite refuses writes on a registry whose changes the others would drop, and on one
// whose peer ID is in use twice.
func (s *store) mayWrite(ctx context.Context) error {
	if s.ReadOnly() {
		return storagedriver.ErrUnsupportedMethod{DriverName: Name}
	}
	if reason := s.twinned(); reason != "" {
		return refuse(ctx, Refusal{Status: http.StatusServiceUnavailable, Code: unavailable, Retry: twinRetry, Err: errors.New(reason)})
	}
	return nil
}

// put gives a path an entry, and renews with it what the request relied on. Only a link to
// a blob for which no bytes came in, as when it is mounted, may be left as it is: a push
// has to win over a delete that is still on its way.
func (s *store) put(ctx context.Context, path string, ref blob.Ref) error {
	u := s.requests.underway(ctx)
	ops := s.besides(ctx, u, path, ref)
	if !s.stands(ctx, path, ref) {
		ops = append(ops, pathmap.Op{Path: path, Entry: &pathmap.Entry{CID: ref.CID, Size: ref.Size, ModTime: time.Now()}})
	}
	if isTag(path) {
		if err := s.catchUpFirst(ctx); err != nil {
			return err
		}
	}
	if err := s.write(ctx, ops...); err != nil {
		return err
	}
	u.note(path)
	return nil
}

// stands reports whether a link to a blob need not be written again.
func (s *store) stands(ctx context.Context, path string, ref blob.Ref) bool {
	if !strings.Contains(path, "/_layers/") || requestOf(ctx).bringsBytes() || !s.paths.Wrote(path, renewAfter) {
		return false
	}
	old, err := s.paths.View().Get(path)
	return err == nil && old.CID == ref.CID && old.Size == ref.Size
}

// write applies ops to the path map. An op that the other registries would refuse is an
// error of the client.
func (s *store) write(ctx context.Context, ops ...pathmap.Op) error {
	err := s.paths.Write(ctx, ops...)
	if errors.Is(err, pathmap.ErrBadPath) {
		return refuse(ctx, Refusal{Status: http.StatusBadRequest, Code: "NAME_INVALID", Err: err})
	}
	return newer(ctx, err)
}

// catchUpFirst waits, right after the start, until a member has told the greatest counter
// that it has seen: the greater version of a tag wins, and a version written before the
// history has come would be small, though it was pushed last. Then it waits until the
// changes that members have named so far are merged, so that the push replaces them;
// versions that do not come in time stay beside it, and lose. All of this takes no more
// time than the request's misses may.
func (s *store) catchUpFirst(ctx context.Context) error {
	if err := s.awaitPhase(ctx, s.paths.Told()); err != nil {
		return err
	}
	ctx, cancel, ok := s.misses.begin(ctx, requestOf(ctx).key, s.params.SyncTimeout)
	if !ok {
		return nil
	}
	defer cancel()
	s.paths.Follow(ctx)
	return nil
}

// Move implements storagedriver.StorageDriver. Bytes that leave a local path
// become a blob here; they were hashed when they were written.
func (s *store) Move(ctx context.Context, source, dest string) error {
	switch {
	case isLocal(source) && isLocal(dest):
		return s.local.Move(ctx, source, dest)
	case isLocal(source):
		return s.publish(ctx, source, dest)
	case isLocal(dest):
		return s.unshare(ctx, source, dest)
	}
	if err := s.mayWrite(ctx); err != nil {
		return err
	}
	e, err := s.lookup(ctx, source)
	if err != nil || source == dest {
		return err
	}
	if err := s.blobs.Room().End(); err != nil {
		return err
	}
	return s.write(ctx, pathmap.Op{Path: dest, Entry: &e}, pathmap.Op{Path: source})
}

// publish makes a blob of a local file and gives it a shared path. The entry is written
// when the bytes are safe on disk, and nothing deletes them until the entry is on disk,
// too.
func (s *store) publish(ctx context.Context, source, dest string) error {
	if err := s.mayWrite(ctx); err != nil {
		return err
	}
	if err := s.blobs.Room().End(); err != nil {
		return err
	}
	want, _ := digestOf(dest)
	ref, unpin, err := s.blobs.AdoptUpload(ctx, s.localFile(source), want, s.registryDigest(source), s.functionOf(dest))
	defer unpin()
	if errors.Is(err, os.ErrNotExist) {
		return notFound(source)
	}
	if err != nil {
		return fmt.Errorf("move %s to %s: %w", source, dest, err)
	}
	if err := s.put(ctx, dest, ref); err != nil {
		if errBack := s.blobs.GiveBack(ref, s.localFile(source)); errBack != nil {
			s.log.WithError(errBack).Warn("the end of an upload failed and could not be undone: the client has to begin the upload anew")
		}
		return err // the client may try again
	}
	return nil
}

// functionOf is the hash function of the CID of a path that has an entry, so that the bytes
// keep their CID when they are pushed again; 0 for a path without an entry.
func (s *store) functionOf(path string) blob.Function {
	e, err := s.paths.View().Get(path)
	if err != nil || !isBlobData(path) {
		return 0
	}
	f, _ := blob.FunctionOf(e.CID)
	return f
}

// unshare copies a shared path to a local one and deletes it.
func (s *store) unshare(ctx context.Context, source, dest string) error {
	content, err := s.GetContent(ctx, source)
	if err != nil {
		return err
	}
	if err := s.local.PutContent(ctx, dest, content); err != nil {
		return err
	}
	return s.Delete(ctx, source)
}

// isBlobData reports whether a path is that of a blob's bytes.
func isBlobData(path string) bool {
	_, ok := digestOf(path)
	return ok
}

// digestOf reads the digest out of …/blobs/<algorithm>/<xx>/<hex>/data.
func digestOf(path string) (digest.Digest, bool) {
	dir, file := filepath.Split(path)
	parts := strings.Split(strings.Trim(dir, "/"), "/")
	n := len(parts)
	if file != "data" || n < 4 || parts[n-4] != "blobs" {
		return "", false
	}
	d := digest.NewDigestFromEncoded(digest.Algorithm(parts[n-3]), parts[n-1])
	return d, d.Validate() == nil
}

// checkDigest compares content with the digest in its path, if there is one.
func checkDigest(path string, content []byte) error {
	want, ok := digestOf(path)
	if ok && want.Algorithm().FromBytes(content) != want {
		return fmt.Errorf("put %s: %w", path, blob.ErrDigestMismatch)
	}
	return nil
}
