package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
)

const (
	// retryEvery is the pause before holders are asked for anew.
	retryEvery = 250 * time.Millisecond
	// jump is how many leaves ahead of the stream a reader may want before the
	// stream is begun anew at its place.
	jump = 4
)

// job is the one transfer of a blob. It ends when the blob is whole, when
// nothing arrived for Config.Stall, or a minute after its last reader left.
type job struct {
	t      *Transfers
	ref    blob.Ref
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{} // closed at the end; err is set before
	err    error

	mu      sync.Mutex
	partial *blob.Partial // nil until the layout is known
	shape   *blob.Layout
	want    int           // leaf a reader waits for
	news    chan struct{} // closed when a leaf arrived
	readers int
	ended   bool
	idle    *time.Timer

	bad   map[peer.ID]bool // sent bytes that are not the blob's
	asked []peer.ID
	last  error
	moved time.Time // last progress
}

func newJob(t *Transfers, ref blob.Ref) *job {
	j := &job{t: t, ref: ref, done: make(chan struct{}), news: make(chan struct{}), bad: map[peer.ID]bool{}, moved: time.Now()}
	j.ctx, j.cancel = context.WithCancel(t.ctx)
	j.idle = time.AfterFunc(linger, j.cancel)
	j.idle.Stop()
	return j
}

func (j *job) enter() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.readers++
	j.idle.Stop()
}

func (j *job) leave() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.readers--
	switch {
	case j.readers > 0:
	case j.ended:
		j.closePartial()
	default:
		j.idle.Reset(linger)
	}
}

func (j *job) run() {
	err := j.fetch()
	if err != nil {
		err = &Unavailable{CID: j.ref.CID, Asked: j.asked, Cause: j.cause(err)}
		j.t.log.WithError(err).Debug("transfer ended")
	}
	j.cancel()
	j.t.forget(j)
	j.mu.Lock()
	j.err, j.ended = err, true
	close(j.done)
	j.idle.Stop()
	if j.readers == 0 {
		j.closePartial()
	}
	j.mu.Unlock()
}

func (j *job) cause(err error) error {
	if errors.Is(err, errNoHolder) {
		return j.last
	}
	return err
}

func (j *job) closePartial() {
	if j.partial == nil {
		return
	}
	if err := j.partial.Close(); err != nil {
		j.t.log.WithError(err).Warn("close a blob that was on its way here")
	}
	j.partial = nil
}

var errNoHolder = errors.New("no holder")

// fetch goes from holder to holder until the blob is whole.
func (j *job) fetch() error {
	for {
		holder, err := j.pick()
		if err != nil {
			return err
		}
		whole, err := j.fetchFrom(holder)
		if whole {
			return j.partial.Finish(j.ctx)
		}
		if j.ctx.Err() != nil {
			return j.ctx.Err()
		}
		if err == nil {
			continue // a reader wants another place
		}
		j.last = err
		j.t.holders.forget(j.ref.CID)
		j.t.log.WithField("peer", holder).WithError(err).Debug("holder failed, trying the next")
		if errors.Is(err, blob.ErrBadLeaf) || errors.Is(err, blob.ErrBadDAG) {
			j.bad[holder] = true
		}
		if time.Since(j.moved) > j.t.cfg.Stall {
			return errNoHolder
		}
	}
}

// pick finds a holder, waiting for one to come for a part of the stall time.
func (j *job) pick() (peer.ID, error) {
	patience := j.t.cfg.Stall / 10
	for begin := time.Now(); ; {
		a, err := j.t.holders.ask(j.ctx, j.ref.CID)
		if err != nil {
			return "", err
		}
		j.asked = a.asked
		for _, id := range a.have {
			if !j.bad[id] {
				return id, nil
			}
		}
		if time.Since(begin) > patience {
			return "", errNoHolder
		}
		select {
		case <-time.After(retryEvery):
			j.t.holders.forget(j.ref.CID)
		case <-j.ctx.Done():
			return "", j.ctx.Err()
		}
	}
}

// fetchFrom takes what it can get of one holder. whole: the blob is complete;
// no error and not whole: a reader wants the stream begun anew elsewhere.
func (j *job) fetchFrom(holder peer.ID) (whole bool, err error) {
	ctx, cancel := context.WithCancel(j.ctx)
	defer cancel()
	watchdog := time.AfterFunc(j.holderPatience(), cancel)
	defer watchdog.Stop()
	if err := j.layout(ctx, holder); err != nil {
		return false, err
	}
	first, ok := j.partial.Missing(j.wanted())
	if !ok {
		return true, nil
	}
	_, from, _ := j.leaves().Leaf(first)
	resp, err := j.t.request(ctx, http.MethodGet, holder, "blobs", j.ref.CID, from)
	if err != nil {
		return false, err
	}
	defer func() { _ = resp.Body.Close() }()
	body := &alive{r: resp.Body, j: j, watchdog: watchdog}
	for i := first; i < j.leaves().Leaves(); i++ {
		if j.partial.Have(i) || j.elsewhere(i) {
			break // the next request begins where something is missing
		}
		if err := j.take(body, i); err != nil {
			return false, err
		}
	}
	_, missing := j.partial.Missing(j.wanted())
	return !missing, nil
}

// holderPatience is how long one holder may send nothing.
func (j *job) holderPatience() time.Duration { return min(j.t.cfg.Stall/3, 10*time.Second) }

func (j *job) layout(ctx context.Context, holder peer.ID) error {
	if j.partial != nil {
		return nil
	}
	layout, inner, err := blob.ReadLayout(ctx, j.ref.CID, j.ref.Size, func(ctx context.Context, c cid.Cid) ([]byte, error) {
		return j.t.block(ctx, holder, c)
	})
	if err != nil {
		return fmt.Errorf("read layout of %s from %s: %w", j.ref.CID, holder, err)
	}
	p, err := j.t.cfg.Blobs.Partial(layout, inner)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.partial, j.shape = p, layout
	j.tell()
	return nil
}

// take reads one leaf off the stream; it is verified before anybody sees it.
func (j *job) take(body io.Reader, i int) error {
	_, _, length := j.leaves().Leaf(i)
	leaf := make([]byte, length)
	if _, err := io.ReadFull(body, leaf); err != nil {
		return fmt.Errorf("receive leaf %d of %s: %w", i, j.ref.CID, err)
	}
	if err := j.partial.Put(i, leaf); err != nil {
		return fmt.Errorf("leaf %d of %s: %w", i, j.ref.CID, err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.moved = time.Now()
	j.tell()
	return nil
}

// tell wakes the readers; mu is held.
func (j *job) tell() {
	close(j.news)
	j.news = make(chan struct{})
}

func (j *job) leaves() *blob.Layout {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.shape
}

func (j *job) wanted() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.want
}

// elsewhere says whether the leaf a reader waits for is far from leaf i.
func (j *job) elsewhere(i int) bool {
	want := j.wanted()
	return (want < i || want > i+jump) && !j.partial.Have(want)
}

// alive is a holder's stream: every byte puts the watchdog off.
type alive struct {
	r        io.Reader
	j        *job
	watchdog *time.Timer
}

func (a *alive) Read(b []byte) (int, error) {
	n, err := a.r.Read(b)
	if n > 0 {
		a.watchdog.Reset(a.j.holderPatience())
		a.j.t.in.Add(int64(n))
	}
	return n, err
}
