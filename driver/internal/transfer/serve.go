package transfer

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

func (t *Transfers) newServer() *wire.Server {
	return wire.NewServer(wire.ServerConfig{
		Answers: wire.Answers{Blob: t.serveBlob, Have: t.serveHave, Block: t.serveBlock, Doubt: t.doubts.Take},
		Admits:  t.cfg.Swarm.Admits, Send: t.timing.send, Log: t.log,
	})
}

// gone says in the words of wire that a blob is not here.
func gone(err error) error {
	if errors.Is(err, blob.ErrNotFound) {
		return wire.ErrGone
	}
	return err
}

func (t *Transfers) serveBlob(ctx context.Context, q *wire.BlobRequest) (io.ReadSeekCloser, error) {
	f, err := t.cfg.Blobs.Open(q.CID)
	if errors.Is(err, blob.ErrNotFound) {
		if j := t.job(q.CID); j != nil && j.lend() {
			return j.serve(ctx, q)
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

// section is a body that is part of something else.
type section struct {
	*io.SectionReader
	close func() error
}

// Close implements io.Closer.
func (s section) Close() error { return s.close() }

// serve answers for a blob on its way here with the leaves that have arrived, and gives back
// what was lent for that.
func (j *job) serve(ctx context.Context, q *wire.BlobRequest) (io.ReadSeekCloser, error) {
	if err := j.refuse(ctx, q); err != nil {
		j.giveBack()
		return nil, err
	}
	return section{io.NewSectionReader(j.content(), 0, j.ref.Size), func() error { j.giveBack(); return nil }}, nil
}

// refuse says why a member does not get what it asks for.
func (j *job) refuse(ctx context.Context, q *wire.BlobRequest) error {
	if q.Fetching {
		j.meet(q.Peer)
	}
	if !q.Ranged {
		return &wire.PartialError{}
	}
	leaf := dag.LeafAt(q.From)
	if q.Wait > 0 {
		j.await(ctx, leaf, q.Wait)
	}
	if q.From >= j.ref.Size || !j.has(leaf) {
		return &wire.LackingError{Size: j.ref.Size}
	}
	return nil
}

// meet notes that a member is fetching the blob, too.
func (j *job) meet(id peer.ID) {
	if id != "" && !j.t.holders.Blames(id, j.ref.CID) && slices.Contains(j.t.cfg.Swarm.Connected(), id) {
		j.send(met{id})
	}
}

// await waits until a leaf is here, but no longer than most.
func (j *job) await(ctx context.Context, leaf int, most time.Duration) {
	late := time.NewTimer(min(most, j.t.timing.ask))
	defer late.Stop()
	for {
		changed := j.news.Wait()
		if leaf >= dag.LeavesOf(j.ref.Size) || j.has(leaf) {
			return
		}
		select {
		case <-changed:
		case <-late.C:
			return
		case <-j.end.done:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (t *Transfers) serveHave(c cid.Cid) (bitset.Set, error) {
	if size, err := t.cfg.Blobs.Size(c); err == nil {
		return bitset.Full(dag.LeavesOf(size)), nil
	} else if j := t.job(c); j != nil && errors.Is(err, blob.ErrNotFound) {
		return j.verified(), nil // nil: of nothing yet
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
