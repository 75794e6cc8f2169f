package simulate

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/schedule"
)

type timeout = time.Duration

// maxPolled is how many registries in mid-transfer are asked at once what they have.
const maxPolled = 16

var timing = schedule.Timing{
	Grace: 250 * time.Millisecond, Hedge: 150 * time.Millisecond, Yield: 500 * time.Millisecond, Retry: retryTime, Backoff: backoffTime, Stall: 30 * time.Second,
}

// pull is the transfer of the blob to a member, with a client that reads it from the start.
type pull struct {
	m       *Member
	plan    *schedule.Plan
	roster  *schedule.Roster
	dice    *rand.Rand
	reader  *schedule.Reader
	at      int // the leaf at which the reader is
	absent  bitset.Set
	fetches []*fetch
	busy    [workers]int
	hired   int // how many steady workers there are
	urgent  bool
	laidOut bool
	begun   bool // a leaf is here
	relayed bool
	awake   bool
	resting *event
	grudges map[*Member]bool
	judged  map[*Member]bool

	bornAt, firstAt, doneAt time.Duration
	pause, due              time.Duration // of the next question to all members
}

func newPull(m *Member) *pull {
	s := m.swarm
	dice := rand.New(rand.NewPCG(s.dice.Uint64(), s.dice.Uint64()))
	p := &pull{
		m: m, dice: dice, grudges: map[*Member]bool{}, judged: map[*Member]bool{}, reader: schedule.NewReader(0), absent: bitset.Full(s.leaves), pause: retryTime,
		roster: schedule.NewRoster(timing, dice), plan: schedule.NewPlan(s.leaves, schedule.NewOrderBy(m.id, s.leaves, s.score), timing),
	}
	for i := range s.leaves {
		p.plan.Seen(i)
	}
	return p
}

func (p *pull) over() bool { return p.m.whole || p.m.dead }

// start asks all members for the blob, and then a holder for the first leaf.
func (p *pull) start() {
	s := p.m.swarm
	p.m.started, p.bornAt = true, s.now
	p.plan.Enter(p.reader)
	p.plan.Move(p.reader, 0, s.clock())
	p.askAll(p.first)
	s.after(retryTime, p.discover)
}

// askAll asks every member what it has, and tells it that the blob is being fetched here.
func (p *pull) askAll(then func()) {
	s := p.m.swarm
	s.after(2*p.m.link.Latency, func() {
		for _, m := range s.members {
			if m == p.m || m.dead || m.mute || !m.started || p.grudges[m] {
				continue
			}
			switch {
			case m.whole:
				p.roster.Add(m.id, nil)
			case m.damaged || s.leaves > 1:
				p.roster.Add(m.id, &schedule.Part{Leaves: slices.Clone(m.here), Damaged: m.damaged})
			}
			p.judge(m)
			if s.leaves > 1 && m.pull != nil && !m.whole && !m.pull.grudges[p.m] {
				m.pull.roster.Meet(p.m.id)
				m.pull.judge(p.m)
			}
		}
	})
	s.after(4*p.m.link.Latency, func() {
		if !p.over() {
			then()
		}
	})
}

// judge notes that nothing has come from a member yet: no registry has met another before.
func (p *pull) judge(m *Member) {
	if !p.judged[m] {
		p.judged[m] = true
		p.roster.Judge(m.id, schedule.Standing{Unproved: true})
	}
}

// discover asks again while holders are lacking.
func (p *pull) discover() {
	s := p.m.swarm
	if p.over() {
		return
	}
	switch {
	case p.roster.Enough(s.clock()):
		p.pause = retryTime
	case s.now >= p.due:
		p.due = s.now + p.pause
		p.pause = min(2*p.pause, backoffTime)
		p.askAll(p.wake)
	}
	s.after(retryTime, p.discover)
}

// first fetches the first leaf while the layout is on its way, and gives it the whole link
// for a moment.
func (p *pull) first() {
	s := p.m.swarm
	s.after(4*p.m.link.Latency, func() { p.laidOut = true; p.wake() })
	if s.leaves == 1 {
		p.hired, p.urgent = 1, true
		return
	}
	if s.Habits.AllAtOnce {
		s.after(4*p.m.link.Latency, p.employ)
	}
	s.after(aloneTime, p.employ)
	id, ok := p.roster.Pick(s.clock(), 0)
	if !ok {
		return
	}
	run := &schedule.Run{From: 0, To: 1, Holder: id, Began: s.clock(), Last: s.clock()}
	p.plan.Claim(run)
	p.fetch(run, firstLeaf)
}

