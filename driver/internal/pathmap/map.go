package pathmap

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ipfs/boxo/blockservice"
	"github.com/ipfs/boxo/blockstore"
	"github.com/ipfs/boxo/datastore/dshelp"
	"github.com/ipfs/boxo/exchange/offline"
	"github.com/ipfs/boxo/ipld/merkledag"
	"github.com/ipfs/go-cid"
	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/namespace"
	crdt "github.com/ipfs/go-ds-crdt"
	logging "github.com/ipfs/go-log/v2"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

// Keys of the map in the registry's datastore.
var (
	crdtKey  = ds.NewKey("/paths/crdt")
	blockKey = ds.NewKey("/paths/blocks")
	knownKey = ds.NewKey("/paths/known") // deltas that are merged → their priority

	counterKey = ds.NewKey("/paths/counter") // greatest Lamport counter seen, even of what is deleted
)

// Swarm is what the map needs of the network. A trusted member is one whose changes count.
type Swarm interface {
	Connected() []peer.ID
	Trusts(peer.ID) bool
	Publish(context.Context, []byte) error
	Listen(protocol.ID) (net.Listener, error)
	Dial(context.Context, peer.ID, protocol.ID) (net.Conn, error)
	Alive(context.Context, peer.ID) bool // whether a member that is connected gives a sign of life before ctx ends
	Unheard() []peer.ID                  // known members that are connected and silent
	Known() []peer.ID                    // members now, or once and not forgotten
	Confirmed(peer.ID) bool              // whether a member was of use before, perhaps in an earlier run
	Remote(net.Conn) peer.ID             // the member that dialed a connection of Listen

	Budget() *limit.Budget       // what members may take of this registry
	Source(peer.ID) limit.Source // a member as the budget counts it
}

// Config is what a map is made of.
type Config struct {
	Store ds.TxnDatastore // the registry's datastore; keys below /paths are the map's
	Self  string          // peer ID, the writer in this registry's versions
	Swarm Swarm           // nil: alone
	Key   Signer          // of Self, which signs what is written; nil: nothing is signed
	Log   *logrus.Entry

	// OnFollowed is called with a member when all heads that it named are merged here, which
	// it is again and again. It must not block. It may be nil.
	OnFollowed func(peer.ID)

	// OnHeldUp is called with a trusted member when a change of its is not merged here for want of a signature, again and
	// again: what was pushed there is to come yet. It must not block. It may be nil.
	OnHeldUp func(peer.ID)

	// OnSetting is called with each setting's value when the map is opened, and with each
	// change of one. It runs under the map's lock: it may read the map, but not write to
	// it.
	OnSetting func(name, value string)

	// OnAdded is called with the paths to which a member's changes gave an entry, or one back that stayed out, once
	// these are on disk. It runs under the map's lock, like OnSetting, and must not block.
	OnAdded func(paths []string)

	// OnNamed is called with the CIDs of the entries that a change adds, whoever made it,
	// before any reader of the map can see them. It runs under the map's lock, like
	// OnSetting, and must not block.
	OnNamed func(cids []cid.Cid)

	// OnLeftOut is called when the map begins to leave out versions that Expel would delete. It runs under the map's
	// lock, like OnSetting, and must not block. It may be nil.
	OnLeftOut func()

	// BeforeNames is called before a change is kept by name only, since it was compacted or came with a
	// state, and may be called again: its error holds that up. It may be nil.
	BeforeNames func(context.Context) error

	// Requires reports whether a member is of a release that merges only what is signed, once signatures are
	// required. nil: every one is.
	Requires func(peer.ID) bool

	// ExchangeInterval is how often heads are compared with members, in case announcements
	// were lost; half as often while nothing changes. Default 1 s.
	ExchangeInterval time.Duration

	// StateDeltas is from which priority of its newest delta on this map gives a member that has
	// nothing its state instead of its history. Default 1,000.
	StateDeltas int

	// Joining is what Map.Joining says from the start on.
	Joining bool

	// NewIncarnation makes the incarnation of a writer. Default: 40 random bits.
	NewIncarnation func() string
}

