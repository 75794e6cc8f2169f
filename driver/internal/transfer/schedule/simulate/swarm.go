package simulate

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/rendezvous"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/schedule"
)

// startWithin is the time within which all pullers begin.
const startWithin = 20 * time.Millisecond

// Habits are what transfers do besides their schedule. The zero value is what real transfers do.
type Habits struct {
	SteadyPoll bool // registries that have nothing to do poll no more often than others
	AllAtOnce  bool // other leaves do not wait for the first one
	NeverSlow  bool // no holder is given up because another is faster
	NoTrees    bool // holders send to every registry that asks, and name nobody
	Slots      int  // how many requests a member that has the blob answers at once; 0: all
	Insisting  bool // a leaf that the relays do not have in time is asked of the source again
}

// Swarm is registries that know each other, and one blob.
type Swarm struct {
	Habits  Habits
	leaves  int
	dice    *rand.Rand
	begin   time.Time
	now     time.Duration // since begin
	events  events
	seq     int
	members []*Member
	byID    map[peer.ID]*Member
	scores  map[peer.ID][]uint64 // by group, for the orders of all members
	pulling int                  // pullers that are not done
	round   int                  // how often links have been shared out
	caps    []float64            // scratch space of fair
	shared  []*Member            // members whose links are to be shared out again
	awake   []*Member            // members that are to choose again
}

// New makes a swarm without members, and a blob of that many leaves.
func New(seed uint64, leaves int) *Swarm {
	return &Swarm{
		leaves: leaves, dice: rand.New(rand.NewPCG(seed, 0)), begin: time.Now(), byID: map[peer.ID]*Member{}, scores: map[peer.ID][]uint64{},
	}
}

// score remembers the scores that all orders ask for. Otherwise each of a thousand members would
// compute them all.
func (s *Swarm) score(id peer.ID, group int) uint64 {
	known := s.scores[id]
	for len(known) <= group {
		known = append(known, rendezvous.Score(id, len(known)))
		s.scores[id] = known
	}
	return known[group]
}

// Link is how a member is connected.
type Link struct {
	Up, Down float64       // bytes per second
	Latency  time.Duration // how long a byte takes to the middle of the network
}

// Holder adds a member that has the whole blob.
func (s *Swarm) Holder(l Link) *Member {
	m := s.member(l)
	m.whole, m.started = true, true
	m.here = bitset.Full(s.leaves)
	return m
}

// Puller adds a member that begins to pull the blob right after the start.
func (s *Swarm) Puller(l Link) *Member {
	m := s.puller(l)
	s.after(time.Duration(s.dice.Int64N(int64(startWithin))), m.pull.start)
	return m
}

// PullerAt adds a member that begins to pull the blob at that time after the start.
func (s *Swarm) PullerAt(l Link, d time.Duration) *Member {
	m := s.puller(l)
	s.At(d, m.pull.start)
	return m
}

func (s *Swarm) puller(l Link) *Member {
	m := s.member(l)
	m.here = bitset.New(s.leaves)
	m.pull = newPull(m)
	s.pulling++
	return m
}

func (s *Swarm) member(l Link) *Member {
	id := peer.ID(fmt.Sprintf("registry %d", len(s.members)))
	m := &Member{swarm: s, id: id, link: l, trees: schedule.NewTrees(relayTime), rotten: bitset.New(s.leaves)}
	s.members = append(s.members, m)
	s.byID[id] = m
	return m
}

// At has do called at that time after the start.
func (s *Swarm) At(d time.Duration, do func()) { s.after(d-s.now, do) }

// Result is what a run of the swarm showed.
type Result struct {
	First, FirstOfLast time.Duration // until a puller had the first leaf: the median, and the last
	Half, Last         time.Duration // until a puller had the blob: the median, and the last
	Sent               float64       // what holders sent, in blobs
	Wasted             float64       // what a puller received beyond its blob, in blobs, on average
	Unfinished         int           // pullers without the blob at the end
}

func (r Result) String() string {
	return fmt.Sprintf("first leaf %.2f s (all %.2f), blob %.2f s (all %.2f), holders sent %.2f, wasted %.3f, unfinished %d",
		r.First.Seconds(), r.FirstOfLast.Seconds(), r.Half.Seconds(), r.Last.Seconds(), r.Sent, r.Wasted, r.Unfinished)
}

// Run plays until all pullers have the blob, or until the limit.
func (s *Swarm) Run(limit time.Duration) Result {
	for s.pulling > 0 && len(s.events) > 0 && s.events[0].at <= limit {
		e := heap.Pop(&s.events).(*event)
		if e.at > s.now {
			time.Sleep(e.at - s.now)
			s.now = e.at
		}
		e.do()
		s.settle()
	}
	return s.result()
}

// settle shares the links out among their streams, and has members choose again that have a reason.
func (s *Swarm) settle() {
	for len(s.shared)+len(s.awake) > 0 {
		awake := s.awake
		s.awake = nil
		for _, m := range awake {
			m.pull.awake = false
			m.pull.choose()
		}
		s.share()
	}
}

func (s *Swarm) result() (r Result) {
	var first, last []time.Duration
	blob := float64(s.leaves) * dag.LeafSize
	for _, m := range s.members {
		m.settle()
		if m.pull == nil {
			r.Sent += m.sent / blob
			continue
		}
		r.Wasted += m.got/blob - float64(m.here.Count())/float64(s.leaves)
		if !m.whole {
			r.Unfinished++
			continue
		}
		first, last = append(first, m.pull.firstAt), append(last, m.pull.doneAt)
	}
	if len(last) == 0 {
		return r
	}
	r.Wasted /= float64(len(last))
	slices.Sort(first)
	slices.Sort(last)
	r.First, r.FirstOfLast = first[len(first)/2], first[len(first)-1]
	r.Half, r.Last = last[len(last)/2], last[len(last)-1]
	return r
}

func (s *Swarm) clock() time.Time { return s.begin.Add(s.now) }

// event is something that happens later. Events at the same time keep their order.
type event struct {
	at    time.Duration
	seq   int
	index int // in the queue; negative: it is not in the queue
	do    func()
}

func (s *Swarm) after(d time.Duration, do func()) *event {
	s.seq++
	e := &event{at: s.now + max(d, 0), seq: s.seq, do: do}
	heap.Push(&s.events, e)
	return e
}

// cancel removes an event from the queue. The event may have happened already, or be nil.
func (s *Swarm) cancel(e *event) {
	if e != nil && e.index >= 0 {
		heap.Remove(&s.events, e.index)
	}
}

type events []*event

func (q events) Len() int { return len(q) }

func (q events) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}

func (q events) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

func (q *events) Push(e any) {
	e.(*event).index = len(*q)
	*q = append(*q, e.(*event))
}

func (q *events) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	e.index = -1
	return e
}
