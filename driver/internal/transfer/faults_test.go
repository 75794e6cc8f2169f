package transfer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multihash"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// pair makes two holders of one blob, and one registry that lacks it.
func pair(t *testing.T, content []byte) (a, b, c *registry, ref dag.Ref) {
	return (&town{}).pair(t, content)
}

func (town *town) pair(t *testing.T, content []byte) (a, b, c *registry, ref dag.Ref) {
	a, b, c = town.registry(t), town.registry(t), town.registry(t)
	ref = a.push(content)
	require.Equal(t, ref, b.push(content))
	return a, b, c, ref
}

func TestHolderDies(t *testing.T) { eachWay(t, holderDies) }

func holderDies(t *testing.T, town *town) {
	content := random(20, 20*mib)
	a, b, c, ref := town.pair(t, content)
	for _, h := range []*registry{a, b} { // the one that is asked first dies
		h.guard(func(sent int64) {
			if sent > 4*mib && len(c.Connected()) == 2 {
				h.kill()
			}
		})
	}
	c.requirePull(ref, content)
	require.Less(t, c.received(), int64(26*mib), "verified leaves were fetched again")
}

func TestHolderStalls(t *testing.T) { eachWay(t, holderStalls) }

func holderStalls(t *testing.T, town *town) {
	a, c := town.registry(t), town.registry(t, func(r *registry) { r.timing.Stall, r.timing.Trickle = never, never })
	content := random(21, 20*mib)
	ref := a.push(content)
	a.holdBack(4 * mib)
	body := c.open(ref, 0)
	readExactly(t, body, content[:mib])
	b := town.registry(t) // only now, so that the stream comes from a
	b.push(content)
	readExactly(t, body, content[mib:])
	_, sent := b.transfers.Totals()
	require.NotZero(t, sent)
}

func TestHolderLies(t *testing.T) { eachWay(t, holderLies) }

func holderLies(t *testing.T, town *town) {
	content := random(22, 20*mib)
	a, b, c, ref := town.pair(t, content)
	for leaf := range 20 {
		a.damage(ref, leaf)
	}
	// b answers late, so a is asked for leaves first.
	b.guard(func(sent int64) {
		if sent < 4096 {
			time.Sleep(stall / 20)
		}
	})
	c.requirePull(ref, content)
	warned := warnings(c)
	require.NotEmpty(t, warned)
	require.LessOrEqual(t, len(warned), 3, "a liar is asked again")
	require.Equal(t, a.id, warned[0].Data["peer"])
	holders, err := c.transfers.Holders(t.Context(), ref)
	require.NoError(t, err)
	require.Equal(t, []peer.ID{b.id}, holders)
	requireSame(t, c, ref, content)
}

func TestOnlyHolderLies(t *testing.T) { eachWay(t, onlyHolderLies) }

func onlyHolderLies(t *testing.T, town *town) {
	a, b := town.registry(t), town.registry(t)
	content := random(23, 6*mib)
	ref := a.push(content)
	a.damage(ref, 4)
	got, err := b.pull(ref, 0)
	requireUnavailable(t, err, a.id)
	require.ErrorIs(t, err, blob.ErrBadLeaf)
	require.True(t, bytes.Equal(content[:len(got)], got), "wrong bytes were read")
	require.NotEmpty(t, warnings(b))
	holders, err := b.transfers.Holders(t.Context(), ref)
	require.NoError(t, err)
	require.Empty(t, holders, "a member that sent wrong bytes still counts as a holder")
}

func TestHolderComesBack(t *testing.T) { eachWay(t, holderComesBack) }

func holderComesBack(t *testing.T, town *town) {
	a, b := town.registry(t), town.registry(t)
	content := random(24, 16*mib)
	ref := a.push(content)
	a.guard(func(sent int64) {
		if sent > 5*mib {
			a.kill()
		}
	})
	body := b.open(ref, 0)
	eventually(t, func() bool { return len(b.Connected()) == 0 }, "the holder lives")
	readExactly(t, body, content[:mib])
	time.AfterFunc(stall/4, a.revive)
	readExactly(t, body, content[mib:])
}

