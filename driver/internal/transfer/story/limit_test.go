package story

import (
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
)

const (
	ms  = time.Millisecond
	mib = 1 << 20
)

// times are what a transfer's time went to.
type times map[Phase]time.Duration

func (t times) array() (all [Phases]time.Duration) {
	for p, took := range t {
		all[p] = took
	}
	return all
}

// TestWhatLimited says what limited a transfer, by its story alone.
func TestWhatLimited(t *testing.T) {
	for name, c := range map[string]struct {
		times   times
		work    Work
		sources []Source
		want    What
		peer    peer.ID
	}{
		"it has just begun":                     {want: Nothing},
		"nobody was known to have it":           {times: times{Holders: 900 * ms, FirstByte: 20 * ms, Flow: 100 * ms}, want: NoHolder},
		"it waited for room":                    {times: times{Room: 900 * ms, Flow: 100 * ms}, want: NoRoom},
		"it came at once, from far away":        {times: times{FirstByte: 300 * ms, Flow: 10 * ms}, sources: []Source{{Peer: "far", Leaves: 1, Got: mib, Mute: 300 * ms}}, want: FirstAnswer},
		"one was mute, another one sent it":     {times: times{FirstByte: 900 * ms, Flow: 100 * ms}, sources: []Source{{Peer: "good", Leaves: 1, Got: mib}, {Peer: "mute", Mute: 880 * ms}}, want: MuteHolder, peer: "mute"},
		"one was mute for a part of that":       {times: times{FirstByte: 900 * ms, Flow: 100 * ms}, sources: []Source{{Peer: "good", Leaves: 1, Got: mib}, {Peer: "mute", Mute: 150 * ms}}, want: FirstAnswer},
		"one failed, was mute, and sent it all": {times: times{FirstByte: 900 * ms}, sources: []Source{{Peer: "sick", Leaves: 1, Got: mib, Mute: 880 * ms, Retries: 1}}, want: MuteHolder, peer: "sick"},
		"they went mute in the middle":          {times: times{Flow: 100 * ms, Mute: 900 * ms}, sources: []Source{{Peer: "a", Leaves: 3, Mute: 20 * ms}, {Peer: "b", Leaves: 2, Mute: 700 * ms}}, want: MuteHolder, peer: "b"},
		"others had the places in the crew":     {times: times{Workers: 500 * ms, Flow: 400 * ms}, want: NoWorker},
		"others were to pass it on":             {times: times{Feed: 500 * ms, Flow: 400 * ms}, want: Feeding},
		"it was hashed that was here":           {times: times{Disk: 500 * ms, Flow: 400 * ms}, want: OwnDisk},
		"a client read slowly":                  {times: times{Reader: 500 * ms, Flow: 400 * ms}, want: SlowClient},
		"copies are made slowly":                {times: times{Pace: 500 * ms, Flow: 400 * ms}, want: OwnPace},
		"one sent as fast as its link is":       {times: times{Flow: 900 * ms}, work: Work{Busy: 900 * ms, Hash: 10 * ms, Write: 10 * ms}, sources: []Source{{Peer: "slow", Got: 9 * mib}, {Peer: "b", Got: mib}}, want: OneLink, peer: "slow"},
		"two sent as fast as their links are":   {times: times{Flow: 900 * ms}, work: Work{Busy: 900 * ms, Hash: 10 * ms}, sources: []Source{{Peer: "a", Got: 5 * mib}, {Peer: "b", Got: 5 * mib}}, want: AllLinks},
		"bytes came for which nobody answers":   {times: times{Flow: 900 * ms}, want: AllLinks},
		"workers spent their time on hashing":   {times: times{Flow: 900 * ms}, work: Work{Busy: 900 * ms, Hash: 400 * ms, Write: 100 * ms}, sources: []Source{{Peer: "a", Got: mib}}, want: OwnProcessor},
		"workers spent their time on writing":   {times: times{Flow: 900 * ms}, work: Work{Busy: 900 * ms, Hash: 100 * ms, Write: 400 * ms}, sources: []Source{{Peer: "a", Got: mib}}, want: OwnDisk},
		"by bitswap, from whomever":             {times: times{Flow: 900 * ms}, sources: []Source{{Got: mib, Roads: []Road{RoadBitswap}}}, want: OneLink},
	} {
		t.Run(name, func(t *testing.T) {
			got := Story{Times: c.times.array(), Work: c.work, Sources: c.sources}.Limit()
			require.Equal(t, c.want, got.What)
			require.Equal(t, c.peer, got.Peer)
		})
	}
}

func TestItsShareOfTheTime(t *testing.T) {
	got := Story{Times: times{Flow: 300 * ms, Holders: 100 * ms}.array()}.Limit()
	require.InDelta(t, 0.75, got.Share, 1e-9)
	require.Equal(t, 300*ms, got.Took)
}
