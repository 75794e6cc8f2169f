package transfer

import (
	"bytes"
	"context"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

func TestPullsAndKeeps(t *testing.T) {
	for _, size := range []int{129, mib - 1, mib, mib + 1, 21*mib + 17} {
		var town town
		a, b := town.registry(t), town.registry(t)
		content := random(int64(size), size)
		ref := a.push(content)
		b.requirePull(ref, content)
		b.fetch(ref)
		a.kill()
		b.requirePull(ref, content)
		c := town.registry(t)
		c.requirePull(ref, content) // from b
	}
}

func TestStreamsWhileItArrives(t *testing.T) {
	var town town
	a, b := town.registry(t), town.registry(t)
	content := random(1, 12*mib)
	ref := a.push(content)
	open := a.holdBack(5 * mib)
	body := b.open(ref, 0)
	readExactly(t, body, content[:mib])
	require.Less(t, b.received(), int64(6*mib))
	require.False(t, b.blobs.Has(ref.CID))
	open()
	readExactly(t, body, content[mib:])
	_, err := body.Read(make([]byte, 1))
	require.Equal(t, io.EOF, err)
}

// TestWhatAClientHasReadIsKept shows that a blob is here as soon as AwaitKept returns: a registry
// that has given a client all of a blob must not tell the client that it has none.
func TestWhatAClientHasReadIsKept(t *testing.T) {
	for _, size := range []int{500, mib, 3 * mib} {
		var town town
		a, b := town.registry(t), town.registry(t)
		for seed := range int64(20) {
			content := random(seed, size)
			ref := a.push(content)
			b.requirePull(ref, content)
			b.transfers.AwaitKept(t.Context(), ref.CID)
			require.True(t, b.blobs.Has(ref.CID))
		}
	}
}

// TestABlobOfOneLeafComesOnce shows that a blob of one leaf is fetched once, however many readers
// come while it is fetched and kept, or after its transfer has ended.
func TestABlobOfOneLeafComesOnce(t *testing.T) {
	for _, size := range []int{500, mib} {
		var town town
		a, b := town.registry(t), town.registry(t)
		content := random(int64(size), size)
		ref := a.push(content)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				for !b.blobs.Has(ref.CID) {
					b.requirePull(ref, content)
				}
				b.requirePull(ref, content)
			})
		}
		wg.Wait()
		require.EqualValues(t, size, b.received(), "it was fetched more than once")
		eventually(t, func() bool { return b.transfers.Active() == 0 }, "it never ends")
		eventually(t, func() bool { // who has kept it lets go of it after its transfer has ended
			err := b.blobs.Delete(t.Context(), ref.CID)
			return err == nil
		}, "it is still pinned")
		require.Empty(t, b.stagedFiles())
	}
}

func TestOneTransferForManyReaders(t *testing.T) {
	var town town
	a, b := town.registry(t), town.registry(t)
	content := random(2, 10*mib)
	ref := a.push(content)
	open := a.holdBack(2 * mib)
	bodies := make([]io.Reader, 8)
	var wg sync.WaitGroup
	for i := range bodies {
		wg.Go(func() {
			body, err := b.transfers.Open(context.Background(), ref, int64(i)*1000)
			if err == nil {
				bodies[i] = body
			}
		})
	}
	wg.Wait()
	require.Equal(t, 1, b.transfers.Active())
	open()
	for i, body := range bodies {
		wg.Go(func() {
			got, err := io.ReadAll(body)
			if err != nil || !bytes.Equal(content[i*1000:], got) {
				t.Errorf("reader %d: %d bytes: %v", i, len(got), err)
			}
		})
	}
	wg.Wait()
	b.fetch(ref)
	require.Less(t, b.received(), int64(11*mib), "leaves were fetched more than once")
	for _, body := range bodies {
		require.NoError(t, body.(io.Closer).Close())
	}
}

func TestColdRange(t *testing.T) {
	var town town
	a, b := town.registry(t), town.registry(t)
	content := random(3, 40*mib)
	ref := a.push(content)
	open := a.holdBack(4 * mib)
	at := int64(30*mib + 77)
	body := b.open(ref, at)
	readExactly(t, body, content[at:at+1000])
	open()
	rest, err := io.ReadAll(body)
	require.NoError(t, err)
	require.True(t, bytes.Equal(content[at+1000:], rest))
	b.fetch(ref)
}

func TestColdReadsFromAnyOffset(t *testing.T) {
	var town town
	a := town.registry(t)
	for _, size := range []int{0, 1, 129, mib, mib + 1, 5*mib + 7} {
		content := random(int64(size), size)
		ref := a.push(content)
		for _, offset := range []int{size / 2, size} {
			got, err := town.registry(t).pull(ref, int64(offset))
			require.NoError(t, err)
			require.True(t, bytes.Equal(content[offset:], got), "%d bytes from %d", size, offset)
		}
	}
}

