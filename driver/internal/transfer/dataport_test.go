package transfer

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"

	libpeer "github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

// duo is two registries on real peers, both with a data port.
type duo struct {
	a, b       *peer.Peer
	holds      *blob.Store // of a
	has        *blob.Store // of b
	serve, get *Transfers
}

func newDuo(t *testing.T, change func(a *peer.Config)) *duo {
	t.Helper()
	return newTimedDuo(t, timingFor(3*stall), change)
}

// newPatientDuo is newDuo with a b that waits for a data port as long as a busy machine needs,
// before it takes a stream instead.
func newPatientDuo(t *testing.T, change func(a *peer.Config)) *duo {
	t.Helper()
	times := timingFor(3 * stall)
	times.Ask = 2 * patient
	return newTimedDuo(t, times, change)
}

func newTimedDuo(t *testing.T, times timing, change func(a *peer.Config)) *duo {
	t.Helper()
	data := func(c *peer.Config) {
		c.DataListen = []multiaddr.Multiaddr{multiaddr.StringCast("/ip4/127.0.0.1/tcp/0")}
	}
	var p duo
	p.a, p.holds, p.serve = newPeeredWith(t, func(c *peer.Config) { data(c); change(c) })
	addrs, err := libpeer.AddrInfosFromP2pAddrs(p.a.Addrs()...)
	require.NoError(t, err)
	p.b, p.has, p.get = newTimed(t, times, data, addrs...)
	eventually(t, func() bool { return p.b.HasData(p.a.ID()) && p.a.HasData(p.b.ID()) }, "they do not meet")
	return &p
}

// pull has b fetch content that a holds.
func (p *duo) pull(t *testing.T, content []byte) {
	t.Helper()
	ref, err := p.holds.Put(t.Context(), content)
	require.NoError(t, err)
	body, err := p.get.Open(context.Background(), ref, 0)
	require.NoError(t, err)
	readExactly(t, body, content)
	require.NoError(t, body.Close())
	require.NoError(t, p.get.Fetch(t.Context(), ref))
	require.True(t, p.has.Has(ref.CID))
}

func TestBytesGoByTheDataPort(t *testing.T) {
	p := newPatientDuo(t, func(*peer.Config) {})
	p.pull(t, random(60, 24*mib+5))
	require.GreaterOrEqual(t, p.get.DataIn(), int64(24*mib+5))
}

func TestClosedDataPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // nobody accepts there
	require.NoError(t, err)
	for name, is := range map[string]struct{ closed bool }{"closed": {true}, "mute": {}} {
		t.Run(name, func(t *testing.T) {
			if is.closed {
				require.NoError(t, l.Close())
			}
			p := newDuo(t, announcing(t, l.Addr()))
			p.pull(t, random(61, 4*mib))
			require.Zero(t, p.get.DataIn())
		})
	}
}

// TestMuteDataPortsOfMany shows that a blob comes over streams when packets to the data ports are
// dropped. There are three members, so that no holder can be guessed.
func TestMuteDataPortsOfMany(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // nobody accepts there
	require.NoError(t, err)
	p := newDuo(t, announcing(t, l.Addr()))
	addrs, err := libpeer.AddrInfosFromP2pAddrs(p.a.Addrs()...)
	require.NoError(t, err)
	c, _, _ := newPeeredWith(t, announcing(t, l.Addr()), addrs...)
	eventually(t, func() bool { return len(p.b.Connected()) == 2 && len(c.Connected()) == 2 }, "they do not meet")
	content := random(62, 4*mib)
	ref, err := p.holds.Put(t.Context(), content)
	require.NoError(t, err)
	holders, err := p.get.Holders(t.Context(), ref)
	require.NoError(t, err)
	require.Equal(t, []libpeer.ID{p.a.ID()}, holders)
	p.pull(t, content)
	require.Zero(t, p.get.DataIn())
}

func announcing(t *testing.T, addr net.Addr) func(*peer.Config) {
	t.Helper()
	m, err := manet.FromNetAddr(addr)
	require.NoError(t, err)
	return func(c *peer.Config) { c.DataAnnounce = []multiaddr.Multiaddr{m} }
}

func TestDataPortCutInMidTransfer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, free.Close())
	m, err := manet.FromNetAddr(free.Addr())
	require.NoError(t, err)
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait) // after the registries are closed, because they keep connections
	// What b takes for a's data port is a link that breaks after 5 MiB, for good.
	p := newPatientDuo(t, func(c *peer.Config) {
		announcing(t, l.Addr())(c)
		c.DataListen = []multiaddr.Multiaddr{m}
	})
	t.Cleanup(func() { _ = l.Close() })
	wg.Go(func() { forward(l, free.Addr().String(), 5*mib, &wg) })
	p.pull(t, random(62, 24*mib+5))
	in, _ := p.get.Totals()
	require.Greater(t, p.get.DataIn(), int64(mib), "nothing came by the data port")
	require.Less(t, p.get.DataIn(), in-10*mib, "too much came by the data port")
	require.Less(t, in, int64(40*mib), "what had come was fetched again")
}

// forward lets most bytes through in all, and then nothing.
func forward(l net.Listener, to string, most int64, wg *sync.WaitGroup) {
	var mu sync.Mutex
	for {
		in, err := l.Accept()
		if err != nil {
			return
		}
		mu.Lock()
		over := most <= 0
		mu.Unlock()
		out, err := net.Dial("tcp", to)
		if err != nil || over {
			_ = in.Close()
			if out != nil {
				_ = out.Close()
			}
			continue
		}
		wg.Go(func() { _, _ = io.Copy(out, in); _ = out.Close() })
		wg.Go(func() {
			defer func() { _ = in.Close(); _ = out.Close() }()
			buf := make([]byte, 32<<10)
			for {
				n, err := out.Read(buf)
				mu.Lock()
				most -= int64(n)
				over := most <= 0
				mu.Unlock()
				if _, werr := in.Write(buf[:n]); over || err != nil || werr != nil {
					return
				}
			}
		})
	}
}

func TestRemovedMemberAtTheDataPort(t *testing.T) {
	p := newDuo(t, func(*peer.Config) {})
	ref, err := p.holds.Put(t.Context(), random(63, mib))
	require.NoError(t, err)
	c, err := p.b.DialData(t.Context(), p.a.ID())
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	answers := bufio.NewReader(c)
	require.Equal(t, http.StatusOK, ask(t, c, answers, ref))
	require.NoError(t, p.b.Close()) // it leaves the swarm; the connection stays
	eventually(t, func() bool { return !p.a.IsMember(p.b.ID()) }, "its loss is not noticed")
	require.Equal(t, http.StatusForbidden, ask(t, c, answers, ref))
}

func ask(t *testing.T, c net.Conn, answers *bufio.Reader, ref dag.Ref) int {
	t.Helper()
	_, err := fmt.Fprintf(c, "HEAD /v1/blobs/%s HTTP/1.1\r\nHost: a\r\n\r\n", ref.CID)
	require.NoError(t, err)
	resp, err := http.ReadResponse(answers, &http.Request{Method: http.MethodHead})
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode
}
