package doctor

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// clockOff is by how much two clocks may differ, beside the time that an answer takes.
const clockOff = 2 * time.Second

var (
	clockDiffers = Kind{
		"clock-differs", Warning,
		"Clients' tokens and certificates are judged by that clock, and times in log and status do not fit. What is in the path map does not depend on it.",
		"Have NTP set the clock of that machine: `timedatectl` says whether it does.",
	}
	mapBehind = Kind{
		"map-behind", Warning,
		"What was pushed or deleted since is not seen there.",
		"Ask again in a minute, since a push under way shows, too. If it stays, look at the log there, and for `does not follow` in its `status`.",
	}
)

// saidChecks are of what all members say of themselves.
func saidChecks() []Check {
	return []Check{
		{"clocks", "the members' clocks are as this one", Said, []Kind{clockDiffers}, checkClocks},
		{"maps", "all members have the same map", Said, []Kind{mapBehind}, checkMaps},
	}
}

// checkClocks blames this registry's clock where most members agree on another time.
func checkClocks(f Facts) (all []Finding) {
	var ahead []time.Duration
	for _, m := range f.others() {
		switch {
		case m.Ahead != nil:
			ahead = append(ahead, sure(m))
		case m.Connected:
			all = append(all, unknown(nameOf(m.Name, m.PeerID), "%s", m.Trouble))
		}
	}
	if by, n := common(ahead); n > 1 && n > len(ahead)/2 && off(by) {
		all = append(all, clockDiffers.found("", "this registry's clock is %s that of %d of %d members", offText(-by), n, len(ahead)))
		return all
	}
	for _, m := range f.others() {
		if m.Ahead != nil && off(sure(m)) {
			all = append(all, clockDiffers.found(nameOf(m.Name, m.PeerID), "its clock is %s this registry's", offText(*m.Ahead)))
		}
	}
	return all
}

// sure is by how much a member's clock is ahead at least, or behind, whatever the time that its
// answer took.
func sure(m driver.SwarmMember) time.Duration {
	within := time.Duration(0)
	if m.Within != nil {
		within = *m.Within
	}
	switch by := *m.Ahead; {
	case by > within:
		return by - within
	case by < -within:
		return by + within
	}
	return 0
}

// apart is how far two clocks are from each other. A member may say any time: what is too far for a
// duration is the longest.
func apart(a, b time.Duration) time.Duration {
	d := a - b
	if (a < 0) != (b < 0) && (d < 0) != (a < 0) {
		return math.MaxInt64
	}
	return d
}

func off(by time.Duration) bool { return by.Abs() > clockOff }

// common is by how much most clocks are ahead, in the middle, and how many that are.
func common(ahead []time.Duration) (by time.Duration, n int) {
	if len(ahead) == 0 {
		return 0, 0
	}
	sorted := slices.Sorted(slices.Values(ahead))
	by = sorted[len(sorted)/2]
	for _, a := range ahead {
		if !off(apart(a, by)) {
			n++
		}
	}
	return by, n
}

func offText(ahead time.Duration) string {
	if ahead < 0 {
		return fmt.Sprintf("%s behind", ahead.Abs().Round(time.Second))
	}
	return fmt.Sprintf("%s ahead of", ahead.Round(time.Second))
}

func checkMaps(f Facts) (all []Finding) {
	for _, m := range f.others() {
		if m.Map == nil {
			if m.Connected {
				all = append(all, unknown(nameOf(m.Name, m.PeerID), "%s", m.Trouble))
			}
			continue // one that is away is told of elsewhere
		}
		least := ""
		if m.Map.AtLeast {
			least = "at least "
		}
		switch m.Map.State {
		case "behind":
			all = append(all, mapBehind.found(nameOf(m.Name, m.PeerID), "it lacks %s%s that this registry has", least, counted(m.Map.Behind, "change")))
		case "other":
			all = append(all, mapBehind.found("", "this registry lacks changes that %s has", nameOf(m.Name, m.PeerID)))
		}
	}
	return all
}

// others are the other registries, as they say of themselves.
func (f Facts) others() (all []driver.SwarmMember) {
	if f.Swarm == nil {
		return nil
	}
	for _, m := range f.Swarm.Members {
		if !m.Self {
			all = append(all, m)
		}
	}
	return all
}
