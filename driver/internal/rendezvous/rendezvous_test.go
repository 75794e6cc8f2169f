package rendezvous

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

const places = 1000

// ranks are those of each member, as it sees them itself, for each place.
func ranks(t *testing.T, members []string) map[string][]int {
	t.Helper()
	all := map[string][]int{}
	for i, self := range members {
		o := NewOrder(self, places)
		others := slices.Delete(slices.Clone(members), i, i+1)
		rand.Shuffle(len(others), func(a, b int) { others[a], others[b] = others[b], others[a] })
		o.Among(others)
		for place := range places {
			all[self] = append(all[self], o.Rank(place))
		}
	}
	return all
}

func members(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("member %d", i))
	}
	return all
}

// TestAllAgree: at each place each rank is that of one member.
func TestAllAgree(t *testing.T) {
	all := ranks(t, members(7))
	for place := range places {
		taken := map[int]bool{}
		for _, ranks := range all {
			taken[ranks[place]] = true
		}
		if len(taken) != len(all) || !taken[0] || !taken[len(all)-1] {
			t.Errorf("place %d: %v", place, taken)
		}
	}
}

// TestBalance: each member is the first, and the last, at about as many places as any other.
func TestBalance(t *testing.T) {
	const n = 5
	for m, ranks := range ranks(t, members(n)) {
		for _, rank := range []int{0, n - 1} {
			count := 0
			for _, r := range ranks {
				if r == rank {
					count++
				}
			}
			if count < places/n*3/4 || count > places/n*5/4 {
				t.Errorf("%s has rank %d at %d of %d places", m, rank, count, places)
			}
		}
	}
}

// TestOneMemberLeaves: members that came before it stay, those that came after it move up by
// one, and nothing else changes.
func TestOneMemberLeaves(t *testing.T) {
	all := members(6)
	before, after := ranks(t, all), ranks(t, all[1:])
	for _, m := range all[1:] {
		for place := range places {
			want := before[m][place]
			if want > before[all[0]][place] {
				want--
			}
			if got := after[m][place]; got != want {
				t.Errorf("%s at place %d: %d, not %d", m, place, got, want)
			}
		}
	}
}

// TestComingAndGoing leaves what an order made at once would be.
func TestComingAndGoing(t *testing.T) {
	all := members(9)
	o := NewOrder("self", places)
	for range 50 {
		rand.Shuffle(len(all), func(a, b int) { all[a], all[b] = all[b], all[a] })
		now := all[:rand.IntN(len(all)+1)]
		o.Among(now)
		fresh := NewOrder("self", places)
		fresh.Among(now)
		if !slices.Equal(o.ranks, fresh.ranks) {
			t.Fatalf("among %q", now)
		}
	}
	o.Among(nil)
	if slices.Max(o.ranks) != 0 {
		t.Error("alone and not the first")
	}
}

// TestOrderOfAllReleases: members of other releases have to come to the same order.
func TestOrderOfAllReleases(t *testing.T) {
	var got []int
	all := ranks(t, []string{"a", "b", "c"})
	for place := range 6 {
		got = append(got, all["a"][place]*100+all["b"][place]*10+all["c"][place])
	}
	if want := []int{210, 120, 120, 201, 12, 12}; !slices.Equal(got, want) {
		t.Errorf("%d", got)
	}
}
