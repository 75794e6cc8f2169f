package transfer

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/fetch"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/schedule"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

func (t *Transfers) newServer() *wire.Server {
	return wire.NewServer(wire.ServerConfig{
		Answers: wire.Answers{
			Blob: t.serveBlob, Have: t.serveHave, Block: t.serveBlock, Doubt: t.doubts.Take, Copies: t.serveCopies, Keep: t.serveKeep,
			Take: t.serveTake, Upload: t.serveUpload,
		},
		Admits: t.cfg.Swarm.Admits, Source: t.cfg.Swarm.SourceOf, Budget: t.cfg.Budget,
		Trusts: t.cfg.Swarm.Trusts,
		Send:   t.timing.send, Log: t.cfg.Log,
	})
}

// gone turns the error for a blob that is not here into that of package wire.
func gone(err error) error {
	if errors.Is(err, blob.ErrNotFound) {
		return wire.ErrGone
	}
	return err
}

func (t *Transfers) serveBlob(ctx context.Context, q *wire.BlobRequest) (io.ReadSeekCloser, error) {
	if !t.askedBy(q.Peer, q.CID) {
		return nil, wire.ErrGone
	}
	f, err := t.cfg.Blobs.Open(q.CID)
	if errors.Is(err, blob.ErrNotFound) {
		if j := t.underway.job(q.CID); j != nil && j.Lend() {
			return serveArrived(ctx, j, q)
		}
		f, err = t.cfg.Blobs.Open(q.CID) // a transfer may have ended just now
	}
	if errors.Is(err, blob.ErrNotFound) {
		return t.serveRemains(q)
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		err = t.relayed(q, info.Size())
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// section is the body of an answer that reads from something else, and gives that back on Close.
type section struct {
	*io.SectionReader
	close func() error
}

// Close implements io.Closer.
func (s section) Close() error { return s.close() }

// serveArrived answers a request for a blob that is on its way here, with the leaves that have
// arrived. It gives back the loan of the job.
func serveArrived(ctx context.Context, j *fetch.Job, q *wire.BlobRequest) (io.ReadSeekCloser, error) {
	if err := refuse(ctx, j, q); err != nil {
		j.GiveBack()
		return nil, err
	}
	return section{io.NewSectionReader(j.Content(), 0, j.Ref().Size), func() error { j.GiveBack(); return nil }}, nil
}

// refuse returns why a member does not get what it asks for; nil: it does. It may wait for a leaf.
func refuse(ctx context.Context, j *fetch.Job, q *wire.BlobRequest) error {
	if q.Fetching {
		j.Meet(q.Peer)
	}
	if !q.Ranged {
		return &wire.PartialError{}
	}
	leaf := dag.LeafAt(q.From)
	if q.Wait > 0 {
		j.Await(ctx, leaf, q.Wait)
	}
	if q.From >= j.Ref().Size || !j.Has(leaf) {
		return &wire.LackingError{Size: j.Ref().Size}
	}
	return nil
}

func (t *Transfers) asked(c cid.Cid) bool { return t.cfg.Asked == nil || t.cfg.Asked(c) }

// askedBy is asked for a member. What one that is not trusted has asked for may still be removed:
// nobody relies on what it knows.
func (t *Transfers) askedBy(id peer.ID, c cid.Cid) bool {
	if t.cfg.Going != nil && !t.cfg.Swarm.Trusts(id) {
		return !t.cfg.Going(c)
	}
	return t.asked(c)
}

func (t *Transfers) serveHave(from peer.ID, c cid.Cid) (bitset.Set, error) {
	if !t.askedBy(from, c) {
		return nil, wire.ErrGone
	}
	if size, err := t.cfg.Blobs.Size(c); err == nil {
		return bitset.Full(dag.LeavesOf(size)), nil
	} else if j := t.underway.job(c); j != nil && errors.Is(err, blob.ErrNotFound) {
		return j.Verified(), nil // nil: no leaf yet
	}
	if m, ok := t.cfg.Blobs.Remains(c); ok {
		return m.Right, nil
	}
	return nil, wire.ErrGone
}

func (t *Transfers) serveBlock(ctx context.Context, c cid.Cid) ([]byte, error) {
	b, err := t.cfg.Blobs.InnerBlock(ctx, c)
	return b, gone(err)
}

// relays holds the trees by which leaves are passed on. It is safe for concurrent use.
type relays struct {
	mu    sync.Mutex
	trees *schedule.Trees
}

func (r *relays) enter(root cid.Cid, first, last int, id peer.ID, rather bool) (above []peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.trees.Enter(time.Now(), root, first, last, id, rather)
}

// relayed notes which member gets which leaves of a blob. When the member would rather be relayed,
// and others have the first leaf earlier, it returns the error that names them.
func (t *Transfers) relayed(q *wire.BlobRequest, size int64) error {
	if !q.Ranged || q.Peer == "" {
		return nil
	}
	first := dag.LeafAt(q.From)
	last := min(dag.LeafAt(min(q.To, size-1)), first+schedule.MaxRun-1)
	if above := t.relays.enter(q.CID, first, last, q.Peer, q.Relay); len(above) > 0 {
		return &wire.RelayedError{IDs: above}
	}
	return nil
}
