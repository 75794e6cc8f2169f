package place

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multihash"
)

const terabyte = 1e12

// blob is the CID of some blob.
func blob(i int) cid.Cid {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i)))
	mh, err := multihash.Encode(sum[:], multihash.SHA2_256)
	if err != nil {
		panic(err)
	}
	return cid.NewCidV1(cid.Raw, mh)
}

// member has an ID of the form that those of ed25519 keys have.
func member(i int, zone string, capacity int64) Member {
	key := sha256.Sum256([]byte(fmt.Sprint("member ", i)))
	return Member{ID: peer.ID("\x00$\x08\x01\x12 " + string(key[:])), Zone: zone, Capacity: capacity}
}

// swarm is n members of one capacity, in zones in turn.
func swarm(n, zones int) (all []Member) {
	for i := range n {
		all = append(all, member(i, fmt.Sprint("zone ", i%zones), terabyte))
	}
	return all
}

// moves are those copies that are to be elsewhere after a change, of so many in all, and for
// which blobs.
type moves struct{ copies, of int }

func (m moves) share() float64 { return float64(m.copies) / float64(m.of) }

// compare places blobs among the members before and after one has come or gone, or has changed,
// and fails unless only its own copies move: each to one other, or from one other. What moves
// when it goes moves back when it comes.
func compare(t *testing.T, before, after []Member, changed peer.ID, blobs, n int) (m moves) {
	t.Helper()
	old, now := NewView(before), NewView(after)
	for i := range blobs {
		a, b := old.Keepers(nil, blob(i), n), now.Keepers(nil, blob(i), n)
		m.of += len(a)
		lost := slices.DeleteFunc(slices.Clone(a), func(id peer.ID) bool { return slices.Contains(b, id) })
		won := slices.DeleteFunc(slices.Clone(b), func(id peer.ID) bool { return slices.Contains(a, id) })
		involved := slices.Contains(a, changed) || slices.Contains(b, changed)
		switch {
		case !involved && !slices.Equal(a, b):
			t.Fatalf("blob %d, which that member does not keep: %q became %q", i, a, b)
		case involved && (len(lost) > 1 || len(won) > 1):
			t.Fatalf("blob %d: %d keepers changed because of one member", i, max(len(lost), len(won)))
		case len(lost)+len(won) > 0 && !slices.Contains(slices.Concat(lost, won), changed):
			t.Fatalf("blob %d moved between others", i)
		case involved:
			m.copies++
		}
	}
	return m
}

// TestOneComesOrGoes moves only its own copies, at most 1.2/n of all.
func TestOneComesOrGoes(t *testing.T) {
	for _, c := range []struct{ members, zones, copies, blobs int }{
		{2, 1, 1, 5000}, {3, 1, 2, 5000}, {5, 1, 2, 5000}, {5, 5, 2, 5000}, {12, 3, 2, 5000}, {12, 3, 3, 5000},
		{12, 3, 5, 5000}, {20, 2, 3, 5000}, {200, 4, 2, 8000}, {200, 200, 3, 5000},
	} {
		t.Run(fmt.Sprintf("%d members, %d zones, %d copies", c.members, c.zones, c.copies), func(t *testing.T) {
			all := swarm(c.members, c.zones)
			for _, i := range []int{0, c.members / 2} {
				without := slices.Delete(slices.Clone(all), i, i+1)
				m := compare(t, all, without, all[i].ID, c.blobs, c.copies)
				if limit := 1.2 / float64(c.members); m.share() > limit {
					t.Errorf("member %d comes or goes: %.4f move, more than %.4f", i, m.share(), limit)
				}
			}
		})
	}
}

// TestZonesOfDifferentSizes: also there only the copies of the member that goes move, though
// with it its zone may go.
func TestZonesOfDifferentSizes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		var all []Member
		for i := range 2 + rnd.IntN(14) {
			all = append(all, member(i, fmt.Sprint(rnd.IntN(5)), 1+rnd.Int64N(20*terabyte)))
		}
		i := rnd.IntN(len(all))
		compare(t, all, slices.Delete(slices.Clone(all), i, i+1), all[i].ID, 300, 1+rnd.IntN(6))
	}
}

