package limit_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

func silent() *logrus.Entry {
	l := logrus.New()
	l.SetOutput(io.Discard)
	return logrus.NewEntry(l)
}

func from(id, addr string, r limit.Rank) limit.Source {
	s := limit.Source{Peer: peer.ID(id), Rank: r}
	if addr != "" {
		s.Address = limit.Address(netip.MustParseAddr(addr))
	}
	return s
}

var someBounds = limit.Bounds{
	Total:    40,
	Reserved: limit.PerRank{limit.Connected: 4, limit.Member: 6, limit.Trusted: 10},
	Peer:     limit.PerRank{limit.Connected: 2, limit.Member: 5, limit.Trusted: 9},
	Address:  limit.PerRank{limit.Stranger: 7, limit.Connected: 8, limit.Member: 9, limit.Trusted: 14},
}

// TestBoundsHold plays things that come, rise and go, at random, against a second
// count that is as plain as possible.
func TestBoundsHold(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { playBounds(t, rand.New(rand.NewPCG(seed, 12))) })
	}
}

type inside struct {
	*limit.Thing
	from limit.Source
}

func playBounds(t *testing.T, rnd *rand.Rand) {
	b := limit.NewBound(someBounds, silent())
	var in []inside
	peak := 0
	for range 1000 {
		switch n := rnd.IntN(20); {
		case n < 12:
			s := from(fmt.Sprint("peer ", rnd.IntN(12)), fmt.Sprintf("192.0.2.%d", rnd.IntN(4)), limit.Rank(rnd.IntN(4)))
			thing, ok := b.Admit(s)
			if want := mayEnter(in, s); ok != want {
				t.Fatalf("%v, and not %v, of %d: %v", ok, want, len(in), s)
			}
			if ok {
				in = append(in, inside{thing, s})
			}
		case n < 14 && len(in) > 0:
			i := rnd.IntN(len(in))
			to := limit.Rank(rnd.IntN(4))
			in[i].Raise(to)
			raised := in[i].from
			raised.Rank = to
			if to > in[i].from.Rank && atAddress(in, raised) < someBounds.Address[to] {
				in[i].from = raised
			}
		case len(in) > 0:
			i := rnd.IntN(len(in))
			in[i].Leave()
			in[i].Leave() // which does nothing
			in[i] = in[len(in)-1]
			in = in[:len(in)-1]
		}
		check(t, b, in)
		peak = max(peak, len(in))
	}
	if peak < someBounds.Total*3/4 {
		t.Errorf("at most %d were in: the bounds were not tried", peak)
	}
	for _, i := range in {
		i.Leave()
	}
	if b.Len() != 0 || b.Sources() != 0 {
		t.Errorf("%d things of %d sources are left", b.Len(), b.Sources())
	}
}

func mayEnter(in []inside, s limit.Source) bool {
	ofPeer := 0
	for _, i := range in {
		if i.from.Peer == s.Peer {
			ofPeer++
		}
	}
	if most := someBounds.Peer[s.Rank]; most > 0 && ofPeer >= most || atAddress(in, s) >= someBounds.Address[s.Rank] {
		return false
	}
	for _, r := range limit.Ranks()[s.Rank:] {
		if upTo(in, r) >= someBounds.UpTo(r) {
			return false
		}
	}
	return true
}

func atAddress(in []inside, s limit.Source) (n int) {
	for _, i := range in {
		if i.from.Address == s.Address && i.from.Rank == s.Rank {
			n++
		}
	}
	return n
}

func upTo(in []inside, r limit.Rank) (n int) {
	for _, i := range in {
		if i.from.Rank <= r {
			n++
		}
	}
	return n
}

// check that no bound is exceeded, and that what is reserved is free for those of the rank that
// it is reserved for: a newcomer of it from elsewhere gets in while its own kind leaves room.
func check(t *testing.T, b *limit.Bound, in []inside) {
	t.Helper()
	if b.Len() != len(in) {
		t.Fatalf("%d are in, %d are counted", len(in), b.Len())
	}
	for _, r := range limit.Ranks() {
		if n := upTo(in, r); n > someBounds.UpTo(r) {
			t.Fatalf("%d up to rank %s", n, r)
		}
	}
	if trusted := len(in) - upTo(in, limit.Member); trusted < someBounds.Reserved[limit.Trusted] {
		leave, ok := b.Enter(from("newcomer", "198.51.100.1", limit.Trusted))
		if !ok {
			t.Fatalf("no room for a trusted peer, of which %d are in", trusted)
		}
		leave()
	}
}

