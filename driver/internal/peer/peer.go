package peer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	dualdht "github.com/libp2p/go-libp2p-kad-dht/dual"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/sirupsen/logrus"
	"golang.org/x/time/rate"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer/dataport"
)

// closeTimeout bounds how long Close waits for the stream handlers that callers have set.
const closeTimeout = 10 * time.Second

// Peer is a registry's peer. All methods are safe for concurrent use, except OnMessage,
// OnMember, OnForgotten and Start, which have to be called before the others.
type Peer struct {
	cfg Config
	log *logrus.Entry

	host    host.Host
	swarm   *swarm.Swarm
	routes  *dualdht.DHT // nil in a private network
	lite    lite
	topic   *topic
	data    *dataport.Port // nil: none
	roster  *roster
	seeds   seeds
	traffic *traffic
	opened  opened     // of data ports
	listing sync.Mutex // of SetLists
	saving  sync.Mutex // of what is remembered of members
	once    logOnce
	pulls   pulls
	comings *rate.Limiter // that are logged at info
	wake    chan struct{} // the dialler

	onMessage   func(from peer.ID, data []byte)
	onMember    func(id peer.ID)
	onForgotten func(id peer.ID)

	ctx    context.Context // of the goroutines below; ends first
	cancel context.CancelFunc
	own    sync.WaitGroup // our goroutines

	blocks   atomic.Int64 // got by bitswap
	renewals renewals
	reserved *reservations
	relaying *relaying // nil: it does not
	mappings *mappings
	punching *punching
	beats    beats

	streams   streams
	startOnce sync.Once
	closeOnce sync.Once
	closeErr  error
}

// New makes a peer that listens, answers and can be given handlers, but has not dialed any
// peer. ctx bounds only New itself. An address that is in use is an error that names it and
// wraps syscall.EADDRINUSE.
func New(_ context.Context, cfg Config) (*Peer, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("peer: %w", err)
	}
	if cfg.Budget == nil {
		cfg.Budget = limit.NewBudget(limit.ThisMachine(), cfg.Log)
	}
	cfg.MemberExpiry = cmp.Or(cfg.MemberExpiry, DefaultMemberExpiry)
	self, err := peer.IDFromPrivateKey(cfg.Key)
	if err != nil {
		return nil, fmt.Errorf("peer: private key: %w", err)
	}
	p := &Peer{
		cfg:     cfg,
		log:     cfg.Log,
		roster:  newRoster(self),
		traffic: newTraffic(),
		pulls:   newPulls(),

		reserved: newReservations(),
		mappings: newMappings(),
		comings:  newComings(),
		wake:     make(chan struct{}, 1),
		beats:    beats{soon: make(chan struct{}, 1)},
	}
	p.punching = newPunching(p)
	if err := p.seeds.add(cfg.Seeds); err != nil {
		return nil, fmt.Errorf("peer: %w", err)
	}
	p.roster.lists.set(self, cfg.Lists)
	p.roster.refused = func(from limit.Source) { p.cfg.Budget.Refuse(limit.Dials, from) }
	p.ctx, p.cancel = context.WithCancel(context.Background())
	if err := p.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("peer: %w", err), p.Close())
	}
	return p, nil
}

// open builds the layers from the lowest up; Close undoes those that exist.
func (p *Peer) open() error {
	var err error
	if p.host, p.routes, err = p.newHost(); err != nil {
		return err
	}
	var ok bool
	if p.swarm, ok = p.host.Network().(*swarm.Swarm); !ok {
		return fmt.Errorf("host's network is a %T", p.host.Network())
	}
	// Pubsub never notices peers that were connected before it, so it starts before the first
	// address is listened on.
	if p.topic, err = p.join(); err != nil {
		return fmt.Errorf("join topic %s: %w", p.cfg.Topic, err)
	}
	if err = p.openRelay(); err != nil {
		return err
	}
	p.offerBitswap()
	p.Handle(helloProtocol, p.answerHello)
	p.Handle(reachProtocol, p.answerReach)
	if err := p.openDataPort(); err != nil {
		return err
	}
	return listen(p.swarm, p.cfg.Listen)
}

