package driver

import (
	"slices"

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
	collectEach(gauge, labeled(members, maxLabeled))
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
