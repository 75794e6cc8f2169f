package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-multihash"
	"github.com/sirupsen/logrus"
	logs "github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

const (
	self   peer.ID = "\x00\x04self" // asks
	member peer.ID = "\x00\x06member"
)

var errRefused = errors.New("connection refused")

// pipes is a Swarm of one member, which self reaches by pipes in memory.
type pipes struct {
	streams *pipeListener
	data    func(context.Context) (net.Conn, error) // nil: the member has no data port
}

func newPipes() *pipes {
	return &pipes{streams: &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}}
}

func (p *pipes) Dial(ctx context.Context, _ peer.ID, _ protocol.ID) (net.Conn, error) {
	return p.streams.dial(ctx, self)
}

func (p *pipes) DialData(ctx context.Context, _ peer.ID) (net.Conn, error) { return p.data(ctx) }

func (p *pipes) HasData(peer.ID) bool { return p.data != nil }

type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipeListener) dial(ctx context.Context, from peer.ID) (net.Conn, error) {
	mine, theirs := net.Pipe()
	select {
	case l.conns <- caller{theirs, from}:
		return mine, nil
	case <-l.closed:
		return nil, errRefused
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

// caller is a connection whose remote address is the peer ID of the member that dialed.
type caller struct {
	net.Conn
	id peer.ID
}

func (c caller) RemoteAddr() net.Addr { return c }
func (c caller) Network() string      { return "pipe" }
func (c caller) String() string       { return c.id.String() }

// served is a member that answers self, until the test ends.
type served struct {
	*Server
	*pipes
	client *Client
	logs   *logs.Hook
}

func serve(t *testing.T, a Answers, change ...func(*ServerConfig)) *served {
	t.Helper()
	logger, hook := logs.NewNullLogger()
	logger.SetLevel(logrus.DebugLevel)
	cfg := ServerConfig{
		Answers: a, Admits: func(string) bool { return true }, Send: time.Minute, Log: logrus.NewEntry(logger),
		Source: func(remote string) limit.Source { return limit.Source{Peer: peer.ID(remote), Rank: limit.Trusted} },
		Budget: limit.NewBudget(limit.Machine{Memory: 1 << 30, Descriptors: 4096}, logrus.NewEntry(logger)),
	}
	for _, f := range change {
		f(&cfg)
	}
	s := &served{Server: NewServer(cfg), pipes: newPipes(), logs: hook}
	ctx, cancel := context.WithCancel(context.Background())
	s.client = NewClient(ctx, s.pipes, 2*time.Second, 8)
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(s.streams) }()
	t.Cleanup(func() {
		cancel()
		s.client.Close()
		require.NoError(t, s.Close())
		require.NoError(t, <-ended)
	})
	return s
}

// body is a blob in memory.
type body struct{ io.ReadSeeker }

func (body) Close() error { return nil }

func cidOf(t *testing.T, name string) cid.Cid {
	t.Helper()
	mh, err := multihash.Sum([]byte(name), multihash.SHA2_256, -1)
	require.NoError(t, err)
	return cid.NewCidV1(cid.Raw, mh)
}

// blobs makes Answers that answer requests for blobs with f.
func blobs(f func(context.Context, *BlobRequest) (io.ReadSeekCloser, error)) Answers {
	return Answers{Blob: f}
}

func leaves(s bitset.Set, err error) Answers {
	return Answers{Have: func(peer.ID, cid.Cid) (bitset.Set, error) { return s, err }}
}
