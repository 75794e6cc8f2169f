package transfer

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// scout asks the members while holders are lacking, and at once when other members
// are connected than before. It wakes those who wait for a holder.
func (j *job) scout() {
	tick := time.NewTicker(j.t.pace.retry)
	defer tick.Stop()
	pause := j.t.pace.retry
	var due time.Time
	var members []peer.ID
	for {
		now := sorted(j.t.cfg.Swarm.Connected())
		switch {
		case j.roster.enough():
			pause = j.t.pace.retry
		case !slices.Equal(members, now) || !time.Now().Before(due):
			members = j.ask()
			due = time.Now().Add(pause)
			pause = min(2*pause, j.t.pace.backoff)
		}
		j.changed.raise()
		select {
		case <-tick.C:
		case <-j.ctx.Done():
			return
		}
	}
}

// ask asks every member; holders can be used as soon as they answer. It returns
// who was asked.
func (j *job) ask() []peer.ID {
	age := time.Duration(0)
	if !j.asked.Load() {
		age = rememberFor // somebody may have asked for this very request
	}
	q := j.t.questions.ask(j.ref.CID, age)
	if q == nil {
		return nil
	}
	j.noteAsked(q.asked)
	noted := 0
	for done := false; !done; {
		changed := q.changed.wait()
		select {
		case <-q.done:
			done = true
		default:
		}
		noted = j.note(q, noted)
		if done {
			break
		}
		select {
		case <-changed:
		case <-q.done:
		case <-j.ctx.Done():
			return nil
		}
	}
	j.asked.Store(true)
	_, _, silent := q.answers()
	j.despair(silent)
	return sorted(q.asked)
}

// note puts the answers so far into the roster, each whole holder once.
func (j *job) note(q *question, noted int) int {
	whole, some, _ := q.answers()
	for _, id := range whole[noted:] {
		if !j.t.grudges.holds(id, j.ref.CID) {
			j.roster.add(id, true, nil)
		}
	}
	for id, leaves := range some {
		if !j.t.grudges.holds(id, j.ref.CID) {
			j.roster.add(id, false, leaves)
		}
	}
	j.changed.raise()
	return len(whole)
}

func (j *job) noteAsked(ids []peer.ID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, id := range ids {
		j.whom[id] = true
	}
}

// despair fails the job early when every member has said that it has nothing. One
// that failed or did not answer may come back: that is worth the whole time.
func (j *job) despair(silent bool) {
	bitswap := j.t.cfg.Bitswap != nil && !j.bitswapFailed.Load()
	if !silent && !bitswap && j.roster.empty() && !j.plan.hashing.Load() && j.still() >= j.t.pace.nobody {
		j.cancel(errNobody)
	}
}

func sorted(ids []peer.ID) []peer.ID {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	return ids
}
