package simulate

import (
	"slices"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// stream carries leaf after leaf from one member to another.
type stream struct {
	from, to *Member
	left     float64 // bytes of the current leaf that have not come yet
	rate     float64 // bytes per second
	since    time.Duration
	leaf     *event // the leaf has arrived
	a        *attempt
}

// open starts a stream, with the first leaf of an attempt.
func (s *Swarm) open(a *attempt) *stream {
	st := &stream{from: a.holder, to: a.f.p.m, since: s.now, left: dag.LeafSize, a: a}
	st.from.out, st.to.in = append(st.from.out, st), append(st.to.in, st)
	s.shared = append(s.shared, st.from, st.to)
	return st
}

// end stops a stream.
func (st *stream) end() {
	st.settle()
	s := st.from.swarm
	s.cancel(st.leaf)
	st.from.out, st.to.in = without(st.from.out, st), without(st.to.in, st)
	s.shared = append(s.shared, st.from, st.to)
}

func without(all []*stream, st *stream) []*stream {
	i := slices.Index(all, st)
	return slices.Delete(all, i, i+1)
}

// next goes on with the next leaf.
func (st *stream) next() {
	st.left = dag.LeafSize
	st.due()
}

// settle counts what has come since the stream was last settled.
func (st *stream) settle() {
	s := st.from.swarm
	n := min(st.rate*(s.now-st.since).Seconds(), st.left)
	st.since = s.now
	if n <= 0 {
		return
	}
	st.left -= n
	st.from.sent += n
	st.to.got += n
	st.a.f.run.Got += int64(n)
	st.a.f.run.Last = s.clock()
}

func (m *Member) settle() {
	for _, st := range m.in {
		st.settle()
	}
}

// due schedules the arrival of the leaf, at the present rate.
func (st *stream) due() {
	s := st.from.swarm
	s.cancel(st.leaf)
	st.leaf = nil
	if st.rate > 0 {
		st.leaf = s.after(time.Duration(st.left/st.rate*float64(time.Second))+1, st.arrived)
	}
}

func (st *stream) arrived() {
	st.settle()
	st.a.f.run.Got += int64(st.left) // what rounding left
	st.left = 0
	st.a.leafCame()
}

// share gives each stream its part of the links at both of its ends.
func (s *Swarm) share() {
	shared := s.shared
	s.shared = nil
	s.round++
	for _, m := range shared {
		for _, streams := range [][]*stream{m.out, m.in} {
			for _, st := range streams {
				rate := min(st.from.fair().up, st.to.fair().down)
				if st.from.mute {
					rate = 0
				}
				if rate != st.rate || st.leaf == nil {
					st.settle()
					st.rate = rate
					st.due()
				}
			}
		}
	}
}

// fair is how many bytes per second a stream may have at most at this end. What streams cannot use,
// because they are held up at their other ends, goes to the others.
type fair struct {
	round    int
	up, down float64
}

func (m *Member) fair() *fair {
	f := &m.level
	if f.round == m.swarm.round {
		return f
	}
	f.round = m.swarm.round
	caps := m.swarm.caps[:0]
	for _, st := range m.out {
		caps = append(caps, st.to.link.Down/float64(len(st.to.in)))
	}
	f.up = level(m.link.Up, caps)
	caps = caps[:0]
	for _, st := range m.in {
		caps = append(caps, st.from.link.Up/float64(len(st.from.out)))
	}
	f.down = level(m.link.Down, caps)
	m.swarm.caps = caps
	return f
}

// level shares a link among streams with these caps. It returns the rate that no stream exceeds;
// a stream whose cap is lower gets only its cap.
func level(link float64, caps []float64) float64 {
	slices.Sort(caps)
	for i, c := range caps {
		if each := link / float64(len(caps)-i); c >= each {
			return each
		}
		if link -= c; i == len(caps)-1 {
			return link + c
		}
	}
	return link
}
