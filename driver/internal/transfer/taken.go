package transfer

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

const takenPrefix = "early-" // of the names of files in Config.Staging

// forgetTaken removes what an earlier run left of uploads that it took: nobody knows their tokens.
func (t *Transfers) forgetTaken() {
	if t.cfg.Staging == "" {
		return
	}
	all := filepath.Join(t.cfg.Staging, takenPrefix+"*")
	left, _ := filepath.Glob(all)                   // the patterns are right
	notes, _ := filepath.Glob(blob.UploadNote(all)) // that of a file which became a blob just before the end
	for _, file := range left {
		t.discard(file)
	}
	for _, note := range notes {
		_ = os.Remove(note) // one is tried again at the next start
	}
}

// taken is an upload of a member that comes here while it grows.
type taken struct {
	from   peer.ID
	came   atomic.Int64 // bytes of it
	all    atomic.Bool  // all came
	giveUp context.CancelFunc

	once  sync.Once
	ref   dag.Ref       // the blob that it is to become
	named chan struct{} // closed when ref is set
	done  chan struct{} // closed when it is that blob, or given up
}

// serveTake takes an upload of a member, and makes a blob of it once the member has named the blob.
func (t *Transfers) serveTake(ctx context.Context, q *wire.TakeRequest) error {
	if t.cfg.Merged == nil || t.cfg.Staging == "" || !t.cfg.Swarm.Trusts(q.Peer) {
		return wire.ErrStranger
	}
	if t.leaving() {
		return wire.ErrLeaving
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	e, leave, err := t.early.enter(q, cancel)
	if err != nil {
		return err
	}
	defer leave()
	file := filepath.Join(t.cfg.Staging, takenPrefix+rand.Text())
	defer t.discard(file) // what is a blob is no longer there
	if err := t.receive(ctx, q, e, file); err != nil {
		return err
	}
	select {
	case <-e.named:
		return t.adopt(ctx, file, e.ref)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// enter notes an upload that is about to be taken.
func (y *early) enter(q *wire.TakeRequest, giveUp context.CancelFunc) (e *taken, leave func(), err error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.taken[q.Token] != nil {
		return nil, nil, fmt.Errorf("take upload %s: it is being taken", q.Token)
	}
	e = &taken{from: q.Peer, giveUp: giveUp, named: make(chan struct{}), done: make(chan struct{})}
	y.taken[q.Token] = e
	return e, func() {
		close(e.done)
		y.mu.Lock()
		defer y.mu.Unlock()
		delete(y.taken, q.Token)
	}, nil
}

// receive writes an upload as it comes, and syncs it, while its own registry does the same.
func (t *Transfers) receive(ctx context.Context, q *wire.TakeRequest, e *taken, file string) error {
	u, err := t.cfg.Blobs.Upload(file, false)
	if err != nil {
		return err
	}
	if q.Size > 0 {
		err = u.Expect(q.Size)
	}
	if err == nil {
		err = t.copyUpload(ctx, q, io.MultiWriter(u, e))
	}
	e.all.Store(err == nil)
	return errors.Join(err, u.Close())
}

func (t *Transfers) copyUpload(ctx context.Context, q *wire.TakeRequest, u io.Writer) error {
	body, err := t.client.Upload(ctx, q.Peer, q.Token)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	n, err := io.Copy(u, body)
	t.early.in.Add(n)
	return err
}

// Write implements io.Writer: it counts.
func (e *taken) Write(b []byte) (int, error) {
	e.came.Add(int64(len(b)))
	return len(b), nil
}

// discard removes what is left of an upload that was taken.
func (t *Transfers) discard(file string) {
	for _, f := range []string{blob.UploadNote(file), file} { // forgetTaken looks for the file
		if err := os.Remove(f); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.cfg.Log.WithError(err).Debug("an upload that was taken early is not removed yet")
		}
	}
	t.cfg.Blobs.EndUploads(file)
}

// adopt makes an upload the blob that it is said to be, if it has its bytes. Nothing names that yet;
// it is pinned by the question that will.
func (t *Transfers) adopt(ctx context.Context, file string, ref dag.Ref) error {
	unpin, err := t.cfg.Blobs.AdoptUpload(ctx, file, ref)
	unpin()
	return err
}

// settle waits until an upload that a member has taken early has become the blob that a member asks
// for, or has not. By then its registry has all of it: one of which no more comes, as when a
// connection broke and nobody was told, is given up, and the blob is fetched.
func (t *Transfers) settle(ctx context.Context, q *wire.KeepRequest) {
	t.early.mu.Lock()
	e := t.early.taken[q.Token]
	t.early.mu.Unlock()
	if e == nil || e.from != q.Peer {
		return
	}
	e.once.Do(func() { e.ref = q.Ref; close(e.named) })
	look := time.NewTicker(t.timing.take)
	defer look.Stop()
	for before := int64(-1); ; {
		select {
		case <-e.done:
			return
		case <-ctx.Done():
			return
		case <-look.C:
			came := e.came.Load()
			if came == before && !e.all.Load() {
				e.giveUp()
			}
			before = came
		}
	}
}
