package transfer

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/room"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/spans"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/fetch"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/story"
)

// underway holds the transfers of a registry that are under way, and the context that ends them.
// It is safe for concurrent use.
type underway struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup // transfers, listeners, the mender

	mu      sync.Mutex
	closed  bool
	jobs    map[cid.Cid]*fetch.Job
	streams map[*fetch.Job]struct{}
}

func newUnderway() *underway {
	u := &underway{jobs: map[cid.Cid]*fetch.Job{}, streams: map[*fetch.Job]struct{}{}}
	u.ctx, u.cancel = context.WithCancelCause(context.Background())
	return u
}

// close ends all transfers, and lets no further one begin.
func (u *underway) close() {
	u.mu.Lock()
	u.closed = true
	u.mu.Unlock()
	u.cancel(ErrClosing)
}

// job returns the transfer of a blob; nil when there is none.
func (u *underway) job(c cid.Cid) *fetch.Job {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.jobs[c]
}

// forget removes a transfer that has ended, so that the next reader starts a new one.
func (u *underway) forget(j *fetch.Job) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if c := j.Ref().CID; u.jobs[c] == j {
		delete(u.jobs, c)
	}
}

// joinAfterRoom is join, and where there is no room for the blob once more, after room was made.
func (t *Transfers) joinAfterRoom(ctx context.Context, ref dag.Ref, why purpose) (*fetch.Job, error) {
	why.Within = spans.Of(ctx)
	j, err := t.join(ref, why)
	if room.IsFull(err) {
		began := time.Now()
		t.cfg.Blobs.Room().Await(ctx, ref.Size)
		why.Room = time.Since(began)
		j, err = t.join(ref, why)
	}
	if err == nil && !j.Within().Equal(why.Within) {
		spans.Link(ctx, j.Span()) // somebody else has begun it
	}
	return j, err
}

// join enters the transfer of a blob, and starts one if there is none. The error is ErrNotKept when
// there is no room for the blob.
func (t *Transfers) join(ref dag.Ref, why purpose) (*fetch.Job, error) {
	u := t.underway
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return nil, fmt.Errorf("fetch %s: %w", ref.CID, ErrClosing)
	}
	if t.fetcher == nil {
		return nil, &Unavailable{CID: ref.CID, Damaged: t.cfg.Blobs.IsRotten(ref.CID)}
	}
	// A job that does not let us in is ending. The next one goes on with what it has.
	if j := u.jobs[ref.CID]; j != nil && j.Ref() == ref && j.Enter() {
		if !why.Background {
			j.Expect()
		}
		t.stories.join(j, why.asker, why.reads)
		return j, nil
	}
	if err := t.cfg.Blobs.Fits(ref); err != nil {
		return nil, fmt.Errorf("fetch %s: %w", ref.CID, fetch.NotKept(err))
	}
	j := t.fetcher.New(ref, why.Purpose)
	j.Enter()
	t.stories.join(j, why.asker, why.reads)
	u.jobs[ref.CID] = j
	u.wg.Go(func() { t.run(j) })
	return j, nil
}

// run carries out a transfer, and reports and forgets it when it has ended.
func (t *Transfers) run(j *fetch.Job) {
	j.Run(func(e fetch.End) error {
		err := t.verdict(j.Ref().CID, e)
		result := t.report(j, e, err)
		t.underway.forget(j)
		t.stories.end(j, t.told(j, e.Story, result, err))
		return err
	})
}

// Active returns the number of transfers under way, including streams.
func (t *Transfers) Active() int {
	u := t.underway
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.jobs) + len(u.streams)
}

// all returns the transfers under way, including streams.
func (u *underway) all() []*fetch.Job {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append(slices.Collect(maps.Values(u.jobs)), slices.Collect(maps.Keys(u.streams))...)
}

// Running is one transfer that is under way.
type Running struct {
	CID     cid.Cid
	Size    int64     // of the blob, in bytes
	Here    int64     // how many of these bytes are here, verified; of a stream: were handed on
	Since   time.Time // when it began
	Waiting int       // clients that read the blob, and others of this registry that wait for it
	// Streamed says that the blob cannot be kept, for example for want of room: verified bytes
	// go to its one reader.
	Streamed bool
	Sources  []Source
}

// Source is a peer from which bytes of a blob are coming at the moment.
type Source struct {
	Peer peer.ID // a member; empty: any peer that answers by bitswap
	Road story.Road
	Rate float64 // bytes per second, of all requests under way
}

// Running returns the transfers under way, including streams, the oldest first.
func (t *Transfers) Running() []Running {
	all := []Running{}
	for _, j := range t.underway.all() {
		all = append(all, t.running(j))
	}
	slices.SortFunc(all, func(a, b Running) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.CID.String(), b.CID.String()))
	})
	return all
}

func (t *Transfers) running(j *fetch.Job) Running {
	ref := j.Ref()
	r := Running{CID: ref.CID, Size: ref.Size, Since: j.Born(), Waiting: j.Users(), Sources: t.sources(j.Flows())}
	r.Here = here(j)
	if _, ok := j.Passed(); ok {
		r.Waiting, r.Streamed = 1, true
	}
	return r
}

func (t *Transfers) sources(f fetch.Flows) []Source {
	all := make([]Source, 0, len(f.Rates)+1)
	for id, rate := range f.Rates {
		road := story.RoadStream
		if t.UsesDataPort(id) {
			road = story.RoadData
		}
		all = append(all, Source{Peer: id, Road: road, Rate: rate})
	}
	slices.SortFunc(all, func(a, b Source) int { return cmp.Compare(a.Peer, b.Peer) })
	if f.Bitswap && len(all) == 0 {
		all = append(all, Source{Road: story.RoadBitswap})
	}
	return all
}