// TestAHolderThatIsOnlyPresumedComesBack shows that a transfer waits for a holder that has brought
// some of the blob, even though it has not said yet that it has the blob.
func TestAHolderThatIsOnlyPresumedComesBack(t *testing.T) {
	var town town
	a, b := town.registry(t), town.registry(t)
	content := random(26, 16*mib)
	ref := a.push(content)
	honest := a.transfers.server.Handler
	a.transfers.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			<-r.Context().Done()
			return
		}
		honest.ServeHTTP(w, r)
	})
	a.guard(func(sent int64) {
		if sent > 5*mib {
			a.kill()
		}
	})
	body := b.open(ref, 0)
	eventually(t, func() bool { return len(b.Connected()) == 0 }, "the holder lives")
	readExactly(t, body, content[:mib])
	time.AfterFunc(stall/2, a.revive) // after a transfer fails when nobody has anything
	readExactly(t, body, content[mib:])
}

func TestHolderDiesForGood(t *testing.T) { eachWay(t, holderDiesForGood) }

func holderDiesForGood(t *testing.T, town *town) {
	a, b := town.registry(t), town.registry(t, stalls)
	content := random(25, 16*mib)
	ref := a.push(content)
	a.guard(func(sent int64) {
		if sent > 8*mib {
			a.kill()
		}
	})
	body := b.open(ref, 0)
	got, err := io.ReadAll(body) // a nil error would mean that a short body ends cleanly
	requireUnavailable(t, err, a.id)
	require.True(t, bytes.Equal(content[:len(got)], got))

	before := b.received()
	a.revive()
	b.requirePull(ref, content) // a new transfer, which goes on with what had come
	require.Less(t, b.received()-before, int64(14*mib))
}

func TestUnavailable(t *testing.T) {
	known := dag.Ref{CID: rawCID(t), Size: 100_000}
	cases := map[string]func(town *town, b *registry) (dag.Ref, []peer.ID){
		"offline": func(_ *town, b *registry) (dag.Ref, []peer.ID) {
			return known, nil
		},
		"nobody is there": func(*town, *registry) (dag.Ref, []peer.ID) { return known, nil },
		"nobody has it": func(town *town, b *registry) (dag.Ref, []peer.ID) {
			return known, []peer.ID{town.registry(b.t).id}
		},
		"sends nothing": func(town *town, b *registry) (dag.Ref, []peer.ID) {
			a := town.registry(b.t)
			ref := a.push(random(26, 3*mib))
			a.holdBack(0)
			return ref, []peer.ID{a.id}
		},
		"sends no leaf": func(town *town, b *registry) (dag.Ref, []peer.ID) {
			a := town.registry(b.t)
			ref := a.push(random(27, 3*mib))
			a.holdBack(mib / 2)
			return ref, []peer.ID{a.id}
		},
	}
	for name, prepare := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var town town
			b := town.registry(t, stalls, func(r *registry) {
				if name == "offline" {
					r.config.Swarm = nil
				}
			})
			ref, asked := prepare(&town, b)
			_, err := b.pull(ref, 0)
			requireUnavailable(t, err, asked...)
			require.Contains(t, err.Error(), ref.CID.String())
			require.Error(t, b.transfers.Fetch(t.Context(), ref))
		})
	}
}

func TestWrongReference(t *testing.T) {
	var town town
	a, b := town.registry(t), town.registry(t)
	ref := a.push(random(28, 5*mib))
	ref.Size++
	_, err := b.pull(ref, 0)
	require.ErrorIs(t, err, dag.ErrBadDAG)
	require.Len(t, warnings(b), 1)
	require.NotContains(t, warnings(b)[0].Data, "peer", "a member is blamed")
}

func TestFileThatLostBytesIsFetchedAgain(t *testing.T) {
	content := random(29, 5*mib)
	a, b, c, ref := pair(t, content)
	a.kill()
	c.fetch(ref)
	require.NoError(t, os.Truncate(filepath.Join(c.dir, "blobs", ref.CID.String()), 2*mib))
	c.requirePull(ref, content)
	c.fetch(ref)
	b.kill()
	requireSame(t, c, ref, content)
}

func TestResumesAfterRestart(t *testing.T) {
	var town town
	a, b := town.registry(t), town.registry(t)
	content := random(30, 24*mib)
	ref := a.push(content)
	open := a.holdBack(14 * mib)
	_ = b.open(ref, 0)
	eventually(t, func() bool { return b.received() > 13*mib }, "it does not come")
	b.stop()
	open()
	overwrite(t, filepath.Join(b.dir, "staging", ref.CID.String()+".partial"), 0)
	b.start()
	b.requirePull(ref, content)
	b.fetch(ref)
	require.Less(t, b.received(), int64(17*mib), "what had come was fetched again")
	requireSame(t, b, ref, content)
}

