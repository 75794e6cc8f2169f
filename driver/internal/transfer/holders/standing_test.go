package holders

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
)

// TestWhoIsMuteSinks for longer each time, up to a bound, until it brings something; and begins anew
// when it was right for long.
func TestWhoIsMuteSinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := alone(t)
		sunk := func() time.Duration {
			began := time.Now()
			for d.Standing("mute").Sunk {
				time.Sleep(time.Second)
			}
			return time.Since(began)
		}
		require.Equal(t, Standing{Unproved: true}, d.Standing("mute"))
		for want := sunkFirst; want < sunkMost; want *= 2 {
			d.Sink("mute")
			d.Sink("mute") // another request that ended at the same time
			require.Equal(t, Standing{Unproved: true, Sunk: true}, d.Standing("mute"))
			require.Equal(t, want, sunk())
		}
		for range 20 {
			d.Sink("mute")
			require.Equal(t, sunkMost, sunk())
		}
		d.Sink("mute")
		d.Proved("mute")
		require.Equal(t, Standing{}, d.Standing("mute"))
		d.Sink("mute")
		require.Equal(t, sunkMost, sunk(), "a leaf made up for all")
		time.Sleep(sunkMost)
		d.Proved("mute")
		d.Sink("mute")
		require.Equal(t, sunkFirst, sunk())
	})
}

// TestWhoIsBeaten has to prove itself again, and sinks when it is beaten before that.
func TestWhoIsBeaten(t *testing.T) {
	d := alone(t)
	d.Proved("slow")
	d.Beaten("slow")
	require.Equal(t, Standing{Unproved: true}, d.Standing("slow"))
	d.Beaten("slow")
	require.True(t, d.Standing("slow").Sunk)
	require.True(t, d.Standing("liar").Untrusted)
}

// TestMemoryIsBounded however many identities are mute, and however many blobs they lie about.
func TestMemoryIsBounded(t *testing.T) {
	d := alone(t)
	for i := range 2 * maxStandings {
		d.Sink(peer.ID(fmt.Sprint(i)))
	}
	require.Equal(t, maxStandings, d.standings.of.Len())
	c := cidOf(t, "a")
	for i := range maxGrudges + 10 {
		d.Blame(peer.ID(fmt.Sprint(i)), c)
	}
	require.Len(t, d.grudges.since, maxGrudges)
}