// TestOnesOwnBound: what one peer and one address may have, and that others are not hindered.
func TestOnesOwnBound(t *testing.T) {
	b := limit.NewBound(someBounds, silent())
	fill := func(s limit.Source, want int) {
		t.Helper()
		for n := range want + 1 {
			if _, ok := b.Enter(s); ok != (n < want) {
				t.Errorf("thing %d of %v: %v", n+1, s, ok)
			}
		}
	}
	fill(from("a", "192.0.2.1", limit.Connected), 2)
	for i := range 3 {
		fill(from(fmt.Sprint("identity ", i), "192.0.2.1", limit.Connected), 2)
	}
	fill(from("one identity more", "192.0.2.1", limit.Connected), 0)
	fill(from("behind the same address", "192.0.2.1", limit.Member), 5)
	fill(from("elsewhere", "192.0.2.2", limit.Connected), 2)
	fill(from("", "2001:db8::1", limit.Stranger), 7)
	fill(from("", "2001:db8::2", limit.Stranger), 0) // of the same /64
}

// TestWhatRisesMakesRoom for others of the rank that it had.
func TestWhatRisesMakesRoom(t *testing.T) {
	b := limit.NewBound(limit.Bounds{Total: 4, Reserved: limit.PerRank{limit.Trusted: 3}}, silent())
	thing, _ := b.Admit(from("a", "", limit.Connected))
	if _, ok := b.Enter(from("b", "", limit.Connected)); ok {
		t.Error("it has what is reserved")
	}
	thing.Raise(limit.Trusted)
	if _, ok := b.Enter(from("b", "", limit.Connected)); !ok {
		t.Error("there is no room")
	}
	thing.Raise(limit.Connected)
	if _, ok := b.Enter(from("c", "", limit.Trusted)); !ok {
		t.Error("there is no room for a trusted peer")
	}
}

// TestOnAnyMachine the table leaves something for each rank, and less to lower ones.
func TestOnAnyMachine(t *testing.T) {
	for _, m := range []limit.Machine{{Memory: 1 << 28, Descriptors: 256}, {Memory: 1 << 30, Descriptors: 1024}, {Memory: 1 << 40, Descriptors: 1 << 20}} {
		for what, b := range limit.Table(m) {
			if n := b.UpTo(limit.Trusted); n < 32 {
				t.Errorf("%v: %d %s in all", m, n, what)
			}
			least := 1
			if b.Peer[limit.Connected] == 0 && b.Peer[limit.Member] > 0 {
				least = 0 // members only
			}
			for _, r := range limit.Ranks() {
				if n := b.UpTo(r); n < least || b.Address[r] > max(n, 1) {
					t.Errorf("%v: %d %s for rank %s, %d of an address", m, n, what, r, b.Address[r])
				}
			}
		}
	}
}

// TestSeveralAtOnce are let in, rise and go together, or not at all.
func TestSeveralAtOnce(t *testing.T) {
	b := limit.NewBound(limit.Bounds{
		Total: 16, Reserved: limit.PerRank{limit.Trusted: 8}, Peer: limit.PerRank{limit.Member: 6}, Address: limit.PerRank{limit.Member: 7},
	}, silent())
	some, ok := b.Reserve(from("a", "192.0.2.1", limit.Member), 5)
	if !ok {
		t.Fatal("there is room for five")
	}
	for _, other := range []struct {
		limit.Source
		n int
	}{
		{from("a", "192.0.2.2", limit.Member), 2},
		{from("b", "192.0.2.1", limit.Member), 3},
		{from("c", "192.0.2.3", limit.Stranger), 4},
		{from("d", "192.0.2.4", limit.Member), 7},
		{from("e", "192.0.2.5", limit.Trusted), 12},
	} {
		if _, ok := b.Reserve(other.Source, other.n); ok || b.Len() != 5 {
			t.Errorf("%d of %s are let in", other.n, other.Peer)
		}
	}
	some.Raise(limit.Trusted)
	rest, ok := b.Reserve(from("b", "192.0.2.1", limit.Member), 6)
	if !ok || b.Len() != 11 {
		t.Errorf("%d are there, and those that rose count as before", b.Len())
	}
	some.Leave()
	some.Leave()
	rest.Leave()
	if b.Len() != 0 || b.Sources() != 0 {
		t.Errorf("%d are left of %d", b.Len(), b.Sources())
	}
}
