package engine

import (
	"context"
	"errors"
	"fmt"
	"os"

	libpeer "github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/admin"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/sweep"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/story"
)

// openDisk opens the datastore, the blobs and this registry's key.
func (e *Engine) openDisk(ctx context.Context) error {
	if err := e.cfg.notRestoring(); err != nil {
		return err
	}
	for _, dir := range []string{localDir, writersDir} {
		if err := os.MkdirAll(e.path(dir), 0o700); err != nil {
			return fmt.Errorf("datastorepath: %w; make it writable for this user", err)
		}
	}
	db, err := openDatastore(ctx, e.cfg.Path, inUseWait, e.Log)
	if err != nil {
		return fmt.Errorf("datastorepath %s: %w", e.cfg.Path, err)
	}
	e.Store = db
	if err := e.openSwarmKey(ctx); err != nil {
		return err
	}
	if err := e.openDrain(ctx); err != nil {
		return err
	}
	if e.key, err = e.cfg.resolvePrivateKey(ctx, db); err != nil {
		return err
	}
	if e.self, err = libpeer.IDFromPrivateKey(e.key); err != nil {
		return fmt.Errorf("privatekey: %w", err)
	}
	if e.Blobs, err = blob.Open(e.cfg.Path, db, e.Log); err != nil {
		return fmt.Errorf("datastorepath %s: %w; see that this user can read and write all of it", e.cfg.Path, err)
	}
	e.Blobs.SetFunction(e.cfg.function())
	e.Blobs.Room().Keep(db.Headroom)
	e.Uploads = sweep.NewUploads(e.LocalDir(), e.WritersDir(), e.Blobs, e.Log)
	e.Bytes = sweep.NewBytes(e.Blobs)
	return nil
}

// openSwarmKey reads the protector key, or makes it for a new datastore. Only then does it
// mark the datastore as used, so that a start that failed because the key was missing can be
// tried again. It migrates a datastore of an earlier format.
func (e *Engine) openSwarmKey(ctx context.Context) error {
	format, err := storedFormat(ctx, e.Store, compactedFormat)
	if err != nil {
		return fmt.Errorf("datastorepath %s: %w", e.cfg.Path, err)
	}
	if e.psk, err = e.cfg.protectorKey(format == 0); err != nil {
		return err
	}
	if e.nextPSK, err = e.cfg.nextProtectorKey(e.psk); err != nil {
		return err
	}
	if err := noteRelease(ctx, e.Store); err != nil {
		e.Log.WithError(err).Debug("this release is not noted in the datastore") // the disk is full, and serves
	}
	if format == 0 {
		err = setFormat(ctx, e.Store, startFormat)
	} else {
		err = migrate(ctx, e.Store, e.cfg.Path, format, migrations())
	}
	if err != nil {
		return fmt.Errorf("datastorepath %s: %w", e.cfg.Path, err)
	}
	return nil
}

func (e *Engine) openPeer(ctx context.Context) error {
	if e.cfg.Offline {
		return nil
	}
	var err error
	if e.lists, err = e.cfg.lists(); err != nil {
		return err
	}
	cfg, err := e.cfg.peerConfig()
	if err != nil {
		return err
	}
	e.sayHowMuch(&cfg)
	cfg.Lists = e.lists.peers()
	cfg.Wrote = func(id libpeer.ID) bool { return e.Paths.Writers()[id.String()] > 0 }
	cfg.Key, cfg.PSK, cfg.NextPSK, cfg.Store, cfg.Blocks, cfg.Log = e.key, e.psk, e.nextPSK, e.Store, e.Blobs.Blockstore(), e.Log
	e.Peer, err = peer.New(ctx, cfg)
	var listen *peer.ListenError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &listen):
		return fmt.Errorf("start the swarm: %w", err)
	case listen.Data:
		return fmt.Errorf("dataaddrs: %w; choose another port, or leave it empty to send blobs over libp2p only", listen)
	}
	return fmt.Errorf("listenaddrs: %w; stop what listens there, or choose another port", listen)
}

func (e *Engine) openMap(ctx context.Context) error {
	e.Bytes.OnMissed(e.Copies.LookAgain)
	cfg := pathmap.Config{
		Store: e.Store, Self: e.self.String(), Key: e.key, Log: e.Log, OnSetting: e.followSetting, OnLeftOut: e.enrollment.look, OnNamed: e.Bytes.Named, BeforeNames: e.noteCompacted,
		Joining: e.joins(), // members may ask before startJoining
	}
	if e.cfg.Unsigned {
		cfg.Key = nil
	}
	if e.Peer != nil {
		cfg.Swarm, cfg.OnAdded, cfg.OnFollowed, cfg.OnHeldUp = e.Peer, e.added, e.Peer.Confirm, e.Peer.Confirm
		cfg.Requires = func(id libpeer.ID) bool { return e.Peer.Understands(id, signs) }
	}
	var err error
	if e.Paths, err = pathmap.Open(ctx, cfg); err != nil {
		return err
	}
	if e.Peer != nil {
		e.Peer.OnMessage(e.Paths.Announced)
		e.Peer.OnForgotten(e.forgotten)
		e.Peer.OnMember(func(id libpeer.ID) {
			e.Paths.Joined(id)
			e.Copies.Appeared()
			e.enrollment.look()
			if e.cfg.OnMember != nil {
				e.cfg.OnMember()
			}
		})
		if ids := e.revokedIDs(); len(ids) > 0 {
			e.Peer.Revoke(ids) // before anybody is dialed
		}
	}
	return nil
}

func (e *Engine) openTransfers(context.Context) error {
	cfg := transfer.Config{Blobs: e.Blobs, Stall: e.cfg.FetchTimeout, Asked: e.Bytes.Asked, Going: e.Bytes.Going, Kept: e.Copies.Kept, Log: e.Log}
	if e.Peer != nil {
		cfg.Swarm, cfg.Budget, cfg.Bitswap, cfg.Sent = e.Peer, e.Peer.Budget(), e.Peer.Block, e.Peer.Confirm
		cfg.Merged = e.acknowledges
		cfg.Name = func(id libpeer.ID) string { return e.NameOf(id.String()) }
		cfg.Staging = e.WritersDir()
	}
	var err error
	e.Transfers, err = transfer.New(cfg)
	return err
}

// openAdmin begins to answer the operator. It is called when everything that a status
// reports is known, because requests are answered at once.
func (e *Engine) openAdmin(routes []admin.Route) error {
	e.answers = admin.NewAnswers(routes)
	var err error
	e.admin, err = admin.Serve(e.path(adminSocket), e.answers)
	if err != nil {
		return fmt.Errorf("datastorepath: %w; choose a shorter one, which this user can write", err)
	}
	return nil
}

// Answers are what this registry answers its operator, since Start.
func (e *Engine) Answers() *admin.Answers { return e.answers }

// FetchFrom brings a blob here, if possible from the registry with that peer ID, as
// Transfers.FetchFrom does for manifests.
func (e *Engine) FetchFrom(ctx context.Context, ref dag.Ref, id string) error {
	likely, _ := libpeer.Decode(id)
	return e.Transfers.FetchFrom(ctx, ref, likely, story.Manifests)
}
