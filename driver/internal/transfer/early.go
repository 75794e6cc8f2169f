package transfer

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

const (
	growthPoll = 5 * time.Millisecond // how often a file is looked at that grows
	growthIdle = time.Minute          // without a byte, after which a growing upload is given up
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
