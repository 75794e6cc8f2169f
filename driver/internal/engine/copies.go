package engine

import (
	"context"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/build"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/replica"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/replica/place"
)

// sayHowMuch makes heartbeats of what this registry says about itself.
func (e *Engine) sayHowMuch(cfg *peer.Config) {
	if version := build.Read().Version; peer.ValidName(version) {
		cfg.Version = version
	}
	cfg.Zone, cfg.Capacity = e.cfg.Zone, e.capacity()
	cfg.Changing = func() peer.Changing {
		free, _ := e.DiskSpace()
		return peer.Changing{Free: int64(free), Draining: e.Draining(), Drained: e.handedOn(), NoRoom: peer.Amount(e.NoRoom())}
	}
}

// NoRoom are the blobs that this registry is to keep and has no room for, and how many bytes have to
// become free for them: 0 when not bytes are short.
func (e *Engine) NoRoom() (short replica.Amount) {
	if short = e.Copies.State().Short; short.Blobs == 0 {
		return short
	}
	lacks := e.Cache.ForCopies(short.Bytes)
	if short.Bytes = 0; lacks != nil {
		short.Bytes = lacks.Missing()
	}
	return short
}

// capacity is how many bytes this registry keeps for others: none without copies.
func (e *Engine) capacity() int64 {
	if e.cfg.Copies == 0 {
		return 0
	}
	if e.cfg.Capacity != DiskSize {
		return e.cfg.Capacity
	}
	_, total := e.DiskSpace()
	return int64(total)
}

// openCopies makes the keeper of copies, before it can be told of anything.
func (e *Engine) openCopies(context.Context) error {
	if e.Draining() {
		e.Log.Warn(drainText(true))
	}
	var cfg replica.Config
	if e.Peer != nil {
		self := e.selfKeeper()
		cfg = replica.Config{
			Self: e.self, Copies: e.cfg.Copies, Delay: e.cfg.RepairDelay, Rate: e.cfg.RepairRate, Ready: e.AwaitCaughtUp, Log: e.Log,
			Draining: e.Draining,
			Members: func() (place.Member, []place.Member) {
				now := self
				now.Draining = e.Draining()
				if e.ReadOnly() {
					now.Capacity = 0 // others do not count on it
				}
				return now, e.keepers()
			},
			Room: func(ctx context.Context, n int64) error { return e.Cache.RoomForCopy(ctx, n) },
		}
	}
	e.Copies = replica.New(cfg)
	return nil
}

// selfKeeper is this registry, with how much it keeps.
func (e *Engine) selfKeeper() place.Member {
	return place.Member{ID: e.self, Zone: e.cfg.Zone, Capacity: e.capacity()}
}

// keepers are the trusted members that are here or of use, with what is known of how much they keep.
func (e *Engine) keepers() (all []place.Member) {
	for _, m := range e.Peer.Members() {
		if !e.Peer.Trusts(m.ID) || !m.Connected && !m.Confirmed {
			continue // nothing is missed without the latter
		}
		of := place.Member{ID: m.ID, Capacity: place.Unknown, Away: m.Away}
		if beat := m.Heartbeat; beat != nil {
			of.Zone, of.Capacity, of.Draining = beat.Zone, beat.Capacity, beat.Draining
		}
		all = append(all, of)
	}
	return all
}

// added passes on paths that gained an entry by a change of another registry.
func (e *Engine) added(paths []string) {
	e.Copies.Added(paths)
	if e.cfg.OnAdded != nil {
		e.cfg.OnAdded(paths)
	}
}
