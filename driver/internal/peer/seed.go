package peer

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/multiformats/go-multiaddr"
	madns "github.com/multiformats/go-multiaddr-dns"
	"golang.org/x/sync/errgroup"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer/hearsay"
)

const (
	maxAnswers  = 64 // of one name that are looked at
	maxLookups  = 4  // names that lead to names
	seedDials   = 8  // at once, of one seed
	seedSettled = time.Minute
)

// Seed is an address of the configuration at which members answer whose peer IDs are not known
// before, with what its last look has found.
type Seed struct {
	Addr      multiaddr.Multiaddr
	Met       bool      // one that answered there has been a member since Start
	Connected bool      // one is a member now
	Sole      bool      // all that it leads to is this peer itself
	Trouble   string    // why nobody could be met there at the last look; "": not looked yet, or met
	Looked    time.Time // when it was last looked up in vain; zero: not yet
}

// seeds are those of a peer. They are safe for concurrent use.
type seeds struct {
	mu     sync.Mutex
	all    []*seed
	nobody peer.ID // whose key nobody has: dialing it has others say who they are
}

// seed is followed by one goroutine; what it finds is read by others, with seeds.mu held.
type seed struct {
	addr    multiaddr.Multiaddr
	found   map[string]peer.ID // by address, of the last look
	trouble string
	looked  time.Time
	warned  int
}

func (s *seeds) add(addrs []multiaddr.Multiaddr) error {
	for _, a := range addrs {
		s.all = append(s.all, &seed{addr: a})
	}
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err == nil {
		s.nobody, err = peer.IDFromPrivateKey(key)
	}
	if err != nil {
		return fmt.Errorf("key of nobody: %w", err)
	}
	return nil
}

// follow looks a seed up again and again: what a name stands for changes.
func (p *Peer) follow(s *seed) {
	began := time.Now()
	for {
		p.look(s)
		timer := time.NewTimer(p.seedPause(s, time.Since(began)))
		select {
		case <-timer.C:
		case <-p.ctx.Done():
			timer.Stop()
			return
		}
	}
}

// seedPause is how long to wait before a seed is looked up again: as with other bootstrappers
// until somebody is met.
func (p *Peer) seedPause(s *seed, up time.Duration) time.Duration {
	switch now := p.seedNow(s); {
	case now.Connected && now.Trouble == "":
		return seedSettled + jitter(seedSettled)
	case !now.Connected && up < lately:
		return redialLately + jitter(redialSoon)
	}
	return redialShort + jitter(redialSoon)
}

// look dials who answers at a seed, and is not connected yet.
func (p *Peer) look(s *seed) {
	ctx, cancel := context.WithTimeout(p.ctx, dialTimeout)
	defer cancel()
	addrs, err := p.lookUp(ctx, s.addr)
	if err != nil {
		p.noteSeed(s, nil, fmt.Sprintf("%s: its name does not resolve; check the name, and this machine's resolver: %s", s.addr, oneLine(err)))
		return
	}
	found, trouble := p.identify(ctx, s, addrs)
	at := map[peer.ID][]multiaddr.Multiaddr{}
	for _, a := range addrs {
		if id := found[a.String()]; id != "" {
			at[id] = append(at[id], a)
		}
	}
	for id, addrs := range at {
		if !p.Allows(id) {
			trouble = fmt.Sprintf("%s is %s: %s", addrs[0], id, notAllowed)
			continue
		}
		if err := p.meetAt(ctx, id, addrs); err != nil {
			trouble = p.troubleOf(ctx, peer.AddrInfo{ID: id, Addrs: addrs}, err)
			for _, a := range addrs {
				delete(found, a.String()) // it may be another one by now
			}
		}
	}
	if p.ctx.Err() == nil {
		p.noteSeed(s, found, trouble)
	}
}

// lookUp gives the addresses that one stands for; with /dnsaddr/ they may have peer IDs.
func (p *Peer) lookUp(ctx context.Context, a multiaddr.Multiaddr) ([]multiaddr.Multiaddr, error) {
	resolver := cmp.Or(p.cfg.Resolver, madns.DefaultResolver)
	addrs := []multiaddr.Multiaddr{a}
	for range maxLookups {
		if !slices.ContainsFunc(addrs, madns.Matches) {
			return addrs, nil
		}
		var next []multiaddr.Multiaddr
		for _, a := range addrs {
			found, err := resolver.Resolve(ctx, a)
			if err != nil {
				return nil, err
			}
			next = append(next, found...)
		}
		if len(next) == 0 {
			return nil, errors.New("no addresses")
		}
		addrs = next[:min(len(next), maxAnswers)]
	}
	return nil, errors.New("names lead to names only")
}

