package driver

import (
	"context"
	"errors"
	"fmt"

	"github.com/distribution/distribution/v3/registry/storage/driver/base"
	"github.com/distribution/distribution/v3/registry/storage/driver/filesystem"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/engine"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/lease"
)

// New opens the storage and joins the swarm. It returns before any other registry has
// answered.
// Errors name the parameter and what to do.
func New(ctx context.Context, p Parameters) (*Driver, error) {
	s, err := open(ctx, p)
	if err == nil {
		err = s.start()
	}
	if err != nil {
		return nil, fmt.Errorf("ipfs: %w", err)
	}
	return s.driver(), nil
}

// open opens everything, but answers no operator and does not dial any peer.
func open(ctx context.Context, p Parameters) (*store, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	cfg, manifests := p.config(), newManifestFetcher()
	cfg.OnAdded, cfg.OnMember = manifests.added, manifests.Hurry
	e, err := engine.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	s := newStore(e, p)
	s.manifests = manifests
	return s, nil
}

func newStore(e *engine.Engine, p Parameters) *store {
	root := e.LocalDir()
	return &store{
		engine: e, paths: e.Paths, blobs: e.Blobs, transfers: e.Transfers, log: e.Log, syncTimeout: p.SyncTimeout,
		gcGrace: p.GCGrace, gcUntagged: p.GCUntagged, renewAfter: lease.RenewAfter(p.GCGrace), requests: requests{rely: e.Paths.Rely},
		swarms: newShared[SwarmStatus](1), peering: newShared[Peers](1), wheres: newShared[Where](maxAsked), images: newShared[Image](maxAsked),
		digests: newDigests(), returned: newReturned(),
		local: local{filesystem.New(filesystem.DriverParameters{RootDirectory: root, MaxThreads: 100}), root, e.Blobs},
	}
}

// start joins the swarm; when it cannot, everything is closed.
func (s *store) start() error {
	if err := s.engine.Start(s.routes(), s.summary); err != nil {
		return errors.Join(err, s.close())
	}
	if !s.engine.Offline() {
		s.manifests.start(s)
	}
	return nil
}

func (s *store) driver() *Driver {
	return &Driver{base.Base{StorageDriver: roomy{s, s.engine.Name()}}, s}
}

// Close closes everything in reverse order and waits for it. Whatever was acknowledged is
// on disk already. Close may be called again. Requests that are still running fail.
func (d *Driver) Close() error { return d.store.close() }

func (s *store) close() error {
	s.manifests.Stop()
	s.counted.close()
	return s.engine.Close()
}
