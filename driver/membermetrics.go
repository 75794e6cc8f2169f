package driver

import (
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func (c collector) collectMembers(gauge func(d *prometheus.Desc, v float64, labels ...string)) {
	var connected, lost, differ, unfollowed int
	members := c.members()
	for _, m := range members {
		if m.Connected {
			connected++
		} else {
			lost++
		}
		if m.TrustDiffers {
			differ++
		}
		if m.NotFollowed != nil {
			unfollowed++
		}
	}
	collectEach(gauge, c.names.of(time.Now(), members))
	var met, unmet int
	for _, b := range c.bootstrappers() {
		if b.Met {
			met++
		} else {
			unmet++
		}
	}
	gauge(bootstrapDesc, float64(met), "met")
	gauge(bootstrapDesc, float64(unmet), "not_met")
	gauge(membersDesc, float64(connected), "connected")
	gauge(membersDesc, float64(lost), "lost")
	gauge(trustDesc, float64(differ))
	gauge(unfollowedDesc, float64(unfollowed))
}

// maxLabeled is of how many members there are metrics of their own: whoever has the protector key
// can be a member under any number of peer IDs.
const maxLabeled = 500

// labeled are the members that have metrics of their own where there are more than most: those that
// are here come first, of these the trusted ones, and then those that have been here for longest; of
// those that are away, the ones lost last.
func labeled(all []Member, most int) []Member {
	if len(all) <= most {
		return all
	}
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b Member) int {
		if a.Connected != b.Connected {
			return int(oneIf(b.Connected) - oneIf(a.Connected))
		}
		if a.Trusted != b.Trusted {
			return int(oneIf(b.Trusted) - oneIf(a.Trusted))
		}
		if a.Connected {
			return a.Since.Compare(b.Since)
		}
		return b.Since.Compare(a.Since)
	})
	return all[:most]
}

func collectEach(gauge func(d *prometheus.Desc, v float64, labels ...string), members []Member) {
	for _, m := range members {
		gauge(memberUpDesc, oneIf(m.Connected), m.PeerID, m.Name)
		gauge(memberDataDesc, oneIf(m.DataPort), m.PeerID, m.Name)
		if m.Capacity != nil {
			gauge(memberCapDesc, float64(*m.Capacity), m.PeerID, m.Name)
			gauge(memberFreeDesc, float64(*m.FreeBytes), m.PeerID, m.Name)
		}
		if m.LastDelta != nil {
			gauge(memberLastDesc, float64(m.LastDelta.UnixMilli())/1000, m.PeerID, m.Name)
		}
	}
}

// nameTime is how long a member's name stays the label of its metrics, whatever it calls itself
// meanwhile: each name makes series of its own, which Prometheus keeps.
const nameTime = time.Hour

// labelNames are the names by which metrics call members. It is safe for concurrent use.
type labelNames struct {
	mu sync.Mutex
	by map[string]labelName // by peer ID
}

type labelName struct {
	name  string
	since time.Time
}

// of are the members that have metrics of their own, called by the names that metrics have for them now.
func (l *labelNames) of(now time.Time, members []Member) []Member {
	l.mu.Lock()
	defer l.mu.Unlock()
	named := slices.Clone(labeled(members, maxLabeled))
	called := make(map[string]labelName, len(named))
	for i := range named {
		m := &named[i]
		last := l.by[m.PeerID]
		if last.name == "" || now.Sub(last.since) >= nameTime && m.Name != "" && m.Name != last.name {
			last = labelName{m.Name, now}
		}
		m.Name, called[m.PeerID] = last.name, last
	}
	l.keep(now, called)
	return named
}

// keep adds those that are no members now, and may soon be again, under another name; not so many that
// a flood of them takes memory.
func (l *labelNames) keep(now time.Time, called map[string]labelName) {
	for id, last := range l.by {
		if _, ok := called[id]; !ok && now.Sub(last.since) < nameTime && len(called) < 2*maxLabeled {
			called[id] = last
		}
	}
	l.by = called
}
