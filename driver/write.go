package driver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"time"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/ipfs/go-cid"
	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/replica/ack"
)

// twinRetry is when a client that pushed to one of two registries with one peer ID may try
// again: an operator has to stop one of them first.
const twinRetry = time.Minute

// drainRetry is when a client that pushed to a registry that is being drained may try again, by
// when a load balancer sends it to another one.
const drainRetry = 10 * time.Second

var errDraining = errors.New("this registry is being drained, and takes no pushes and deletes: use another one of its swarm")

// mayWrite refuses writes on a registry whose changes other registries would drop, on one whose
// peer ID is in use twice, and on one that is being drained: once it has handed on all it has,
// nothing may come.
func (s *store) mayWrite(ctx context.Context) error {
	if s.engine.ReadOnly() {
		return storagedriver.ErrUnsupportedMethod{DriverName: Name}
	}
	s.requests.underway(ctx) // whoever drains this registry waits for those that have passed here
	if s.engine.Draining() {
		return refuse(ctx, Refusal{Status: http.StatusServiceUnavailable, Code: unavailable, Retry: drainRetry, Err: errDraining})
	}
	if reason := s.engine.Twinned(); reason != "" {
		return refuse(ctx, Refusal{Status: http.StatusServiceUnavailable, Code: unavailable, Retry: twinRetry, Err: errors.New(reason)})
	}
	return nil
}

// change is a new entry of a path.
type change struct {
	path  string
	ref   dag.Ref
	bytes *blob.Push // nil: they are in the CID
	ahead func()     // ends that members hold the bytes before they have an entry; or nil
	early *ack.Early // of the upload that the bytes came with; or nil
	at    time.Time  // zero: now
}

// op is the change as an op of the path map.
func (c change) op() pathmap.Op {
	op := pathmap.Op{Path: c.path, Entry: &pathmap.Entry{CID: c.ref.CID, Size: c.ref.Size, ModTime: c.at}}
	if c.at.IsZero() {
		op.Entry.ModTime = time.Now()
	}
	if c.bytes != nil {
		op.Beside, op.OnDisk = c.bytes.Beside, c.bytes.Written
	}
	return op
}

// giveUp ends a change that is not written, or of which that is not known: then maybe is true.
func (c change) giveUp(maybe bool) {
	if c.ahead != nil {
		c.ahead()
	}
	c.early.Stop()
	if c.bytes != nil {
		c.bytes.Undo(maybe)
	}
}

// done lets go of the bytes of a change that is written, here and elsewhere.
func (c change) done() {
	if c.ahead != nil {
		c.ahead()
	}
	c.early.Stop()
	if c.bytes != nil {
		c.bytes.Done()
	}
}

// put gives a path an entry, and renews with it what the request relied on. What one
// request changes becomes one delta, with its last change: a registry elsewhere sees all of
// a push or nothing, a delete removes all of it or nothing, and it costs one sync. Until
// then the bytes stay pinned.
func (s *store) put(ctx context.Context, c change) error {
	u := s.requests.underway(ctx)
	if requestOf(ctx).goesOn(c.path) && u.hold(c) {
		holdBack(ctx, u)
		return nil
	}
	all, ok := u.release(c)
	if err := lifetime(ctx).Err(); err != nil && !ok { // what came before c was given up
		c.giveUp(false)
		return err
	}
	return s.putAll(ctx, u, all)
}

// putAll writes changes, or undoes all of them, and waits until they are on other disks, too. A
// client that hangs up while they are being written does not stop that, because a write whose
// outcome is not known could not be undone.
func (s *store) putAll(ctx context.Context, u *underway, changes []change) error {
	defer u.write()()
	err := s.relyOnFound(ctx, changes)
	p := s.newPush(ctx, changes, u.take())
	if err == nil {
		err = p.ready(ctx)
	}
	var heads []cid.Cid
	maybe := err == nil
	if err == nil {
		heads, err = s.writeAll(ctx, p.relied, changes)
	}
	if err != nil {
		for _, c := range changes {
			c.giveUp(maybe)
		}
		return err
	}
	err = p.await(ctx, heads)
	for _, c := range changes {
		if err != nil && c.bytes != nil {
			c.bytes.Return() // the client may end its upload once more
		}
		c.done()
	}
	return err
}

