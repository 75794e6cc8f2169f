package engine

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	libpeer "github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/pnet"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/admin"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/datastore"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/replica"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/replica/ack"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/replica/survey"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/summary"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/sweep"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer"
)

// Engine is the rooms of one registry's storage, opened and wired. What concerns one room is
// done with that room; what concerns several, or the swarm, is a method. All methods are
// safe for concurrent use.
type Engine struct {
	Paths     *pathmap.Map
	Blobs     *blob.Store
	Transfers *transfer.Transfers
	Copies    *replica.Keeper
	Acks      *ack.Acks
	Uploads   *sweep.Uploads
	Bytes     *sweep.Bytes
	Garbage   *sweep.Collector
	Scrub     *sweep.Scrub
	Cache     *sweep.Cache
	Log       *logrus.Entry

	// driver uses these only through the methods below; its tests reach in.
	Peer  *peer.Peer // nil: offline
	Store *datastore.Datastore

	cfg     Config
	started time.Time
	key     crypto.PrivKey
	psk     pnet.PSK // nil: the public network
	nextPSK pnet.PSK // nil: the protector key is not changed
	self    libpeer.ID

	answers    *admin.Answers // nil: not started
	admin      *admin.Server
	learning   learning
	lists      *lists // nil: not read yet
	enrollment enrollment
	join       joinWatch
	stopping   atomic.Bool   // Ready says so
	drained    atomic.Bool   // this registry is to be switched off for good
	drains     atomic.Uint64 // how often it began or ended to be
	handed     atomic.Uint64 // the drain in which others had all that it had; 0: none
	survey     *survey.Survey

	drainSaving  sync.Mutex
	drainUnsaved error // why the datastore does not have what drained says; nil: it has

	summaries *summary.Summaries // nil: offline, or not started
	trouble   *trouble           // the last in the log

	closing sync.Once
	closed  error
}

// Directories and files below Config.Path. Files that are local to this registry lie in
// staging, beside blobs on their way into or out of the DAG.
const (
	pebbleDir   = "pebble"
	badgerDir   = "badger" // of earlier releases
	localDir    = "staging/local"
	writersDir  = "staging/writers"
	adminSocket = "admin.sock"
)

// Socket is the admin socket of the registry on a datastorepath.
func Socket(path string) string { return filepath.Join(path, adminSocket) }

func newEngine(cfg Config) *Engine {
	last := &trouble{}
	return &Engine{cfg: cfg, Log: newLogger(cfg.LogLevel, last), trouble: last, started: time.Now(), enrollment: newEnrollment()}
}

// Open opens the datastore, blobs, peer, path map and transfers, in this order. It does not
// dial any peer, and answers no operator yet: that begins with Start. Config has passed its
// Check.
func Open(ctx context.Context, cfg Config) (*Engine, error) {
	e := newEngine(cfg)
	for _, open := range []func(context.Context) error{
		e.openDisk, e.openPeer, e.openCopies, e.openMap, e.openTransfers, e.openAcks, e.openGarbage, e.openScrub,
		e.openCache, e.openSurvey,
	} {
		if err := open(ctx); err != nil {
			return nil, errors.Join(err, e.Close())
		}
	}
	return e, nil
}

// OpenStopped is Open for a command that works on the storage of a registry that is not
// running: without a swarm. It fails with ErrInUse while the registry runs, and with
// ErrOtherUser when what it writes would be another user's.
func OpenStopped(ctx context.Context, cfg Config) (*Engine, error) {
	if err := ranThere(cfg.Path); err != nil {
		return nil, fmt.Errorf("datastorepath: no registry ran there: %w", err)
	}
	if err := sameOwner(cfg.Path); err != nil {
		return nil, fmt.Errorf("datastorepath %s: %w", cfg.Path, err)
	}
	cfg.Offline = true
	return Open(ctx, cfg)
}

// Start answers the operator, and joins the swarm, whose members are told what say returns when they
// ask how this registry is: it dials the other registries last, and returns before any of them has
// answered. After an error only Close may be called.
func (e *Engine) Start(routes []admin.Route, say func() summary.Summary) error {
	e.warnOfKeys()
	e.Uploads.Start()
	e.Garbage.Start()
	e.Scrub.Start()
	e.Cache.Start()
	e.startJoining()
	e.startCompacting()
	e.Copies.Start(e.Paths, e.Blobs, e.Transfers)
	if e.Peer != nil {
		e.survey.Start()
		var err error
		if e.summaries, err = summary.Serve(e.Peer, say, e.Log); err != nil {
			return err
		}
	}
	if err := e.openAdmin(routes); err != nil {
		return err
	}
	if e.Peer != nil {
		if err := e.Peer.Start(); err != nil {
			return err
		}
	}
	e.introduce()
	e.startLists()
	e.startEnrollment()
	return nil
}

// introduce logs once this registry's identity, and how another one joins it.
func (e *Engine) introduce() {
	fields := logrus.Fields{
		"peer": e.self.String(), "addresses": e.Addresses(), "topic": e.cfg.Topic,
		"network": e.Network(), "datapath": e.DataPath(),
	}
	if e.Network() == "private" {
		fields["join"] = "give another registry this protector key and one of the addresses as bootstrappers"
	}
	e.Log.WithFields(fields).Info("ipfs storage is open")
	if e.ReadOnly() {
		e.warnReadOnly()
	}
}

func (e *Engine) path(name string) string { return filepath.Join(e.cfg.Path, name) }

// LocalDir is where what is local to this registry lies, as files named by their paths.
func (e *Engine) LocalDir() string { return e.path(localDir) }

// WritersDir is where the bytes of shared paths are staged while they are written.
func (e *Engine) WritersDir() string { return e.path(writersDir) }

// Close closes everything in reverse order and waits for it. Whatever was acknowledged is
// on disk already. Close may be called again. Requests that are still running fail.
func (e *Engine) Close() error {
	e.closing.Do(func() { e.closed = e.closeAll() })
	return e.closed
}

func (e *Engine) closeAll() error {
	var errs []error
	try := func(name string, f func() error) {
		if err := f(); err != nil {
			errs = append(errs, fmt.Errorf("close %s: %w", name, err))
		}
	}
	e.stopLists()
	e.stopEnrollment()
	if e.survey != nil {
		e.survey.Close()
	}
	if e.Copies != nil {
		e.Copies.Stop()
	}
	if e.Acks != nil {
		e.Acks.Close()
	}
	if e.Cache != nil {
		e.Cache.Close()
	}
	if e.Scrub != nil {
		e.Scrub.Close()
	}
	if e.Garbage != nil {
		e.Garbage.Close()
	}
	if e.Uploads != nil {
		e.Uploads.Close()
	}
	e.stopJoining()
	if e.admin != nil {
		try("admin socket", e.admin.Close)
	}
	if e.answers != nil {
		e.answers.Close()
	}
	if e.summaries != nil {
		try("summaries", e.summaries.Close)
	}
	if e.Transfers != nil {
		try("transfers", e.Transfers.Close)
	}
	if e.Blobs != nil {
		e.Blobs.Close()
	}
	if e.Paths != nil {
		try("path map", e.Paths.Close)
	}
	if e.Peer != nil {
		try("peer", e.Peer.Close)
	}
	if e.Store != nil {
		try("datastore", e.Store.Close)
	}
	return errors.Join(errs...)
}
