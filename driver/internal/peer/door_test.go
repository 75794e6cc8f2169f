package peer_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"net"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	libpeer "github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/libp2p/go-libp2p/core/transport"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/upgrader"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/multiformats/go-multiaddr"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

// small is a machine on which attackers need not be many.
var small = limit.Machine{Memory: 1 << 30, Descriptors: 512}

// onSmall has a station bound others as a small machine does, in vain without a log.
func onSmall(c *peer.Config) { c.Budget = limit.NewBudget(small, c.Log) }

// keyHolder holds the protector key, and is at an address of its own.
type keyHolder struct {
	transport.Transport
	id libpeer.ID
}

func newKeyHolder(t *testing.T, ip net.IP) *keyHolder {
	t.Helper()
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &keyHolder{}
	if a.id, err = libpeer.IDFromPrivateKey(key); err != nil {
		t.Fatal(err)
	}
	muxers := []upgrader.StreamMuxer{{ID: yamux.ID, Muxer: yamux.DefaultTransport}}
	security, err := libp2ptls.New(libp2ptls.ID, key, muxers)
	if err != nil {
		t.Fatal(err)
	}
	u, err := upgrader.New([]sec.SecureTransport{security}, muxers, bytes.Repeat([]byte{7}, 32), &network.NullResourceManager{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: ip}}
	a.Transport, err = tcp.NewTCPTransport(u, nil, nil, tcp.WithDialerForAddr(func(multiaddr.Multiaddr) (tcp.ContextDialer, error) { return from, nil }))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// connect opens connections to a station, and returns those that seem to be let in: in TLS 1.3 the
// client cannot know.
func (a *keyHolder) connect(t *testing.T, s *station, n int) (conns []transport.CapableConn) {
	t.Helper()
	to := stripped(t, s)[0]
	for range n {
		ctx, cancel := context.WithTimeout(t.Context(), within)
		c, err := a.Dial(ctx, to, s.id(t))
		cancel()
		if err == nil {
			conns = append(conns, c)
			t.Cleanup(func() { _ = c.Close() })
		}
	}
	return conns
}

// flood opens streams that never say which protocol they are for.
func flood(t *testing.T, c transport.CapableConn, n int) {
	for range n {
		ctx, cancel := context.WithTimeout(t.Context(), within)
		s, err := c.OpenStream(ctx)
		cancel()
		if err != nil {
			return // the connection was closed, or all of its streams wait to be taken
		}
		_, _ = s.Write([]byte("\x13/multistream/1.0.0\n"))
	}
}

// silent opens sockets that say nothing.
func silent(t *testing.T, s *station, ip net.IP, n int) {
	t.Helper()
	from := net.Dialer{LocalAddr: &net.TCPAddr{IP: ip}}
	_, port, err := net.SplitHostPort(tcpAddr(t, s))
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		c, err := from.DialContext(t.Context(), "tcp", net.JoinHostPort("127.0.0.1", port))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
	}
}

func tcpAddr(t *testing.T, s *station) string {
	t.Helper()
	a := stripped(t, s)[0]
	ip, err := a.ValueForProtocol(multiaddr.P_IP4)
	if err != nil {
		t.Fatal(err)
	}
	port, err := a.ValueForProtocol(multiaddr.P_TCP)
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort(ip, port)
}

// refusals are how many things of a kind a station has refused to a rank.
func refusals(s *station, what limit.What, r limit.Rank) int64 {
	for _, n := range s.Budget().Refused() {
		if n.What == what && n.Rank == r {
			return n.Count
		}
	}
	return 0
}

// TestSilentSocketsDoNotTakeTheDoor: a stranger opens more of them than all handshakes that there
// may be, and a newcomer joins.
func TestSilentSocketsDoNotTakeTheDoor(t *testing.T) {
	a, b := newStation(t), newStation(t)
	a.start(t, onSmall)
	silent(t, a, net.IPv4(127, 0, 0, 9), 150)
	eventually(t, "some are refused", func() bool { return refusals(a, limit.Handshakes, limit.Stranger) > 0 })
	b.start(t, via(a.info(t, stripped(t, a)...)))
	meet(t, a, b)
	said := a.warnings()
	if len(said) != 1 || !strings.Contains(said[0], "127.0.0.9") {
		t.Errorf("warnings: %q", said)
	}
}

// TestAKeyHolderOfNoTopic opens hundreds of connections with several identities, and thousands of
// streams: newcomers join all the same, and hear what is published.
func TestAKeyHolderOfNoTopic(t *testing.T) {
	a, b := newStation(t), newStation(t)
	a.start(t, onSmall)
	flooder := newKeyHolder(t, net.IPv4(127, 0, 0, 11))
	for _, c := range flooder.connect(t, a, 4) {
		flood(t, c, 50)
		eventually(t, "streams are refused", func() bool { return refusals(a, limit.Streams, limit.Connected) > 0 })
		go flood(t, c, 1000) // until the memory of its peer is used up, and it is closed
	}
	for i := range 20 {
		attacker := newKeyHolder(t, net.IPv4(127, 0, 0, byte(9+i%2)))
		attacker.connect(t, a, 20)
		if got := a.Rank(attacker.id); got > limit.Connected {
			t.Errorf("it is %s", got)
		}
	}
	eventually(t, "connections are refused", func() bool {
		return refusals(a, limit.Connections, limit.Connected) > 0
	})
	b.start(t, via(a.info(t, stripped(t, a)...)))
	meet(t, a, b)
	if err := a.Publish(t.Context(), []byte("news")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it hears of a push", func() bool { return b.got("news") })
	if n := len(a.warnings()); n > 20 {
		t.Errorf("%d warnings", n)
	}
}

// TestAMemberMakesRoomAtTheDoor: what a newcomer had before it was a member counts for members as
// soon as it is one, so that any number can follow it.
func TestAMemberMakesRoomAtTheDoor(t *testing.T) {
	a := newStation(t)
	logger := logrus.New()
	tiny := limit.NewBudget(limit.Machine{Memory: 1 << 30, Descriptors: 128}, logrus.NewEntry(logger)) // 4 connections of outsiders
	a.start(t, func(c *peer.Config) { c.Budget = tiny })
	for range 6 {
		b := newStation(t)
		b.start(t, via(a.info(t, stripped(t, a)...)))
		meet(t, a, b)
	}
}