// Map is the replicated path map. All methods are safe for concurrent use.
type Map struct {
	cfg     Config
	log     *logrus.Entry
	ledger  *ledger
	blocks  blockstore.Blockstore
	merging beingMerged
	crdt    atomic.Pointer[crdt.Datastore] // replaced by mend
	feed    *feed

	current atomic.Pointer[snapshot]
	heads   atomic.Pointer[[]cid.Cid]
	lock    sync.Mutex    // one delta at a time: a local commit or a remote merge
	counter uint64        // greatest Lamport counter seen; under lock
	merged  atomic.Uint64 // the same, as it is on disk
	told    atomic.Uint64 // greatest that a member said it has seen
	broken  *failure      // set when disk and memory may differ; under lock

	adopting string // the label of the state whose transaction it is; "": of none; under lock

	writes      chan *writeRequest
	outbox      chan struct{}
	announce    announcements
	ordered     atomic.Bool // the whole history can be listed
	turns       turns
	reached     atomic.Uint64 // the priority up to which a history that is being read has come; 0: none is
	rounds      rounds
	inbox       inbox
	published   changes
	comparer    comparer
	kept        kept
	last        lastDeltas
	firstHeads  *firstHeads
	newcomer    bool        // it began with nothing, as loadUnfinished says
	unfinished  atomic.Bool // unfinishedKey is there, or may be
	part        atomic.Bool // and says that something of the others' is here, or may
	joining     atomic.Bool // as Joining said
	nonce       string      // of this run, a random text
	incarnation incarnation
	written     written
	runs        runs
	twin        twin
	stuck       atomic.Bool // merging fails here, and that was logged
	refused     refusals
	lagging     lagging
	unanswered  unanswered
	own         own
	reliances   reliances
	cuts        cuts
	behindCut   atomic.Pointer[namesBehind]
	taken       taken
	absorbing   absorbing
	history     history
	obstacle    atomic.Pointer[obstacle]
	listener    net.Listener

	ctx     context.Context
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	runLock sync.Mutex
}

// Open loads the map from its store and, with a swarm, starts answering and
// asking its members. Close it before the store.
func Open(ctx context.Context, cfg Config) (*Map, error) {
	if cfg.ExchangeInterval == 0 {
		cfg.ExchangeInterval = time.Second
	}
	if cfg.NewIncarnation == nil {
		cfg.NewIncarnation = newIncarnation
	}
	m := &Map{
		cfg: cfg, log: cfg.Log, ledger: &ledger{base: cfg.Store}, feed: newFeed(),
		writes:     make(chan *writeRequest),
		outbox:     make(chan struct{}, 1),
		inbox:      newInbox(),
		firstHeads: newFirstHeads(),
		nonce:      rand.Text(),
	}
	m.joining.Store(cfg.Joining)
	m.ctx, m.cancel = context.WithCancel(context.WithoutCancel(ctx))
	m.blocks = blockstore.NewBlockstore(namespace.Wrap(m.ledger, blockKey), blockstore.NoPrefix(), blockstore.WriteThrough(true))
	if err := cmp.Or(m.loadCut(), m.loadCompacted(), m.openCRDT()); err != nil {
		m.cancel()
		return nil, err
	}
	if err := m.load(ctx); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	if err := errors.Join(m.incarnation.open(m, m.counter), m.written.open(m), m.loadUnfinished()); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	if err := m.tidyStates(); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	m.run(m.writer)
	m.run(m.putInOrder)
	m.run(m.absorb)
	m.run(m.signOld)
	if cfg.Swarm != nil {
		if err := m.join(); err != nil {
			return nil, errors.Join(err, m.Close())
		}
	}
	return m, nil
}

