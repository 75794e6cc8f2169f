package pathmap

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ipfs/boxo/blockstore"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	crdt "github.com/ipfs/go-ds-crdt"
	"github.com/ipfs/go-ds-crdt/pb"
	ipld "github.com/ipfs/go-ipld-format"
	"google.golang.org/protobuf/proto"
)

// feed is the Broadcaster the CRDT sees. The CRDT "receives" only what merge hands it, one
// delta at a time and after its parents. What it "broadcasts" is only queued, so that
// broadcasting never fails: after a failure go-ds-crdt would keep the pending delta and
// write it again later.
type feed struct {
	jobs chan feedJob

	mu   sync.Mutex
	cur  chan struct{} // closed when the delta being merged is done
	sent []cid.Cid     // heads the CRDT announced since take
}

type feedJob struct {
	payload []byte
	done    chan struct{}
}

var _ crdt.Broadcaster = (*feed)(nil)

func newFeed() *feed { return &feed{jobs: make(chan feedJob)} }

// Broadcast implements crdt.Broadcaster.
func (f *feed) Broadcast(_ context.Context, payload []byte) error {
	heads, err := decodeHeads(payload)
	if err != nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent = append(f.sent, heads...)
	return nil
}

// take returns the heads announced since the last call.
func (f *feed) take() []cid.Cid {
	f.mu.Lock()
	defer f.mu.Unlock()
	heads := f.sent
	f.sent = nil
	return heads
}

// Next implements crdt.Broadcaster. The CRDT asks for the next payload only when it has
// finished with the previous one.
func (f *feed) Next(ctx context.Context) ([]byte, error) {
	f.finish()
	select {
	case job := <-f.jobs:
		f.mu.Lock()
		f.cur = job.done
		f.mu.Unlock()
		return job.payload, nil
	case <-ctx.Done():
		return nil, crdt.ErrNoMoreBroadcast
	}
}

func (f *feed) finish() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cur != nil {
		close(f.cur)
		f.cur = nil
	}
}

// mergeTimeout bounds the CRDT's work on one delta whose blocks are all here. The CRDT
// itself gives up after its DAGSyncerTimeout.
const mergeTimeout = time.Minute

// merge hands the CRDT one head and waits until the CRDT is done with it. Once merge has
// begun it waits even when the map is closing, so that the CRDT never writes to a
// transaction that has ended.
func (f *feed) merge(ctx context.Context, head cid.Cid) error {
	payload, err := encodeHeads([]cid.Cid{head})
	if err != nil {
		return err
	}
	job := feedJob{payload: payload, done: make(chan struct{})}
	select {
	case f.jobs <- job:
	case <-ctx.Done():
		return ctx.Err()
	}
	timeout := time.NewTimer(mergeTimeout)
	defer timeout.Stop()
	select {
	case <-job.done:
		return nil
	case <-timeout.C:
		return fmt.Errorf("the CRDT did not finish within %s", mergeTimeout)
	}
}

// beingMerged is the blockstore that the CRDT reads from. The CRDT reads a delta twice
// while it merges it, so that delta is held in memory. For one that is not here, and is to be chosen
// from, there is standIn.
type beingMerged struct {
	blockstore.Blockstore
	block   atomic.Pointer[blocks.Block]
	own     atomic.Bool // a delta of this registry's is being made
	nothing func(c cid.Cid) (blocks.Block, error)
	standIn func(ctx context.Context, merging blocks.Block, c cid.Cid) (blocks.Block, error)
}

// Get implements blockstore.Blockstore.
func (b *beingMerged) Get(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	merging := b.block.Load()
	if merging != nil && (*merging).Cid() == c {
		return *merging, nil
	}
	block, err := b.Blockstore.Get(ctx, c)
	switch {
	case !ipld.IsNotFound(err):
		return block, err
	case merging != nil:
		return b.standIn(ctx, *merging, c)
	case b.own.Load():
		return b.nothing(c)
	}
	return nil, err
}

// encodeHeads gives an announcement of heads, as go-ds-crdt writes it.
func encodeHeads(heads []cid.Cid) ([]byte, error) {
	msg := &pb.CRDTBroadcast{}
	for _, h := range heads {
		msg.Heads = append(msg.Heads, &pb.Head{Cid: h.Bytes()})
	}
	b, err := proto.Marshal(msg)
	if err != nil {
		return nil, fmt.Errorf("encode heads: %w", err)
	}
	return b, nil
}

// decodeHeads reads an announcement. That it has not too many heads is seen before it is decoded,
// and its heads are CIDs of deltas: another one may be as long as the announcement.
func decodeHeads(payload []byte) ([]cid.Cid, error) {
	if n := countFields(payload, maxHeads+maxOther); n > maxHeads+maxOther {
		return nil, fmt.Errorf("decode heads: it is malformed, or has more than %d", maxHeads)
	}
	msg := &pb.CRDTBroadcast{}
	if err := proto.Unmarshal(payload, msg); err != nil {
		return nil, fmt.Errorf("decode heads: %w", err)
	}
	if len(msg.Heads) > maxHeads {
		return nil, fmt.Errorf("decode heads: %d heads, at most %d are taken", len(msg.Heads), maxHeads)
	}
	heads := make([]cid.Cid, 0, len(msg.Heads))
	for _, h := range msg.Heads {
		c, err := cid.Cast(h.Cid)
		if err == nil && !isDeltaCID(c) {
			err = fmt.Errorf("%w: %d bytes that are not the CID of a delta", errBadDelta, len(h.Cid))
		}
		if err != nil {
			return nil, fmt.Errorf("decode heads: %w", err)
		}
		heads = append(heads, c)
	}
	return heads, nil
}