func TestResumesWithoutAnybody(t *testing.T) {
	var town town
	a, b := town.registry(t), town.registry(t)
	content := random(31, 24*mib)
	ref := a.push(content)
	a.holdBack(14 * mib)
	_ = b.open(ref, 0)
	eventually(t, func() bool { return b.received() > 13*mib }, "it does not come")
	b.stop()
	a.kill()
	b.start()
	body := b.open(ref, 0) // the layout and the first leaves are here
	readExactly(t, body, content[:mib])
}

func TestPartialFeedsOthers(t *testing.T) {
	var town town
	a, b, c := town.registry(t), town.registry(t), town.registry(t)
	content := random(32, 16*mib)
	ref := a.push(content)
	a.holdBack(9 * mib)
	body := b.open(ref, 0)
	readExactly(t, body, content[:2*mib])
	a.kill()
	holders, err := c.transfers.Holders(t.Context(), ref)
	require.NoError(t, err)
	require.Empty(t, holders, "a registry that has only some leaves counts as a holder")
	fed := c.open(ref, 0)
	readExactly(t, fed, content[:2*mib])
	a.revive()
	readExactly(t, fed, content[2*mib:])
	readExactly(t, body, content[2*mib:])
}

func TestBitswapIsTheLastResort(t *testing.T) {
	far := (&town{}).registry(t)
	var town town
	b := town.registry(t, func(r *registry) {
		r.config.Bitswap = func(ctx context.Context, c cid.Cid) ([]byte, error) { return far.blobs.Block(ctx, c) }
	})
	_ = town.registry(t) // has nothing
	content := random(33, 5*mib)
	b.requirePull(far.push(content), content)
	_, err := b.pull(dag.Ref{CID: rawCID(t), Size: 100_000}, 0)
	requireUnavailable(t, err)
}

func TestHoldersDoNotWaitForTheSilent(t *testing.T) {
	a, b, c, ref := pair(t, random(34, 2*mib))
	a.holdBack(0)
	c.retimed(func(p *timing) { p.Ask = never })
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	holders, err := c.transfers.Holders(ctx, ref)
	require.NoError(t, err)
	require.Equal(t, []peer.ID{b.id}, holders)
	cancel()
	_, err = c.transfers.Holders(ctx, dag.Ref{CID: rawCID(t), Size: 9})
	require.ErrorIs(t, err, context.Canceled)
}

func TestCloseWaitsForAll(t *testing.T) {
	var town town
	a, b := town.registry(t), town.registry(t)
	ref := a.push(random(35, 30*mib))
	a.guard(func(sent int64) { time.Sleep(time.Millisecond) }) // so that it takes a while
	body := b.open(ref, 0)
	waiting := make(chan error, 1)
	go func() { waiting <- b.transfers.Fetch(context.Background(), ref) }()
	require.NoError(t, a.transfers.Close()) // while it serves
	require.NoError(t, b.transfers.Close())
	require.Zero(t, b.transfers.Active())
	require.Error(t, <-waiting)
	_, err := io.ReadAll(body)
	require.Error(t, err)
	require.NoError(t, body.Close())
	require.NoError(t, b.transfers.Close())
	_, err = b.transfers.Open(context.Background(), ref, 0)
	require.ErrorIs(t, err, ErrClosing)
}

func requireUnavailable(t *testing.T, err error, asked ...peer.ID) {
	t.Helper()
	var u *Unavailable
	require.ErrorAs(t, err, &u)
	for _, id := range asked {
		require.Contains(t, u.Asked, id)
	}
	require.False(t, errors.Is(err, io.EOF))
}

func requireSame(t *testing.T, r *registry, ref dag.Ref, want []byte) {
	t.Helper()
	r.fetch(ref)
	r.requirePull(ref, want)
}

func warnings(r *registry) (found []*logrus.Entry) {
	for _, e := range r.logs.AllEntries() {
		if e.Level <= logrus.WarnLevel {
			found = append(found, e)
		}
	}
	return found
}

// rawCID returns the CID of a blob that no registry has.
func rawCID(t *testing.T) cid.Cid {
	t.Helper()
	mh, err := multihash.Sum([]byte(t.Name()), multihash.SHA2_256, -1)
	require.NoError(t, err)
	return cid.NewCidV1(cid.Raw, mh)
}
