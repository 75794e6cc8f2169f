package dataport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

// Config is what a port is made of. Identity, Self, At, Admit, Rank, Budget and
// Log are required.
type Config struct {
	Identity *libp2ptls.Identity // the certificate of Self
	Self     peer.ID

	Listen  []multiaddr.Multiaddr // each an IsAddr; none: dials only
	AnyPort bool                  // a port in use is replaced by a free one

	// Secrets has one that is the same at all members, or two while that one is changed: who does not
	// show that it has one of them is shown no certificate, and so not whose port this is, unless Near
	// says that a member is at its address, which may be of an earlier release. Without any everybody
	// is; Near may be nil, and must not block. Earlier releases look at the proof of the first alone.
	Secrets [][]byte
	Near    func(from net.Addr) bool

	// At is the rank by which those are counted who come from an address, until their peer is
	// known: a stranger's, or a member's. It must not block, and is called concurrently.
	At func(address netip.Prefix) limit.Rank
	// Admit decides whether a peer comes in, after it has proven its ID: nil lets it in. It
	// may wait for a peer that is about to be a member, until ctx ends. It is called
	// concurrently.
	Admit func(ctx context.Context, id peer.ID) error
	// Rank is that of a peer that was admitted. It is called concurrently.
	Rank   func(id peer.ID) limit.Rank
	Budget *limit.Budget

	Log *logrus.Entry
}

// Port is a data port. All methods are safe for concurrent use.
type Port struct {
	cfg        Config
	sockets    []net.Listener
	arrivals   *limit.Rate
	handshakes *limit.Bound // of peers that are not known yet
	conns      *limit.Bound // of admitted peers, each of which takes a descriptor
	accepted   chan net.Conn
	closing    chan struct{} // closed when connections are no longer taken
	once       sync.Once

	ctx    context.Context // of the goroutines below
	cancel context.CancelFunc
	own    sync.WaitGroup
}

// Open listens on every address or on none. It accepts no peer before Listener is called. An
// address that is in use is an error that names it and wraps syscall.EADDRINUSE.
func Open(cfg Config) (*Port, error) {
	p := newPort(cfg)
	for _, a := range cfg.Listen {
		l, err := listen(a, cfg)
		if err != nil {
			p.Close()
			return nil, fmt.Errorf("listen on %s: %w", a, err)
		}
		p.sockets = append(p.sockets, l)
	}
	return p, nil
}

func newPort(cfg Config) *Port {
	p := &Port{
		cfg: cfg, arrivals: cfg.Budget.Rate(limit.DataArrivals),
		handshakes: cfg.Budget.Bound(limit.DataHandshakes), conns: cfg.Budget.Bound(limit.DataConnections),
		accepted: make(chan net.Conn), closing: make(chan struct{}),
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

func listen(a multiaddr.Multiaddr, cfg Config) (net.Listener, error) {
	network, addr, err := manet.DialArgs(a)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen(network, addr)
	if !cfg.AnyPort || !errors.Is(err, syscall.EADDRINUSE) {
		return l, err
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if l, err = net.Listen(network, net.JoinHostPort(host, "0")); err == nil {
		cfg.Log.WithField("address", l.Addr()).Warnf("dataaddrs: %s is in use: members are told another port for bulk data; set dataaddrs to choose it", addr)
	}
	return l, err
}

// shut closes the sockets; connections already made go on.
func (p *Port) shut() {
	p.once.Do(func() {
		close(p.closing)
		for _, l := range p.sockets {
			_ = l.Close() // nothing is left to do about it
		}
	})
}

// Close stops listening, ends handshakes under way, and waits until Admit and Rank are no
// longer called. It may be called again.
func (p *Port) Close() {
	p.cancel()
	p.shut()
	p.own.Wait()
}

// Listener accepts peers that Admit lets in. The remote address of their connections is the
// peer ID. Closing it closes the sockets. Call it once, and only on a port that listens.
func (p *Port) Listener() net.Listener {
	for _, l := range p.sockets {
		p.own.Go(func() { p.acceptAt(l) })
	}
	return listener{p}
}

func (p *Port) acceptAt(l net.Listener) {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of descriptors, for example: others will be closed
			p.cfg.Log.WithError(err).Debug("accept at the data port")
			select {
			case <-time.After(acceptPause):
			case <-p.closing:
			}
			continue
		}
		leave, ok := p.letIn(c)
		if !ok {
			_ = c.Close()
			continue
		}
		p.own.Go(func() {
			defer leave()
			p.welcome(c)
		})
	}
}

// letIn begins a handshake, which leave ends, unless there are too many.
func (p *Port) letIn(c net.Conn) (leave func(), ok bool) {
	from := limit.Source{Address: source(c.RemoteAddr())}
	from.Rank = p.cfg.At(from.Address)
	if !p.arrivals.Allow(from, 1) {
		return nil, false
	}
	return p.handshakes.Enter(from)
}

// source is the address of a connection's other end, as bounds count it.
func source(a net.Addr) netip.Prefix {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	return limit.Address(tcp.AddrPort().Addr())
}

const acceptPause = 100 * time.Millisecond

// listener is what Listener returns.
type listener struct{ p *Port }

// Accept implements net.Listener.
func (l listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.p.accepted:
		return c, nil
	case <-l.p.closing:
		return nil, fmt.Errorf("accept: %w", net.ErrClosed)
	}
}

// Close implements net.Listener.
func (l listener) Close() error {
	l.p.shut()
	return nil
}

// Addr implements net.Listener.
func (l listener) Addr() net.Addr { return l.p.sockets[0].Addr() }