// TestCapacityThatChanges moves copies only to or from the member that it is of.
func TestCapacityThatChanges(t *testing.T) {
	before := swarm(9, 3)
	after := slices.Clone(before)
	after[4].Capacity *= 2
	if m := compare(t, before, after, after[4].ID, 5000, 2); m.copies == 0 {
		t.Error("nothing moves")
	}
}

// TestZonesFirst: no zone has two keepers more than another that has members left.
func TestZonesFirst(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		var all []Member
		zone, free := map[peer.ID]string{}, map[string]int{}
		for i := range 1 + rnd.IntN(20) {
			m := member(i, fmt.Sprint(rnd.IntN(6)), 1+rnd.Int64N(20*terabyte))
			zone[m.ID] = m.Zone
			free[m.Zone]++
			all = append(all, m)
		}
		v := NewView(all)
		for i := range 50 {
			keepers := map[string]int{}
			for k, id := range v.Keepers(nil, blob(i), All) {
				least := math.MaxInt
				for z, n := range free {
					if keepers[z] < n {
						least = min(least, keepers[z])
					}
				}
				if keepers[zone[id]] > least {
					t.Fatalf("keeper %d is in zone %s, which has %d already: %v of %v", k, zone[id], keepers[zone[id]], keepers, free)
				}
				keepers[zone[id]]++
			}
		}
	}
}

// TestShareOfCapacity: of the first keepers each member is as many as its capacity says; and
// 200 members have about the same number of blobs.
func TestShareOfCapacity(t *testing.T) {
	const blobs = 20000
	counts := func(all []Member, n int) map[peer.ID]int {
		v, counts := NewView(all), map[peer.ID]int{}
		var buf []peer.ID
		for i := range blobs {
			buf = v.Keepers(buf[:0], blob(i), n)
			for _, id := range buf {
				counts[id]++
			}
		}
		return counts
	}
	var all []Member
	capacities := []int64{terabyte / 2, terabyte, terabyte, 3 * terabyte, 10 * terabyte}
	for i, c := range capacities {
		all = append(all, member(i, "", c))
	}
	for i, n := range counts(all, 1) {
		j := slices.IndexFunc(all, func(m Member) bool { return m.ID == i })
		want := blobs * float64(capacities[j]) / (15.5 * terabyte)
		if math.Abs(float64(n)-want) > 0.05*want {
			t.Errorf("member %d keeps %d, not about %.0f", j, n, want)
		}
	}
	const members = 200
	equal := counts(swarm(members, 4), 3)
	for id, n := range equal {
		if want := float64(3 * blobs / members); math.Abs(float64(n)-want) > 5*math.Sqrt(want) {
			t.Errorf("%s keeps %d, not about %.0f", id, n, want)
		}
	}
	if len(equal) != members {
		t.Errorf("%d of %d keep anything", len(equal), members)
	}
}

// TestWhoNeverKeeps: no layers at capacity 0, and nothing at all when the member is to be
// switched off, or is of an earlier release.
func TestWhoNeverKeeps(t *testing.T) {
	all := swarm(6, 2)
	all[0].Capacity = 0
	all[1].Draining = true
	all[2].Capacity = Unknown
	all[3].Capacity, all[3].Draining = 0, true
	v := NewView(all)
	for i := range 1000 {
		if got := v.Keepers(nil, blob(i), All); len(got) != 2 || !slices.Contains(got, all[4].ID) || !slices.Contains(got, all[5].ID) {
			t.Fatalf("kept by %q", got)
		}
	}
	want := []peer.ID{all[0].ID, all[4].ID, all[5].ID}
	slices.Sort(want)
	if got := v.Everybody(); !slices.Equal(got, want) {
		t.Errorf("small blobs: %q", got)
	}
	if got := NewView(nil).Keepers(nil, blob(0), 2); len(got) != 0 {
		t.Errorf("of none: %q", got)
	}
}

