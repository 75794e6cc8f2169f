package fetch

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// TestWrongBytesStayTheCause shows that wrong bytes remain the cause of a failed transfer, whatever
// their sender does afterwards.
func TestWrongBytesStayTheCause(t *testing.T) {
	for _, after := range []error{wire.ErrGone, wire.ErrSilent, errSlow} {
		c := &coordinator{}
		c.keepCause(wire.Blame("liar", wire.ErrSilent))
		c.keepCause(wire.Blame("liar", &wrongLeaf{4, blob.ErrBadLeaf}))
		c.keepCause(wire.Blame("liar", after))
		require.ErrorIs(t, c.last, blob.ErrBadLeaf)
	}
}

// TestWhoIsAskedFirstNextTime shows that it is a holder that delivered, not one that another holder
// overtook.
func TestWhoIsAskedFirstNextTime(t *testing.T) {
	j := idleJob(t)
	c := newCoordinator(j)
	c.roster.Add("slow", nil)
	c.roster.Add("fast", nil)
	c.settle("slow", wire.Blame("slow", errOvertaken))
	require.Empty(t, j.f.Holders.Last())
	c.settle("fast", nil)
	require.EqualValues(t, "fast", j.f.Holders.Last())
}

// TestMembersAreLookedAtOnTime shows that events in between do not put off the next look at which
// members are connected.
func TestMembersAreLookedAtOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := idleJob(t)
		c := newCoordinator(j)
		c.search.looked = time.Now()
		time.Sleep(j.f.Timing.Retry - 1)
		require.EqualValues(t, 1, c.seek(time.Now()))
		c.search.looked = time.Time{}
		c.j.why.Likely = "likely"
		c.j.use.background.Store(true)
		c.roster.Add("likely", nil)
		require.EqualValues(t, 1, c.seek(time.Now()))
	})
}

// TestWhoIsInterruptedIsNotToBlame shows that, once the transfer has ended, no failure of an order
// is held against its holder.
func TestWhoIsInterruptedIsNotToBlame(t *testing.T) {
	j := idleJob(t)
	j.cancel(errWhole)
	c := newCoordinator(j)
	c.roster.Add("holder", nil)
	c.settle("holder", wire.Blame("holder", errors.Join(errWhole, wire.ErrLied)))
	require.NoError(t, c.last)
	require.False(t, c.roster.Failed("holder"))
}

// TestLeavesThatComeWithTheLastOne are told of, also where the coordinator takes no more events.
func TestLeavesThatComeWithTheLastOne(t *testing.T) {
	j := idleJob(t)
	c := newCoordinator(j)
	j.cancel(errWhole)
	of := &order{holder: "holder"}
	require.True(t, j.send(landed{1, of}))
	close(j.end.stopped)
	for leaf := 2; leaf < 5; leaf++ {
		if e := (landed{leaf, of}); !j.send(e) {
			j.end.note(e)
		}
	}
	j.end.note(landed{1, of}) // twice
	c.record.rest(c)
	s := c.told(time.Now())
	require.EqualValues(t, 4*mib, s.Bytes)
	require.Len(t, s.Sources, 1)
	require.Equal(t, 4, s.Sources[0].Leaves)
}

// TestAMuteOrderIsTold shows that an order which was cut because its holder was mute counts as one that was
// asked of somebody else, also when the transfer ends before its worker has.
func TestAMuteOrderIsTold(t *testing.T) {
	for cause, failed := range map[error]bool{errMute: true, errOvertaken: false, errWhole: false} {
		o := &order{began: time.Now()}
		o.ctx, o.cut = context.WithCancelCause(t.Context())
		o.cut(cause)
		o.cut(errWhole)
		require.Equal(t, failed, o.went(time.Now()).Failed, cause)
	}
}