// identify finds out who answers at each address, by text, and why at one nobody does.
func (p *Peer) identify(ctx context.Context, s *seed, addrs []multiaddr.Multiaddr) (map[string]peer.ID, string) {
	before := s.found // written by this goroutine alone
	ids, troubles := make([]peer.ID, len(addrs)), make([]string, len(addrs))
	var g errgroup.Group
	g.SetLimit(seedDials)
	for i, a := range addrs {
		g.Go(func() error {
			var err error
			if ids[i] = before[a.String()]; ids[i] == "" {
				if ids[i], err = p.whoIs(ctx, a); err != nil {
					troubles[i] = fmt.Sprintf("%s: %s: %s", a, p.remedy(judge(err), err), oneLine(err))
				}
			}
			return nil
		})
	}
	_ = g.Wait() // what went wrong is in troubles
	found, trouble := map[string]peer.ID{}, ""
	for i, a := range addrs {
		trouble = cmp.Or(trouble, troubles[i])
		if ids[i] != "" {
			found[a.String()] = ids[i]
		}
	}
	return found, trouble
}

// whoIs asks who answers at an address: a peer that is taken for another says who it is. That is
// a hint, which the handshake of a dial proves. The protector key was compared before.
func (p *Peer) whoIs(ctx context.Context, a multiaddr.Multiaddr) (peer.ID, error) {
	bare, id := peer.SplitAddr(a)
	if id != "" {
		return id, nil
	}
	if p.listensAt(bare) {
		return p.ID(), nil
	}
	err := p.dialOnce(ctx, p.seeds.nobody, bare)
	var mismatch sec.ErrPeerIDMismatch
	if !errors.As(err, &mismatch) {
		return "", cmp.Or(err, errors.New("it has a key that nobody has"))
	}
	if ip, ok := hearsay.IPOf(bare); ok {
		p.roster.homes.add(limit.Address(ip))
	}
	return mismatch.Actual, nil
}

// listensAt reports whether this peer itself answers at an address.
func (p *Peer) listensAt(a multiaddr.Multiaddr) bool {
	own, err := p.swarm.InterfaceListenAddresses()
	return err == nil && multiaddr.Contains(own, a)
}

// meetAt connects to a peer unless it is connected, or this one.
func (p *Peer) meetAt(ctx context.Context, id peer.ID, addrs []multiaddr.Multiaddr) error {
	if id == p.ID() || p.isConnected(id) {
		return nil
	}
	for i, a := range addrs {
		addrs[i], _ = peer.SplitAddr(a)
	}
	defer p.roster.visit(id, addrs)()
	p.swarm.Backoff().Clear(id)
	p.host.Peerstore().AddAddrs(id, addrs, peerstore.TempAddrTTL)
	_, err := p.swarm.DialPeer(network.WithDialPeerTimeout(ctx, dialTimeout), id)
	return err
}

func (p *Peer) noteSeed(s *seed, found map[string]peer.ID, trouble string) {
	p.seeds.mu.Lock()
	defer p.seeds.mu.Unlock()
	s.found, s.trouble, s.looked = found, trouble, time.Now()
}

// Seeds are those of the configuration, in its order.
func (p *Peer) Seeds() []Seed {
	all := make([]Seed, len(p.seeds.all))
	for i, s := range p.seeds.all {
		all[i] = p.seedNow(s)
	}
	return all
}

func (p *Peer) seedNow(s *seed) Seed {
	p.seeds.mu.Lock()
	found, now := s.found, Seed{Addr: s.addr, Trouble: s.trouble, Looked: s.looked}
	p.seeds.mu.Unlock()
	strangers := 0
	for _, id := range found {
		if id != p.ID() {
			met, connected := p.roster.metSince(id)
			now.Met, now.Connected = now.Met || met, now.Connected || connected
			strangers++
		}
	}
	now.Sole = len(found) > 0 && strangers == 0 && now.Trouble == ""
	if strangers > 0 && !now.Met && now.Trouble == "" {
		now.Trouble = notOnTopic
	}
	return now
}

// metSince reports whether a peer has been a member since Start, and whether it is one now.
func (r *roster) metSince(id peer.ID) (met, now bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.records[id]
	return e != nil && e.met, e != nil && e.member()
}

// seeks reports whether a seed may lead to members, and nobody has been met by one.
func (p *Peer) seeks() bool {
	return slices.ContainsFunc(p.Seeds(), func(s Seed) bool { return !s.Sole && !s.Met })
}

// bootstrapper is a seed as one of those that are to be met.
func (s Seed) bootstrapper() Bootstrapper {
	b := Bootstrapper{Addrs: []multiaddr.Multiaddr{s.Addr}, Met: s.Met, Tried: s.Looked}
	if !s.Met {
		b.Trouble = s.Trouble
	}
	return b
}

// unmetSeeds are those to warn about now, at the times of warnAfter; more reports whether there
// may be others later.
func (p *Peer) unmetSeeds(now time.Time) (due []Bootstrapper, more bool) {
	started, joined := p.roster.begun()
	for _, s := range p.seeds.all {
		is := p.seedNow(s)
		p.seeds.mu.Lock()
		switch since := now.Sub(started); {
		case is.Met || joined && s.warned > 0:
		case is.Sole || since < warnTime(s.warned):
			more = true
		default:
			more = true
			for since >= warnTime(s.warned) {
				s.warned++
			}
			due = append(due, is.bootstrapper())
		}
		p.seeds.mu.Unlock()
	}
	return due, more
}

// begun is when Start was called, and whether a member has been met since.
func (r *roster) begun() (started time.Time, joined bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.started, r.met
}
