package pathmap_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	ds "github.com/ipfs/go-datastore"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// TestCompactionChangesNoMap runs random histories on three maps twice: with compaction at random
// moments, and without. Members are cut off, restarted, and forgotten; the others, and they themselves,
// drop then what the other side lacks, so that one takes state after state. And old backups of them
// are restored. The maps are the same, version by version. PATHMAP_SEEDS has it run more of them.
func TestCompactionChangesNoMap(t *testing.T) {
	seeds, length := 10, 150
	if testing.Short() {
		seeds, length = 1, 120
	}
	if n, err := strconv.Atoi(os.Getenv("PATHMAP_SEEDS")); err == nil {
		seeds = n
	}
	dropped, states := 0, 0
	for seed := range seeds {
		h := history(uint64(seed), length)
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			plain, with := play(t, h, false), play(t, h, true)
			if plain.digest != with.digest {
				t.Errorf("with compaction the map is another one: %d paths, %d without", with.paths, plain.paths)
			}
			dropped, states = dropped+with.dropped, states+with.states
		})
	}
	if dropped == 0 || states == 0 && !testing.Short() {
		t.Errorf("%d deltas were dropped, %d states were taken: nothing was tried", dropped, states)
	}
	t.Logf("%d deltas were dropped, %d states were taken", dropped, states)
}

// event is one of a history.
type event struct {
	what   string
	member int
	path   string
	value  string
}

const modelMembers = 3

// history is a random one.
func history(seed uint64, length int) (all []event) {
	r := rand.New(rand.NewPCG(seed, 15))
	path := func() string { return fmt.Sprintf("/tags/%d", r.IntN(12)) }
	for i := range length {
		e := event{what: "put", member: r.IntN(modelMembers), path: path(), value: fmt.Sprint(i)}
		switch n := r.IntN(100); {
		case n < 25:
			e.what = "delete"
		case n < 31:
			e.what = "leave"
		case n < 34:
			e.what = "return"
		case n < 37:
			e.what = "restart"
		case n < 38:
			e.what = "backup"
		case n < 39:
			e.what = "restore"
		case n < 42:
			e.what = "compact"
		case n < 45:
			all = append(all, absence(r, e.member, path)...)
			continue
		case n < 55:
			e.what = "compact all"
		}
		all = append(all, e)
	}
	return all
}

// absence has a member be away while all write, and all drop what it lacks, or what the others lack.
func absence(r *rand.Rand, member int, path func() string) (all []event) {
	all = append(all, event{what: "leave", member: member})
	for i := range 8 + r.IntN(8) {
		e := event{what: "put", member: r.IntN(modelMembers), path: path(), value: fmt.Sprint("away ", i)}
		if r.IntN(4) == 0 {
			e.what = "delete"
		}
		all = append(all, e)
	}
	return append(all, event{what: "compact all", member: member}, event{what: "return", member: member})
}

// outcome is what came of a history.
type outcome struct {
	digest  string
	paths   int
	dropped int
	states  int
}

// play has three members live through a history.
func play(t *testing.T, h []event, compacting bool) (o outcome) {
	t.Helper()
	f := newFabric(t)
	f.interval = 20 * time.Millisecond
	var seats []*seat
	restored := make([]atomic.Int64, modelMembers)
	f.incarnation = func() string { return "restored0" } // so that both runs name versions alike
	for i := range modelMembers {
		s := f.add(string(rune('a' + i)))
		s.incarnation = func() string { return fmt.Sprintf("restored%d", restored[i].Load()) }
		seats = append(seats, s)
	}
	backups := map[int]string{}
	away := map[int]bool{}
	together := func() (here []*seat) {
		for i, s := range seats {
			if !away[i] {
				here = append(here, s)
			}
		}
		return here
	}
	back := func(i int) {
		away[i] = false
		f.isolate(seats[i].id, false)
		know(t, together()...)
	}
	for _, e := range h {
		s := seats[e.member]
		switch e.what {
		case "put":
			put(t, s, e.path, e.value)
		case "delete":
			del(t, s, e.path)
		case "leave":
			away[e.member] = true
			o.states += s.m.States().Taken
			s.stop() // so that no exchange goes on, from which one hears a counter
			f.isolate(s.id, true)
			s.start()
		case "return":
			back(e.member)
		case "restart":
			o.states += s.m.States().Taken
			restartKeepsTheMap(t, s)
		case "backup":
			o.states += s.m.States().Taken
			backups[e.member] = s.backUp(t)
		case "restore":
			if from := backups[e.member]; from != "" {
				o.states += s.m.States().Taken
				restored[e.member].Add(1)
				s.restore(t, from)
			}
		case "compact", "compact all":
			for i, s := range seats { // whoever is away is forgotten, and has forgotten the others
				if compacting && (i == e.member || e.what == "compact all") {
					o.dropped += compact(t, s, known(s, i, away, together())...)
				}
			}
		}
		if here := together(); len(here) > 1 {
			know(t, here...)
		}
	}
	for i := range seats {
		back(i)
	}
	for _, s := range seats {
		restartKeepsTheMap(t, s)
		if s.m.View().Digest() != seats[0].m.View().Digest() {
			t.Errorf("the map of %s is another one", s.id)
		}
		o.states += s.m.States().Taken
	}
	o.digest, o.paths = seats[0].m.View().Digest(), seats[0].m.View().Len()
	return o
}

// known are those for whom a member keeps its history.
func known(s *seat, member int, away map[int]bool, here []*seat) []*seat {
	if away[member] {
		return nil
	}
	var others []*seat
	for _, o := range here {
		if o != s {
			others = append(others, o)
		}
	}
	return others
}

// backUp copies the datastore of a member.
func (s *seat) backUp(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	s.stop()
	if err := os.CopyFS(dir, os.DirFS(s.dir)); err != nil {
		t.Fatal(err)
	}
	s.start()
	return dir
}

// restore has a member begin with an older datastore, which it knows of, as after a restore.
func (s *seat) restore(t *testing.T, from string) {
	t.Helper()
	s.stop()
	s.dir = t.TempDir()
	if err := os.CopyFS(s.dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	s.editDisk(t, func(db ds.Datastore) {
		if err := db.Delete(t.Context(), pathmap.IncarnationKey); err != nil {
			t.Fatal(err)
		}
	})
	s.start()
}

// know waits until members have the same map, and have merged all that led to it: else the next
// version of one could have another counter in one run than in the other.
func know(t *testing.T, seats ...*seat) {
	t.Helper()
	eventually(t, "all have merged the same", func() bool {
		for _, s := range seats[1:] {
			if s.m.Greatest() != seats[0].m.Greatest() || s.m.View().Digest() != seats[0].m.View().Digest() {
				return false
			}
		}
		return true
	})
}
