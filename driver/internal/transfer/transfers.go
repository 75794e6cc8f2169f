package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
)

// Swarm is what transfers ask of the network.
type Swarm interface {
	Connected() []peer.ID
	Listen(protocol.ID) (net.Listener, error)
	Dial(context.Context, peer.ID, protocol.ID) (net.Conn, error)
}

// Config is what transfers are made of.
type Config struct {
	Blobs *blob.Store
	Swarm Swarm         // nil: alone
	Stall time.Duration // without progress, after which a transfer fails
	Log   *logrus.Entry
}

// linger is how long a transfer goes on after its last reader left.
const linger = time.Minute

// Transfers is safe for concurrent use.
type Transfers struct {
	cfg     Config
	log     *logrus.Entry
	client  *http.Client
	server  *http.Server
	holders *holders
	in, out atomic.Int64

	mu   sync.Mutex
	jobs map[cid.Cid]*job

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// Unavailable says that nobody who was reached gave a blob's bytes.
type Unavailable struct {
	CID   cid.Cid
	Asked []peer.ID
	Cause error // of the last holder that failed; nil when there was none
}

func (e *Unavailable) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("fetch %s: its holders failed (%d members asked): %v", e.CID, len(e.Asked), e.Cause)
	}
	return fmt.Sprintf("fetch %s: no reachable member holds it (%d asked %v): start a registry that has it, or push it again", e.CID, len(e.Asked), e.Asked)
}

func (e *Unavailable) Unwrap() error { return e.Cause }

// New starts serving members.
func New(cfg Config) (*Transfers, error) {
	t := &Transfers{cfg: cfg, log: cfg.Log, jobs: map[cid.Cid]*job{}}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.holders = &holders{t: t, known: map[cid.Cid]answer{}}
	if cfg.Swarm == nil {
		return t, nil
	}
	t.client = newClient(cfg.Swarm)
	l, err := cfg.Swarm.Listen(Protocol)
	if err != nil {
		t.cancel()
		return nil, fmt.Errorf("serve blobs: %w", err)
	}
	t.server = newServer(t)
	t.wg.Go(func() {
		if err := t.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			t.log.WithError(err).Error("blobs are no longer served to members")
		}
	})
	return t, nil
}

// Open reads a blob from offset, in bytes. What is not here is brought here: it
// returns when the first byte wanted has arrived and was verified, and reads go
// on while the rest arrives. *Unavailable when nobody reachable has it.
func (t *Transfers) Open(ctx context.Context, ref blob.Ref, offset int64) (io.ReadCloser, error) {
	if content, ok := blob.InlineBytes(ref.CID); ok {
		return io.NopCloser(bytes.NewReader(content[min(offset, int64(len(content))):])), nil
	}
	f, err := t.cfg.Blobs.Open(ref.CID)
	if err == nil {
		if _, err := f.Seek(offset, io.SeekStart); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		return f, nil
	}
	if !errors.Is(err, blob.ErrNotFound) {
		return nil, err
	}
	if offset >= ref.Size {
		return io.NopCloser(bytes.NewReader(nil)), nil
	}
	j, err := t.join(ref)
	if err != nil {
		return nil, err
	}
	r := &reader{job: j, ctx: ctx, offset: offset}
	if err := r.await(); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// Fetch brings a blob here whole and waits for it.
func (t *Transfers) Fetch(ctx context.Context, ref blob.Ref) error {
	if _, ok := blob.InlineBytes(ref.CID); ok || t.cfg.Blobs.Has(ref.CID) {
		return nil
	}
	j, err := t.join(ref)
	if err != nil {
		return err
	}
	defer j.leave()
	select {
	case <-j.done:
		return j.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Holders asks the connected members which of them hold a blob. Answers are
// remembered for two seconds.
func (t *Transfers) Holders(ctx context.Context, ref blob.Ref) ([]peer.ID, error) {
	if t.cfg.Swarm == nil {
		return nil, nil
	}
	a, err := t.holders.ask(ctx, ref.CID)
	return a.have, err
}

// join enters the one transfer of a blob, starting it if there is none.
func (t *Transfers) join(ref blob.Ref) (*job, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ctx.Err() != nil {
		return nil, fmt.Errorf("fetch %s: this registry is stopping", ref.CID)
	}
	if t.cfg.Swarm == nil {
		return nil, &Unavailable{CID: ref.CID}
	}
	j := t.jobs[ref.CID]
	if j == nil {
		j = newJob(t, ref)
		t.jobs[ref.CID] = j
		t.wg.Go(j.run)
	}
	j.enter()
	return j, nil
}

// forget takes a finished transfer out, so that the next reader starts anew.
func (t *Transfers) forget(j *job) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.jobs[j.ref.CID] == j {
		delete(t.jobs, j.ref.CID)
	}
}

// Active counts the transfers under way.
func (t *Transfers) Active() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.jobs)
}

// Totals are the bytes of blobs received and sent since the start.
func (t *Transfers) Totals() (in, out int64) { return t.in.Load(), t.out.Load() }

// Close ends all transfers, keeping what has arrived, and waits for them.
func (t *Transfers) Close() error {
	t.mu.Lock()
	t.cancel()
	t.mu.Unlock()
	var err error
	if t.server != nil {
		err = t.server.Close()
		t.client.CloseIdleConnections()
	}
	t.wg.Wait()
	return err
}
