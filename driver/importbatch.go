package driver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/fsregistry"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/manifest"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/replica/ack"
)

// importBatch is some links, with the bytes that they lead to, that are written with one change of
// the map.
type importBatch struct {
	*importing
	u       *underway // what they rely on
	changes []change
	added   Import // what is counted when they are written
	unlock  []func()
	own     map[digest.Digest]bool // whose bytes are among the changes
	named   map[string]bool        // paths of links that are among the changes
	read    atomic.Int64           // bytes, of those that are not counted yet
}

// reads counts bytes of the other registry that are being read.
func (b *importBatch) reads(n int64) {
	b.read.Add(n)
	b.underway.Add(n)
}

// write imports links of one kind. What does not come is a fault; the error is of this registry.
func (im *importing) write(ctx context.Context, links []fsregistry.Link) error {
	defer im.requests.rely()() // before anything is looked up
	if err := im.mayWrite(ctx); err != nil {
		return err
	}
	b := &importBatch{importing: im, u: &underway{over: true}, own: map[digest.Digest]bool{}, named: map[string]bool{}}
	defer func() {
		im.underway.Add(-b.read.Load())
		for _, unlock := range b.unlock {
			unlock()
		}
	}()
	for _, link := range links {
		if err := b.link(ctx, link); err != nil {
			for _, c := range b.changes {
				c.giveUp(false)
			}
			return fmt.Errorf("%s: %w", link.Path, err)
		}
	}
	if len(b.changes) > 0 {
		if err := im.acknowledged(ctx, b.changes, im.putAll(ctx, b.u, b.changes)); err != nil {
			return err
		}
	}
	im.underway.Add(-b.read.Swap(0))
	im.add(b.added)
	return nil
}

// acknowledged waits for what was written, and is on too few disks yet: a push would be refused, and
// its client try again. Large blobs take their time.
func (im *importing) acknowledged(ctx context.Context, changes []change, err error) error {
	for {
		lack, ok := errors.AsType[*ack.Lack](err)
		if !ok {
			return err
		}
		im.wait(lack.Text(im.engine.Called))
		select {
		case <-time.After(ackRetry):
		case <-ctx.Done():
			return err
		}
		p := im.newPush(ctx, changes, nil)
		err = p.await(ctx, im.paths.Heads())
		im.wait("")
	}
}

func (im *importing) wait(why string) {
	im.mu.Lock()
	defer im.mu.Unlock()
	im.at.Waiting = why
}

// add counts what was written.
func (im *importing) add(n Import) {
	im.mu.Lock()
	defer im.mu.Unlock()
	r := &im.result
	for to, amount := range map[*BlobAmount]BlobAmount{&r.Taken: n.Taken, &r.Cloned: n.Cloned, &r.Linked: n.Linked, &r.Copied: n.Copied} {
		to.Blobs += amount.Blobs
		to.Bytes += amount.Bytes
	}
	r.Here += n.Here
	r.Manifests += n.Manifests
	r.Tags += n.Tags
	r.Dangling += n.Dangling
}

// link prepares a link, and what it leads to. A fault of the other registry is noted.
func (b *importBatch) link(ctx context.Context, link fsregistry.Link) error {
	if err := checkName(link.Repository, ocipath.Parse(link.Path).Tag); err != nil {
		b.fault(link, err)
		return nil
	}
	if link.Kind == ocipath.Layer || link.Kind == ocipath.Revision { // many repositories have the same ones
		unlock, err := b.busy.lock(ctx, link.Digest)
		if err != nil {
			return err
		}
		b.unlock = append(b.unlock, unlock)
	}
	v, here, err := b.judge(link, func(e pathmap.Entry) bool { return b.held(ctx, e) == nil })
	switch {
	case err != nil:
		return err
	case v == standing:
		b.added.Here++
		return nil
	case v == later:
		b.mu.Lock()
		defer b.mu.Unlock()
		b.result.keep(link, here)
		return nil
	}
	err = b.bytes(ctx, link.Digest)
	if err == nil && link.Kind != ocipath.Layer {
		err = b.relyOn(ctx, link.Repository, link.Digest, 0)
	}
	if err == nil && link.Kind == ocipath.TagCurrent && !b.serves(link.Repository, link.Digest) {
		err = theirFault{errUnserved}
	}
	if err == nil {
		return b.name(ctx, link)
	}
	return b.blame(link, err)
}

// errUnserved is a tag whose manifest was deleted there, and not the tag.
var errUnserved = errors.New("its repository has no link to the manifest: the other registry does not serve it, either")

// serves reports whether a repository has a manifest here, or gets it with the same change.
func (b *importBatch) serves(repository string, d digest.Digest) bool {
	path := ocipath.RevisionLink(ocipath.Repository(repository), d)
	_, err := b.paths.View().Get(path)
	return err == nil || b.named[path]
}

// coarsest is by how much the time of a file may lie before that at which it was written: filesystems have
// the time of the last tick, of the last second, or of the last two. What was set there after a link was
// read is to be later than its entry here.
const coarsest = 2 * time.Second

// name gives a link its entry.
func (b *importBatch) name(ctx context.Context, link fsregistry.Link) error {
	if b.named[link.Path] {
		return nil
	}
	b.named[link.Path] = true
	b.added.set(link)
	c := change{path: link.Path, at: link.Read.Add(-coarsest)}
	content := []byte(link.Digest)
	if id, ok := dag.Identity(content); ok {
		c.ref = dag.Ref{CID: id, Size: int64(len(content))}
	} else {
		push, err := b.blobs.PushContent(ctx, content, 0)
		if err != nil {
			return err
		}
		c.ref, c.bytes = push.Ref, push
	}
	b.changes = append(b.changes, c)
	return nil
}

