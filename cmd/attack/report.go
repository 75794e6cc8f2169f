package main

import (
	"fmt"
	"runtime"
	"strings"
	"time"
)

// What must hold.
const (
	mostSlower = 3 // times
	mostMemory = 300 * mib
	mostAfter  = 100 * mib
	mostJoin   = 5 * time.Second
	mostShown  = 20
)

// row is one line of the table of what must hold.
type row struct {
	what, peace, attacked, must string
	holds                       bool
}

// report prints all, and returns whether everything holds.
func (t *trial) report() (holds bool) {
	s := &t.sum
	t.say("\n%s in peace, %s under attack, %d clients, %d processors\n", s.peace.took.Round(time.Second), s.attacked.took.Round(time.Second), t.o.clients, runtime.NumCPU())
	t.say("| | in peace | under attack | must be | holds |\n|---|---|---|---|---|")
	holds = true
	for _, r := range s.rows() {
		yes := "yes"
		if !r.holds {
			holds, yes = false, "**no**"
		}
		t.say("| %s | %s | %s | %s | %s |", r.what, r.peace, r.attacked, r.must, yes)
	}
	t.say("\nattackers tried %.0f things a second", s.tried())
	t.say("\n| position | attack | tried | achieved | refused | held at most |\n|---|---|---|---|---|---|")
	for _, a := range s.Attacks {
		t.say("| %s | %s | %d | %d | %d | %d |", a.Position, a.Name, a.Tried, a.Did, a.Refused, a.Most)
	}
	t.say("\nanswers for entries of absurd size, by status: %v", s.attacked.poisoned)
	t.list("never arrived", idle(s.Attacks))
	t.list("lost", s.lost)
	t.list("denied", s.attacked.denied)
	t.list("failed in peace", s.peace.why)
	t.list("failed under attack", s.attacked.why)
	return holds && len(idle(s.Attacks)) == 0
}

func (t *trial) list(what string, all []string) {
	for i, one := range all {
		if i == mostShown {
			t.say("%s: … %d in all", what, len(all))
			return
		}
		t.say("%s: %s", what, strings.ReplaceAll(one, "\n", " "))
	}
}

func (s *sum) rows() []row {
	before, after := s.peace.p99(), s.attacked.p99()
	ratio := 0.0
	if before > 0 {
		ratio = float64(after) / float64(before)
	}
	idleMemory, idleSockets := s.idle.most()
	inPeace, _ := s.mostInPeace.above(s.idle)
	during, sockets := s.most.above(s.idle)
	left, leftSockets := s.after.above(s.idle)
	_, mostSockets := s.most.most()
	slowest := time.Duration(0)
	var connected, ready []string
	for _, j := range s.joined {
		slowest = max(slowest, j.ready)
		connected, ready = append(connected, seconds(j.connected)), append(ready, j.String())
	}
	return []row{
		{"pushes acknowledged a minute (failed, of all)", s.peace.pushes(), s.attacked.pushes(), "some", s.attacked.pushed > 0},
		{"acknowledged pushes that a registry does not serve", "", fmt.Sprint(len(s.lost)), "0", len(s.lost) == 0},
		{"answers of 404 for what was acknowledged", fmt.Sprint(len(s.peace.denied)), fmt.Sprint(len(s.attacked.denied)), "0", len(s.attacked.denied) == 0},
		{"pulls served (not served)", s.peace.pulls(), s.attacked.pulls(), "", true},
		{"99 of 100 small pulls take at most", millis(before), fmt.Sprintf("%s, %.1f times", millis(after), ratio), fmt.Sprintf("%d times", mostSlower), ratio <= mostSlower && ratio > 0},
		{"half of them, and 99 of 100 manifests, configs, layers", s.peace.spread(), s.attacked.spread(), "", true},
		{"memory of one registry", mibs(idleMemory) + " idle, + " + mibs(inPeace) + " at work", "+ " + mibs(during), "+ " + mibs(mostMemory), during <= mostMemory},
		{"memory a minute after", "", "+ " + mibs(left), "+ " + mibs(mostAfter), left <= mostAfter},
		{"sockets of one registry", fmt.Sprint(idleSockets) + " idle", fmt.Sprintf("%d (+ %d)", mostSockets, sockets), "", true},
		{"sockets left", "", fmt.Sprintf("+ %d", leftSockets), "+ 0", leftSockets <= 0},
		{"a newcomer is connected with all after", seconds(s.joinedInPeace.connected), strings.Join(connected, ", "), "", true},
		{"a newcomer has read all, and is ready after", s.joinedInPeace.String(), strings.Join(ready, ", "), seconds(mostJoin), len(ready) > 0 && slowest <= mostJoin},
		{"processors that registries, clients and attackers had", s.peace.had(0), s.attacked.had(s.Worked), "", true},
		{"registries that ended", "", strings.Join(append(s.died, fmt.Sprint(len(s.died))), " "), "0", len(s.died) == 0},
	}
}

// tried is how often attackers did something, a second: whether they had the processors that they
// needed.
func (s *sum) tried() float64 {
	n := int64(0)
	for _, a := range s.Attacks {
		n += a.Tried
	}
	return float64(n) / max(1, s.attacked.took.Seconds())
}

func (p *phase) pushes() string {
	if p.took == 0 {
		return "0"
	}
	return fmt.Sprintf("%.0f (%d of %d)", float64(p.pushed)/p.took.Minutes(), p.failed, p.failed+p.pushed)
}

func (p *phase) pulls() string {
	return fmt.Sprintf("%d (%d)", len(p.small)+p.large-p.unservedSmall(), p.unserved)
}

// had is how many processors registries, clients and attackers had, on average.
func (p *phase) had(attackers time.Duration) string {
	if p.took == 0 {
		return ""
	}
	of := func(d time.Duration) float64 { return d.Seconds() / p.took.Seconds() }
	return fmt.Sprintf("%.2f, %.2f, %.2f", of(p.worked.registries), of(p.worked.clients), of(attackers))
}

// unservedSmall counts the small pulls that were not served, which count as patience.
func (p *phase) unservedSmall() (n int) {
	for _, d := range p.small {
		if d == patience {
			n++
		}
	}
	return n
}

// spread tells whether all pulls take longer, or some, and for what these wait.
func (p *phase) spread() string {
	all := []string{millis(most(p.small, 50))}
	for _, part := range p.parts {
		all = append(all, millis(most(part, 99)))
	}
	return strings.Join(all, ", ")
}

func millis(d time.Duration) string  { return fmt.Sprintf("%.0f ms", d.Seconds()*1000) }
func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
func mibs(n int64) string            { return fmt.Sprintf("%d MiB", n/mib) }
