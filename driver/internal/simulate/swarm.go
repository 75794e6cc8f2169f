package simulate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multihash"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// machine is what each member runs on: a small one.
var machine = limit.Machine{Memory: 1 << 30, Descriptors: 1 << 16}

const (
	leastLatency, mostLatency = time.Millisecond, 15 * time.Millisecond
	beatEvery                 = 10 * time.Second
	helloEvery                = 10 * time.Second
	pushGap                   = 20 * time.Millisecond
)

// Bytes of hellos: what a member says of itself, with a heartbeat, and of each member that it names.
// No more than namesAtMost are named.
const (
	helloBytes  = 650
	nameBytes   = 160
	namesAtMost = 2048
)

// heartbeat is one as registries send it.
const heartbeat = `{"format":1,"run":1795920000,"seq":100000,"name":"registry-117","version":"v1.2.3","caps":["lapse","leases","state"],"zone":"north",` +
	`"capacity":1000000000000,"free":812345678901,"trust":"sha256-0123456789abcdef0123456789abcdef","keys":["0123456789abcdef","fedcba9876543210"]}`

// Config is what a swarm is made of.
type Config struct {
	Members      int
	Seed         uint64
	Loss         float64 // of announcements: how likely a member loses all copies of one
	GossipFactor float64 // how many of the members beyond the mesh are told which messages there were
	Log          *logrus.Entry
}

// Swarm is registries that are all connected with each other. Its methods may be called by one
// goroutine at a time.
type Swarm struct {
	cfg     Config
	members []*Member
	byID    map[peer.ID]*Member
	since   time.Time
	stop    context.CancelFunc
	wg      sync.WaitGroup

	mu   sync.Mutex
	dice *rand.Rand
}

// New opens the maps of a swarm. Close it even if that fails for some.
func New(ctx context.Context, cfg Config) (*Swarm, error) {
	s := &Swarm{cfg: cfg, byID: map[peer.ID]*Member{}, since: time.Now(), dice: rand.New(rand.NewPCG(cfg.Seed, 0))}
	ctx, s.stop = context.WithCancel(ctx)
	for i := range cfg.Members {
		m := &Member{
			swarm: s, id: s.newID(), number: i, arrived: map[string]time.Time{}, budget: limit.NewBudget(machine, cfg.Log),
			latency: leastLatency + time.Duration(s.dice.Int64N(int64(mostLatency-leastLatency))),
		}
		s.members = append(s.members, m)
		s.byID[m.id] = m
	}
	s.weave()
	for _, m := range s.members {
		for _, o := range s.members {
			if o != m {
				m.others = append(m.others, o.id)
			}
		}
		slices.Sort(m.others)
		var err error
		m.paths, err = pathmap.Open(ctx, pathmap.Config{Store: &m.store, Self: m.id.String(), Swarm: m, Log: cfg.Log, OnAdded: m.added})
		if err != nil {
			return s, fmt.Errorf("open the map of member %d: %w", m.number, err)
		}
	}
	for _, m := range s.members {
		s.wg.Go(func() { s.live(ctx, m) })
	}
	return s, nil
}

// newID makes a peer ID as long as that of an Ed25519 key.
func (s *Swarm) newID() peer.ID {
	id := []byte{0, 0x24, 8, 1, 0x12, 0x20}
	for range 32 {
		id = append(id, byte(s.dice.IntN(256)))
	}
	return peer.ID(id)
}

// weave makes the mesh: rings in random orders.
func (s *Swarm) weave() {
	for range meshDegree / 2 {
		order := s.dice.Perm(len(s.members))
		for i, at := range order {
			a, b := s.members[at], s.members[order[(i+1)%len(order)]]
			if a != b && !slices.Contains(a.mesh, b) {
				a.mesh, b.mesh = append(a.mesh, b), append(b.mesh, a)
			}
		}
	}
}

// live plays what a member does besides its map.
func (s *Swarm) live(ctx context.Context, m *Member) {
	s.mu.Lock()
	first := time.Duration(s.dice.Int64N(int64(time.Second)))
	turn := s.dice.IntN(int(beatEvery / time.Second))
	s.mu.Unlock()
	timer := time.NewTimer(first)
	defer timer.Stop()
	for second := turn; ; second++ {
		select {
		case <-timer.C:
			timer.Reset(time.Second)
		case <-ctx.Done():
			return
		}
		if second%int(beatEvery/time.Second) == 0 {
			m.seen.add() // gossip tells of it for a while
			s.toSome(m, len(m.others), Heartbeats, sizeOfMessage(heartbeatsName, m, []byte(heartbeat)))
		}
		if second%int(helloEvery/time.Second) == 5 {
			s.toSome(m, 1, Hellos, 2*(helloBytes+negotiation)+nameBytes*min(len(m.others), namesAtMost))
		}
		s.gossip(m)
	}
}

// Push has a member write paths one after the other, pushGap apart, as one that receives an image does.
// Each is a delta of its own.
func (s *Swarm) Push(ctx context.Context, by int, paths []string) error {
	m := s.members[by]
	for i, p := range paths {
		if i > 0 {
			time.Sleep(pushGap)
		}
		digest, err := multihash.Sum([]byte("sha256:"+strings.Repeat("0", 64)), multihash.IDENTITY, -1)
		if err == nil {
			err = m.paths.Put(ctx, p, pathmap.Entry{CID: cid.NewCidV1(cid.Raw, digest), Size: 71, ModTime: time.Now()})
		}
		if err != nil {
			return fmt.Errorf("push to member %d: %w", by, err)
		}
		m.added([]string{p})
	}
	return nil
}

// Arrivals is how long it took from the write of a path until each of the members had it that have it
// now, in order. The first is the one that wrote it.
func (s *Swarm) Arrivals(path string) (after []time.Duration) {
	var at []time.Time
	for _, m := range s.members {
		m.mu.Lock()
		if t, ok := m.arrived[path]; ok {
			at = append(at, t)
		}
		m.mu.Unlock()
	}
	slices.SortFunc(at, time.Time.Compare)
	for _, t := range at {
		after = append(after, t.Sub(at[0]))
	}
	return after
}

// Agree reports whether all maps are the same.
func (s *Swarm) Agree() bool {
	for _, m := range s.members {
		if m.paths.View().Digest() != s.members[0].paths.View().Digest() {
			return false
		}
	}
	return true
}

// Close closes all maps.
func (s *Swarm) Close() (err error) {
	s.stop()
	s.wg.Wait()
	for _, m := range s.members {
		if m.paths != nil {
			err = errors.Join(err, m.paths.Close())
		}
	}
	return err
}
