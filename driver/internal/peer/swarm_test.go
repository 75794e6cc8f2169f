package peer_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/pprof"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	blockstore "github.com/ipfs/boxo/blockstore"
	"github.com/ipfs/go-datastore"
	badgerds "github.com/ipfs/go-ds-badger"
	"github.com/libp2p/go-libp2p/core/crypto"
	libpeer "github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/pnet"
	"github.com/multiformats/go-multiaddr"
	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

const (
	within    = 3 * time.Minute // bound of every wait for something to happen
	testTopic = "ipfs-registry"
	echo      = "/test/echo/1.0.0"
)

// station is one registry's peer with what survives its restarts.
type station struct {
	*peer.Peer
	key   crypto.PrivKey
	store datastore.Batching
	log   *test.Hook

	mu       sync.Mutex
	messages []string
	joined   []libpeer.ID
}

func newStation(t testing.TB) *station {
	t.Helper()
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	opts := badgerds.DefaultOptions
	db, err := badgerds.NewDatastore(t.TempDir(), &opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return &station{key: key, store: db}
}

func (s *station) id(t testing.TB) libpeer.ID {
	t.Helper()
	id, err := libpeer.IDFromPrivateKey(s.key)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func loopback(port int) multiaddr.Multiaddr {
	return multiaddr.StringCast(fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", port))
}

// make builds the peer without starting it.
func (s *station) make(t testing.TB, change func(*peer.Config)) error {
	t.Helper()
	logger, hook := test.NewNullLogger()
	logger.SetLevel(logrus.DebugLevel)
	s.log = hook
	cfg := peer.Config{
		Key: s.key, PSK: bytes.Repeat([]byte{7}, 32), Topic: testTopic, Store: s.store,
		Listen: []multiaddr.Multiaddr{loopback(0)},
		Blocks: blockstore.NewBlockstore(s.store), Log: logrus.NewEntry(logger),
	}
	if change != nil {
		change(&cfg)
	}
	p, err := peer.New(context.Background(), cfg)
	if err != nil {
		return err
	}
	s.Peer = p
	p.OnMessage(func(from libpeer.ID, data []byte) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.messages = append(s.messages, from.String()+" "+string(data))
	})
	p.OnMember(func(id libpeer.ID) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.joined = append(s.joined, id)
	})
	t.Cleanup(func() { _ = p.Close() })
	return nil
}

func (s *station) start(t testing.TB, change func(*peer.Config)) {
	t.Helper()
	if err := s.make(t, change); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
}

func (s *station) got(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.messages {
		if strings.HasSuffix(m, " "+text) {
			return true
		}
	}
	return false
}

// logged is what was logged at a level or above.
func (s *station) logged(level logrus.Level) (said []string) {
	for _, e := range s.log.AllEntries() {
		if e.Level <= level {
			said = append(said, fmt.Sprintf("%s %v", e.Message, e.Data))
		}
	}
	return said
}

func (s *station) warnings() []string { return s.logged(logrus.WarnLevel) }

// failedDials counts the failed attempts to reach a peer.
func (s *station) failedDials() (n int) {
	for _, e := range s.log.AllEntries() {
		if e.Message == "dial failed" {
			n++
		}
	}
	return n
}

func (s *station) info(t testing.TB, addrs ...multiaddr.Multiaddr) libpeer.AddrInfo {
	t.Helper()
	return libpeer.AddrInfo{ID: s.id(t), Addrs: addrs}
}

func via(b ...libpeer.AddrInfo) func(*peer.Config) {
	return func(c *peer.Config) { c.Bootstrappers = b }
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(within)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", within, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func meet(t testing.TB, all ...*station) {
	t.Helper()
	for _, a := range all {
		for _, b := range all {
			if a != b {
				id := b.id(t)
				eventually(t, "everybody is everybody's member", func() bool { return a.IsMember(id) })
			}
		}
	}
}

// freePort asks for a port and gives it back.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func TestMembersFindEachOtherInAnyOrder(t *testing.T) {
	for _, order := range [][]int{{0, 1, 2}, {1, 2, 0}, {2, 0, 1}} {
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			all := []*station{newStation(t), newStation(t), newStation(t)}
			port := freePort(t)
			boot := all[0].info(t, loopback(port))
			for _, i := range order {
				all[i].start(t, func(c *peer.Config) {
					c.Bootstrappers = []libpeer.AddrInfo{boot} // itself too: one configuration for all
					if i == 0 {
						c.Listen = []multiaddr.Multiaddr{loopback(port)}
					}
				})
			}
			meet(t, all...)
			for _, s := range all {
				if ms := s.Members(); len(ms) != 2 || ms[0].ID >= ms[1].ID || !ms[0].Connected || ms[0].TrustDiffers {
					t.Errorf("members: %+v", ms)
				}
				eventually(t, "OnMember", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.joined) >= 2 })
			}
			if err := all[1].Publish(t.Context(), []byte("hello")); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the others hear it", func() bool { return all[0].got("hello") && all[2].got("hello") })
			if all[1].got("hello") {
				t.Error("own message delivered")
			}
		})
	}
}

