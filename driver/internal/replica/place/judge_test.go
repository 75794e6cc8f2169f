package place

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

const delay = time.Hour

// judge has the first of the members judge the others.
func judge(all []Member) Verdict { return Judge(all[0], all[1:], delay) }

// TestABlipMovesNothing: a member that is away keeps its place until the delay is over, and
// gets it back when it returns.
func TestABlipMovesNothing(t *testing.T) {
	all := swarm(7, 3)
	whole := judge(all)
	places := func(v Verdict) (list []string) {
		for i := range 200 {
			list = append(list, fmt.Sprint(v.View.Keepers(nil, blob(i), 2)))
		}
		return list
	}
	want := places(whole)
	for _, away := range []time.Duration{1, time.Minute, delay} {
		all[3].Away = away
		all[5].Away = away
		if v := judge(all); len(v.Gone) > 0 || v.Hold != NoHold || v.Away != 2 || !slices.Equal(places(v), want) {
			t.Errorf("after %s: %+v", away, v)
		}
	}
	all[3].Away, all[5].Away = delay+1, 0
	v := judge(all)
	if !slices.Equal(v.Gone, []peer.ID{all[3].ID}) || v.Hold != NoHold || v.Away != 1 || v.Known != 7 {
		t.Errorf("after more than the delay: %+v", v)
	}
	if want := NewView(slices.Delete(slices.Clone(all), 3, 4)); !slices.Equal(places(v), places(Verdict{View: want})) {
		t.Error("its blobs are not placed as if it were no member")
	}
	all[3].Away = 0
	if v := judge(all); len(v.Gone) > 0 || !slices.Equal(places(v), want) {
		t.Errorf("back: %+v", v)
	}
}

// TestManyAway: with more than a third away none counts as gone, also of those that have been
// away for long.
func TestManyAway(t *testing.T) {
	for _, c := range []struct {
		known, long, short int
		hold               Hold
	}{
		{1, 0, 0, NoHold}, {2, 1, 0, ManyAway}, {3, 1, 0, NoHold}, {3, 2, 0, ManyAway}, {4, 1, 0, NoHold}, {4, 2, 0, ManyAway},
		{5, 1, 0, NoHold}, {5, 1, 1, ManyAway}, {5, 0, 2, ManyAway}, {6, 2, 0, NoHold}, {6, 1, 1, NoHold}, {6, 2, 1, ManyAway},
		{200, 66, 0, NoHold}, {200, 67, 0, ManyAway}, {200, 1, 66, ManyAway},
	} {
		all := swarm(c.known, 2)
		for i := range c.long {
			all[len(all)-1-i].Away = 3 * delay
		}
		for i := range c.short {
			all[len(all)-1-c.long-i].Away = time.Second
		}
		v, gone := judge(all), c.long
		if c.hold == ManyAway {
			gone = 0
		}
		if v.Hold != c.hold || len(v.Gone) != gone || v.Away != c.long+c.short || v.Known != c.known {
			t.Errorf("%+v: hold %d, %d gone, %d of %d away", c, v.Hold, len(v.Gone), v.Away, v.Known)
		}
		if n := len(v.View.Everybody()); n != c.known-gone {
			t.Errorf("%+v: blobs are placed among %d", c, n)
		}
	}
}

// TestWhoIsNotMissed: members that keep nothing for others do not count among those away.
func TestWhoIsNotMissed(t *testing.T) {
	all := swarm(9, 1)
	for i := 2; i < 8; i++ {
		all[i].Away = 2 * delay
		all[i].Draining = i%2 == 0
		if i%2 == 1 {
			all[i].Capacity = 0
		}
	}
	v := judge(all)
	if v.Hold != NoHold || v.Away != 0 || v.Known != 3 || len(v.Gone) != 0 || len(v.View.Everybody()) != 3 {
		t.Errorf("%+v", v)
	}
	all[3].Away = delay // keeps small blobs still
	if v := judge(all); len(v.View.Everybody()) != 4 {
		t.Errorf("small blobs: %q", v.View.Everybody())
	}
}

// TestSilentMembers: while one may be here that has not said its capacity, blobs that others
// keep stay with them; one that has been away for long is not waited for.
func TestSilentMembers(t *testing.T) {
	all := swarm(7, 1)
	all[4].Capacity = Unknown
	v := judge(all)
	if v.Hold != Silent || !slices.Equal(v.Silent, []peer.ID{all[4].ID}) || len(v.View.Everybody()) != 6 {
		t.Errorf("%+v", v)
	}
	all[4].Away = delay
	if v := judge(all); v.Hold != Silent || len(v.Gone) != 0 {
		t.Errorf("away for a short while: %+v", v)
	}
	all[4].Away++
	if v := judge(all); v.Hold != NoHold || !slices.Equal(v.Gone, []peer.ID{all[4].ID}) {
		t.Errorf("away for long: %+v", v)
	}
	all[4].Away, all[4].Draining = 0, true
	if v := judge(all); v.Hold != NoHold {
		t.Errorf("it says that it is to be switched off: %+v", v)
	}
}

// TestJudgesAgree: all that know the same facts come to the same verdict, whoever judges, in
// whatever order it knows the others.
func TestJudgesAgree(t *testing.T) {
	all := swarm(12, 3)
	all[1].Away, all[2].Away, all[3].Capacity, all[4].Draining, all[5].Away = 2*delay, delay/2, 0, true, 3*delay
	var want string
	for i, m := range all {
		if m.Away > 0 {
			continue
		}
		others := slices.Delete(slices.Clone(all), i, i+1)
		rand.Shuffle(len(others), func(a, b int) { others[a], others[b] = others[b], others[a] })
		v := Judge(m, others, delay)
		got := fmt.Sprintln(v.Gone, v.Hold, v.Away, v.Known, v.View.Everybody(), v.View.Keepers(nil, blob(7), 3))
		if want == "" {
			want = got
		}
		if got != want {
			t.Errorf("member %d: %s, not %s", i, got, want)
		}
	}
}

// TestOrderOfRepair: the fewest copies first, then the smaller; what nobody has comes last.
func TestOrderOfRepair(t *testing.T) {
	want := []Lack{
		{blob(1), 5, 1}, {blob(2), 5, 1}, {blob(0), 1 << 40, 1}, {blob(3), 0, 2}, {blob(4), 9, 2}, {blob(5), 3, 7}, {blob(6), 0, 0}, {blob(7), 1, 0},
	}
	if want[0].Blob.KeyString() > want[1].Blob.KeyString() {
		want[0], want[1] = want[1], want[0]
	}
	for range 30 {
		got := slices.Clone(want)
		rand.Shuffle(len(got), func(a, b int) { got[a], got[b] = got[b], got[a] })
		slices.SortFunc(got, Urgency)
		if !slices.Equal(got, want) {
			t.Fatalf("%v", got)
		}
	}
}
