package simulate

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/schedule"
)

// These are the times for which a transfer waits when it stalls after 30 s (see fetch.TimingFor).
const (
	silenceTime = 10 * time.Second
	slowTime    = 15 * time.Second
	askTime     = 2 * time.Second
	relayTime   = 10 * time.Second
	aloneTime   = time.Second
	retryTime   = 250 * time.Millisecond
	backoffTime = 2 * time.Second
	pollTime    = 300 * time.Millisecond
)

// kind is how a holder answers.
type kind int

const (
	brought   kind = iota // it sent what was requested
	named                 // it named others to ask
	notYet                // it will have the leaf
	gone                  // it has nothing of the blob
	lied                  // it sent wrong bytes
	broke                 // anything else went wrong
	overtaken             // it need not go on
)

type answer struct {
	kind   kind
	silent bool
	ids    []peer.ID
}

func (a answer) outcome() schedule.Outcome {
	switch a.kind {
	case notYet, gone:
		return schedule.Gone
	case lied:
		return schedule.Lied
	case broke:
		return schedule.Broke
	}
	return schedule.Delivered
}

// terms are how leaves are asked for.
type terms int

const (
	anyway terms = iota
	ratherRelayed
	whenHere
)

// attempt is one request of a fetch, to one holder.
type attempt struct {
	f       *fetch
	holder  *Member
	how     terms
	one     bool // only the first leaf of the run
	s       *stream
	silence *event
	slow    *event
	began   time.Duration
	ended   bool
	sent    bool // it takes one of the holder's slots (see Habits.Slots)
	then    func(answer)
}

func (f *fetch) ask(how terms, one bool, then func(answer)) {
	s := f.p.m.swarm
	holder := s.byID[f.run.Holder]
	a := &attempt{f: f, holder: holder, how: how, one: one, began: s.now, then: then}
	f.a = a
	patience := silenceTime
	if f.run.Patience > 0 {
		patience = f.run.Patience * 3 / 2
	}
	a.silence = s.after(patience, func() { a.finish(answer{kind: broke, silent: true}) })
	a.guard()
	s.after(f.p.m.oneWay(holder), func() {
		if !a.ended {
			holder.serve(a)
		}
	})
}

// guard gives up when a leaf takes long and another holder could send it faster.
func (a *attempt) guard() {
	s := a.f.p.m.swarm
	s.cancel(a.slow)
	a.slow = s.after(slowTime, func() {
		a.f.p.m.settle()
		if !s.Habits.NeverSlow && a.f.p.roster.Faster(s.clock(), a.holder.id, a.f.run.From, a.f.run.Rate(s.clock())) {
			a.finish(answer{kind: broke})
		}
	})
}

// answer sends an answer back.
func (a *attempt) answer(how answer) {
	a.f.p.m.swarm.after(a.f.p.m.oneWay(a.holder), func() { a.finish(how) })
}

// stream starts to send the leaves back.
func (a *attempt) stream() {
	s := a.f.p.m.swarm
	s.after(a.f.p.m.oneWay(a.holder), func() {
		switch {
		case a.ended || a.holder.mute:
		case a.holder.dead:
			a.finish(answer{kind: broke})
		default:
			s.cancel(a.silence)
			a.s = s.open(a)
		}
	})
}

// leafCame checks a leaf that has come, and goes on with the next one.
func (a *attempt) leafCame() {
	run := a.f.run
	if a.holder.rotten.Has(run.From) {
		a.finish(answer{kind: lied})
		return
	}
	a.f.p.keep(a.f)
	switch {
	case a.ended: // all leaves are here
	case run.From >= run.To || a.one:
		a.finish(answer{kind: brought})
	case !a.holder.here.Has(run.From):
		a.finish(answer{kind: broke})
	default:
		a.s.next()
		a.guard()
	}
}

// finish ends the attempt, once.
func (a *attempt) finish(how answer) {
	if a.ended {
		return
	}
	a.stop()
	p := a.f.p
	if a.s != nil && (!a.one || how.kind == brought && a.f.run.Patience == 0) {
		p.roster.Measured(a.holder.id, a.f.run.Got, p.m.swarm.clock().Sub(a.f.run.Began))
	}
	a.then(how)
}

// stop ends the attempt without an answer.
func (a *attempt) stop() {
	s := a.f.p.m.swarm
	a.ended = true
	if a.sent {
		a.holder.sentTo()
	}
	s.cancel(a.silence)
	s.cancel(a.slow)
	if a.s != nil {
		a.s.end()
	}
}
