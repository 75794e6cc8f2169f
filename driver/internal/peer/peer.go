package peer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	ipfslite "github.com/hsanjuan/ipfs-lite"
	"github.com/ipfs/boxo/blockstore"
	"github.com/ipfs/go-datastore"
	ipld "github.com/ipfs/go-ipld-format"
	dualdht "github.com/libp2p/go-libp2p-kad-dht/dual"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/pnet"
	"github.com/multiformats/go-multiaddr"
	"github.com/sirupsen/logrus"
)

// Config is what a peer is made of.
type Config struct {
	Key           crypto.PrivKey
	PSK           pnet.PSK // nil: the public network
	Listen        []multiaddr.Multiaddr
	Announce      []multiaddr.Multiaddr // instead of what is listened on; empty: no change
	Bootstrappers []peer.AddrInfo
	Topic         string
	Trusted       []peer.ID             // whose messages count; nil: everybody's
	Store         datastore.Batching    // keys below /peer are the peer's
	Blocks        blockstore.Blockstore // what bitswap serves
	Log           *logrus.Entry
}

// Peer is safe for concurrent use.
type Peer struct {
	cfg  Config
	log  *logrus.Entry
	host host.Host
	dht  *dualdht.DHT
	lite *ipfslite.Peer

	pubsub *pubsub.PubSub
	topic  *pubsub.Topic
	sub    *pubsub.Subscription

	members   *table
	trust     string // digest of the list of trusted peers
	onMessage func(peer.ID, []byte)
	onMember  func(peer.ID)

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// New listens, joins the topic and starts bitswap. It dials nobody: peers that
// are connected before those run are never noticed by them. A port that is taken
// is an error that wraps syscall.EADDRINUSE.
func New(ctx context.Context, cfg Config) (*Peer, error) {
	p := &Peer{cfg: cfg, log: cfg.Log, members: newTable(), trust: trustDigest(cfg.Trusted)}
	p.onMessage, p.onMember = func(peer.ID, []byte) {}, func(peer.ID) {}
	p.ctx, p.cancel = context.WithCancel(context.WithoutCancel(ctx))
	for _, open := range []func() error{p.openHost, p.openLite, p.openTopic} {
		if err := open(); err != nil {
			return nil, errors.Join(err, p.Close())
		}
	}
	p.host.SetStreamHandler(membersProtocol, p.answerMembers)
	return p, nil
}

func (p *Peer) openLite() error {
	lite, err := ipfslite.New(p.ctx, p.cfg.Store, p.cfg.Blocks, p.host, p.dht, &ipfslite.Config{
		ReprovideInterval:  -1,   // only connected peers are asked
		UncachedBlockstore: true, // blobs come and go behind the cache
	})
	if err != nil {
		return fmt.Errorf("start IPFS-Lite: %w", err)
	}
	p.lite = lite
	return nil
}

// OnMessage sets what takes the messages of trusted members. Call it before
// Start; f must not block for long.
func (p *Peer) OnMessage(f func(from peer.ID, data []byte)) { p.onMessage = f }

// OnMember sets what hears of a member that is connected, or connected again.
// Call it before Start; f must not block for long.
func (p *Peer) OnMember(f func(id peer.ID)) { p.onMember = f }

// Start begins to listen to the topic, then dials the bootstrappers and the
// members of earlier runs, and keeps at it until Close. It does not wait for an
// answer.
func (p *Peer) Start() error {
	events, err := p.topic.EventHandler()
	if err != nil {
		return fmt.Errorf("follow the members of topic %s: %w", p.cfg.Topic, err)
	}
	remembered, err := p.remembered()
	if err != nil {
		return err
	}
	p.members.learn(remembered)
	p.wg.Go(func() { p.followMembers(events) })
	p.wg.Go(p.readTopic)
	p.wg.Go(p.keepConnected)
	p.wg.Go(p.exchangeMembers)
	return nil
}

// ID is this peer's own.
func (p *Peer) ID() peer.ID { return p.host.ID() }

// Addrs are this peer's multiaddrs, each with /p2p/ and its ID.
func (p *Peer) Addrs() []multiaddr.Multiaddr {
	addrs, err := peer.AddrInfoToP2pAddrs(&peer.AddrInfo{ID: p.host.ID(), Addrs: p.host.Addrs()})
	if err != nil {
		return nil
	}
	return addrs
}

// Trusts says whether a peer's changes count.
func (p *Peer) Trusts(id peer.ID) bool {
	return p.cfg.Trusted == nil || slices.Contains(p.cfg.Trusted, id)
}

// DAG is IPFS-Lite's: it asks connected peers by bitswap.
func (p *Peer) DAG() ipld.DAGService { return p.lite }

// Close leaves the swarm and waits for all of this package's goroutines.
func (p *Peer) Close() error {
	p.cancel()
	var errs []error
	if p.sub != nil {
		p.sub.Cancel()
	}
	p.wg.Wait()
	if p.topic != nil {
		if err := p.topic.Close(); err != nil && !errors.Is(err, context.Canceled) {
			errs = append(errs, fmt.Errorf("leave topic: %w", err))
		}
	}
	if p.dht != nil {
		errs = append(errs, p.dht.Close())
	}
	if p.host != nil {
		errs = append(errs, p.host.Close())
	}
	return errors.Join(errs...)
}
