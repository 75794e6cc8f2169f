package pathmap_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/datastore"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/membership"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// fabric connects maps of one process by TCP on loopback. Announcements can be
// lost and connections cut after some bytes.
type fabric struct {
	t           testing.TB
	loseAll     atomic.Bool
	busy        atomic.Bool  // muted members give signs of life
	cutAfter    atomic.Int64 // bytes a dialed connection may read; 0: no cut
	mu          sync.Mutex
	members     map[peer.ID]*seat
	incarnation func() string // nil: random
	named       func([]cid.Cid)
	known       []peer.ID // all that ever joined
	dialed      sync.Map  // address of a dialed connection → who dialed
	isolated    map[peer.ID]bool
	untrusted   map[peer.ID]bool
	sides       map[peer.ID]int  // those of different sides do not meet
	heeds       bool             // nobody trusts whom its map has revoked
	earlier     map[peer.ID]bool // members that are taken for ones of an earlier release
	confirmed   map[peer.ID]bool
	interval    time.Duration
	mute        string // address of a listener that nobody accepts at
	muted       map[peer.ID]bool
	asked       atomic.Int64 // connections to muted members, ever
	asking      atomic.Int64 // now
	crowd       atomic.Int64 // at most at once
	seats       atomic.Int64 // ever
	lines       map[peer.ID]*line
	deltas      atomic.Int64 // frames with a delta that were read
	states      atomic.Bool  // members that start give their state, however small

	wrap func(peer.ID, net.Conn) net.Conn // what a dialed connection becomes; nil: itself
}

// seat is one member's place in the fabric; it is that member's Swarm.
type seat struct {
	f    *fabric
	id   peer.ID
	dir  string
	m    *pathmap.Map
	disk disk

	key  pathmap.Signer // nil: it signs nothing
	self string         // who it says that it is; "": its id

	joins bool // it says from the start on that it joins others

	heldUp sync.Map // members of which a change waits for a signature, or did

	incarnation func() string // nil: as the fabric says
	beforeNames func(context.Context) error

	closeDisk func() error

	told sync.RWMutex // read-locked while it is told something
	addr string
	from net.Addr // where it dials from, by which the member that is asked tells it apart
	logs *logtest.Hook

	spends sync.Once
	budget *limit.Budget
}

func newFabric(t testing.TB) *fabric {
	return &fabric{t: t, members: map[peer.ID]*seat{}, isolated: map[peer.ID]bool{}, untrusted: map[peer.ID]bool{}, confirmed: map[peer.ID]bool{}, interval: 50 * time.Millisecond}
}

func (f *fabric) add(name string) *seat {
	return f.addAs(name, nil, "")
}

// addAs adds a member that signs with a key, and writes in some name.
func (f *fabric) addAs(name string, key pathmap.Signer, self string) *seat {
	s := &seat{f: f, id: peer.ID(name), dir: f.t.TempDir(), key: key, self: self}
	if n := f.seats.Add(1); runtime.GOOS == "linux" {
		s.from = &net.TCPAddr{IP: net.IPv4(127, 1, byte(n>>8), byte(n))}
	}
	s.start()
	f.t.Cleanup(func() {
		if s.m != nil {
			s.stop()
		}
	})
	return s
}

