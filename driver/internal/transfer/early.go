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
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

const (
	growthPoll = 5 * time.Millisecond // how often a file is looked at that grows
	growthIdle = time.Minute          // without a byte, after which a growing upload is given up

	takenPrefix = "early-" // of the names of files in Config.Staging
)

// Growing is an upload that members may take while its file grows. Whoever takes it gets bytes that
// have no name yet; what they are worth shows when the blob has one.
type Growing struct {
	Token string // by which members get it
	file  *os.File
	size  atomic.Int64 // when it is whole; negative: it grows
	ctx   context.Context
	stop  context.CancelFunc
}

// Grow lets members have the file of an upload, by its token, until Stop.
func (t *Transfers) Grow(file string) (*Growing, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("let members take an upload: %w", err)
	}
	g := &Growing{Token: rand.Text(), file: f}
	g.size.Store(-1)
	g.ctx, g.stop = context.WithCancel(t.underway.ctx)
	t.early.mu.Lock()
	defer t.early.mu.Unlock()
	t.early.growing[g.Token] = g
	context.AfterFunc(g.ctx, func() {
		t.early.mu.Lock()
		defer t.early.mu.Unlock()
		delete(t.early.growing, g.Token)
		_ = f.Close()
	})
	return g, nil
}

// Whole says that the upload has ended, with so many bytes.
func (g *Growing) Whole(size int64) { g.size.Store(size) }

// Stop ends that members get the upload. It may be called again.
func (g *Growing) Stop() { g.stop() }

// early is the uploads of this registry that members take, and those of members that are taken here.
type early struct {
	in atomic.Int64 // bytes of uploads of members

	mu      sync.Mutex
	growing map[string]*Growing
	taken   map[string]*taken
}

func newEarly() *early {
	return &early{growing: map[string]*Growing{}, taken: map[string]*taken{}}
}

// forgetTaken removes what an earlier run left of uploads that it took: nobody knows their tokens.
func (t *Transfers) forgetTaken() {
	if t.cfg.Staging == "" {
		return
	}
	left, _ := filepath.Glob(filepath.Join(t.cfg.Staging, takenPrefix+"*")) // the pattern is right
	for _, file := range left {
		t.discard(file)
	}
}

// serveUpload opens an upload of this registry that grows.
func (t *Transfers) serveUpload(ctx context.Context, from peer.ID, token string) (io.ReadCloser, error) {
	t.early.mu.Lock()
	g := t.early.growing[token]
	t.early.mu.Unlock()
	if g == nil || !t.cfg.Swarm.Trusts(from) {
		return nil, wire.ErrGone
	}
	return &growth{of: g, ctx: ctx}, nil
}

// growth reads a file that grows.
type growth struct {
	of  *Growing
	ctx context.Context
	at  int64
}

// Read implements io.Reader. It waits for bytes until the upload is whole.
func (r *growth) Read(b []byte) (int, error) {
	for began := time.Now(); ; {
		whole := r.of.size.Load()
		if whole >= 0 && r.at >= whole {
			return 0, io.EOF
		}
		n, err := r.of.file.ReadAt(b, r.at)
		if r.at += int64(n); n > 0 {
			return n, nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if time.Since(began) > growthIdle {
			return 0, wire.ErrSilent
		}
		select {
		case <-time.After(growthPoll):
		case <-r.ctx.Done():
			return 0, r.ctx.Err()
		case <-r.of.ctx.Done():
			return 0, context.Canceled
		}
	}
}

// Close implements io.Closer.
func (r *growth) Close() error { return nil }

// Take asks a member to take an upload that grows. It returns when ctx ends, or the member has given
// up, or has made a blob of it. ctx must have a deadline.
func (t *Transfers) Take(ctx context.Context, id peer.ID, token string, size int64) error {
	if t.client == nil {
		return errOffline
	}
	deadline, _ := ctx.Deadline()
	return t.client.Take(ctx, id, &wire.TakeRequest{Token: token, Size: size, Wait: time.Until(deadline)})
}

// taken is an upload of a member that comes here while it grows.
type taken struct {
	from  peer.ID
	once  sync.Once
	named chan struct{} // closed when it is known which blob it becomes, or that it becomes none
	done  chan struct{} // closed when it is one, or given up
}

// serveTake takes an upload of a member, and makes a blob of it once the member has named the blob.
func (t *Transfers) serveTake(ctx context.Context, q *wire.TakeRequest) error {
	if t.cfg.Merged == nil || t.cfg.Staging == "" || !t.cfg.Swarm.Trusts(q.Peer) {
		return wire.ErrStranger
	}
	if t.leaving() {
		return wire.ErrLeaving
	}
	e, leave, err := t.early.enter(q)
	if err != nil {
		return err
	}
	defer leave()
	file := filepath.Join(t.cfg.Staging, takenPrefix+rand.Text())
	defer t.discard(file) // what is a blob is no longer there
	if err := t.receive(ctx, q, file); err != nil {
		return err
	}
	select {
	case <-e.named:
		return t.adopt(ctx, file)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// enter notes an upload that is about to be taken.
func (y *early) enter(q *wire.TakeRequest) (e *taken, leave func(), err error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.taken[q.Token] != nil {
		return nil, nil, fmt.Errorf("take upload %s: it is being taken", q.Token)
	}
	e = &taken{from: q.Peer, named: make(chan struct{}), done: make(chan struct{})}
	y.taken[q.Token] = e
	return e, func() {
		close(e.done)
		y.mu.Lock()
		defer y.mu.Unlock()
		delete(y.taken, q.Token)
	}, nil
}

// receive writes an upload as it comes, and syncs it, while its own registry does the same.
func (t *Transfers) receive(ctx context.Context, q *wire.TakeRequest, file string) error {
	u, err := t.cfg.Blobs.Upload(file, false)
	if err != nil {
		return err
	}
	if q.Size > 0 {
		err = u.Expect(q.Size)
	}
	if err == nil {
		err = t.copyUpload(ctx, q, u)
	}
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

// discard removes what is left of an upload that was taken.
func (t *Transfers) discard(file string) {
	for _, f := range []string{blob.UploadNote(file), file} { // forgetTaken looks for the file
		if err := os.Remove(f); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.cfg.Log.WithError(err).Debug("an upload that was taken early is not removed yet")
		}
	}
	t.cfg.Blobs.EndUploads(file)
}

// adopt makes a blob of an upload, whichever it is by its bytes. Nothing names it yet; it is
// pinned by the question that will.
func (t *Transfers) adopt(ctx context.Context, file string) error {
	p, err := t.cfg.Blobs.PushUpload(ctx, file, "", blob.Seen{}, 0)
	if err != nil {
		return err
	}
	if len(p.Beside) > 0 { // it is safe only with an entry
		p.Undo(false)
		return errSmall
	}
	p.Done()
	return nil
}

var errSmall = errors.New("an upload so small is not taken before it ends")

// settle waits until an upload that a member has taken early has become a blob, or has not.
func (t *Transfers) settle(ctx context.Context, from peer.ID, token string) {
	t.early.mu.Lock()
	e := t.early.taken[token]
	t.early.mu.Unlock()
	if e == nil || e.from != from {
		return
	}
	e.once.Do(func() { close(e.named) })
	select {
	case <-e.done:
	case <-ctx.Done():
	}
}
