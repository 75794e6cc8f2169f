package evict

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
)

// TestGoal: nothing goes until a limit is passed, and then so much that some room is left below
// it, for whichever limit asks for more.
func TestGoal(t *testing.T) {
	const gib = 1 << 30
	limits := Limits{Cache: 100 * gib, Free: 10 * gib, Inodes: 256}
	fine := State{Cache: 100 * gib, Free: 10 * gib, Inodes: 256}
	for name, c := range map[string]struct {
		change func(*State, *Limits)
		want   Amount
	}{
		"at both limits":             {func(*State, *Limits) {}, Amount{}},
		"cache too large":            {func(s *State, _ *Limits) { s.Cache++ }, Amount{Bytes: 1 + 5*gib}},
		"any cache is too large":     {func(_ *State, l *Limits) { l.Cache = 0 }, Amount{Bytes: 100 * gib}},
		"no limit":                   {func(s *State, l *Limits) { s.Cache, l.Cache = 1<<60, NoLimit }, Amount{}},
		"too little is free":         {func(s *State, _ *Limits) { s.Free -= gib }, Amount{Bytes: gib + gib/2}},
		"what was promised is taken": {func(s *State, _ *Limits) { s.Promised = gib }, Amount{Bytes: gib + gib/2}},
		"somebody waits":             {func(s *State, _ *Limits) { s.Wanted = gib }, Amount{Bytes: gib + gib/2}},
		"all of it":                  {func(s *State, _ *Limits) { s.Free, s.Promised, s.Wanted = 9*gib, gib, gib }, Amount{Bytes: 3*gib + gib/2}},
		"both, the cache more":       {func(s *State, _ *Limits) { s.Cache, s.Free = 110*gib, 9*gib }, Amount{Bytes: 15 * gib}},
		"both, the disk more":        {func(s *State, _ *Limits) { s.Cache, s.Free = 101*gib, 0 }, Amount{Bytes: 10*gib + gib/2}},
		"a large disk":               {func(s *State, l *Limits) { l.Free, s.Free = 1000*gib, 999*gib }, Amount{Bytes: 9 * gib}},
		"too few inodes":             {func(s *State, _ *Limits) { s.Inodes = 255 }, Amount{Files: 257}},
		"nobody counts inodes":       {func(s *State, _ *Limits) { s.Inodes = 1<<63 - 1 }, Amount{}},
	} {
		s, l := fine, limits
		c.change(&s, &l)
		got := Goal(s, l)
		if got != c.want {
			t.Errorf("%s: %+v, not %+v", name, got, c.want)
		}
		if got == (Amount{}) {
			continue
		}
		s.Cache, s.Free, s.Inodes = s.Cache-got.Bytes, s.Free+got.Bytes, s.Inodes+got.Files
		if again := Goal(s, l); again != (Amount{}) {
			t.Errorf("%s: once that has gone, %+v more has to", name, again)
		}
	}
}

// TestMet: what cannot be met even if all of the cache goes has nothing go, and does not stand in
// the way of others.
func TestMet(t *testing.T) {
	s := State{Free: 100, Promised: 20}
	for _, c := range []struct {
		cache int64
		wants []Want
		met   []int
		sum   int64
	}{
		{50, nil, nil, 0},
		{50, []Want{{Bytes: 120, Leave: 10}}, []int{0}, 120},
		{50, []Want{{Bytes: 121, Leave: 10}}, nil, 0},
		{0, []Want{{Bytes: 70, Leave: 10}}, []int{0}, 70},
		{50, []Want{{Bytes: 1 << 60, Leave: 10}, {Bytes: 60, Leave: 10}, {Bytes: 50, Leave: 10}}, []int{2, 1}, 110},
		{50, []Want{{Bytes: 60, Leave: 100}, {Bytes: 60, Leave: 10}}, []int{1}, 60},
	} {
		if met, sum := Met(s, c.cache, c.wants); !slices.Equal(met, c.met) || sum != c.sum {
			t.Errorf("%+v: %v, %d bytes", c, met, sum)
		}
	}
}

// TestNext takes no more than is needed, even if the last is larger than what is lacking.
func TestNext(t *testing.T) {
	order := candidates(10)
	for i := range order {
		order[i].Size = 10
	}
	for _, c := range []struct {
		lacking Amount
		most    int
		want    int
	}{
		{Amount{}, 5, 0}, {Amount{Bytes: 1}, 5, 1}, {Amount{Bytes: 10}, 5, 1}, {Amount{Bytes: 11}, 5, 2},
		{Amount{Bytes: 11, Files: 3}, 5, 3}, {Amount{Bytes: 1000}, 5, 5}, {Amount{Bytes: 1000}, 50, 10},
	} {
		next, rest := Next(order, c.lacking, c.most)
		if len(next) != c.want || !slices.Equal(slices.Concat(next, rest), order) {
			t.Errorf("%+v: %d of %d", c, len(next), len(order))
		}
	}
}

func candidates(n int) (all []Candidate) {
	for i := range n {
		sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i)))
		mh, err := multihash.Encode(sum[:], multihash.SHA2_256)
		if err != nil {
			panic(err)
		}
		at := time.Unix(int64(rand.N(n/2+1)), 0) // some at the same moment
		all = append(all, Candidate{Blob: cid.NewCidV1(cid.Raw, mh), Size: int64(i), Used: at})
	}
	return all
}

// TestOldest: whatever their order and however few are picked at once, all come, each once, in
// the order of their last use.
func TestOldest(t *testing.T) {
	all := candidates(500)
	want := slices.SortedFunc(slices.Values(all), Candidate.Compare)
	if !slices.IsSortedFunc(want, func(a, b Candidate) int { return a.Used.Compare(b.Used) }) {
		t.Fatal("not by their last use")
	}
	for _, most := range []int{1, 7, 499, 500, 1000} {
		var got []Candidate
		for last := (Candidate{}); ; last = got[len(got)-1] {
			rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			o := NewOldest(most, last)
			for _, c := range all {
				o.Offer(c)
			}
			some := o.Sorted()
			if len(some) == 0 {
				break
			}
			got = append(got, some...)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d at once: %d came, or in another order", most, len(got))
		}
	}
}

// BenchmarkOldest picks 65,536 of a million.
func BenchmarkOldest(b *testing.B) {
	all := candidates(1_000_000)
	b.ReportAllocs()
	for b.Loop() {
		o := NewOldest(1<<16, Candidate{})
		for _, c := range all {
			o.Offer(c)
		}
		o.Sorted()
	}
}