// TestNumberOfKeepers: none, as many as wanted, or all that there are; more of them begin with
// the same ones, and they are appended.
func TestNumberOfKeepers(t *testing.T) {
	for _, zones := range []int{1, 3, 7, 300} {
		v := NewView(swarm(300, zones)) // more than have room on the stack
		for i := range 5 {
			all := v.Keepers(nil, blob(i), All)
			seen := map[peer.ID]bool{}
			for _, id := range all {
				seen[id] = true
			}
			if len(all) != 300 || len(seen) != 300 {
				t.Fatalf("all are %d, %d of them different", len(all), len(seen))
			}
			for _, n := range []int{-1, 0, 1, 2, 5, 299, 300, 301} {
				got := v.Keepers([]peer.ID{"first"}, blob(i), n)
				if got[0] != "first" || !slices.Equal(got[1:], all[:min(max(n, 0), 300)]) {
					t.Fatalf("%d of %d zones: %d", n, zones, len(got)-1)
				}
			}
		}
	}
}

// TestOrderOfMembersDoesNotMatter, nor does it change.
func TestOrderOfMembersDoesNotMatter(t *testing.T) {
	all := swarm(30, 4)
	v := NewView(all)
	for range 20 {
		rand.Shuffle(len(all), func(a, b int) { all[a], all[b] = all[b], all[a] })
		given := slices.Clone(all)
		w := NewView(all)
		if !slices.Equal(given, all) {
			t.Fatal("the caller's members were sorted")
		}
		for i := range 50 {
			if a, b := v.Keepers(nil, blob(i), 4), w.Keepers(nil, blob(i), 4); !slices.Equal(a, b) {
				t.Fatalf("%q and %q", a, b)
			}
		}
	}
}

// TestPlacesOfAllReleases: members of other releases, and on other processors, have to place
// alike.
func TestPlacesOfAllReleases(t *testing.T) {
	all := swarm(40, 5)
	for i := range all {
		all[i].Capacity = int64(i+1) * 123456789012
	}
	v := NewView(all)
	number := map[peer.ID]int{}
	for i, m := range all {
		number[m.ID] = i
	}
	var got []string
	for i := range 6 {
		var line []string
		for _, id := range v.Keepers(nil, blob(i), 7) {
			line = append(line, fmt.Sprint(number[id]))
		}
		got = append(got, strings.Join(line, " "))
	}
	if want := []string{
		"34 17 30 36 13 39 37", "21 28 34 37 10 33 16", "0 38 27 29 36 28 25",
		"28 26 29 37 15 33 30", "32 8 36 35 39 37 38", "29 11 18 37 30 21 22",
	}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	sum := sha256.New()
	for i := range 5000 {
		for _, id := range v.Keepers(nil, blob(i), 3) {
			sum.Write([]byte(id))
		}
	}
	if got, want := fmt.Sprintf("%x", sum.Sum(nil)[:8]), "a7a4b43a0db5a40a"; got != want {
		t.Errorf("the first three of 5000: %s", got)
	}
}

func BenchmarkKeepers(b *testing.B) {
	for _, c := range []struct{ members, zones, copies int }{{5, 1, 2}, {200, 1, 2}, {200, 4, 3}, {200, 4, All}, {1000, 4, 2}} {
		v, blob := NewView(swarm(c.members, c.zones)), blob(1)
		b.Run(fmt.Sprintf("members=%d/zones=%d/copies=%d", c.members, c.zones, min(c.copies, c.members)), func(b *testing.B) {
			var buf []peer.ID
			b.ReportAllocs()
			for b.Loop() {
				buf = v.Keepers(buf[:0], blob, c.copies)
			}
		})
	}
}
