package transfer_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	badger "github.com/ipfs/go-ds-badger"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer"
)

// network is members on TCP loopback whose links can be spoilt.
type network struct {
	t     *testing.T
	mu    sync.Mutex
	addrs map[peer.ID]string
	spoil map[peer.ID]func(net.Conn) net.Conn // of connections to a member
	sent  map[peer.ID]*atomic.Int64
}

func newNetwork(t *testing.T) *network {
	return &network{t: t, addrs: map[peer.ID]string{}, spoil: map[peer.ID]func(net.Conn) net.Conn{}, sent: map[peer.ID]*atomic.Int64{}}
}

// member is one registry's blobs and transfers.
type member struct {
	n     *network
	id    peer.ID
	dir   string
	blobs *blob.Store
	*transfer.Transfers
	db *badger.Datastore
}

func (n *network) add(stall time.Duration) *member {
	n.t.Helper()
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		n.t.Fatal(err)
	}
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		n.t.Fatal(err)
	}
	m := &member{n: n, id: id, dir: n.t.TempDir()}
	m.start(stall)
	n.t.Cleanup(m.stop)
	return m
}

func (m *member) start(stall time.Duration) {
	m.n.t.Helper()
	opts := badger.DefaultOptions
	dir := filepath.Join(m.dir, "badger")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		m.n.t.Fatal(err)
	}
	log := logrus.New()
	log.SetOutput(io.Discard)
	var err error
	if m.db, err = badger.NewDatastore(dir, &opts); err != nil {
		m.n.t.Fatal(err)
	}
	if m.blobs, err = blob.Open(m.dir, m.db, logrus.NewEntry(log)); err != nil {
		m.n.t.Fatal(err)
	}
	if m.Transfers, err = transfer.New(transfer.Config{Blobs: m.blobs, Swarm: m, Stall: stall, Log: logrus.NewEntry(log)}); err != nil {
		m.n.t.Fatal(err)
	}
}

func (m *member) stop() {
	m.n.mu.Lock()
	delete(m.n.addrs, m.id)
	m.n.mu.Unlock()
	if m.Transfers == nil {
		return
	}
	if err := errors.Join(m.Close(), m.db.Close()); err != nil {
		m.n.t.Error(err)
	}
	m.Transfers = nil
}

func (m *member) ID() peer.ID { return m.id }

func (m *member) Connected() []peer.ID {
	m.n.mu.Lock()
	defer m.n.mu.Unlock()
	var ids []peer.ID
	for id := range m.n.addrs {
		if id != m.id {
			ids = append(ids, id)
		}
	}
	return ids
}

func (m *member) Listen(protocol.ID) (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	m.n.mu.Lock()
	defer m.n.mu.Unlock()
	m.n.addrs[m.id] = l.Addr().String()
	m.n.sent[m.id] = &atomic.Int64{}
	return l, nil
}

func (m *member) Dial(ctx context.Context, id peer.ID, _ protocol.ID) (net.Conn, error) {
	m.n.mu.Lock()
	addr, spoil, sent := m.n.addrs[id], m.n.spoil[id], m.n.sent[id]
	m.n.mu.Unlock()
	if addr == "" {
		return nil, fmt.Errorf("dial %s: unreachable", id)
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	conn = &countedConn{conn, sent}
	if spoil != nil {
		conn = spoil(conn)
	}
	return conn, nil
}

type countedConn struct {
	net.Conn
	n *atomic.Int64
}

func (c *countedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// spoiled calls f after a number of bytes were read.
type spoiled struct {
	net.Conn
	left int
	f    func(net.Conn, []byte, int) (int, error)
}

func (s *spoiled) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	if s.left -= n; s.left <= 0 && n > 0 {
		return s.f(s.Conn, b, n)
	}
	return n, err
}

func spoilAfter(left int, f func(net.Conn, []byte, int) (int, error)) func(net.Conn) net.Conn {
	return func(c net.Conn) net.Conn { return &spoiled{c, left, f} }
}

func dies(c net.Conn, _ []byte, _ int) (int, error) {
	return 0, errors.Join(c.Close(), io.ErrUnexpectedEOF)
}
func lies(_ net.Conn, b []byte, n int) (int, error) { b[0] ^= 1; return n, nil }

// stalls reads on without ever giving a byte, until the connection is closed.
func stalls(c net.Conn, b []byte, _ int) (int, error) {
	for {
		if _, err := c.Read(b); err != nil {
			return 0, err
		}
	}
}

func content(t *testing.T, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return b
}

func (m *member) put(content []byte) blob.Ref {
	m.n.t.Helper()
	ref, err := m.blobs.Put(m.n.t.Context(), content)
	if err != nil {
		m.n.t.Fatal(err)
	}
	return ref
}

func (m *member) read(ref blob.Ref, offset int64) ([]byte, error) {
	r, err := m.Open(m.n.t.Context(), ref, offset)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(r)
	return b, errors.Join(err, r.Close())
}

func TestColdReadsFromAnyOffset(t *testing.T) {
	n := newNetwork(t)
	a := n.add(10 * time.Second)
	for _, size := range []int{0, 1, 100, 1 << 20, 1<<20 + 1, 5<<20 + 7} {
		want := content(t, size)
		ref := a.put(want)
		for _, offset := range []int{0, size / 2, size} {
			b := n.add(10 * time.Second)
			got, err := b.read(ref, int64(offset))
			if err != nil || !bytes.Equal(got, want[offset:]) {
				t.Errorf("%d bytes from %d: %d came, %v", size, offset, len(got), err)
			}
			b.stop()
		}
	}
}

func TestOneTransferHoweverManyReaders(t *testing.T) {
	n := newNetwork(t)
	a, b := n.add(10*time.Second), n.add(10*time.Second)
	want := content(t, 8<<20)
	ref := a.put(want)
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			got, err := b.read(ref, int64(i))
			if err != nil || !bytes.Equal(got, want[i:]) {
				t.Errorf("reader %d: %d bytes, %v", i, len(got), err)
			}
		})
	}
	wg.Wait()
	if sent := n.sent[a.id].Load(); sent > 10<<20 {
		t.Errorf("ten readers made the holder send %d bytes of a blob of %d", sent, len(want))
	}
}

