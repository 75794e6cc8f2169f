package rival

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/multiformats/go-multiaddr"
)

const fileProtocol protocol.ID = "/distribution-ipfs/bench/file"

// newHost makes a host with the registry's own transport, security and muxer, and
// without its limits.
func newHost(o options) (host.Host, error) {
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		return nil, err
	}
	opts := []libp2p.Option{
		libp2p.Identity(key),
		libp2p.PrivateNetwork(o.psk),
		libp2p.Transport(tcp.NewTCPTransport, tcp.DisableReuseport()),
		libp2p.Muxer(yamux.ID, yamux.DefaultTransport),
		libp2p.ResourceManager(&network.NullResourceManager{}),
		libp2p.DisableRelay(), libp2p.DisableMetrics(), libp2p.DisableIdentifyAddressDiscovery(),
		libp2p.NoListenAddrs,
	}
	if o.listen != "" {
		addr, err := listenAddr(o.listen)
		if err != nil {
			return nil, err
		}
		opts = append(opts, libp2p.ListenAddrs(addr))
	}
	return libp2p.New(opts...)
}

func listenAddr(hostport string) (multiaddr.Multiaddr, error) {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		return nil, err
	}
	return multiaddr.NewMultiaddr(fmt.Sprintf("/ip4/%s/tcp/%s", host, port))
}

func addressOf(h host.Host) (string, error) {
	if len(h.Addrs()) == 0 {
		return "", errors.New("listens nowhere")
	}
	return fmt.Sprintf("%s/p2p/%s", h.Addrs()[0], h.ID()), nil
}

func serveLibp2p(_ context.Context, o options) (offering, error) {
	h, err := newHost(o)
	if err != nil {
		return offering{}, err
	}
	h.SetStreamHandler(fileProtocol, func(s network.Stream) {
		defer func() { _ = s.Close() }()
		_ = sendFiles(s) // the client sees it end
	})
	address, err := addressOf(h)
	return offering{address, itself}, err
}

// fetchLibp2p keeps one stream, whose window has so grown when it is measured.
func fetchLibp2p(ctx context.Context, o options) (fetcher, error) {
	h, err := newHost(o)
	if err != nil {
		return fetcher{}, err
	}
	server, err := dial(ctx, h, o.from)
	if err != nil {
		return fetcher{}, err
	}
	s, err := h.NewStream(ctx, server, fileProtocol)
	if err != nil {
		return fetcher{}, err
	}
	// The stream's protocol is agreed on by its first bytes, which must come soon.
	if _, err := receiveFile(s, os.DevNull, io.Discard); err != nil {
		return fetcher{}, err
	}
	note := fmt.Sprintf("%s, %s", s.Conn().ConnState().Security, s.Conn().ConnState().StreamMultiplexer)
	return fetcher{note, func(_ context.Context, name string, to *os.File) (int64, error) {
		return receiveFile(s, name, to)
	}}, nil
}

func dial(ctx context.Context, h host.Host, address string) (peer.ID, error) {
	info, err := peer.AddrInfoFromString(address)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	return info.ID, h.Connect(ctx, *info)
}
