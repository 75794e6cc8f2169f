package transfer

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/story"
)

// told is the story of the only transfer of a registry, once it is over: a reader may have all of a
// blob before that is kept.
func (r *registry) told() story.Story {
	r.t.Helper()
	eventually(r.t, func() bool { return len(r.transfers.Finished(0)) > 0 }, "it is not over")
	all := r.transfers.Finished(0)
	require.Len(r.t, all, 1)
	require.Empty(r.t, r.transfers.Stories())
	require.Empty(r.t, r.transfers.stories.tales)
	return all[0]
}

// sent is what a member sent, as a story tells it.
func sent(t *testing.T, s story.Story, id peer.ID) story.Source {
	t.Helper()
	for _, of := range s.Sources {
		if of.Peer == id {
			return of
		}
	}
	t.Fatalf("nothing is told of %s: %+v", id, s.Sources)
	return story.Source{}
}

func TestAStoryOfTwoHolders(t *testing.T) { eachWay(t, storyOfTwoHolders) }

func storyOfTwoHolders(t *testing.T, town *town) {
	const size = 16*mib + 5
	content := random(110, size)
	a, b, c, ref := town.pair(t, content)
	a.uplink(8 * mib)
	b.uplink(8 * mib)
	c.requirePull(ref, content)
	s := c.told()
	require.Equal(t, story.Whole, s.Result)
	require.Equal(t, story.Client, s.For)
	require.EqualValues(t, size, s.Here)
	require.EqualValues(t, size, s.Bytes)
	require.Zero(t, s.Copied+s.Before)
	require.Positive(t, s.First)
	require.LessOrEqual(t, s.First, s.Took())
	fromA, fromB := sent(t, s, a.id), sent(t, s, b.id)
	require.Positive(t, fromA.Bytes)
	require.Positive(t, fromB.Bytes)
	require.EqualValues(t, size, fromA.Bytes+fromB.Bytes)
	require.Equal(t, dag.LeavesOf(size), fromA.Leaves+fromB.Leaves)
	road := map[way]story.Road{plainTCP: story.RoadStream, realStreams: story.RoadStream, realData: story.RoadData}[town.way]
	if !town.slowPort.Load() {
		require.Equal(t, []story.Road{road}, fromA.Roads)
	}
	c.requirePull(ref, content)
	require.Len(t, c.transfers.Finished(0), 1, "what is here needs no transfer")
}

// TestAStoryOfAMuteHolder names it, how long it was waited for, and that others were asked instead.
func TestAStoryOfAMuteHolder(t *testing.T) {
	content := random(111, 5*mib)
	a, b, c, ref := pair(t, content)
	c.retimed(func(p *timing) { *p = timingFor(30 * time.Second); p.Silence = never })
	c.transfers.holders.Served(a.id)
	a.holdBack(0)
	c.requirePull(ref, content)
	s := c.told()
	mute := sent(t, s, a.id)
	require.Zero(t, mute.Bytes)
	require.GreaterOrEqual(t, mute.Mute, c.timing.Hedge)
	require.Positive(t, mute.Retries)
	require.Positive(t, s.Retries())
	require.EqualValues(t, len(content), sent(t, s, b.id).Bytes)
}

func TestAStoryOfWrongBytes(t *testing.T) {
	content := random(112, 4*mib)
	a, b, c, ref := pair(t, content)
	a.damage(ref, 0)
	open := b.holdBack(0) // so that a is asked for the first leaf
	c.transfers.holders.Served(a.id)
	ended := make(chan error, 1)
	go func() { _, err := c.pull(ref, 0); ended <- err }()
	eventually(t, func() bool { return len(warnings(c)) > 0 }, "nothing is found to be wrong")
	open()
	require.NoError(t, <-ended)
	require.Positive(t, sent(t, c.told(), a.id).Wrong)
}

// TestASlowLinkIsNamed is about a holder whose link carries less than anything else here.
func TestASlowLinkIsNamed(t *testing.T) {
	var town town
	a, b := town.registry(t), town.registry(t)
	content := random(113, 6*mib)
	ref := a.push(content)
	a.uplink(2 * mib)
	b.requirePull(ref, content)
	s := b.told()
	limit := s.Limit()
	require.Equal(t, story.OneLink, limit.What, "%+v", s)
	require.Equal(t, a.id, limit.Peer)
	require.Greater(t, limit.Share, 0.5)
}

// TestASlowClientIsNamed, once it has taken longer than the swarm; and its transfer is not over before
// it has read all.
func TestASlowClientIsNamed(t *testing.T) {
	var town town
	a, b := town.registry(t), town.registry(t)
	content := random(114, 3*mib)
	ref := a.push(content)
	body := b.open(ref, 0)
	readExactly(t, body, content[:1])
	eventually(t, func() bool {
		all := b.transfers.Stories()
		return len(all) == 1 && all[0].Result == story.Whole && all[0].Readers == 1 && all[0].Limit().What == story.SlowClient
	}, "the client is not named")
	require.Empty(t, b.transfers.Finished(0))
	readExactly(t, body, content[1:])
	require.NoError(t, body.Close())
	s := b.told()
	require.Equal(t, story.SlowClient, s.Limit().What)
	require.Zero(t, s.Readers)
	_ = body.Close() // again, as a client may
	require.Len(t, b.transfers.Finished(0), 1)
}

