package driver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
	"github.com/libp2p/go-libp2p/core/crypto"
	libpeer "github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/pnet"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/admin"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/datastore"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer"
)

// rooms are the parts of one registry's storage. This file alone knows how they
// fit together.
type rooms struct {
	params  Parameters
	log     *logrus.Entry
	started time.Time
	key     crypto.PrivKey
	psk     pnet.PSK // nil: the public network
	self    libpeer.ID

	db        *datastore.Datastore
	blobs     *blob.Store
	peer      *peer.Peer // nil: offline
	paths     *pathmap.Map
	transfers *transfer.Transfers
	admin     *admin.Server
	sweeper   *uploadSweeper
	manifests *manifestFetcher // nil: offline
	learning  learning
	waits     waitBudget
	join      joinWatch
	requests  requests
	missing   missingBlobs
	completes completes
	drains    atomic.Bool

	closing sync.Once
	closed  error
}

// Directories below datastorepath. Files that are local to this registry lie in staging,
// beside blobs on their way into or out of the DAG.
const (
	badgerDir   = "badger"
	localDir    = "staging/local"
	writersDir  = "staging/writers"
	adminSocket = "admin.sock"
)

// New opens the storage: datastore, blobs, peer, path map, transfers, in this
// order, and dials the other registries last. It returns before any of them
// answered. Errors name the parameter and what to do.
func New(ctx context.Context, p Parameters) (*Driver, error) {
	r, err := openRooms(ctx, p)
	if err == nil {
		err = r.start()
	}
	if err != nil {
		return nil, fmt.Errorf("ipfs: %w", err)
	}
	return newDriver(r), nil
}

func newDriver(r *rooms) *Driver {
	d := &Driver{rooms: r}
	root := r.path(localDir)
	d.StorageDriver = roomy{&store{
		rooms: r,
		local: local{filesystem.New(filesystem.DriverParameters{RootDirectory: root, MaxThreads: 100}), root, r.blobs},
	}}
	return d
}

// openRooms opens everything but the admin socket, and does not dial any peer.
func openRooms(ctx context.Context, p Parameters) (*rooms, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	r := &rooms{params: p, log: newLogger(p), started: time.Now()}
	for _, open := range []func(context.Context) error{
		r.openDisk, r.openPeer, r.openMap, r.openTransfers,
	} {
		if err := open(ctx); err != nil {
			return nil, errors.Join(err, r.Close())
		}
	}
	return r, nil
}

// start joins the swarm; what cannot start is closed.
func (r *rooms) start() error {
	r.sweeper = startUploadSweeper(r.path(localDir), r.path(writersDir), r.blobs, r.log)
	r.startJoining()
	if err := r.openAdmin(); err != nil {
		return errors.Join(err, r.Close())
	}
	if r.peer != nil {
		r.manifests.start()
		if err := r.peer.Start(); err != nil {
			return errors.Join(err, r.Close())
		}
	}
	r.introduce()
	return nil
}

// introduce logs once this registry's identity, and how another one joins it.
func (r *rooms) introduce() {
	fields := logrus.Fields{
		"peer": r.self.String(), "addresses": r.addresses(), "topic": r.params.PubsubTopic,
		"network": r.network(), "datapath": r.dataPath(),
	}
	if r.network() == "private" {
		fields["join"] = "give another registry this protector key and one of the addresses as bootstrappers"
	}
	r.log.WithFields(fields).Info("ipfs storage is open")
	if r.ReadOnly() {
		r.log.Warn("this registry is not in its own trustedpeers: it serves pulls and refuses pushes and deletes")
	}
}

func (r *rooms) path(name string) string       { return filepath.Join(r.params.DatastorePath, name) }
func (r *rooms) localFile(path string) string  { return filepath.Join(r.path(localDir), path) }
func (r *rooms) stagedFile(name string) string { return filepath.Join(r.path(writersDir), name) }

// openDisk opens the datastore, the blobs and this registry's key.
func (r *rooms) openDisk(ctx context.Context) error {
	for _, dir := range []string{badgerDir, localDir, writersDir} {
		if err := os.MkdirAll(r.path(dir), 0o700); err != nil {
			return fmt.Errorf("datastorepath: %w; make it writable for this user", err)
		}
	}
	db, err := openDatastore(ctx, r.path(badgerDir), inUseWait, r.log)
	if err != nil {
		return fmt.Errorf("datastorepath %s: %w", r.params.DatastorePath, err)
	}
	r.db = db
	if err := r.openSwarmKey(ctx); err != nil {
		return err
	}
	if r.key, err = r.params.resolvePrivateKey(ctx, db); err != nil {
		return err
	}
	if r.self, err = libpeer.IDFromPrivateKey(r.key); err != nil {
		return fmt.Errorf("privatekey: %w", err)
	}
	if r.blobs, err = blob.Open(r.params.DatastorePath, db, r.log); err != nil {
		return fmt.Errorf("datastorepath %s: %w; see that this user can read and write all of it", r.params.DatastorePath, err)
	}
	r.blobs.SetFunction(r.params.function())
	r.blobs.Room().Keep(db.Headroom)
	return nil
}

