package lease_test

import (
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/lease"
)

// fault has something go wrong, or heals it.
func (s *sim) fault(r *registry) {
	long := s.some(2*r.grace + hour)
	if s.chance(2) {
		long = s.some(10 * time.Minute)
	}
	switch s.rng.IntN(7) {
	case 0:
		for i := range s.cut {
			s.cut[i] = s.rng.IntN(2)
		}
	case 1, 2:
		s.cut = [maxRegs]int{}
	case 3: // SIGSTOP, or the machine is suspended, in which case its monotonic clock stands still
		r.asleep = s.now + long
		if s.chance(2) {
			r.stood += long
		}
		s.seen.suspended++
	case 4:
		r.start()
		r.asleep = s.now + long
		if s.chance(4) && s.differ {
			r.grace = s.grace()
		}
		s.seen.restarts++
	case 5, 6:
		if s.forgets {
			s.banish(r)
		}
	}
	if s.exile >= 0 {
		s.cut[s.exile] = 2
	}
}

// banish cuts off a registry for long, has others forget the one that is cut off, or lets it
// come back.
func (s *sim) banish(r *registry) {
	switch {
	case s.exile < 0:
		s.exile, s.until = r.id, s.now+s.some(8*r.grace+hour)
	case s.now > s.until:
		s.calm()
	default:
		for _, o := range s.regs {
			if o.id != s.exile && s.chance(2) {
				o.forget(s.regs[s.exile])
			}
		}
	}
}

// message is a question, or an answer with what its sender had merged.
type message struct {
	from, to int
	answer   bool
	hear     bool // it asks for a hearing, or answers such a question
	counter  uint64
	asked    lease.Moment
	run      int // of who asked
	has      vector
}

func (s *sim) send(m message) {
	if len(s.net) < 100 {
		s.net = append(s.net, m)
	}
}

func (s *sim) deliver() {
	if len(s.net) == 0 {
		return
	}
	i := s.rng.IntN(len(s.net))
	m := s.net[i]
	if !s.connected(m.from, m.to) && s.chance(2) || s.chance(40) {
		s.net[i] = s.net[len(s.net)-1] // it is lost
		s.net = s.net[:len(s.net)-1]
		return
	}
	to := s.regs[m.to]
	if !s.connected(m.from, m.to) || !s.awake(to) {
		return
	}
	s.net[i] = s.net[len(s.net)-1]
	s.net = s.net[:len(s.net)-1]
	if m.from != m.to {
		to.meet(s.regs[m.from])
	}
	if m.answer {
		to.answered(m)
	} else {
		to.asked(m)
	}
}