// TestASlowClientOfAStreamIsNamed is about a blob that cannot be kept.
func TestASlowClientOfAStreamIsNamed(t *testing.T) {
	var town town
	a, b := town.registry(t), town.registry(t)
	content := random(115, 8*mib+1)
	body, err := b.transfers.stream(t.Context(), a.push(content), 0, io.ErrShortWrite)
	require.NoError(t, err)
	readExactly(t, body, content[:1])
	eventually(t, func() bool {
		all := b.transfers.Stories()
		return len(all) == 1 && all[0].Limit().What == story.SlowClient && all[0].Here < 8*mib
	}, "the client is not named")
	readExactly(t, body, content[1:])
	require.NoError(t, body.Close())
	s := b.told()
	require.Equal(t, story.Streamed, s.Result)
	require.EqualValues(t, len(content), s.Here)
	require.Zero(t, sent(t, s, a.id).Retries)
}

// TestWhoAsked tells copies from clients' pulls; and that a copy is made no faster than is wanted.
func TestWhoAsked(t *testing.T) {
	var town town
	a, b := town.registry(t), town.registry(t)
	pace := rate.NewLimiter(rate.Every(200*time.Millisecond/dag.LeafSize), dag.LeafSize)
	require.NoError(t, b.transfers.FetchPaced(t.Context(), a.push(random(116, 6*mib)), a.id, pace))
	s := b.told()
	require.Equal(t, story.Keeper, s.For)
	require.Equal(t, story.OwnPace, s.Limit().What, "%+v", s)
	require.NoError(t, b.transfers.FetchFrom(t.Context(), a.push(random(117, mib)), a.id, story.Push))
	require.Equal(t, story.Push, b.transfers.Finished(1)[0].For)
	stopped := rate.NewLimiter(rate.Every(time.Hour), dag.LeafSize)
	content := random(118, 6*mib)
	ref := a.push(content)
	ended := make(chan error, 1)
	go func() { ended <- b.transfers.FetchPaced(t.Context(), ref, a.id, stopped) }()
	eventually(t, func() bool {
		all := b.transfers.Stories()
		return len(all) == 1 && all[0].For == story.Keeper && all[0].Here > 0
	}, "nothing comes")
	b.requirePull(ref, content)
	require.NoError(t, <-ended)
	eventually(t, func() bool { return len(b.transfers.Finished(2)) == 1 }, "it is not over")
	require.Equal(t, story.Client, b.transfers.Finished(2)[0].For, "a client came")
}

// TestAStoryOfWhatNobodyHas says so.
func TestAStoryOfWhatNobodyHas(t *testing.T) {
	var town town
	_, b := town.registry(t), town.registry(t, stalls)
	_, err := b.pull(lost(t)[1], 0)
	requireUnavailable(t, err)
	s := b.told()
	require.Equal(t, story.Unavailable, s.Result)
	require.Equal(t, story.NoHolder, s.Limit().What, "%+v", s)
	require.Contains(t, s.Error, s.CID.String())
}

// TestATrace tells how a blob came, that it is here, or that it does not come.
func TestATrace(t *testing.T) {
	var town town
	a, b := town.registry(t), town.registry(t, stalls)
	ref := a.push(random(119, 3*mib))
	s, err := b.transfers.Trace(t.Context(), ref)
	require.NoError(t, err)
	require.Equal(t, story.Trace, s.For)
	require.EqualValues(t, 1, s.Number)
	require.EqualValues(t, ref.Size, sent(t, s, a.id).Bytes)
	require.Equal(t, s, b.told())
	s, err = b.transfers.Trace(t.Context(), ref)
	require.NoError(t, err)
	require.Equal(t, story.Story{CID: ref.CID, Size: ref.Size, For: story.Trace, Result: story.Whole, Here: ref.Size, Before: ref.Size}, s)
	s, err = b.transfers.Trace(t.Context(), lost(t)[1])
	requireUnavailable(t, err)
	require.Equal(t, story.Unavailable, s.Result)
	ctx, cancel := context.WithCancel(t.Context())
	a.holdBack(0)
	ref = a.push(random(120, 3*mib))
	ended := make(chan error, 1)
	go func() { s, err = b.transfers.Trace(ctx, ref); ended <- err }()
	eventually(t, func() bool { return len(b.transfers.Stories()) == 1 }, "it does not begin")
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	require.Empty(t, s.Result)
	require.Equal(t, ref.CID, s.CID)
}

// TestALineForEachPull is at info only where somebody waited for the blob.
func TestALineForEachPull(t *testing.T) {
	var town town
	a := town.registry(t)
	b := town.registry(t, func(r *registry) {
		r.config.Name = func(id peer.ID) string { return map[peer.ID]string{a.id: "barn"}[id] }
	})
	content := random(121, 3*mib)
	b.requirePull(a.push(content), content)
	b.told()
	require.NoError(t, b.transfers.FetchFrom(t.Context(), a.push(random(122, mib)), a.id, story.Push))
	var lines []*logrus.Entry
	for _, e := range b.logs.AllEntries() {
		if e.Message == "a blob was fetched" {
			lines = append(lines, e)
		}
	}
	require.Len(t, lines, 2)
	require.Equal(t, logrus.InfoLevel, lines[0].Level)
	require.True(t, strings.HasPrefix(lines[0].Data["from"].(string), "barn 100% by libp2p, "), lines[0].Data)
	require.NotEmpty(t, lines[0].Data["limit"])
	require.Equal(t, "3.0 MiB", lines[0].Data["size"])
	require.Equal(t, logrus.DebugLevel, lines[1].Level)
}
