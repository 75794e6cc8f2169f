package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/schedule"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// TestManyPullASmallBlob shows that the source does not send more bytes when more registries pull,
// however small the blob is.
func TestManyPullASmallBlob(t *testing.T) {
	for _, size := range []int{mib, 5 * mib} {
		t.Run(fmt.Sprintf("%d MiB", size/mib), func(t *testing.T) {
			t.Parallel()
			require.Less(t, pullAtOnce(t, size, 20, 16*mib, unhurried), int64(3*size+mib), "the first sends more when more registries pull")
		})
	}
}

func TestFirstLeafIsRelayed(t *testing.T) { eachWay(t, firstLeafIsRelayed) }

func firstLeafIsRelayed(t *testing.T, town *town) {
	a := town.registry(t, calm)
	content := random(80, mib)
	ref := a.push(content)
	var wg sync.WaitGroup
	var others []*registry
	for range 4 {
		others = append(others, town.registry(t, calm))
	}
	a.uplink(8 * mib)
	for _, b := range others {
		wg.Go(func() { b.requirePull(ref, content) })
	}
	wg.Wait()
	relayed := int64(0)
	for _, b := range others {
		_, sent := b.transfers.Totals()
		relayed += sent
	}
	require.GreaterOrEqual(t, relayed, int64(mib), "nobody passed the leaf on")
}

// TestRelayThatFails shows that a relay that fails costs only a moment, because the leaf then comes
// from the member that was asked first.
func TestRelayThatFails(t *testing.T) {
	for name, relay := range map[string]func(town *town, r *registry, ref dag.Ref){
		"gone":     func(_ *town, r *registry, _ dag.Ref) { r.kill() },
		"empty":    func(*town, *registry, dag.Ref) {},
		"mute":     func(_ *town, r *registry, _ dag.Ref) { r.holdBack(0) },
		"damaged":  func(_ *town, r *registry, ref dag.Ref) { r.push(random(81, 3*mib)); r.damage(ref, 0) },
		"stranger": func(town *town, r *registry, _ dag.Ref) { town.houses = town.houses[:1] },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var town town
			a, c := town.registry(t), town.registry(t)
			content := random(81, 3*mib)
			ref := a.push(content)
			relay(&town, c, ref)
			b := town.registry(t, func(r *registry) { r.timing.Stall, r.timing.Trickle, r.timing.Silence = never, never, never })
			a.transfers.relays.trees = schedule.NewTrees(time.Hour)
			a.transfers.relays.enter(ref.CID, 0, 2, c.id, false)
			a.transfers.relays.enter(ref.CID, 0, 2, c.id+"x", false) // not a member
			a.transfers.relays.enter(ref.CID, 0, 2, b.id, false)
			b.transfers.holders.Served(a.id) // so that it is asked first
			b.requirePull(ref, content)
			for _, warned := range warnings(b) {
				require.Equal(t, c.id, warned.Data["peer"], "somebody other than the liar is blamed")
			}
			require.Equal(t, name == "damaged", len(warnings(b)) > 0)
		})
	}
}

// TestARelayThatWasMute is not asked again for the next blob, whoever names it.
func TestARelayThatWasMute(t *testing.T) {
	t.Parallel()
	var town town
	a, mute := town.registry(t), town.registry(t)
	var asked atomic.Int64
	mute.transfers.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			http.Error(w, "", http.StatusNotFound)
			return
		}
		asked.Add(1)
		<-r.Context().Done()
	})
	b := town.registry(t, func(r *registry) { r.timing.Stall, r.timing.Trickle, r.timing.Silence = never, never, never })
	a.transfers.relays.trees = schedule.NewTrees(time.Hour)
	pull := func(seed int64) {
		content := random(seed, 3*mib)
		ref := a.push(content)
		for _, id := range []peer.ID{mute.id, mute.id + "x", b.id} {
			a.transfers.relays.enter(ref.CID, 0, 2, id, false)
		}
		b.transfers.holders.Served(a.id)
		b.requirePull(ref, content)
	}
	pull(850)
	require.Positive(t, asked.Load(), "it was not named")
	b.transfers.holders.Sink(mute.id)
	asked.Store(0)
	pull(851)
	require.Zero(t, asked.Load(), "it is asked again")
}