func (m *Map) openCRDT() error {
	opts := crdt.DefaultOptions()
	opts.Logger = logging.Logger("crdt")
	opts.RebroadcastInterval = 24 * time.Hour // the exchange of heads replaces this
	opts.DAGSyncerTimeout = 10 * time.Second  // offline: a block is here, or the delta is refused
	opts.NumWorkers = 1
	opts.RepairInterval = 0 // nothing to repair: deltas are merged whole, in order
	opts.MaxBatchDeltaSize = maxDelta
	m.merging.Blockstore, m.merging.standIn, m.merging.nothing = m.blocks, m.standIn, m.nothing
	dag := merkledag.NewDAGService(blockservice.New(&m.merging, offline.Exchange(&m.merging)))
	store, err := crdt.New(m.ledger, crdtKey, dag, m.feed, opts)
	if err != nil {
		return fmt.Errorf("open path map: %w", err)
	}
	m.crdt.Store(store)
	return nil
}

// load builds the ordered map from the CRDT's live keys.
func (m *Map) load(ctx context.Context) error {
	if err := m.loadCounter(); err != nil {
		return err
	}
	snap, err := m.read(ctx)
	if err != nil {
		return err
	}
	m.publish(snap)
	return nil
}

// BeganEmpty reports whether nothing was here when the map was opened, or only a part of the
// others' history, of a run that began with nothing.
func (m *Map) BeganEmpty() bool { return m.newcomer }

// Heads returns the deltas that no other delta follows yet. All of them are on disk: a head
// that is still being written is not among them.
func (m *Map) Heads() []cid.Cid { return *m.heads.Load() }

// liveHeads are the heads inside the transaction; lock is held.
func (m *Map) liveHeads() []cid.Cid { return m.crdt.Load().InternalStats(m.ctx).Heads }

// publish makes a committed state the one readers and members see; lock is held.
func (m *Map) publish(snap *snapshot) {
	back := snap.sift()
	m.tellNamed(snap, back)
	heads := m.liveHeads()
	m.merged.Store(m.counter) // before the heads, because a member is told of both
	m.heads.Store(&heads)
	before := m.current.Swap(snap)
	m.tellSettings(before, snap)
	if m.cfg.OnLeftOut != nil && (View{snap}).LeavesOut() && (before == nil || !(View{before}).LeavesOut()) {
		m.cfg.OnLeftOut()
	}
	if m.cfg.OnAdded != nil && len(back) > 0 {
		m.cfg.OnAdded(back)
	}
	m.published.happen()
}

// known returns the priority of a delta that is merged, or lies behind the cut.
func (m *Map) known(c cid.Cid) (priority uint64, ok bool, err error) { return m.knownID(idOf(c)) }

func (m *Map) setKnown(c cid.Cid, priority uint64) error {
	m.cuts.merged(idOf(c))
	m.history.merged(idOf(c), priority)
	if err := m.ledger.Put(m.ctx, place{priority, c}.key(), nil); err != nil {
		return err
	}
	return m.ledger.Put(m.ctx, knownKey.Child(dshelp.MultihashToDsKey(c.Hash())), binary.AppendUvarint(nil, priority))
}

// run starts a goroutine that Close waits for; not once Close has begun.
func (m *Map) run(f func()) {
	m.runLock.Lock()
	defer m.runLock.Unlock()
	if m.ctx.Err() == nil {
		m.wg.Go(f)
	}
}

// Close stops the exchange, waits for what is being written, and closes the
// CRDT. The store stays open.
func (m *Map) Close() error {
	m.runLock.Lock()
	m.cancel()
	m.runLock.Unlock()
	var err error
	if m.listener != nil {
		err = m.listener.Close()
	}
	m.wg.Wait()
	if cerr := m.crdt.Load().Close(); cerr != nil {
		err = errors.Join(err, cerr)
	}
	if err != nil {
		return fmt.Errorf("close path map: %w", err)
	}
	return nil
}