func TestAReaderThatLeavesDoesNotStopTheTransfer(t *testing.T) {
	n := newNetwork(t)
	a, b := n.add(10*time.Second), n.add(10*time.Second)
	ref := a.put(content(t, 6<<20))
	ctx, cancel := context.WithCancel(t.Context())
	r, err := b.Open(ctx, ref, 0)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	_ = r.Close()
	eventually(t, "the blob is whole", func() bool { return b.blobs.Has(ref.CID) })
}

func TestAnotherHolderTakesOver(t *testing.T) {
	for name, f := range map[string]func(net.Conn, []byte, int) (int, error){"dies": dies, "lies": lies, "stalls": stalls} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t)
			bad, good, b := n.add(3*time.Second), n.add(3*time.Second), n.add(3*time.Second)
			want := content(t, 6<<20)
			bad.put(want)
			ref := good.put(want)
			n.spoil[bad.id] = spoilAfter(2<<20, f)
			got, err := b.read(ref, 0)
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%d bytes, %v", len(got), err)
			}
		})
	}
}

func TestNoHolderIsUnavailableInTime(t *testing.T) {
	n := newNetwork(t)
	a, b := n.add(time.Second), n.add(time.Second)
	ref := a.put(content(t, 3<<20))
	a.stop()
	n.add(time.Second) // is asked, and has nothing
	began := time.Now()
	_, err := b.read(ref, 0)
	var unavailable *transfer.Unavailable
	if !errors.As(err, &unavailable) || unavailable.CID != ref.CID || len(unavailable.Asked) != 1 {
		t.Fatalf("%v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestALiarAloneGivesAnErrorAndNeverWrongBytes(t *testing.T) {
	n := newNetwork(t)
	a, b := n.add(time.Second), n.add(time.Second)
	want := content(t, 4<<20)
	ref := a.put(want)
	n.spoil[a.id] = spoilAfter(2<<20, lies)
	got, err := b.read(ref, 0)
	if err == nil || !bytes.HasPrefix(want, got) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
}

func TestResumesFromWhatIsOnDisk(t *testing.T) {
	n := newNetwork(t)
	a, b := n.add(time.Second), n.add(time.Second)
	want := content(t, 8<<20)
	ref := a.put(want)
	n.spoil[a.id] = spoilAfter(5<<20, dies)
	r, err := b.Open(t.Context(), ref, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, r, 4<<20); err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	b.stop()
	delete(n.spoil, a.id)
	n.sent[a.id].Store(0)
	b.start(5 * time.Second)
	got, err := b.read(ref, 0)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if sent := n.sent[a.id].Load(); sent > 5<<20 {
		t.Errorf("%d bytes were sent again of a blob of which half was there", sent)
	}
}

func TestHoldersAreAsked(t *testing.T) {
	n := newNetwork(t)
	a, b, c := n.add(time.Second), n.add(time.Second), n.add(time.Second)
	ref := a.put(content(t, 10))
	holders, err := b.Holders(t.Context(), ref)
	if err != nil || len(holders) != 1 || holders[0] != a.id {
		t.Errorf("%v %v", holders, err)
	}
	if err := c.Fetch(t.Context(), ref); err != nil || !c.blobs.Has(ref.CID) {
		t.Errorf("fetch: %v", err)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
	}
}
