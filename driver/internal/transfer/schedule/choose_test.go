package schedule

import (
	"fmt"
	"slices"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
)

// state is everything from which a choice is made.
type state struct {
	now    Now
	plan   *Plan
	roster *Roster
	given  []*Run
}

// stateFrom reads the state of a registry "self" and a blob of leaves=<n> (8 by default):
//
//	here <set>             the leaves that are not missing
//	first                  no leaf has come yet
//	unseen <set>           leaves not looked for yet in other blobs
//	unfed <ago>            since when other registries are to feed it, and none has
//	holder …               see holderFrom
//	run …                  see runFrom
//	reader <leaf> [waits=] where a reader is, and since when it waits
//	unowned <ago>          since when no leaf has been left for which it is first in line
func stateFrom(s *script) *state {
	leaves := s.number("leaves", 8)
	st := &state{
		now:    Now{Time: epoch, Absent: bitset.Full(leaves), Begun: true},
		plan:   NewPlan(leaves, NewOrder("self", leaves), usualTiming),
		roster: NewRoster(usualTiming, dice()),
	}
	for i := range leaves {
		st.plan.Seen(i)
	}
	s.lines(func(w words) { st.read(w, leaves) })
	return st
}

func (st *state) read(w words, leaves int) {
	switch w.at(0) {
	case "here":
		for i := range leaves {
			if w.set(w.at(1), leaves).Has(i) {
				st.now.Absent.Drop(i)
			}
		}
	case "first":
		st.now.Begun = false
	case "unseen":
		st.plan.unseen = w.set(w.at(1), leaves)
	case "holder":
		st.roster.put(w.id(1), holderFrom(words{w.s, w.fields[1:]}, epoch, leaves))
	case "run":
		st.given = append(st.given, runFrom(w, 1, epoch))
		st.plan.Claim(st.given[len(st.given)-1])
	case "reader":
		r := NewReader(0)
		st.plan.Enter(r)
		st.plan.Move(r, w.int(1), w.ago(epoch, "waits"))
	case "unfed":
		st.plan.unfed = epoch.Add(-w.duration(1))
	case "unowned":
		st.plan.unowned = epoch.Add(-w.duration(1))
	default:
		w.s.d.Fatalf(w.s.t, "no line %q", w.at(0))
	}
}

// choose prints the run that is chosen, and the other runs that change. With "urgent" only leaves
// that readers wait for count. With times=<n> it chooses n times.
func choose(s *script) string {
	st := stateFrom(s)
	var out strings.Builder
	for range s.number("times", 1) {
		before := make([]string, len(st.given))
		for i, r := range st.given {
			before[i] = writeRun(r)
		}
		absent := st.now
		absent.Absent = slices.Clone(st.now.Absent)
		r := st.plan.Next(absent, st.roster, s.d.HasArg("urgent"))
		if r == nil {
			fmt.Fprintln(&out, "nothing")
			break
		}
		fmt.Fprint(&out, writeRun(r))
		if r.Relayed {
			fmt.Fprint(&out, " or whom it names")
		}
		fmt.Fprintln(&out)
		for i, r := range st.given {
			if now := writeRun(r); now != before[i] {
				fmt.Fprintf(&out, "left: %s\n", now)
			}
		}
		st.given = append(st.given, r)
	}
	return out.String()
}

// listOffers prints the holders that would be asked, best first, and the registries that fetch the
// blob as well.
func listOffers(s *script) string {
	st := stateFrom(s)
	var out strings.Builder
	all := st.roster.survey(st.now.Time, 8)
	for _, o := range all.offers {
		fmt.Fprint(&out, string(o.id))
		for _, flag := range []struct {
			set  bool
			name string
		}{{o.whole, "whole"}, {o.spared, "spared"}, {o.free, "free"}, {o.slow, "slow"}} {
			if flag.set {
				fmt.Fprint(&out, " ", flag.name)
			}
		}
		fmt.Fprintf(&out, ", %d at once\n", o.leaves())
	}
	others := st.roster.others(st.now.Time)
	slices.Sort(others)
	fmt.Fprintf(&out, "others: %s; %d\n", list(others), all.others)
	return out.String()
}

// chooseFew prints how many of whole=<n> and some=<n> holders are considered, and which is the last
// of each kind.
func chooseFew(s *script) string {
	r := NewRoster(usualTiming, dice())
	for i := range s.number("whole", 0) {
		r.put(peer.ID(fmt.Sprint("whole ", i)), &holder{whole: true, busy: i})
	}
	for i := range s.number("some", 0) {
		r.put(peer.ID(fmt.Sprint("some ", i)), &holder{any: true, busy: i})
	}
	count, last := map[bool]int{}, map[bool]int{}
	for _, h := range r.few(epoch, true) {
		count[h.whole]++
		last[h.whole] = h.busy
	}
	return fmt.Sprintf("whole: %d, up to number %d\nsome: %d, up to number %d\n", count[true], last[true], count[false], last[false])
}

// ranks prints for each registry on the input line how many of the others come before it in the
// line for each of leaves=<n>, as <times>x<rank>. Registries named by left=(…) were among them
// before.
func ranks(s *script) string {
	var out strings.Builder
	ids := strings.Fields(s.d.Input)
	leaves := s.number("leaves", 8)
	var left []string
	for _, arg := range s.d.CmdArgs {
		if arg.Key == "left" {
			left = arg.Vals
		}
	}
	for _, id := range ids {
		o := NewOrder(peer.ID(id), leaves)
		for _, gone := range [][]string{nil, left} {
			var others []peer.ID
			for _, other := range ids {
				if other != id && !slices.Contains(gone, other) {
					others = append(others, peer.ID(other))
				}
			}
			o.among(uint64(len(others)), func() []peer.ID { return others })
		}
		fmt.Fprintf(&out, "%s:%s, groups of %d, begins at %d\n", id, writeRanks(o, leaves), o.group(), o.start())
	}
	return out.String()
}

func writeRanks(o *Order, leaves int) string {
	var out strings.Builder
	for leaf := 0; leaf < leaves; {
		from := leaf
		for leaf < leaves && o.rank(leaf) == o.rank(from) {
			leaf++
		}
		fmt.Fprintf(&out, " %dx%d", leaf-from, o.rank(from))
	}
	return strings.ReplaceAll(out.String(), " 1x", " ")
}
