package schedule

import (
	"fmt"
	"strings"
	"time"

	"github.com/ipfs/go-cid"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// playPlan prints how a plan answers to each event, and then the runs that are under way. Runs and
// readers have names:
//
//	later <duration>
//	claim <name> <holder> <leaves> …     see runFrom
//	came <name> leaves=<n>                 so many bytes of the run came
//	skip|release|shorten <name>
//	hand <name> <new name> <holder> [patience=]
//	asks <holder> <leaf>
//	eta <name> <leaf>; rate <name>
//	reader <name> <leaf>; waits <name> <leaf>; reads <name> <leaf>; leave <name>; awaited
func playPlan(s *script) string {
	leaves := s.number("leaves", 8)
	p := &planScript{
		p: NewPlan(leaves, NewOrder("self", leaves), usualTiming), now: epoch,
		runs: map[string]*Run{}, readers: map[string]*Reader{},
	}
	s.lines(func(w words) {
		if answer := p.line(w); answer != "" {
			fmt.Fprintf(&p.out, "%s: %s\n", strings.Join(w.fields, " "), answer)
		}
	})
	for _, r := range p.p.Runs() {
		fmt.Fprintln(&p.out, writeRun(r))
	}
	return p.out.String()
}

type planScript struct {
	p       *Plan
	now     time.Time
	runs    map[string]*Run
	readers map[string]*Reader
	out     strings.Builder
}

func (p *planScript) line(w words) (answer string) {
	r := p.runs[w.fields[min(1, len(w.fields)-1)]]
	switch w.at(0) {
	case "later":
		p.now = p.now.Add(w.duration(1))
	case "claim":
		p.runs[w.at(1)] = runFrom(w, 2, p.now)
		p.p.Claim(p.runs[w.at(1)])
	case "came":
		r.Got += int64(w.number("leaves", 0) * dag.LeafSize)
		r.Last = p.now
	case "skip":
		return p.skip(r)
	case "release":
		p.p.Release(r)
	case "shorten":
		return fmt.Sprint(p.p.Shorten(r))
	case "hand":
		patience := time.Duration(0)
		if w.option("patience") != "" {
			patience = w.parseDuration(w.option("patience"))
		}
		n := p.p.Hand(p.now, r, w.id(3), patience)
		p.runs[w.at(2)] = n
		return fmt.Sprintf("%s, began %s ago, patience %s, got %d", writeRun(n), p.now.Sub(n.Began), n.Patience, n.Got)
	case "asks":
		return fmt.Sprint(p.p.Asks(w.id(1), w.int(2)))
	case "eta":
		return fmt.Sprint(r.eta(w.int(2), p.now).Round(time.Millisecond))
	case "rate":
		return fmt.Sprintf("%.4g", r.Rate(p.now)/dag.LeafSize)
	default:
		return p.reader(w)
	}
	return ""
}

func (p *planScript) skip(r *Run) string {
	var names []string
	for _, needless := range p.p.Skip(r) {
		for name, o := range p.runs {
			if o == needless {
				names = append(names, name)
			}
		}
	}
	if names == nil {
		return ""
	}
	return "needless: " + strings.Join(names, " ")
}

func (p *planScript) reader(w words) string {
	switch w.at(0) {
	case "reader":
		p.readers[w.at(1)] = NewReader(w.int(2))
		p.p.Enter(p.readers[w.at(1)])
	case "waits":
		p.p.Move(p.readers[w.at(1)], w.int(2), p.now)
	case "reads":
		p.p.Move(p.readers[w.at(1)], w.int(2), time.Time{})
	case "leave":
		p.p.Leave(p.readers[w.at(1)])
	case "awaited":
		return fmt.Sprint(p.p.Awaited())
	default:
		w.s.d.Fatalf(w.s.t, "no line %q", w.at(0))
	}
	return ""
}

// playTrees prints which members each registry is told to ask, in trees that last lasts=<seconds>
// (10 by default):
//
//	later <duration>
//	enter <id> <leaves> [relay]  relay: the registry would rather be relayed
//	known                        how many trees are remembered
func playTrees(s *script) string {
	trees := NewTrees(time.Duration(s.number("lasts", 10)) * time.Second)
	now, out := epoch, new(strings.Builder)
	s.lines(func(w words) {
		switch w.at(0) {
		case "later":
			now = now.Add(w.duration(1))
		case "enter":
			from, to := w.span(w.at(2))
			above := trees.Enter(now, cid.Undef, from, to-1, w.id(1), w.has("relay"))
			fmt.Fprintf(out, "%s: %s\n", w.at(1), list(above))
		case "known":
			fmt.Fprintf(out, "known: %d\n", len(trees.trees))
		default:
			w.s.d.Fatalf(w.s.t, "no line %q", w.at(0))
		}
	})
	return out.String()
}