// writeAll writes changes, and with them renews what they rely on. It gives the heads that they
// are in.
func (s *store) writeAll(ctx context.Context, relied []reliance, changes []change) ([]cid.Cid, error) {
	r := requestOf(ctx)
	ops := s.besides(r, slices.Clone(relied), changes)
	hear := false
	for _, c := range changes {
		hear = hear || isTag(c.path)
		if !s.stands(r, c) {
			ops = append(ops, c.op())
		}
	}
	if hear {
		if err := s.catchUpFirst(ctx); err != nil {
			return nil, err
		}
	}
	if err := cmp.Or(ctx.Err(), lifetime(ctx).Err()); err != nil { // the reliance may have ended with the request
		return nil, err
	}
	return s.commit(context.WithoutCancel(ctx), ops...)
}

// stands reports whether a link to a blob need not be written again: one for which no bytes
// came in, as when the blob is mounted. A push has to win over a delete that is still on its
// way.
func (s *store) stands(r request, c change) bool {
	if ocipath.Parse(c.path).Kind != ocipath.Layer || r.bringsBytes() || !s.paths.Wrote(c.path, s.renewAfter) {
		return false
	}
	old, err := s.paths.View().Get(c.path)
	return err == nil && old.CID == c.ref.CID && old.Size == c.ref.Size
}

// write applies ops to the path map. An op that the other registries would refuse is an
// error of the client.
func (s *store) write(ctx context.Context, ops ...pathmap.Op) error {
	_, err := s.commit(ctx, ops...)
	return err
}

// commit is write, and gives the heads of the map that the ops are in.
func (s *store) commit(ctx context.Context, ops ...pathmap.Op) ([]cid.Cid, error) {
	heads, err := s.paths.Commit(ctx, ops...)
	if errors.Is(err, pathmap.ErrBadPath) {
		err = refuse(ctx, Refusal{Status: http.StatusBadRequest, Code: "NAME_INVALID", Err: err})
	}
	return heads, newer(ctx, err)
}

// catchUpFirst waits, right after the start, until a member has told the greatest counter
// that it has seen: the greater version of a tag wins, and a version written before the
// history has come would be small, though it was pushed last. Then it waits until the
// changes that members have named so far are merged, so that the push replaces them;
// versions that do not come in time stay alive beside the push's own, and lose. All of this
// takes no more time than the request's misses may.
func (s *store) catchUpFirst(ctx context.Context) error {
	if err := s.awaitPhase(ctx, s.paths.Told()); err != nil {
		return err
	}
	ctx, cancel, ok := s.waits.begin(ctx, requestKeyOf(ctx), s.syncTimeout)
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
// when the bytes are safe on disk, together with the blob's link, and nothing deletes them
// until the entry is on disk, too.
func (s *store) publish(ctx context.Context, source, dest string) error {
	if err := s.mayWrite(ctx); err != nil {
		return err
	}
	if err := s.blobs.Room().End(); err != nil {
		return err
	}
	want, _ := digestOf(dest)
	bytes, err := s.blobs.PushUpload(ctx, s.localFile(source), want, s.registryDigest(source), s.functionOf(dest))
	if errors.Is(err, os.ErrNotExist) {
		return notFound(source)
	}
	if err != nil {
		return fmt.Errorf("move %s to %s: %w", source, dest, err)
	}
	bytes.GiveBack = true // the client may try again
	early := s.growths.take(s.localFile(source))
	return s.put(ctx, change{path: dest, ref: bytes.Ref, bytes: bytes, ahead: s.engine.Acks.Ahead(ctx, ack.Blob{Ref: bytes.Ref, Early: early}), early: early})
}

// functionOf is the hash function of the CID of a path that has an entry, so that the bytes
// keep their CID when they are pushed again; 0 for a path without an entry.
func (s *store) functionOf(path string) dag.Function {
	e, err := s.paths.View().Get(path)
	if err != nil || !isBlobData(path) {
		return 0
	}
	f, _ := dag.FunctionOf(e.CID)
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

// digestOf is the digest of the blob whose bytes lie at a path; false for any other path.
func digestOf(path string) (digest.Digest, bool) {
	p := ocipath.Parse(path)
	return p.Digest, p.Kind == ocipath.Blob
}

// checkDigest compares content with the digest in its path, if there is one.
func checkDigest(path string, content []byte) error {
	want, ok := digestOf(path)
	if ok && want.Algorithm().FromBytes(content) != want {
		return fmt.Errorf("put %s: %w", path, blob.ErrDigestMismatch)
	}
	return nil
}