// blame notes an error that is the other registry's, and returns any other.
func (b *importBatch) blame(link fsregistry.Link, err error) error {
	if errors.Is(err, errGone) {
		err = b.added.missing(link)
	} else if theirs, ok := errors.AsType[theirFault](err); ok {
		err = theirs.err
	} else {
		return err
	}
	if err != nil {
		b.fault(link, err)
	}
	return nil
}

// theirFault is an error of the other registry's storage.
type theirFault struct{ err error }

// Error implements error.
func (e theirFault) Error() string { return e.err.Error() }

// isTheirs reports whether a file could not be taken because of what is in it, or below it.
func isTheirs(err error) bool {
	return errors.Is(err, blob.ErrDigestMismatch) || errors.Is(err, unix.EIO) || errors.Is(err, io.ErrUnexpectedEOF)
}

// bytes sees to it that a digest has bytes: those that are here, or a member holds, or the other
// registry's. The error is errGone where nobody has them, or a theirFault.
func (b *importBatch) bytes(ctx context.Context, d digest.Digest) error {
	if b.own[d] {
		return nil
	}
	path := ocipath.BlobData(ocipath.Root, d)
	e, err := b.paths.View().Get(path)
	known := err == nil
	if err != nil && !errors.Is(err, pathmap.ErrNotFound) {
		return err
	}
	if known {
		here, err := b.keeps(ctx, e)
		if err != nil {
			return err
		}
		if here || b.held(ctx, e) == nil {
			b.u.add(reliance{path, e})
			return nil
		}
	}
	return b.take(ctx, path, d)
}

// take makes a blob of the other registry's file.
func (b *importBatch) take(ctx context.Context, path string, d digest.Digest) error {
	f, err := b.tree.Blob(d)
	if errors.Is(err, fs.ErrNotExist) {
		return errGone
	}
	if err != nil {
		return theirFault{err}
	}
	defer func() { _ = f.Close() }()
	if err := b.withRoom(ctx, 0, b.blobs.Room().Begin); err != nil {
		return err
	}
	push, way, err := b.blobs.PushFile(ctx, f, d, b.functionOf(path), !b.o.Copy, b.reads)
	if err != nil && isTheirs(err) {
		return theirFault{err}
	}
	if err != nil {
		return err
	}
	b.own[d] = true
	b.changes = append(b.changes, change{
		path: path, ref: push.Ref, bytes: push, ahead: b.engine.Acks.Ahead(ctx, ack.Blob{Ref: push.Ref}),
	})
	for _, to := range []*BlobAmount{&b.added.Taken, b.added.by(way)} {
		to.Blobs++
		to.Bytes += push.Ref.Size
	}
	return nil
}

func (r *Import) by(way blob.Way) *BlobAmount {
	switch way {
	case blob.Cloned:
		return &r.Cloned
	case blob.Linked:
		return &r.Linked
	}
	return &r.Copied
}

// relyOn notes that a link relies on a manifest, on what that names, and on what an index in it
// does: each of these entries is renewed with the link, unless it is new. What was removed from
// this swarm meanwhile comes again, and what was pushed to the other registry since its links were read
// comes, too: or the link would lead to an image of which the repository here serves only a part.
func (b *importBatch) relyOn(ctx context.Context, repository string, d digest.Digest, depth int) error {
	if err := b.relyOnLinks(ctx, repository, d); err != nil {
		return err
	}
	content, err := b.manifest(d)
	if errors.Is(err, errGone) {
		return nil // it is here, and was not removed while this is under way
	}
	if err != nil {
		return err
	}
	m, err := manifest.Parse(content)
	if err != nil {
		return nil // it names nothing
	}
	lacks := map[digest.Digest]bool{}
	for name := range m.Names() {
		if name.Validate() != nil {
			continue
		}
		err := b.bytes(ctx, name)
		if _, theirs := errors.AsType[theirFault](err); theirs || errors.Is(err, errGone) {
			lacks[name] = true // it has a link of its own, or is of another registry
			continue
		}
		if err == nil {
			err = b.relyOnLinks(ctx, repository, name)
		}
		if err != nil {
			return err
		}
	}
	for _, child := range m.Manifests {
		if child.Validate() == nil && !lacks[child] && depth < maxIndexDepth {
			if err := b.relyOn(ctx, repository, child, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// relyOnLinks notes the links that a repository has to a digest whose bytes are here, or come: those
// that are here, and those that the other registry has got since this repository's were read.
func (b *importBatch) relyOnLinks(ctx context.Context, repository string, d digest.Digest) error {
	of := ocipath.Repository(repository)
	for _, path := range []string{ocipath.LayerLink(of, d), ocipath.RevisionLink(of, d)} {
		e, err := b.paths.View().Get(path)
		if err == nil {
			b.u.add(reliance{path, e})
			continue
		}
		if !errors.Is(err, pathmap.ErrNotFound) {
			return err
		}
		link, err := b.tree.Link(path)
		if err != nil {
			continue // there is none; one that cannot be read is a fault by itself
		}
		if err := b.name(ctx, link); err != nil {
			return err
		}
	}
	return nil
}

// manifest reads a manifest from the other registry.
func (b *importBatch) manifest(d digest.Digest) ([]byte, error) {
	f, err := b.tree.Blob(d)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errGone
	}
	if err != nil {
		return nil, theirFault{err}
	}
	defer func() { _ = f.Close() }()
	content, err := io.ReadAll(io.LimitReader(f, manifest.MaxSize+1))
	if err != nil {
		return nil, theirFault{err}
	}
	return content, nil
}
