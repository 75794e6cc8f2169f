package simulate

import (
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/schedule"
)

// worker is the kind of worker that fetches a run.
type worker int

const (
	steady worker = iota
	urgent
	firstLeaf // before the layout is known
	workers
)

// fetch is a run that is being fetched.
type fetch struct {
	p   *pull
	run *schedule.Run
	by  worker
	a   *attempt
}

// fetch starts to fetch a run.
func (p *pull) fetch(run *schedule.Run, by worker) {
	f := &fetch{p: p, run: run, by: by}
	p.fetches = append(p.fetches, f)
	p.busy[by]++
	if !p.begun {
		f.ask(ratherRelayed, true, func(how answer) { f.relay(how, p.m.swarm.now+relayTime) })
		return
	}
	terms := anyway
	if run.Relayed {
		terms = ratherRelayed
	}
	f.ask(terms, false, func(how answer) { f.relay(how, p.m.swarm.now+askTime) })
}

// keep notes that the next leaf of a run is here.
func (p *pull) keep(f *fetch) {
	leaf := f.run.From
	p.roster.Proved(f.run.Holder)
	for _, needless := range p.plan.Skip(f.run) {
		for _, other := range slices.Clone(p.fetches) {
			if other.run == needless {
				p.beaten(needless)
				other.a.finish(answer{kind: overtaken})
			}
		}
	}
	p.landed(leaf)
}

// beaten holds a holder to account that has sent as good as nothing.
func (p *pull) beaten(r *schedule.Run) {
	if p.plan.Mute(p.m.swarm.clock(), r) {
		p.roster.Judge(r.Holder, schedule.Standing{Unproved: true, Sunk: true})
	}
}

// end gives back the run and its holder.
func (f *fetch) end(how answer) {
	p := f.p
	p.settled(f, how)
	p.plan.Release(f.run)
	p.fetches = slices.DeleteFunc(p.fetches, func(o *fetch) bool { return o == f })
	p.busy[f.by]--
	if f.by == firstLeaf {
		p.employ()
	}
	p.wake()
}

// settled notes how a holder answered.
func (p *pull) settled(f *fetch, how answer) {
	s := p.m.swarm
	if how.kind == lied {
		liar, leaf := s.byID[f.run.Holder], f.run.From
		p.grudges[liar] = true
		s.after(p.m.oneWay(liar), func() { liar.doubt(leaf) })
	}
	p.roster.Done(s.clock(), f.run.Holder, how.outcome())
}

// relay asks the members that a holder named, or ends the run when it named none.
func (f *fetch) relay(how answer, until timeout) {
	if how.kind != named {
		f.end(how)
		return
	}
	p := f.p
	p.relayed = true
	ids := slices.DeleteFunc(slices.Clone(how.ids), func(id peer.ID) bool {
		m := p.m.swarm.byID[id]
		return m.dead || p.grudges[m] || p.roster.Failed(id) || p.plan.Asks(id, f.run.From)
	})
	if !p.plan.Shorten(f.run) {
		f.end(answer{kind: overtaken})
		return
	}
	f.fromRelays(f.run.Holder, ids, until, answer{kind: brought})
}

// fromRelays asks one member after the other, and at last the holder that named them.
func (f *fetch) fromRelays(holder peer.ID, ids []peer.ID, until timeout, last answer) {
	p, s := f.p, f.p.m.swarm
	if !s.Habits.Insisting && s.now >= until && last.kind == brought && p.begun {
		f.end(last)
		return
	}
	if len(ids) == 0 || s.now >= until || last.silent {
		f.hand(holder, last, 0)
		f.ask(anyway, true, f.end)
		return
	}
	id, rest := ids[0], ids[1:]
	p.roster.Meet(id)
	f.hand(id, last, askTime)
	f.run.Namer = holder
	began := s.now
	f.ask(whenHere, true, func(how answer) {
		if how.kind == brought || how.kind == overtaken || p.m.here.Has(f.run.From) {
			f.end(how)
			return
		}
		if how.kind == notYet && s.now-began > askTime/2 {
			rest, how = append(slices.Clone(rest), id), answer{kind: brought}
		}
		f.fromRelays(holder, rest, until, how)
	})
}

// hand gives the run to another holder.
func (f *fetch) hand(id peer.ID, last answer, patience timeout) {
	p := f.p
	if last.kind == brought {
		p.roster.Free(f.run.Holder)
	} else {
		p.settled(f, last)
	}
	p.roster.Take(id)
	f.run = p.plan.Hand(p.m.swarm.clock(), f.run, id, patience)
}
