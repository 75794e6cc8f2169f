package transfer

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// merging is a registry whose map merges what a test lets it merge.
type merging struct {
	*registry
	leaving atomic.Bool
	from    peer.ID
	heads   []cid.Cid
	asked   chan struct{}
	done    chan error
}

func (town *town) merging(t *testing.T) *merging {
	m := &merging{asked: make(chan struct{}, 9), done: make(chan error, 9)}
	m.registry = town.registry(t, func(r *registry) {
		r.config.Leaving = m.leaving.Load
		r.config.Merged = func(ctx context.Context, from peer.ID, heads []cid.Cid) error {
			m.from, m.heads = from, heads
			m.asked <- struct{}{}
			select {
			case err := <-m.done:
				return err
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	return m
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// keep asks b in the background.
func (r *registry) keep(ctx context.Context, b *merging, ref dag.Ref, heads ...cid.Cid) (taken chan struct{}, answer chan error) {
	taken, answer = make(chan struct{}), make(chan error, 1)
	go func() {
		answer <- r.transfers.Keep(ctx, b.id, ref, "", heads, func() { close(taken) })
	}()
	return taken, answer
}

// TestAMemberKeepsBytesAndDeltas: it says so when both are on its disk, and not before.
func TestAMemberKeepsBytesAndDeltas(t *testing.T) {
	var town town
	a, b := town.registry(t), town.merging(t)
	ref, heads := a.push(random(81, 3*mib)), []cid.Cid{rawCID(t), rawCID(t)}
	taken, answer := a.keep(within(t, patient), b, ref, heads...)
	<-taken
	<-b.asked
	require.Equal(t, a.id, b.from)
	require.Equal(t, heads, b.heads)
	require.Eventually(t, func() bool { return b.blobs.Has(ref.CID) }, patient, time.Millisecond)
	select {
	case err := <-answer:
		t.Fatalf("answered before the deltas were merged: %v", err)
	default:
	}
	b.done <- nil
	require.NoError(t, <-answer)

	open := a.holdBack(0)
	later := a.push(random(82, 3*mib))
	_, answer = a.keep(within(t, patient), b, later, heads...)
	b.done <- nil
	select {
	case err := <-answer:
		t.Fatalf("answered before the bytes were there: %v", err)
	case <-b.asked:
	}
	open()
	require.NoError(t, <-answer)
	require.True(t, b.blobs.Has(later.CID))
}

// TestBytesWithoutANameAreHeld as long as somebody asks for them.
func TestBytesWithoutANameAreHeld(t *testing.T) {
	var town town
	a, b := town.registry(t), town.merging(t)
	ref := a.push(random(83, 3*mib))
	ctx, hangUp := context.WithTimeout(t.Context(), patient)
	defer hangUp()
	_, answer := a.keep(ctx, b, ref)
	require.Eventually(t, func() bool { return b.blobs.Has(ref.CID) }, patient, time.Millisecond)
	unused := func(cid.Cid) bool { return false }
	require.ErrorIs(t, b.blobs.DeleteUnused(t.Context(), ref.CID, unused), blob.ErrPinned)
	select {
	case err := <-answer:
		t.Fatalf("answered without a name: %v", err)
	default:
	}
	hangUp()
	require.ErrorIs(t, <-answer, context.Canceled)
	require.Eventually(t, func() bool { return b.blobs.DeleteUnused(t.Context(), ref.CID, unused) == nil }, patient, time.Millisecond)
}

// TestWhyAMemberDoesNotKeep is what the one that asks is told.
func TestWhyAMemberDoesNotKeep(t *testing.T) {
	var town town
	a, b, c := town.registry(t), town.merging(t), town.registry(t)
	ref, head := a.push(random(84, mib)), rawCID(t)

	err := a.transfers.Keep(within(t, patient), c.id, ref, "", []cid.Cid{head}, nil)
	require.ErrorIs(t, err, wire.ErrStranger, "it merges nothing")
	require.True(t, Declined(err))

	town.distrust(a.id)
	err = a.transfers.Keep(within(t, patient), b.id, ref, "", []cid.Cid{head}, nil)
	require.ErrorIs(t, err, wire.ErrStranger)
	require.False(t, b.blobs.Has(ref.CID))
	town.distrust()

	b.done <- errors.New("the map is broken")
	err = a.transfers.Keep(within(t, patient), b.id, ref, "", []cid.Cid{head}, nil)
	require.ErrorIs(t, err, wire.ErrCannotGet)
	require.False(t, Declined(err))

	nowhere := dag.Ref{CID: rawCID(t), Size: 100}
	err = a.transfers.Keep(within(t, patient), b.id, nowhere, "", []cid.Cid{head}, nil)
	require.ErrorIs(t, err, wire.ErrCannotGet)

	err = a.transfers.Keep(within(t, 100*time.Millisecond), b.id, ref, "", []cid.Cid{head}, nil)
	require.Error(t, err, "its map does not merge in time")

	many := make([]cid.Cid, 101)
	for i := range many {
		many[i] = head
	}
	require.ErrorContains(t, a.transfers.Keep(within(t, patient), b.id, ref, "", many, nil), "heads")
	b.kill()
	require.Error(t, a.transfers.Keep(within(t, patient), b.id, ref, "", []cid.Cid{head}, nil))
}

// TestAMemberThatIsBeingDrained keeps nothing for others, also when it began only while it was
// asked: it may have looked already whether all that it has is handed on.
func TestAMemberThatIsBeingDrained(t *testing.T) {
	var town town
	a, b := town.registry(t), town.merging(t)
	ref, head := a.push(random(85, mib)), rawCID(t)
	_, answer := a.keep(within(t, patient), b, ref, head)
	<-b.asked
	b.leaving.Store(true)
	b.done <- nil
	err := <-answer
	require.ErrorIs(t, err, wire.ErrLeaving)
	require.True(t, Declined(err))
	b.done <- nil
	require.ErrorIs(t, a.transfers.Keep(within(t, patient), b.id, ref, "", []cid.Cid{head}, nil), wire.ErrLeaving)
	require.Len(t, b.done, 1, "it did not begin")
}

// TestBytesThatAreHeldLeaveRoomForAnswers: however many pushes of a member have their bytes held at
// the same time, each can end.
func TestBytesThatAreHeldLeaveRoomForAnswers(t *testing.T) {
	var town town
	a, b := town.registry(t), town.merging(t)
	ref := a.push(random(86, mib))
	ctx := within(t, patient)
	for n, refused := 0, false; !refused; n++ {
		require.Less(t, n, 128)
		taken, answer := a.keep(ctx, b, ref)
		select {
		case <-taken:
		case err := <-answer:
			require.ErrorContains(t, err, "503")
			require.False(t, Declined(err))
			refused = true
		}
	}
	b.done <- nil
	require.NoError(t, a.transfers.Keep(ctx, b.id, ref, "", []cid.Cid{rawCID(t)}, nil))
}

func heads(t *testing.T) []cid.Cid { return []cid.Cid{rawCID(t)} }
