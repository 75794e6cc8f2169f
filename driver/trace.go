package driver

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/admin"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/engine"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/manifest"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/story"
)

const (
	tracedAtOnce = 3 // blobs, as docker and containerd pull them

	// AllPlatforms is for TraceOptions.Platform.
	AllPlatforms = "all"
)

// TraceOptions say what Trace does.
type TraceOptions struct {
	DryRun bool `json:"dry_run"` // no bytes are moved: members are asked what they have
	// Platform is which image of an index is meant: os/architecture or os/architecture/variant, or
	// AllPlatforms. "": linux on this machine's architecture if there is such an image, and else all.
	Platform string `json:"platform"`
}

// Trace is how the blobs of an image come here, or who has them.
type Trace struct {
	Of       string        `json:"of"` // as it was asked for
	DryRun   bool          `json:"dry_run"`
	Blobs    []TracedBlob  `json:"blobs"`    // the manifest first, then what it names, in its order; each once
	Silent   []WhereMember `json:"silent"`   // members of a dry run whose copies are not known
	Took     time.Duration `json:"took"`     // nanoseconds
	Received int64         `json:"received"` // bytes that came from others
}

// TracedBlob is a blob of the image.
type TracedBlob struct {
	Kind    string         `json:"kind"`   // as WhereBlob has it
	Digest  string         `json:"digest"` // sha256:…
	CID     string         `json:"cid"`    // "": there is no entry of that digest
	Size    int64          `json:"size"`   // bytes
	Inline  bool           `json:"inline"` // it is part of its entry, and so on all registries
	Here    bool           `json:"here"`   // it was here already
	Holders []TraceHolder  `json:"holders"`
	Story   *TransferStory `json:"story"` // how it came; nil: it was here, or it is a dry run
}

// TraceHolder is another registry that has a blob, or a part of it.
type TraceHolder struct {
	PeerID string `json:"peer_id"`
	Name   string `json:"name"`
	Whole  bool   `json:"whole"`
	Bytes  int64  `json:"bytes"` // of the blob that are there
	Road   string `json:"road"`  // by which it would be asked now: data port, libp2p or relay
}

// Lacking counts the blobs that did not come, or that a dry run found nowhere whole.
func (t Trace) Lacking() (n int) {
	for _, b := range t.Blobs {
		switch {
		case b.Inline || b.Here || b.Story != nil && b.Story.Result == "whole":
		case !t.DryRun || !b.whole():
			n++
		}
	}
	return n
}

func (b TracedBlob) whole() bool {
	for _, h := range b.Holders {
		if h.Whole {
			return true
		}
	}
	return false
}

// Trace brings the blobs of an image here, as a client's pull does, or a single blob, and tells how
// each of them came; progress is told of each one that is done. A dry run asks members who has them
// instead, and reads only manifests that are here: what others name is not known. The image is given
// as for Where. Blobs that do not come are no error.
func (d *Driver) Trace(ctx context.Context, of string, o TraceOptions, progress func(TracedBlob)) (Trace, error) {
	return d.store.trace(ctx, of, o, progress)
}

func (s *store) trace(ctx context.Context, of string, o TraceOptions, progress func(TracedBlob)) (Trace, error) {
	if err := ParsePlatform(o.Platform); err != nil {
		return Trace{}, admin.Invalid(err)
	}
	d, kind, err := s.meant(ctx, of)
	if err != nil {
		return Trace{}, err
	}
	began := time.Now()
	t := &tracer{s: s, o: o, progress: progress, seen: map[digest.Digest]bool{}, registries: 1, answer: Trace{Of: of, DryRun: o.DryRun, Blobs: []TracedBlob{}, Silent: []WhereMember{}}}
	if o.DryRun {
		t.registries += len(s.members())
	}
	if err := t.gather(ctx, d, kind, 0); err != nil {
		return Trace{}, err
	}
	if o.DryRun {
		t.ask(ctx)
	} else {
		t.pull(ctx)
	}
	t.answer.Took = time.Since(began)
	for _, b := range t.answer.Blobs {
		if b.Story != nil {
			t.answer.Received += b.Story.Received
		}
	}
	return t.answer, ctx.Err()
}

// tracer is one answer in the making.
type tracer struct {
	s          *store
	o          TraceOptions
	seen       map[digest.Digest]bool
	registries int             // that are asked
	entries    []pathmap.Entry // of the answer's blobs
	answer     Trace
	mu         sync.Mutex // of progress
	progress   func(TracedBlob)
}