// Start subscribes to the topic, and then dials bootstrappers and remembered members, again
// and again until Close. It does not wait for any of them.
func (p *Peer) Start() (err error) {
	err = errors.New("peer: started already")
	p.startOnce.Do(func() { err = p.start() })
	return err
}

func (p *Peer) start() error {
	if err := p.ctx.Err(); err != nil {
		return fmt.Errorf("peer: start: %w", err)
	}
	if err := p.recall(); err != nil {
		return fmt.Errorf("peer: remembered members: %w", err)
	}
	if err := p.beginRun(); err != nil {
		return fmt.Errorf("peer: number of this run: %w", err)
	}
	for _, b := range p.cfg.Bootstrappers {
		p.keep(b, true)
	}
	for _, b := range p.cfg.DHTPeers {
		p.keep(b, false)
	}
	p.roster.begin(time.Now())
	// Subscribe first: a peer that is dialed before that may send nothing for long.
	events, err := p.watch()
	if err != nil {
		return fmt.Errorf("peer: %w", err)
	}
	if err := p.topic.subscribe(); err != nil {
		return fmt.Errorf("peer: subscribe to %s: %w", p.cfg.Topic, err)
	}
	p.run(events)
	p.run(p.readTopic)
	p.run(p.keepDialing)
	p.run(p.keepHello)
	p.run(p.keepWarning)
	if p.cfg.private() {
		p.run(p.keepReserving)
		p.run(p.keepStraightening)
	}
	for _, s := range p.seeds.all {
		p.run(func() { p.follow(s) })
	}
	if p.cfg.Changing != nil {
		p.run(p.keepBeating)
	}
	if p.routes == nil {
		return nil
	}
	if err := p.routes.Bootstrap(p.ctx); err != nil {
		return fmt.Errorf("peer: start routing: %w", err)
	}
	return nil
}

// keep makes a peer be dialed forever.
func (p *Peer) keep(b peer.AddrInfo, bootstrapper bool) {
	if b.ID == p.ID() {
		return
	}
	p.roster.keep(b, bootstrapper)
	p.host.ConnManager().Protect(b.ID, "bootstrapper")
}

func (p *Peer) run(f func()) { p.own.Go(f) }

// ID is this peer's ID.
func (p *Peer) ID() peer.ID { return p.roster.self }

// OnMessage sets the function that is called with the messages of trusted members, one at a
// time, in a goroutine of the peer. While the function blocks, messages wait; when too many
// do, further ones are lost.
func (p *Peer) OnMessage(f func(from peer.ID, data []byte)) { p.onMessage = f }

// OnMember sets the function that is called when a member becomes connected, every time,
// and occasionally twice. The function must not block.
func (p *Peer) OnMember(f func(id peer.ID)) { p.onMember = f }

// OnForgotten sets the function that is called with each member before it is forgotten, by
// Forget or because it was away for too long.
func (p *Peer) OnForgotten(f func(id peer.ID)) { p.onForgotten = f }

// Close leaves the swarm, stops everything in reverse order and waits for it, some seconds
// at most: an error means that a stream's handler did not return. Datastore and blockstore
// are not used afterwards. It may be called again.
func (p *Peer) Close() error {
	p.closeOnce.Do(func() { p.closeErr = p.close() })
	return p.closeErr
}

func (p *Peer) close() error {
	p.cancel()
	if p.data != nil {
		p.data.Close()
	}
	p.streams.shut()
	errs := []error{p.punching.close()}
	p.own.Wait()
	p.saveLast()
	if p.topic != nil {
		p.topic.leave()
	}
	errs = append(errs, p.lite.close())
	if p.routes != nil {
		errs = append(errs, p.routes.Close())
	}
	errs = append(errs, p.relaying.close())
	if p.host != nil {
		errs = append(errs, p.host.Close())
	}
	errs = append(errs, p.streams.wait(closeTimeout))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("peer: close: %w", err)
	}
	return nil
}
