package peer

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/sirupsen/logrus"
	"golang.org/x/time/rate"
)

// How often the log says at info that members come and go of which nothing useful has come: many
// may, again and again.
const (
	comingsEvery  = 10 * time.Second
	comingsAtOnce = 64
)

func newComings() *rate.Limiter { return rate.NewLimiter(rate.Every(comingsEvery), comingsAtOnce) }

// logChange logs that a member came or went.
func (p *Peer) logChange(id peer.ID, what string) {
	level := logrus.InfoLevel
	if !p.roster.isUseful(id) && !p.comings.Allow() {
		level = logrus.DebugLevel
	}
	p.about(id).Log(level, what)
}

// greeting is how far this peer is with saying hello to a member that has appeared.
type greeting int

const (
	notGreeting greeting = iota
	greets
	greetsAgain // it appeared anew meanwhile
)

// greet says hello to a member that has appeared, and again a while later when the member appears
// anew meanwhile: however often it does, one hello is under way.
func (p *Peer) greet(id peer.ID) {
	if !p.roster.beginGreeting(id) {
		return
	}
	p.run(func() {
		for more := true; more; more = p.roster.endGreeting(id) {
			p.sayHello(id, p.pulls.allow(p.roster.isChosen(id)))
			select {
			case <-time.After(helloGap):
			case <-p.ctx.Done():
			}
		}
	})
}

// beginGreeting reports whether a hello is to be said now.
func (r *roster) beginGreeting(id peer.ID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.records[id]
	switch {
	case e == nil:
		return false
	case e.greeting == notGreeting:
		e.greeting = greets
		return true
	}
	e.greeting = greetsAgain
	return false
}

// endGreeting reports whether another hello is to be said.
func (r *roster) endGreeting(id peer.ID) (again bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.records[id]
	if e == nil {
		return false
	}
	if again = e.greeting == greetsAgain && e.member(); again {
		e.greeting = greets
	} else {
		e.greeting = notGreeting
	}
	return again
}

// isUseful reports whether a peer is in the configuration, or confirmed.
func (r *roster) isUseful(id peer.ID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.records[id]
	return e != nil && e.standing(r) < onTrial
}
