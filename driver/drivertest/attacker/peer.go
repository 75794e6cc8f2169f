package attacker

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/ipfs/boxo/bitswap/network/bsnet"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/pnet"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/multiformats/go-multiaddr"
)

// Config is what a Peer is made of. The zero Config is a stranger's.
type Config struct {
	Key      string         // the protector key in hex; "": it has none, and so no host
	Identity crypto.PrivKey // nil: a new one
	Topic    string         // which Join subscribes to; "": none
	From     string         // the IP address from which it dials; "": 127.0.0.1
}

// Target is whom an attack is directed at. What an attack does not need may be missing.
type Target struct {
	Peer peer.AddrInfo
	Data string // host:port of the data port
	HTTP string // host:port for clients
}

// TargetAt is a target that is known by its addresses for members, which end with /p2p/….
func TargetAt(addresses ...string) (t Target, err error) {
	for _, address := range addresses {
		info, err := peer.AddrInfoFromString(address)
		if err != nil {
			return t, fmt.Errorf("target: %w", err)
		}
		t.Peer.ID, t.Peer.Addrs = info.ID, append(t.Peer.Addrs, info.Addrs...)
	}
	return t, nil
}

// Peer is one identity of an attacker. All methods are safe for concurrent use, but for Holders
// and Say, which come before Join.
type Peer struct {
	cfg    Config
	host   host.Host // nil: a stranger
	dialer net.Dialer
	data   []string // multiaddrs of the data port that it has

	mu    sync.Mutex
	hello Hello             // what it says of itself
	told  map[peer.ID]Hello // what others said of themselves

	publishing sync.Mutex
	pubsub     map[peer.ID]network.Stream

	servers []*http.Server
	ctx     context.Context // of all that it does
	cancel  context.CancelFunc
	wg      sync.WaitGroup
}

// ErrStranger reports that a peer without a protector key was to do what takes one.
var ErrStranger = errors.New("a stranger has no host")

// New makes a peer, which is connected with nobody.
func New(cfg Config) (*Peer, error) {
	cfg.From = cmp.Or(cfg.From, "127.0.0.1")
	from := net.ParseIP(cfg.From)
	if from == nil {
		return nil, fmt.Errorf("attacker: %q is no address", cfg.From)
	}
	p := &Peer{cfg: cfg, dialer: net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}, told: map[peer.ID]Hello{}, pubsub: map[peer.ID]network.Stream{}}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	if cfg.Key == "" {
		return p, nil
	}
	if err := p.open(); err != nil {
		return nil, fmt.Errorf("attacker: %w", err)
	}
	return p, nil
}

func (p *Peer) open() error {
	psk, err := hex.DecodeString(strings.TrimSpace(p.cfg.Key))
	if err != nil {
		return fmt.Errorf("protector key: %w", err)
	}
	dialer := func(multiaddr.Multiaddr) (tcp.ContextDialer, error) { return &p.dialer, nil }
	options := []libp2p.Option{
		libp2p.NoListenAddrs, libp2p.PrivateNetwork(pnet.PSK(psk)), libp2p.DisableRelay(), libp2p.DisableMetrics(),
		libp2p.Transport(tcp.NewTCPTransport, tcp.DisableReuseport(), tcp.WithDialerForAddr(dialer)),
		libp2p.ResourceManager(&network.NullResourceManager{}), libp2p.DisableIdentifyAddressDiscovery(),
	}
	if p.cfg.Identity != nil {
		options = append(options, libp2p.Identity(p.cfg.Identity))
	}
	if p.host, err = libp2p.New(options...); err != nil {
		return err
	}
	p.host.SetStreamHandler(helloProtocol, p.answerHello)
	for _, proto := range append(pubsubProtocols, bsnet.ProtocolBitswap) {
		p.host.SetStreamHandler(proto, discard)
	}
	return nil
}

// ID is its peer ID, "" of a stranger.
func (p *Peer) ID() peer.ID {
	if p.host == nil {
		return ""
	}
	return p.host.ID()
}

// Close ends all that it does, and waits for it.
func (p *Peer) Close() {
	p.cancel()
	for _, s := range p.servers {
		_ = s.Close()
	}
	if p.host != nil {
		_ = p.host.Close() // whatever it had is gone
	}
	p.wg.Wait()
}

// Connect makes it a holder of the key that is connected, and on no topic.
func (p *Peer) Connect(ctx context.Context, t Target) error {
	if p.host == nil {
		return fmt.Errorf("connect: %w", ErrStranger)
	}
	if err := p.host.Connect(ctx, t.Peer); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	return nil
}

// Join connects, and subscribes to its topic, if it has one: then it is a member, once the
// target has taken note, which may be after Join has returned.
func (p *Peer) Join(ctx context.Context, t Target) error {
	if err := p.Connect(ctx, t); err != nil || p.cfg.Topic == "" {
		return err
	}
	if err := p.subscribe(ctx, t.Peer.ID, p.cfg.Topic); err != nil {
		return fmt.Errorf("join: %w", err)
	}
	return nil
}

// Stay joins, and joins again whenever the target has closed the connection. Did counts how often
// it joined.
func Stay(t Target) Attack {
	return func(ctx context.Context, p *Peer, tally *Tally) {
		again(ctx, 1, tally, func(ctx context.Context) error {
			short, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			if err := p.Join(short, t); err != nil {
				return err
			}
			tally.did.Add(1)
			defer tally.add()()
			for ctx.Err() == nil && p.host.Network().Connectedness(t.Peer.ID) == network.Connected {
				rest(ctx, 50*time.Millisecond)
			}
			return errors.New("the connection is lost")
		})
	}
}

// An Attack is one bad behavior. It goes on until ctx ends.
type Attack func(ctx context.Context, p *Peer, t *Tally)

// Start begins an attack, which goes on until the peer is closed.
func (p *Peer) Start(a Attack) *Tally {
	t := &Tally{}
	p.wg.Go(func() { a(p.ctx, p, t) })
	return t
}

// Run lets an attack go on until ctx ends, or the peer is closed, and waits for it.
func (p *Peer) Run(ctx context.Context, a Attack) *Tally {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.ctx, cancel)()
	t := &Tally{}
	a(ctx, p, t)
	return t
}