// TestSlowRelay shows that a relay that sends little is overtaken, even when there is nothing else
// to fetch.
func TestSlowRelay(t *testing.T) {
	for _, size := range []int{mib, 3 * mib} {
		t.Run(fmt.Sprintf("%d MiB", size/mib), func(t *testing.T) {
			t.Parallel()
			var town town
			a, c := town.registry(t), town.registry(t)
			content := random(84, size)
			ref := a.push(content)
			c.push(content)
			c.uplink(8 << 10) // two minutes per leaf: nobody must wait for it
			b := town.registry(t, calm)
			a.transfers.relays.trees = schedule.NewTrees(time.Hour)
			for _, id := range []peer.ID{c.id, c.id + "x", b.id} {
				a.transfers.relays.enter(ref.CID, 0, 2, id, false)
			}
			b.transfers.holders.Served(a.id)
			readExactly(t, b.open(ref, 0), content[:mib])
		})
	}
}

// waiting makes two registries, of which the second fetches 5 MiB and lacks a leaf, and a function
// by which a third asks it for that leaf.
func waiting(t *testing.T, ask time.Duration) (b *registry, open func(), want []byte, request func(wire.Terms) ([]byte, error)) {
	var town town
	a, c := town.registry(t), town.registry(t)
	b = town.registry(t, calm, func(r *registry) { r.timing.Ask, r.timing.Stall, r.timing.Trickle = ask, never, never })
	content := random(82, 5*mib)
	ref := a.push(content)
	open = a.holdBack(3 * mib)
	body := b.open(ref, 0)
	readExactly(t, body, content[:mib])
	lacks := -1
	eventually(t, func() bool { // only 3 MiB of the blob got out
		here := b.transfers.underway.job(ref.CID).Verified()
		lacks = slices.IndexFunc([]int{4, 3, 2, 1}, func(i int) bool { return !here.Has(i) })
		return here.Count() >= 2
	}, "what got out does not arrive")
	from := int64(4-lacks) * mib
	return b, open, content[from : from+mib], func(how wire.Terms) ([]byte, error) {
		ctx, cancel := context.WithTimeout(context.Background(), patient)
		defer cancel()
		body, err := c.transfers.client.Span(ctx, b.id, ref.CID, from, from+mib, how)
		if err != nil {
			return nil, err
		}
		defer func() { _ = body.Close() }()
		return io.ReadAll(body)
	}
}

func TestWhoDoesNotWaitIsToldAtOnce(t *testing.T) {
	_, _, _, ask := waiting(t, never)
	for _, how := range []wire.Terms{{}, {Wait: -time.Hour}} {
		_, err := ask(how)
		require.ErrorIs(t, err, wire.ErrNotYet)
	}
}

func TestWhoWaitsGetsALeafWhenItComes(t *testing.T) {
	b, open, want, ask := waiting(t, time.Second)
	begin := time.Now()
	_, err := ask(wire.Terms{Wait: time.Hour})
	require.ErrorIs(t, err, wire.ErrNotYet)
	require.GreaterOrEqual(t, time.Since(begin), b.timing.Ask, "it did not wait")
	time.AfterFunc(b.timing.Ask/4, open)
	got, err := ask(wire.Terms{Wait: time.Hour})
	for errors.Is(err, wire.ErrNotYet) { // on a busy machine
		got, err = ask(wire.Terms{Wait: time.Hour})
	}
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestCloseEndsWaiting(t *testing.T) {
	b, _, _, ask := waiting(t, never)
	var entered atomic.Int64
	serve := b.transfers.server.Handler
	b.transfers.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		entered.Add(1)
		serve.ServeHTTP(w, r)
	})
	asked := make(chan error, 1)
	go func() { _, err := ask(wire.Terms{Wait: time.Hour}); asked <- err }()
	eventually(t, func() bool { return entered.Load() > 0 }, "nobody waits")
	closed := make(chan error, 1)
	go func() { closed <- b.transfers.Close() }()
	select {
	case err := <-closed:
		require.NoError(t, err)
	case <-time.After(patient):
		require.Fail(t, "the request still waits")
	}
	require.Error(t, <-asked)
}

// TestLoansOutliveTheTransfer shows that a blob stays open while it is being sent to a member, even
// when its transfer ends.
func TestLoansOutliveTheTransfer(t *testing.T) {
	var town town
	a, b := town.registry(t), town.registry(t)
	ref := a.push(random(83, 3*mib))
	open := a.holdBack(2 * mib)
	body := b.open(ref, 0)
	j := b.transfers.underway.job(ref.CID)
	require.True(t, j.Lend())
	require.NoError(t, body.Close())
	open()
	<-j.Done()
	require.False(t, j.Lend())
	_, err := j.Content().ReadAt(make([]byte, 1), 2*mib)
	require.NoError(t, err)
	j.GiveBack()
	_, err = j.Content().ReadAt(make([]byte, 1), 2*mib)
	require.Error(t, err)
}