// gather adds a blob and, when it is a manifest, all that it names. A manifest is brought here at once,
// as a client pulls it before anything else.
func (t *tracer) gather(ctx context.Context, d digest.Digest, kind string, depth int) error {
	if err := d.Validate(); err != nil {
		return admin.Invalid(fmt.Errorf("digest %q: %w", d, err))
	}
	if t.seen[d] {
		return nil
	}
	t.seen[d] = true
	if err := tooMany(len(t.answer.Blobs)+1, t.registries); err != nil {
		return err
	}
	e, err := t.s.paths.View().Get(ocipath.BlobData(ocipath.Root, d))
	if depth == 0 && errors.Is(err, pathmap.ErrNotFound) {
		return admin.NotFound(fmt.Errorf("%s: this registry does not know it", d))
	}
	b := TracedBlob{Kind: kind, Digest: d.String(), Holders: []TraceHolder{}}
	if err == nil {
		b.CID, b.Size = e.CID.String(), e.Size
		_, b.Inline = dag.InlineBytes(e.CID)
		b.Here = t.s.here(e)
	}
	at := len(t.answer.Blobs)
	t.answer.Blobs, t.entries = append(t.answer.Blobs, b), append(t.entries, e)
	if err != nil || kind != "manifest" && (kind != "blob" || !b.Here) || e.Size > smallBlob || depth > maxIndexDepth {
		return nil
	}
	if !t.o.DryRun {
		t.fetch(ctx, at)
	}
	return t.named(ctx, at, depth)
}

// here reports whether the blob of an entry is here with all its bytes.
func (s *store) here(e pathmap.Entry) bool {
	size, err := s.blobs.Size(e.CID)
	return err == nil && size == e.Size
}

// named adds what a manifest names, if that is here.
func (t *tracer) named(ctx context.Context, at, depth int) error {
	e := t.entries[at]
	if _, inline := dag.InlineBytes(e.CID); !inline && !t.s.here(e) {
		return ctx.Err()
	}
	content, err := t.s.readSmall(ctx, e)
	if err != nil {
		return ctx.Err()
	}
	m, _ := manifest.Parse(content)
	if len(m.Manifests) > 0 {
		t.answer.Blobs[at].Kind = "index"
	} else if m.Config != "" || len(m.Layers) > 0 {
		t.answer.Blobs[at].Kind = "manifest"
	}
	for _, part := range []struct {
		kind string
		of   []digest.Digest
	}{{"config", []digest.Digest{m.Config}}, {"layer", m.Layers}, {"manifest", meantOf(content, m, t.o.Platform)}} {
		for _, d := range part.of {
			if d == "" || d.Validate() != nil {
				continue // an index has no config
			}
			if err := t.gather(ctx, d, part.kind, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// pull brings the blobs here that have not come yet, some at once.
func (t *tracer) pull(ctx context.Context) {
	var g errgroup.Group
	g.SetLimit(tracedAtOnce)
	for i, b := range t.answer.Blobs {
		if b.Story == nil {
			g.Go(func() error { t.fetch(ctx, i); return nil })
		}
	}
	_ = g.Wait() // what failed is told of each
}

// fetch brings a blob here, and tells how. It writes to no blob but this one.
func (t *tracer) fetch(ctx context.Context, at int) {
	b, e := &t.answer.Blobs[at], t.entries[at]
	if b.CID != "" && !b.Inline && !b.Here && ctx.Err() == nil {
		told, _ := t.s.transfers.Trace(ctx, refOf(e)) // the story has the error
		of := t.s.tellStories([]story.Story{told})[0]
		of.Digest, b.Story = b.Digest, &of
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.progress(*b)
}

// ask asks all members at once.
func (t *tracer) ask(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, whereTime)
	defer cancel()
	var cids []cid.Cid
	var at []int
	for i, b := range t.answer.Blobs {
		if b.CID != "" && !b.Inline {
			cids, at = append(cids, t.entries[i].CID), append(at, i)
		}
	}
	for _, m := range t.s.engine.AskCopies(ctx, cids) {
		if m.Err != nil {
			t.answer.Silent = append(t.answer.Silent, WhereMember{PeerID: m.PeerID, Name: m.Name, Trouble: m.Err.Error()})
		}
		if m.PeerID == t.s.engine.Self() {
			continue
		}
		for i, c := range m.Copies {
			b := &t.answer.Blobs[at[i]]
			if copied, ok := copyOf(b.Size, m, c); ok {
				b.Holders = append(b.Holders, TraceHolder{m.PeerID, m.Name, copied.Whole, copied.Bytes, t.s.engine.RoadTo(m.PeerID)})
			}
		}
	}
}

// copyOf says what a member has of a blob; false: nothing.
func copyOf(size int64, m engine.MemberCopies, c engine.Copy) (WhereCopy, bool) {
	of := WhereCopy{PeerID: m.PeerID, Name: m.Name, Whole: c.Whole, Kept: c.Whole && c.Kept, Bytes: size}
	if !c.Whole {
		of.Bytes = min(size, int64(c.Leaves)*dag.LeafSize)
	}
	return of, c.Leaves > 0
}