func TestReadersAtManyPlaces(t *testing.T) {
	var town town
	a, b := town.registry(t), town.registry(t)
	content := random(4, 48*mib)
	ref := a.push(content)
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			at := int64(i * 8 * mib)
			got, err := b.pull(ref, at)
			if err != nil || !bytes.Equal(content[at:], got) {
				t.Errorf("from %d: %d bytes: %v", at, len(got), err)
			}
		})
	}
	wg.Wait()
	b.fetch(ref)
	require.Less(t, b.received(), int64(72*mib))
}

func TestNothingToFetch(t *testing.T) {
	alone := (&town{}).registry(t, func(r *registry) { r.config.Swarm = nil })
	small, ok := dag.Identity([]byte("a link file"))
	require.True(t, ok)
	ref := dag.Ref{CID: small, Size: 11}
	alone.requirePull(ref, []byte("a link file"))
	got, err := alone.pull(ref, 7)
	require.NoError(t, err)
	require.Equal(t, "file", string(got))
	require.NoError(t, alone.transfers.Fetch(t.Context(), ref))

	content := random(5, 3*mib)
	ref = alone.push(content)
	for _, offset := range []int64{ref.Size, ref.Size + 5} {
		got, err := alone.pull(ref, offset)
		require.NoError(t, err)
		require.Empty(t, got)
	}
	_, err = alone.pull(ref, -1)
	require.Error(t, err)

	empty := alone.push(nil)
	require.NoError(t, alone.blobs.Delete(t.Context(), empty.CID))
	alone.requirePull(empty, nil)
	require.NoError(t, alone.transfers.Fetch(t.Context(), empty))
}

// TestSizeZeroIsChecked shows that an entry that gives a wrong size of 0 does not get an empty
// answer.
func TestSizeZeroIsChecked(t *testing.T) {
	alone := (&town{}).registry(t, func(r *registry) { r.config.Swarm = nil })
	for _, size := range []int{100, 3 * mib} {
		ref := alone.push(random(9, size))
		for _, wrong := range []int64{0, -1} {
			ref.Size = wrong
			_, err := alone.pull(ref, 0)
			require.ErrorIs(t, err, dag.ErrBadDAG)
			require.ErrorIs(t, alone.transfers.Fetch(t.Context(), ref), dag.ErrBadDAG)
		}
	}
	alone.blobs.SetFunction(dag.BLAKE3)
	empty := alone.push(nil)
	require.NoError(t, alone.blobs.Delete(t.Context(), empty.CID))
	alone.blobs.SetFunction(dag.SHA2)
	alone.requirePull(empty, nil)
	alone.fetch(empty)
}

func TestSharedLeaves(t *testing.T) {
	var town town
	a, b := town.registry(t), town.registry(t)
	content := random(6, 20*mib)
	first, second := a.push(content[:16*mib]), a.push(content)
	b.fetch(first)
	before := b.received()
	b.requirePull(second, content)
	b.fetch(second)
	// The first leaf is requested before its CID is known.
	require.Less(t, b.received()-before, int64(6*mib), "leaves that are here were fetched")
	require.NoError(t, b.blobs.Delete(t.Context(), first.CID))
	b.requirePull(second, content)
}

func TestReaderGoneDoesNotStopTheTransfer(t *testing.T) {
	var town town
	a, b := town.registry(t), town.registry(t)
	content := random(7, 9*mib)
	ref := a.push(content)
	open := a.holdBack(3 * mib)
	ctx, cancel := context.WithCancel(t.Context())
	body, err := b.transfers.Open(ctx, ref, 0)
	require.NoError(t, err)
	cancel()
	require.NoError(t, body.Close())
	require.NoError(t, body.Close())
	open()
	eventually(t, func() bool { return b.blobs.Has(ref.CID) }, "the transfer stopped")
	eventually(t, func() bool { return b.transfers.Active() == 0 }, "the transfer did not end")
	b.requirePull(ref, content)
}

func TestUnreadTransferEnds(t *testing.T) {
	var town town
	a := town.registry(t)
	b := town.registry(t, func(r *registry) { r.timing.Linger = 50 * time.Millisecond })
	content := random(8, 9*mib)
	ref := a.push(content)
	open := a.holdBack(3 * mib)
	require.NoError(t, b.open(ref, 0).Close())
	eventually(t, func() bool { return b.transfers.Active() == 0 }, "the transfer goes on")
	require.False(t, b.blobs.Has(ref.CID))
	open()
	b.requirePull(ref, content)
}

func TestReadsEndWithTheirContext(t *testing.T) {
	var town town
	a, b := town.registry(t), town.registry(t)
	ref := a.push(random(9, 8*mib))
	a.holdBack(3 * mib)
	ctx, cancel := context.WithCancel(t.Context())
	body, err := b.transfers.Open(ctx, ref, 0)
	require.NoError(t, err)
	defer func() { _ = body.Close() }()
	time.AfterFunc(20*time.Millisecond, cancel)
	_, err = io.Copy(io.Discard, body)
	require.ErrorIs(t, err, context.Canceled)
}
