package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	libpeer "github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/manifest"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/rendezvous"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/sweep"
)

// marksFile is where a collector keeps its marks, below Config.Path.
const marksFile = "garbage.json"

// openGarbage makes the collector of garbage.
func (e *Engine) openGarbage(ctx context.Context) error {
	clock, err := sweep.OpenClock(ctx, e.Store)
	if err != nil {
		return err
	}
	interval := e.cfg.GCInterval
	if !e.cfg.GC {
		interval = 0
	}
	e.Garbage = sweep.NewCollector(sweep.Config{
		Self: e.self.String(), Paths: e.Paths, Bytes: e.Bytes, Clock: clock,
		Hearings: sweep.NewHearings(e.Paths, e.self.String(), sweep.Who{Members: e.trustedMembers, Forgotten: e.notWaited, Ask: e.hearMember}, clock),
		Read:     e.ReadManifest, MayWrite: e.mayCollect, Before: e.collectBefore, Complete: e.namesAll,
		File:   filepath.Join(e.cfg.Path, marksFile),
		Expiry: e.cfg.MemberExpiry, Interval: interval, Grace: e.cfg.GCGrace, Untagged: e.cfg.GCUntagged, Log: e.Log,
	})
	return nil
}

// trustedMembers are those, connected or not, whose changes count.
func (e *Engine) trustedMembers() (ids []string) {
	if e.Peer == nil {
		return nil
	}
	for _, id := range e.Peer.Known() {
		if e.Peer.Trusts(id) {
			ids = append(ids, id.String())
		}
	}
	return ids
}

// hearMember hears one to the end.
func (e *Engine) hearMember(ctx context.Context, id string, counter uint64) error {
	member, err := libpeer.Decode(id)
	if err != nil {
		return fmt.Errorf("hear %q: %w", id, err)
	}
	return e.Paths.Hear(ctx, member, counter)
}

// mayCollect reports whether this registry may delete.
func (e *Engine) mayCollect() bool { return !e.ReadOnly() && e.Twinned() == "" && !e.Joining() }

// collectBefore counts the members connected now that come before this registry in an order on
// which all agree. Two that both think that none does do the same work twice.
func (e *Engine) collectBefore() (n int) {
	if e.Peer == nil {
		return 0
	}
	own := rendezvous.Score(e.self, 0)
	for _, id := range e.Peer.Connected() {
		if e.Peer.Trusts(id) && rendezvous.Score(id, 0) > own {
			n++
		}
	}
	return n
}

// namesAll reports whether the map is one that names what is to be kept on this disk. The map
// of a registry whose datastore was lost, and whose blobs were not, names nothing until the
// registry has caught up with the others.
func (e *Engine) namesAll() bool { return !e.Paths.BeganEmpty() || e.phase() == joined }

// ReadManifest reads a manifest of this disk.
func (e *Engine) ReadManifest(ctx context.Context, of pathmap.Entry) (content []byte, err error) {
	r, err := e.Blobs.Reader(ctx, dag.Ref{CID: of.CID, Size: of.Size}, 0)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return io.ReadAll(io.LimitReader(r, manifest.MaxSize+1))
}
