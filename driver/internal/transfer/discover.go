package transfer

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// discover asks the members while holders are lacking, and at once when other members are
// connected than before. It wakes the goroutines that wait for a holder.
func (j *job) discover() {
	j.awaitLikely()
	tick := time.NewTicker(j.t.timing.retry)
	defer tick.Stop()
	pause := j.t.timing.retry
	var due time.Time
	var members []peer.ID
	for {
		now := sorted(j.t.cfg.Swarm.Connected())
		switch {
		case j.roster.enough():
			pause = j.t.timing.retry
		case !slices.Equal(members, now) || !time.Now().Before(due):
			members = j.ask()
			due = time.Now().Add(pause)
			pause = min(2*pause, j.t.timing.backoff)
		}
		j.changed.raise()
		select {
		case <-tick.C:
		case <-j.ctx.Done():
			return
		}
	}
}

// awaitLikely gives the likeliest holder a moment before others are asked, in a transfer
// that no reader waits for. A manifest is fetched by every registry at once: if each asked
// all the others, the cost of a push would grow with the square of their number.
func (j *job) awaitLikely() {
	if !j.background.Load() || !j.roster.holds(j.likely) {
		return
	}
	timer := time.NewTimer(j.t.timing.retry)
	defer timer.Stop()
	for {
		changed := j.changed.wait()
		if !j.roster.holds(j.likely) || j.roster.failed(j.likely) {
			return
		}
		select {
		case <-changed:
		case <-timer.C:
			return
		case <-j.ctx.Done():
			return
		}
	}
}

// ask asks every member, and tells them that the blob is being fetched here; holders can be
// used as soon as they answer. It returns the members that were asked.
func (j *job) ask() []peer.ID {
	age := time.Duration(0)
	if !j.asked.Load() {
		age = rememberFor // another caller may have asked just for this
	}
	tell := j.ref.Size > dag.LeafSize && !j.unkept
	q := j.t.questions.ask(j.ref, age, tell)
	if q == nil || !j.hear(q) {
		return nil
	}
	if tell && !q.telling {
		if q = j.t.questions.ask(j.ref, 0, tell); q == nil || !j.hear(q) {
			return nil
		}
	}
	j.asked.Store(true)
	_, _, silent := q.answers()
	j.despair(silent)
	return sorted(q.asked)
}

// hear puts the answers to a question into the roster as they come; false when the
// job ended meanwhile.
func (j *job) hear(q *question) bool {
	j.noteAsked(q.asked)
	noted := map[peer.ID]bool{}
	for {
		changed := q.changed.wait()
		select {
		case <-q.done:
			j.note(q, noted)
			return true
		default:
			j.note(q, noted)
		}
		select {
		case <-changed:
		case <-q.done:
		case <-j.ctx.Done():
			return false
		}
	}
}

// note puts the answers so far into the roster, each once: what a registry in
// mid-transfer has grows.
func (j *job) note(q *question, noted map[peer.ID]bool) {
	whole, some, _ := q.answers()
	for _, id := range whole {
		some[id] = nil
	}
	for id, p := range some {
		if !noted[id] && !j.t.grudges.holds(id, j.ref.CID) {
			j.roster.add(id, p)
		}
		noted[id] = true
	}
	j.changed.raise()
}

func (j *job) noteAsked(ids []peer.ID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, id := range ids {
		j.whom[id] = true
	}
}

// despair fails the job early when every member has said that it has nothing. A member that
// failed or did not answer may come back: then the job waits its whole time.
func (j *job) despair(silent bool) {
	bitswap := j.t.cfg.Bitswap != nil && (j.bitswapWorks.Load() || !j.bitswapFailed.Load())
	if !silent && !bitswap && j.roster.empty(j.plan.absent()) && !j.plan.hashing.Load() && j.still() >= j.t.timing.nobody {
		j.cancel(errNobody)
	}
}

func sorted(ids []peer.ID) []peer.ID {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	return ids
}