// openStore opens a registry's datastore.
func openStore(t testing.TB, dir string) *datastore.Datastore {
	t.Helper()
	d, err := datastore.Open(filepath.Join(dir, "datastore"), quiet())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func quiet() *logrus.Entry {
	l := logrus.New()
	l.SetOutput(io.Discard)
	if os.Getenv("PATHMAP_LOG") != "" {
		l.SetOutput(os.Stderr)
		l.SetLevel(logrus.DebugLevel)
	}
	return logrus.NewEntry(l)
}

func (s *seat) start() {
	s.f.t.Helper()
	log := quiet()
	d := openStore(s.f.t, s.dir)
	s.disk.TxnDatastore, s.closeDisk = d, d.Close
	s.logs = logtest.NewLocal(log.Logger)
	states := 1 << 30
	if s.f.states.Load() {
		states = 1
	}
	incarnation := s.f.incarnation
	if s.incarnation != nil {
		incarnation = s.incarnation
	}
	m, err := pathmap.Open(s.f.t.Context(), pathmap.Config{StateDeltas: states, Joining: s.joins, Store: &s.disk, Self: cmp.Or(s.self, string(s.id)), Key: s.key, Swarm: s, Log: log, ExchangeInterval: s.f.interval, NewIncarnation: incarnation, OnNamed: s.f.named, BeforeNames: s.beforeNames, Requires: s.requires, OnHeldUp: func(id peer.ID) { s.heldUp.Store(id, true) }})
	if err != nil {
		s.f.t.Fatal(err)
	}
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	s.m = m
	s.f.members[s.id] = s
	if !slices.Contains(s.f.known, s.id) {
		s.f.known = append(s.f.known, s.id)
	}
}

// warnings are what was logged for an operator to act on.
func (s *seat) warnings() (w []string) {
	for _, e := range s.logs.AllEntries() {
		if e.Level <= logrus.WarnLevel {
			w = append(w, e.Message)
		}
	}
	return w
}

func (s *seat) stop() {
	s.f.t.Helper()
	s.f.mu.Lock()
	delete(s.f.members, s.id)
	s.f.mu.Unlock()
	s.told.Lock()
	defer s.told.Unlock()
	if err := errors.Join(s.m.Close(), s.closeDisk()); err != nil {
		s.f.t.Error(err)
	}
	s.m = nil
}

func (f *fabric) isolate(id peer.ID, yes bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.isolated[id] = yes
}

// apart reports whether two members do not meet; f.mu is held.
func (f *fabric) apart(a, b peer.ID) bool {
	return f.isolated[a] || f.isolated[b] || f.sides[a] != f.sides[b]
}

// part puts members on other sides than they are on.
func (f *fabric) part(sides map[peer.ID]int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sides = sides
}

func (s *seat) Connected() []peer.ID {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	var ids []peer.ID
	for id := range s.f.members {
		if id != s.id && !s.f.apart(id, s.id) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// requires reports whether a member is taken for one of this release.
func (s *seat) requires(id peer.ID) bool {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	return !s.f.earlier[id]
}

func (s *seat) Unheard() []peer.ID { return nil }

func (s *seat) Confirmed(id peer.ID) bool {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	return s.f.confirmed[id]
}

func (s *seat) Known() []peer.ID {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.f.known), func(id peer.ID) bool { return id == s.id })
}

func (s *seat) Remote(conn net.Conn) peer.ID {
	id, _ := s.f.dialed.Load(conn.RemoteAddr().String())
	from, _ := id.(peer.ID)
	return from
}

func (s *seat) Alive(_ context.Context, id peer.ID) bool { return s.f.busy.Load() && s.f.hears(id) }

// hears reports whether a member is muted.
func (f *fabric) hears(id peer.ID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.muted[id]
}

func (s *seat) Budget() *limit.Budget {
	s.spends.Do(func() { s.budget = limit.NewBudget(limit.Machine{Memory: 1 << 30, Descriptors: 1 << 10}, quiet()) })
	return s.budget
}

func (s *seat) Source(id peer.ID) limit.Source {
	rank := limit.Trusted
	if !s.Trusts(id) {
		rank = limit.Member
	}
	return limit.Source{Peer: id, Rank: rank}
}

func (s *seat) Trusts(id peer.ID) bool {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	return !s.f.untrusted[id] && (!s.f.heeds || s.m == nil || !revokes(s.m, id))
}

// revokes reports whether a map has revoked a member.
func revokes(m *pathmap.Map, id peer.ID) bool {
	return slices.ContainsFunc(m.View().Revocations(), func(w membership.Written) bool { return w.ID == string(id) })
}

// hearing is a member with a map, which does not stop before told is unlocked; or nil.
func (f *fabric) hearing(id peer.ID) *seat {
	f.mu.Lock()
	defer f.mu.Unlock()
	o := f.members[id]
	if o == nil || o.m == nil { // or it is played by a test
		return nil
	}
	o.told.RLock()
	return o
}

func (s *seat) Publish(_ context.Context, b []byte) error {
	if s.f.loseAll.Load() {
		return nil
	}
	for _, id := range s.Connected() {
		if o := s.f.hearing(id); o != nil {
			o.m.Announced(s.id, b)
			o.told.RUnlock()
		}
	}
	return nil
}

func (s *seat) Listen(protocol.ID) (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err == nil {
		s.f.mu.Lock()
		s.addr = l.Addr().String()
		s.f.mu.Unlock()
	}
	return l, err
}

func (s *seat) Dial(ctx context.Context, id peer.ID, _ protocol.ID) (net.Conn, error) {
	s.f.mu.Lock()
	o, cut, muted := s.f.members[id], s.f.apart(id, s.id), s.f.muted[id]
	addr := ""
	if o != nil {
		addr = o.addr
	}
	s.f.mu.Unlock()
	if o == nil || cut {
		return nil, fmt.Errorf("dial %s: unreachable", id)
	}
	if muted {
		addr = s.f.mute
	}
	conn, err := (&net.Dialer{LocalAddr: s.from}).DialContext(ctx, "tcp", addr)
	if err == nil {
		s.f.dialed.Store(conn.LocalAddr().String(), s.id)
	}
	if err == nil && muted {
		return s.f.askMuted(conn), nil
	}
	if err != nil {
		return nil, err
	}
	s.f.mu.Lock()
	l := s.f.lines[id]
	s.f.mu.Unlock()
	if l != nil {
		conn = &lineConn{Conn: conn, line: l}
	}
	if n := s.f.cutAfter.Load(); n > 0 {
		conn = &cutConn{Conn: conn, left: n}
	}
	conn = &tapConn{Conn: conn, f: s.f}
	if s.f.wrap != nil {
		conn = s.f.wrap(id, conn)
	}
	return conn, nil
}

// askMuted counts a connection to a muted member until it is closed.
func (f *fabric) askMuted(conn net.Conn) net.Conn {
	f.asked.Add(1)
	for n := f.asking.Add(1); ; {
		most := f.crowd.Load()
		if n <= most || f.crowd.CompareAndSwap(most, n) {
			break
		}
	}
	return &mutedConn{Conn: conn, left: sync.OnceFunc(func() { f.asking.Add(-1) })}
}

type mutedConn struct {
	net.Conn
	left func()
}

func (c *mutedConn) Close() error {
	c.left()
	return c.Conn.Close()
}

// mutes lets members join that take connections and never answer.
func (f *fabric) mutes(n int) {
	f.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = l.Close() })
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mute, f.muted = l.Addr().String(), map[peer.ID]bool{}
	for i := range n {
		id := peer.ID(fmt.Sprintf("mute-%d", i))
		f.muted[id], f.members[id] = true, &seat{f: f, id: id}
	}
}

// cutConn breaks after a number of bytes were read.
type cutConn struct {
	net.Conn
	left int64
}

func (c *cutConn) Read(b []byte) (int, error) {
	if c.left <= 0 {
		_ = c.Close()
		return 0, io.ErrUnexpectedEOF
	}
	n, err := c.Conn.Read(b[:min(int64(len(b)), c.left)])
	c.left -= int64(n)
	return n, err
}

// within bounds every wait for what comes soon, even on a busy machine.
const within = 3 * time.Minute

// eventually waits for a condition. It looks often at first: most come within a
// millisecond.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(within)
	for pause := 100 * time.Microsecond; !ok(); pause = min(2*pause, 5*time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
		time.Sleep(pause)
	}
}

func agree(t testing.TB, seats ...*seat) {
	t.Helper()
	eventually(t, "the digests agree", func() bool {
		for _, s := range seats[1:] {
			if s.m.View().Digest() != seats[0].m.View().Digest() {
				return false
			}
		}
		return true
	})
}
