package replica

import (
	"time"

	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/replica/place"
)

// pace is how often members are judged, and for how long they have to stay the same before
// blobs move.
func (k *Keeper) pace() time.Duration { return min(mostPace, k.cfg.Delay/4) }

// watch judges the members, and has the map looked through when other members count than when
// that was done last.
func (k *Keeper) watch() {
	var w watching
	for k.ctx.Err() == nil {
		now, at := k.judge(), time.Now()
		if w.stays(now, at, k.pace()) {
			k.settled.Store(true)
			if w.moves(now) {
				k.backlog.All()
			}
		}
		k.say(&w, now, at)
		select {
		case <-time.After(k.pace()):
		case <-k.soon:
		case <-k.ctx.Done():
		}
	}
}

// watching is what watch has seen.
type watching struct {
	number int
	since  time.Time // it has had this number
	looked bool      // the map was looked through, when the number was
	walked int       // this one
	held   bool
	hold   place.Hold // that was seen last
	from   time.Time  // it has been seen
	said   place.Hold
}

// stays reports whether the members have not changed for a while.
func (w *watching) stays(now *judgment, at time.Time, while time.Duration) bool {
	if now.number != w.number || w.since.IsZero() {
		w.number, w.since = now.number, at
	}
	return at.Sub(w.since) >= while
}

// moves reports whether the map is to be looked through: nothing speaks against it, and other
// members have counted since that was begun last, or nothing could be moved meanwhile. That the
// members are the same again is not enough: what was looked at while others counted was placed
// among those.
func (w *watching) moves(now *judgment) bool {
	held := w.held
	w.held = now.Hold != place.NoHold
	if w.held || !held && w.looked && w.walked == now.number {
		return false
	}
	w.looked, w.walked = true, now.number
	return true
}

// judge decides anew which members count.
func (k *Keeper) judge() *judgment {
	k.judging.Lock()
	defer k.judging.Unlock()
	self, others := k.cfg.Members()
	last := k.verdict.Load()
	next := &judgment{Verdict: place.Judge(self, others, k.cfg.Delay), number: last.number}
	for _, m := range others {
		if m.Away > k.cfg.Delay {
			next.missed++
		}
	}
	if !next.View.Equal(last.View) {
		next.number++
	}
	k.verdict.Store(next)
	return next
}

// hold is the reason for which nothing moves that would move otherwise.
func (j *judgment) hold() place.Hold {
	if j.Hold == place.ManyAway && j.missed == 0 {
		return place.NoHold
	}
	return j.Hold
}

// say logs once when blobs get no new keepers, and when they do again. A member that has just
// come has a moment to say how much it keeps.
func (k *Keeper) say(w *watching, now *judgment, at time.Time) {
	hold := now.hold()
	if hold != w.hold {
		w.hold, w.from = hold, at
	}
	k.mute.Store(hold == place.Silent && at.Sub(w.from) >= k.pace())
	if hold == w.said || hold == place.Silent && at.Sub(w.from) < k.pace() {
		return
	}
	log := k.cfg.Log.WithFields(logrus.Fields{"away": now.Away, "known": now.Known})
	switch hold {
	case place.ManyAway:
		log.Warn("more than a third of the members are away: their blobs get no new keepers until some are back or forgotten (`registry ipfs status`)")
	case place.Silent:
		log.WithField("silent", now.Silent).Warn("a member has not said how much it keeps, as earlier releases do not: no blobs are moved until it does")
	case place.NoHold:
		log.Info("blobs get new keepers again when members are away for long")
	}
	w.said = hold
}