func TestRestartWithNewAddressRejoins(t *testing.T) {
	a, b := newStation(t), newStation(t)
	a.start(t, nil)
	b.start(t, via(a.info(t, stripped(t, a)...)))
	meet(t, a, b)
	eventually(t, "they have greeted, and a remembers where b is", func() bool {
		ms := a.Members()
		return len(ms) == 1 && len(ms[0].Addrs) > 0
	})
	old := a.Addrs()[0].String()
	// The bootstrapper comes back at another address, which no peer is told.
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	id := a.id(t)
	eventually(t, "its loss is noticed", func() bool { return !b.IsMember(id) })
	if ms := b.Members(); len(ms) != 1 || ms[0].Connected {
		t.Fatalf("members after loss: %+v", ms)
	}
	a.start(t, nil)
	if a.Addrs()[0].String() == old {
		t.Skip("got the same port again")
	}
	meet(t, a, b)
}

func stripped(t testing.TB, s *station) (addrs []multiaddr.Multiaddr) {
	t.Helper()
	infos, err := libpeer.AddrInfosFromP2pAddrs(s.Addrs()...)
	if err != nil || len(infos) != 1 {
		t.Fatal(infos, err)
	}
	return infos[0].Addrs
}

func TestWrongProtectorKey(t *testing.T) {
	a, b := newStation(t), newStation(t)
	a.start(t, nil)
	b.start(t, func(c *peer.Config) {
		c.PSK = pnet.PSK(bytes.Repeat([]byte{8}, 32))
		c.Bootstrappers = []libpeer.AddrInfo{a.info(t, stripped(t, a)...)}
	})
	// What one side reads of the other is noise: it may be a length, for the bytes of which
	// it waits until the attempt ends. Such an attempt says nothing of the key.
	ofKey := func() (said, others []string) {
		for _, w := range b.warnings() {
			if strings.Contains(w, "protector key") {
				said = append(said, w)
			} else {
				others = append(others, w)
			}
		}
		return said, others
	}
	eventually(t, "a warning", func() bool { said, _ := ofKey(); return len(said) > 0 })
	warned := b.failedDials()
	eventually(t, "another attempt", func() bool { return b.failedDials() > warned })
	if len(a.Connected())+len(b.Connected())+len(a.Members())+len(b.Members()) != 0 {
		t.Error("connected")
	}
	if err := b.Close(); err != nil { // what the attempt has to say is said
		t.Error(err)
	}
	if said, others := ofKey(); len(said) != 1 || len(others) > 1 {
		t.Errorf("warnings: %q, %q", said, others)
	}
	// The dialed peer cannot tell it from a stranger's attempt.
	if said := a.logged(logrus.InfoLevel); len(said) != 0 {
		t.Errorf("the dialed side says %q", said)
	}
}

