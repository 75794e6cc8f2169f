package schedule

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

var outcomes = map[string]Outcome{"delivered": Delivered, "gone": Gone, "lied": Lied, "broke": Broke}

// playRoster prints how a roster answers to each event, and then what it knows:
//
//	holder …                        see holderFrom
//	later <duration>
//	add <id> [some=<set> [damaged]]
//	meet|guess|take|free <id>
//	pick <leaf|any> [but <id>…]
//	done <id> <outcome> [times=<n>]
//	measured <id> leaves=<n> took=<duration>
//	heard <id> <outcome> [have=<set>]
//	failed|holds|damaged <id>
//	fetchers <most>; streams; enough; torn
//	empty [<absent set>]
//	faster <id> <leaf> at=<rate>     than <id>, which sends at that rate
func playRoster(s *script) string {
	p := &rosterScript{r: NewRoster(usualTiming, dice()), now: epoch, leaves: s.number("leaves", 8)}
	s.lines(func(w words) {
		if answer := p.line(w); answer != "" {
			fmt.Fprintf(&p.out, "%s: %s\n", strings.Join(w.fields, " "), answer)
		}
	})
	for _, id := range slices.Sorted(maps.Keys(p.r.by)) {
		fmt.Fprintln(&p.out, writeHolder(id, p.r.by[id], p.now))
	}
	return p.out.String()
}

type rosterScript struct {
	r      *Roster
	now    time.Time
	leaves int
	out    strings.Builder
}

func (p *rosterScript) line(w words) (answer string) {
	switch w.at(0) {
	case "holder":
		p.r.put(w.id(1), holderFrom(words{w.s, w.fields[1:]}, p.now, p.leaves))
	case "later":
		p.now = p.now.Add(w.duration(1))
	case "add":
		var some *Part
		if set := w.option("some"); set != "" {
			some = &Part{Leaves: w.set(set, p.leaves), Damaged: w.has("damaged")}
		}
		p.r.Add(w.id(1), some)
	case "meet":
		p.r.Meet(w.id(1))
	case "guess":
		p.r.Guess(w.id(1))
	case "proved":
		p.r.Proved(w.id(1))
	case "take":
		p.r.Take(w.id(1))
	case "free":
		p.r.Free(w.id(1))
	case "done":
		for range int(w.number("times", 1)) {
			p.r.Done(p.now, w.id(1), outcomes[w.at(2)])
		}
	case "measured":
		p.r.Measured(w.id(1), int64(w.number("leaves", 0)*dag.LeafSize), w.parseDuration(w.option("took")))
	case "heard":
		var have bitset.Set
		if set := w.option("have"); set != "" {
			have = w.set(set, p.leaves)
		}
		p.r.Heard(p.now, w.id(1), outcomes[w.at(2)], have, p.leaves)
	default:
		return p.question(w)
	}
	return ""
}

func (p *rosterScript) question(w words) string {
	switch w.at(0) {
	case "pick":
		leaf := AnyLeaf
		if w.at(1) != "any" {
			leaf = w.int(1)
		}
		var but []peer.ID
		if w.has("but") {
			for i := range w.fields[3:] {
				but = append(but, w.id(3+i))
			}
		}
		id, ok := p.r.Pick(p.now, leaf, but...)
		if !ok {
			return "nobody"
		}
		return string(id)
	case "failed":
		return fmt.Sprint(p.r.Failed(w.id(1)))
	case "holds":
		return fmt.Sprint(p.r.Holds(w.id(1)))
	case "damaged":
		return fmt.Sprint(p.r.Damaged(w.id(1)))
	case "fetchers":
		ids := p.r.Fetchers(p.now, w.int(1))
		slices.Sort(ids)
		return list(ids)
	case "streams":
		return fmt.Sprint(p.r.Streams(p.now))
	case "enough":
		return fmt.Sprint(p.r.Enough(p.now))
	case "torn":
		return fmt.Sprint(p.r.Torn())
	case "empty":
		if len(w.fields) > 1 {
			return fmt.Sprint(p.r.Empty(w.set(w.at(1), p.leaves)))
		}
		return fmt.Sprint(p.r.Empty(nil))
	case "faster":
		return fmt.Sprint(p.r.Faster(p.now, w.id(1), w.int(2), w.number("at", 0)*dag.LeafSize))
	}
	w.s.d.Fatalf(w.s.t, "no line %q", w.at(0))
	return ""
}
