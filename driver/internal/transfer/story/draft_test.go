package story

import (
	"fmt"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
)

// at is a moment after the beginning of a test's story.
func at(after time.Duration) time.Time { return time.Unix(1, 0).Add(after) }

func draft() *Draft { return NewDraft(cid.NewCidV1(cid.Raw, []byte{0, 0}), 3*mib, at(0)) }

// TestEachMomentCountsOnce shows that what a transfer waited for adds up to how long it took.
func TestEachMomentCountsOnce(t *testing.T) {
	d := draft()
	d.Spend(Room, 5*ms)
	d.Turn(at(10*ms), FirstByte)
	d.Turn(at(30*ms), Flow)
	d.Turn(at(25*ms), Flow) // no clock goes back, but nothing may break
	d.Turn(at(90*ms), Disk)
	s := d.Told(at(100 * ms))
	require.Equal(t, times{Room: 5 * ms, Holders: 10 * ms, FirstByte: 20 * ms, Flow: 60 * ms, Disk: 10 * ms}.array(), s.Times)
	require.Equal(t, 105*ms, s.Took())
	require.Equal(t, s.Times, d.Told(at(100*ms)).Times, "telling it changes nothing")
}

func TestWhatASourceSent(t *testing.T) {
	d := draft()
	d.Order("a", at(10*ms))
	d.Order("a", at(20*ms))
	d.Order("mute", at(20*ms))
	d.Leaf("a", mib)
	d.Leaf("a", mib)
	d.Done("a", at(60*ms), How{Road: RoadStream, Got: 2 * mib, First: at(40 * ms), Took: 50 * ms})
	d.Done("a", at(110*ms), How{Road: RoadData, Got: mib / 2, First: at(50 * ms), Took: 90 * ms, Failed: true, Wrong: true})
	d.Question("mute", How{Mute: 30 * ms, Failed: true})
	s := d.Told(at(120*ms), Open{"mute", How{Mute: 90 * ms, Took: 100 * ms}})
	require.Equal(t, []Source{
		{Peer: "a", Roads: []Road{RoadStream, RoadData}, Bytes: 2 * mib, Leaves: 2, Got: 2*mib + mib/2, Asked: 2, Retries: 1, Wrong: 1, First: 30 * ms, Busy: 100 * ms},
		{Peer: "mute", Asked: 2, Retries: 1, Busy: 100 * ms, Mute: 120 * ms},
	}, s.Sources)
	require.Equal(t, 40*ms, s.First)
	require.Equal(t, 240*ms, s.Work.Busy)
	require.EqualValues(t, 2*mib, s.Bytes)
	require.Equal(t, 2, s.Retries())
	require.InDelta(t, 25*mib, s.Sources[0].Rate(), 1)
}

func TestBytesThatNoMemberSent(t *testing.T) {
	d := draft()
	d.Copied(mib)
	d.Swapped(at(70*ms), mib)
	s := d.Told(at(80 * ms))
	require.EqualValues(t, mib, s.Copied)
	require.Equal(t, []Source{{Roads: []Road{RoadBitswap}, Bytes: mib, Leaves: 1, Got: mib, First: 70 * ms}}, s.Sources)
	require.Equal(t, 70*ms, s.First)
}

// TestAStoryIsBounded however many members a blob comes from.
func TestAStoryIsBounded(t *testing.T) {
	const all = 2 * maxMore
	d := draft()
	for i := range all {
		id := peer.ID(fmt.Sprint(i))
		d.Order(id, at(0))
		d.Leaf(id, 1)
		d.Done(id, at(ms), How{Got: 1})
	}
	s := d.Told(at(ms))
	require.Len(t, s.Sources, MaxSources+1)
	require.Equal(t, maxMore, s.Others)
	require.EqualValues(t, all, s.Bytes)
	require.EqualValues(t, all-MaxSources, s.Sources[MaxSources].Bytes)
	require.Len(t, d.more, maxMore)
}