// TestUnreachableBootstrapperIsNoWarningYet: registries that start together do not
// answer each other at first.
func TestUnreachableBootstrapperIsNoWarningYet(t *testing.T) {
	a, b := newStation(t), newStation(t)
	port := freePort(t)
	b.start(t, via(a.info(t, loopback(port))))
	eventually(t, "an attempt", func() bool { return b.failedDials() >= 1 })
	eventually(t, "its reason", func() bool {
		bs := b.Bootstrappers()
		return len(bs) == 1 && !bs[0].Met && strings.Contains(bs[0].Trouble, "refused")
	})
	if said := b.logged(logrus.InfoLevel); len(said) != 0 {
		t.Errorf("it says %q", said)
	}
	a.start(t, func(c *peer.Config) { c.Listen = []multiaddr.Multiaddr{loopback(port)} })
	meet(t, a, b)
	if bs := b.Bootstrappers(); !bs[0].Met || bs[0].Trouble != "" {
		t.Errorf("met: %+v", bs)
	}
}

func TestUntrustedMessagesAreDropped(t *testing.T) {
	a, b, c := newStation(t), newStation(t), newStation(t)
	trusted := []libpeer.ID{a.id(t), c.id(t)}
	a.start(t, func(cfg *peer.Config) { cfg.Trusted = trusted })
	boot := a.info(t, stripped(t, a)...)
	b.start(t, via(boot)) // trusts everybody, trusted by nobody
	c.start(t, func(cfg *peer.Config) { cfg.Trusted, cfg.Bootstrappers = trusted, []libpeer.AddrInfo{boot} })
	meet(t, a, b, c)
	if a.Trusts(b.id(t)) || !a.Trusts(a.id(t)) || !b.Trusts(c.id(t)) {
		t.Error("Trusts")
	}
	if err := b.Publish(t.Context(), []byte("bad")); err != nil {
		t.Fatal(err)
	}
	if err := c.Publish(t.Context(), []byte("good")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the trusted message", func() bool { return a.got("good") && b.got("good") })
	if a.got("bad") || c.got("bad") {
		t.Error("untrusted message delivered")
	}
	bID := b.id(t)
	eventually(t, "the difference shows", func() bool {
		for _, m := range a.Members() {
			if m.ID == bID {
				return m.TrustDiffers
			}
		}
		return false
	})
}

func TestPortInUse(t *testing.T) {
	t.Run("by another program", func(t *testing.T) {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		portRefused(t, l.Addr().(*net.TCPAddr).Port)
	})
	t.Run("by another registry", func(t *testing.T) {
		port := freePort(t)
		a := newStation(t)
		a.start(t, func(c *peer.Config) { c.Listen = []multiaddr.Multiaddr{loopback(port)} })
		portRefused(t, port)
	})
}

func portRefused(t *testing.T, port int) {
	t.Helper()
	err := newStation(t).make(t, func(c *peer.Config) { c.Listen = []multiaddr.Multiaddr{loopback(port)} })
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), fmt.Sprint(port)) {
		t.Errorf("err = %v", err)
	}
}

func TestConnectionsOverStreams(t *testing.T) {
	a, b := newStation(t), newStation(t)
	if err := a.make(t, nil); err != nil {
		t.Fatal(err)
	}
	l, err := a.Listen(echo)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			_, err = io.Copy(c, io.LimitReader(c, 4))
			err = errors.Join(err, c.Close())
		}
		served <- err
	}()
	b.start(t, via(a.info(t, stripped(t, a)...)))
	meet(t, a, b)
	c, err := b.Dial(t.Context(), a.id(t), echo)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("ping")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 4)
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "ping" {
		t.Fatalf("%q, %v", got, err)
	}
	if err := errors.Join(<-served, c.Close(), l.Close()); err != nil {
		t.Error(err)
	}
	if c.RemoteAddr().String() != a.id(t).String() {
		t.Errorf("remote address %s", c.RemoteAddr())
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept after Close: %v", err)
	}
}

func TestCloseLeavesNoGoroutines(t *testing.T) {
	a, b := newStation(t), newStation(t)
	a.start(t, nil)
	b.start(t, via(a.info(t, stripped(t, a)...)))
	meet(t, a, b)
	for _, s := range []*station{a, b} {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	// A method of this package in any stack is a leak.
	var last string
	eventually(t, "our goroutines end", func() bool {
		var buf bytes.Buffer
		_ = pprof.Lookup("goroutine").WriteTo(&buf, 1)
		last = buf.String()
		return !strings.Contains(last, "internal/peer.(")
	})
}
