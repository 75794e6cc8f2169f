package main

import (
	"strings"
	"testing"
	"time"
)

// good is a run in which all holds.
func good() *sum {
	s := &sum{joinedInPeace: joining{ready: time.Second}, joined: []joining{{ready: mostJoin}}}
	for _, p := range []*phase{&s.peace, &s.attacked} {
		*p = phase{pushed: 1, small: []time.Duration{time.Second}, took: time.Minute}
	}
	return s
}

func TestWhatDoesNotHoldIsSaid(t *testing.T) {
	for _, r := range good().rows() {
		if !r.holds {
			t.Errorf("%s does not hold in a run in which all holds", r.what)
		}
	}
	for what, spoil := range map[string]func(*sum){
		"pushes acknowledged": func(s *sum) { s.attacked.pushed = 0 },
		"does not serve":      func(s *sum) { s.lost = []string{"x"} },
		"404":                 func(s *sum) { s.attacked.denied = []string{"x"} },
		"99 of 100":           func(s *sum) { s.attacked.small = []time.Duration{3*time.Second + 1} },
		"memory of":           func(s *sum) { s.most.memory[2] = mostMemory + 1 },
		"memory a minute":     func(s *sum) { s.after.memory[0] = mostAfter + 1 },
		"sockets left":        func(s *sum) { s.after.sockets[1] = 1 },
		"newcomer":            func(s *sum) { s.joined = append(s.joined, joining{ready: mostJoin + 1}) },
		"ended":               func(s *sum) { s.died = []string{"A"} },
	} {
		s := good()
		spoil(s)
		n := 0
		for _, r := range s.rows() {
			if !r.holds {
				n++
				if !strings.Contains(r.what, what) {
					t.Errorf("%q: %s does not hold", what, r.what)
				}
			}
		}
		if n != 1 {
			t.Errorf("%q: %d lines do not hold", what, n)
		}
	}
}

func TestAnAttackThatDidNotArrive(t *testing.T) {
	all := []result{
		{Name: "a"}, {Name: "b", Tried: 1}, {Name: "c", Tried: 1, Did: 1}, {Name: "d", Tried: 1, Refused: 1},
		{Name: "e", Tried: 1, Most: 1}, {Name: "f", Waits: true},
	}
	if got := strings.Join(idle(all), ","); got != ": a,: b" {
		t.Errorf("%q", got)
	}
}

// TestForWhatTheSlowPullsWait is seen from their parts, and from what the others take.
func TestForWhatTheSlowPullsWait(t *testing.T) {
	var p phase
	for i := range 100 {
		wait := time.Duration(0)
		if i >= 90 {
			wait = time.Second
		}
		p.small = append(p.small, 30*time.Millisecond+wait)
		p.note([]time.Duration{5 * time.Millisecond, 10*time.Millisecond + wait, 15 * time.Millisecond})
	}
	p.note([]time.Duration{7 * time.Millisecond}) // of a pull that got no more
	if got := p.spread(); got != "30 ms, 5 ms, 1010 ms, 15 ms" {
		t.Error(got)
	}
}
