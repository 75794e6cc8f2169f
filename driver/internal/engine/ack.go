package engine

import (
	"context"

	"github.com/ipfs/go-cid"
	libpeer "github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/replica/ack"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/story"
)

// openAcks makes what waits for the disks of others before a push is acknowledged.
func (e *Engine) openAcks(context.Context) error {
	cfg := ack.Config{
		Copies: e.cfg.AckCopies, Keepers: e.cfg.Copies, Timeout: e.cfg.AckTimeout, Hedge: e.cfg.AckHedge, Members: e.acknowledging,
		Ask: e.askToKeep, Take: e.Transfers.Take, Grow: e.grow, Declined: transfer.Declined, Log: e.Log,
		Here: func(ref dag.Ref) bool {
			size, err := e.Blobs.Size(ref.CID)
			return err == nil && size == ref.Size
		},
	}
	if e.Peer == nil {
		cfg.Copies = 1
	}
	if cfg.Copies > 1 {
		e.Blobs.PlainPushes()
	}
	e.Acks = ack.New(cfg)
	return nil
}

// askToKeep asks a member to keep a blob; asked of itself, this registry fetches it.
func (e *Engine) askToKeep(ctx context.Context, id libpeer.ID, ref dag.Ref, token string, heads []cid.Cid, taken func()) error {
	if id != e.self {
		return e.Transfers.Keep(ctx, id, ref, token, heads, taken)
	}
	taken()
	return e.Transfers.FetchFrom(ctx, ref, "", story.Push)
}

// grow lets members take the file of an upload while it grows.
func (e *Engine) grow(file string) (token string, whole func(int64), stop func(), err error) {
	g, err := e.Transfers.Grow(file)
	if err != nil {
		return "", nil, nil, err
	}
	return g.Token, g.Whole, g.Stop, nil
}

// acknowledging are the members whose disks count.
func (e *Engine) acknowledging() ack.Members {
	m := ack.Members{Self: e.selfKeeper()}
	if e.Peer == nil {
		return m
	}
	for _, of := range e.keepers() {
		m.Known++
		switch {
		case of.Draining:
			m.Draining = append(m.Draining, of.ID)
		case of.Away == 0:
			m.Here = append(m.Here, of)
		}
	}
	return m
}