// openSwarmKey reads the protector key, or makes it for a new datastore. Only then does it
// mark the datastore as used, so that a start that failed for want of the key may be tried
// again. It migrates a datastore of an earlier format.
func (r *rooms) openSwarmKey(ctx context.Context) error {
	format, err := storedFormat(ctx, r.db, migrations())
	if err != nil {
		return fmt.Errorf("datastorepath %s: %w", r.params.DatastorePath, err)
	}
	if r.psk, err = r.params.protectorKey(format == 0); err != nil {
		return err
	}
	if err := noteRelease(ctx, r.db); err != nil {
		r.log.WithError(err).Debug("this release is not noted in the datastore") // the disk is full, and serves
	}
	if format == 0 {
		err = setFormat(ctx, r.db, len(migrations())+1)
	} else {
		err = migrate(ctx, r.db, r.params.DatastorePath, format, migrations())
	}
	if err != nil {
		return fmt.Errorf("datastorepath %s: %w", r.params.DatastorePath, err)
	}
	return nil
}

func (r *rooms) openPeer(ctx context.Context) error {
	if r.params.Offline {
		return nil
	}
	cfg, err := r.params.peerConfig()
	if err != nil {
		return err
	}
	cfg.Key, cfg.PSK, cfg.Store, cfg.Blocks, cfg.Log = r.key, r.psk, r.db, r.blobs.Blockstore(), r.log
	r.peer, err = peer.New(ctx, cfg)
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

func (r *rooms) openMap(ctx context.Context) error {
	cfg := pathmap.Config{Store: r.db, Self: r.self.String(), Log: r.log, OnSetting: r.followHash}
	if r.peer != nil {
		r.manifests = newManifestFetcher(r)
		cfg.Swarm, cfg.OnAdded = r.peer, r.manifests.added
	}
	var err error
	if r.paths, err = pathmap.Open(ctx, cfg); err != nil {
		return err
	}
	if r.peer != nil {
		r.peer.OnMessage(r.paths.Announced)
		r.peer.OnMember(func(id libpeer.ID) {
			r.paths.Joined(id)
			r.manifests.joined()
		})
	}
	return nil
}

func (r *rooms) openTransfers(context.Context) error {
	cfg := transfer.Config{Blobs: r.blobs, Stall: r.params.FetchTimeout, Log: r.log}
	if r.peer != nil {
		cfg.Swarm, cfg.Bitswap = r.peer, r.peer.Block
	}
	var err error
	r.transfers, err = transfer.New(cfg)
	return err
}

// openAdmin begins to answer the operator. It is called when all that a status tells is
// known, because requests are answered at once.
func (r *rooms) openAdmin() error {
	var err error
	r.admin, err = admin.Serve(r.path(adminSocket), r.answers())
	if err != nil {
		return fmt.Errorf("datastorepath: %w; choose a shorter one, which this user can write", err)
	}
	return nil
}

// Close closes everything in reverse order and waits for it. Whatever was acknowledged is
// on disk already. Close may be called again. Requests that are still running fail.
func (r *rooms) Close() error {
	r.closing.Do(func() { r.closed = r.closeAll() })
	return r.closed
}

func (r *rooms) closeAll() error {
	var errs []error
	try := func(name string, f func() error) {
		if err := f(); err != nil {
			errs = append(errs, fmt.Errorf("close %s: %w", name, err))
		}
	}
	if r.sweeper != nil {
		r.sweeper.stop()
	}
	if r.manifests != nil {
		r.manifests.stop()
	}
	r.stopJoining()
	if r.admin != nil {
		try("admin socket", r.admin.Close)
	}
	if r.transfers != nil {
		try("transfers", r.transfers.Close)
	}
	if r.blobs != nil {
		r.blobs.Close()
	}
	if r.paths != nil {
		try("path map", r.paths.Close)
	}
	if r.peer != nil {
		try("peer", r.peer.Close)
	}
	if r.db != nil {
		try("datastore", r.db.Close)
	}
	return errors.Join(errs...)
}

// ReadOnly reports whether this registry refuses writes and deletes, because it is
// outside its own list of trusted peers: the others would drop its changes.
func (r *rooms) ReadOnly() bool { return r.peer != nil && !r.peer.Trusts(r.self) }