// employ starts a worker. The others start when the first leaf is here, or when it does not come.
func (p *pull) employ() {
	if p.hired == 0 {
		p.hired = 1
		p.wake()
	}
	p.awaitFirst()
}

func (p *pull) awaitFirst() {
	s := p.m.swarm
	flowing := slices.ContainsFunc(p.m.in, func(st *stream) bool { return st.rate > 0 })
	switch {
	case p.urgent || p.over():
	case p.begun || s.Habits.AllAtOnce || s.now-p.bornAt >= aloneTime && (!flowing || p.relayed):
		p.urgent = true
		p.poll()
		p.wake()
	default:
		s.after(retryTime, p.awaitFirst)
	}
}

// poll asks others that fetch the blob which leaves they have by now, more often while a worker has
// nothing to do.
func (p *pull) poll() {
	s := p.m.swarm
	pause := pollTime
	if p.busy[steady] < p.hired && !s.Habits.SteadyPoll {
		pause /= 3
	}
	s.after(pause*2/3+time.Duration(p.dice.Int64N(int64(pause*2/3))), func() {
		if p.over() {
			return
		}
		ids := p.roster.Fetchers(s.clock(), maxPolled)
		s.after(4*p.m.link.Latency, func() {
			if p.over() {
				return
			}
			for _, id := range ids {
				switch m := s.byID[id]; {
				case m.dead || m.mute:
					p.roster.Heard(s.clock(), id, schedule.Broke, nil, s.leaves)
				case !m.started:
					p.roster.Heard(s.clock(), id, schedule.Gone, nil, s.leaves)
				default:
					p.roster.Heard(s.clock(), id, schedule.Delivered, slices.Clone(m.here), s.leaves)
				}
			}
			p.wake()
			p.poll()
		})
	})
}

// wake has the workers choose again.
func (p *pull) wake() {
	if !p.awake {
		p.awake = true
		p.m.swarm.awake = append(p.m.swarm.awake, p.m)
	}
}

// choose gives runs to the workers that have none.
func (p *pull) choose() {
	s := p.m.swarm
	if p.over() || !p.laidOut {
		return
	}
	p.m.settle()
	if p.urgent && p.hired < min(schedule.MaxStreams, s.leaves) {
		p.hired = max(p.hired, min(p.roster.Streams(s.clock()), s.leaves))
	}
	for p.busy[steady] < p.hired && p.next(steady) {
	}
	for p.urgent && p.busy[urgent] == 0 && p.next(urgent) {
	}
	if p.busy[steady] < p.hired {
		p.rest()
	}
}

func (p *pull) next(by worker) bool {
	now := schedule.Now{Time: p.m.swarm.clock(), Absent: slices.Clone(p.absent), Begun: p.begun}
	run := p.plan.Next(now, p.roster, by == urgent)
	if run != nil {
		p.fetch(run, by)
	}
	return run != nil
}

// rest has the workers choose again when others have had time to do what was expected of them.
func (p *pull) rest() {
	if p.resting == nil || p.resting.index < 0 {
		p.resting = p.m.swarm.after(timing.Yield, p.wake)
	}
}

// landed notes that a leaf is here, and moves the reader on.
func (p *pull) landed(leaf int) {
	s := p.m.swarm
	p.m.here.Add(leaf)
	p.absent.Drop(leaf)
	if !p.begun {
		p.begun = true
		p.awaitFirst()
	}
	p.m.landed(leaf)
	before := p.at
	for p.at < s.leaves && p.m.here.Has(p.at) {
		p.at++
	}
	if before == 0 && p.at > 0 {
		p.firstAt = s.now
	}
	since := time.Time{}
	if p.at < s.leaves {
		since = s.clock()
	}
	if p.at != before {
		p.plan.Move(p.reader, p.at, since)
	}
	p.wake()
	if p.m.here.Count() == s.leaves {
		p.doneAt, p.m.whole = s.now, true
		s.pulling--
		p.stop()
	}
}

// stop ends all that is on its way.
func (p *pull) stop() {
	for _, f := range p.fetches {
		f.a.stop()
	}
	p.fetches = nil
}
