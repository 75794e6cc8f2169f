package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/crew"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/doubts"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/holders"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/schedule"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/signal"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// Swarm is what transfers need of the network; a Peer fits.
type Swarm interface {
	wire.Swarm
	// ID is this registry's peer ID.
	ID() peer.ID
	// Connected gives the members connected now, without self.
	Connected() []peer.ID
	// Listen accepts members' streams.
	Listen(protocol.ID) (net.Listener, error)
	// ListenData accepts members' connections at the data port; nil when there is none.
	ListenData() net.Listener
	// Admits reports whether requests from a remote address of Listen or ListenData may
	// be answered now.
	Admits(remote string) bool
}

// Config is what transfers are made of.
type Config struct {
	Blobs *blob.Store
	Swarm Swarm // nil: offline
	// Bitswap gets a block from other peers, when no member has it. It must end with ctx.
	// It may be nil.
	Bitswap func(ctx context.Context, c cid.Cid) ([]byte, error)
	Stall   time.Duration // without a verified leaf, after which a transfer fails
	Log     *logrus.Entry
}

// Transfers is all transfers of a registry, and the server of its blobs to members. It is
// safe for concurrent use.
type Transfers struct {
	cfg      Config
	log      *logrus.Entry
	timing   timing
	client   *wire.Client       // nil: offline
	server   *wire.Server       // nil: offline
	holders  *holders.Directory // nil: offline
	doubts   *doubts.Doubts     // nil: offline
	relays   *relays
	outcomes *outcomes
	rotten   *signal.Signal // a blob was set aside
	buffers  sync.Pool      // of *[dag.LeafSize]byte
	crew     *crew.Crew
	in       atomic.Int64

	ctx    context.Context
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup // transfers, listeners

	mu      sync.Mutex
	closed  bool
	jobs    map[cid.Cid]*job
	streams map[*job]struct{}
}

// New starts serving members.
func New(cfg Config) (*Transfers, error) { return start(cfg, timingFor(cfg.Stall)) }

func start(cfg Config, p timing) (*Transfers, error) {
	if cfg.Stall <= 0 {
		return nil, fmt.Errorf("transfers: a stall time of %s is none", cfg.Stall)
	}
	ended, err := newOutcomes()
	if err != nil {
		return nil, err
	}
	t := &Transfers{
		cfg: cfg, log: cfg.Log, timing: p, jobs: map[cid.Cid]*job{}, streams: map[*job]struct{}{},
		relays: &relays{trees: schedule.NewTrees(p.relay)}, outcomes: ended,
		rotten: signal.New(), crew: crew.New(crew.Seats),
	}
	t.buffers.New = func() any { return new([dag.LeafSize]byte) }
	t.ctx, t.cancel = context.WithCancelCause(context.Background())
	cfg.Blobs.OnRotten(func(dag.Ref) { t.rotten.Raise() })
	if cfg.Swarm == nil {
		t.wg.Go((&mender{t, cid.NewSet()}).run)
		return t, nil
	}
	l, err := cfg.Swarm.Listen(wire.Protocol)
	if err != nil {
		t.cancel(ErrClosing)
		return nil, fmt.Errorf("serve blobs: %w", err)
	}
	t.client = wire.NewClient(t.ctx, cfg.Swarm, p.ask, crew.Seats)
	t.holders = holders.New(t.ctx, holders.Config{
		Connected: cfg.Swarm.Connected, Client: t.client, Ask: p.ask, Grace: p.grace, Grudge: p.grudge,
	})
	t.doubts = doubts.New(t.ctx, doubts.Config{Blobs: cfg.Blobs, Client: t.client, Patience: p.ask, Log: t.log})
	t.server = t.newServer()
	t.serve(l)
	if l := cfg.Swarm.ListenData(); l != nil {
		t.serve(l)
	}
	t.wg.Go((&mender{t, cid.NewSet()}).run)
	return t, nil
}

// serve answers members at one of the listeners, until Close.
func (t *Transfers) serve(l net.Listener) {
	t.wg.Go(func() {
		if err := t.server.Serve(l); err != nil {
			t.log.WithError(err).Error("this registry no longer serves blobs to members: restart it")
		}
	})
}

// Open reads a blob from offset, in bytes, to its end. A blob that is not here is fetched:
// Open returns when the first byte wanted has arrived and is verified, and reads go on
// while the rest arrives; ctx bounds them, too. A blob that cannot be kept, for example for
// want of room, is streamed from the members, verified. The error, from Open or from a read,
// is *Unavailable when no member gave the bytes for Config.Stall.
func (t *Transfers) Open(ctx context.Context, ref dag.Ref, offset int64) (io.ReadCloser, error) {
	if offset < 0 {
		return nil, fmt.Errorf("open %s at %d: negative offset", ref.CID, offset)
	}
	content, inline, err := inlined(ref)
	if err == nil && !inline && ref.Size <= 0 {
		_, err = nothing(ctx, ref)
	}
	if err != nil {
		return nil, err
	}
	if inline || offset >= ref.Size {
		return io.NopCloser(bytes.NewReader(content[min(offset, int64(len(content))):])), nil
	}
	f, err := t.openLocal(ctx, ref, offset)
	if f == nil && err == nil && t.cfg.Blobs.IsRotten(ref.CID) {
		if err = t.awaitMending(ctx, ref); err == nil {
			f, err = t.openLocal(ctx, ref, offset)
		}
	}
	if f != nil || err != nil {
		return f, err
	}
	return t.follow(ctx, ref, offset)
}

// follow reads a blob while it is being fetched.
func (t *Transfers) follow(ctx context.Context, ref dag.Ref, offset int64) (io.ReadCloser, error) {
	j, err := t.join(ref, purpose{leaf: dag.LeafAt(offset)})
	if mayStream(err) {
		return t.stream(ctx, ref, offset, err)
	}
	if err != nil {
		return nil, err
	}
	r := newReader(ctx, j, offset)
	if err := r.await(); err != nil {
		if err = r.divert(err); err != nil {
			return nil, errors.Join(err, r.Close())
		}
	}
	return r, nil
}

// whole reports whether the blob is here with all its bytes. A file that lost some is
// fetched again.
func (t *Transfers) whole(ref dag.Ref) bool {
	size, err := t.cfg.Blobs.Size(ref.CID)
	return err == nil && size == ref.Size
}

// inlined returns the content of a blob that is inside its CID.
func inlined(ref dag.Ref) (content []byte, inline bool, err error) {
	content, inline = dag.InlineBytes(ref.CID)
	if inline && int64(len(content)) != ref.Size {
		err = fmt.Errorf("%s has %d bytes, not %d: %w", ref.CID, len(content), ref.Size, dag.ErrBadDAG)
	}
	return content, inline, err
}

// nothing is the layout of the empty blob; dag.ErrBadDAG when ref is another blob, for
// which an entry gives the size 0.
func nothing(ctx context.Context, ref dag.Ref) (*dag.Layout, error) {
	layout, _, err := dag.ReadLayout(ctx, ref.CID, ref.Size, nil)
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", ref.CID, err)
	}
	return layout, nil
}

// Holders asks the connected members which of them hold a blob whole; self is not among
// them, nor are members that lately sent wrong bytes of it, or that are gone by now.
// Answers are remembered for two seconds. It returns when all have answered, or a moment
// after the first that holds it; members that do not answer are given two seconds. When the
// error is that of ctx, there may be holders all the same.
func (t *Transfers) Holders(ctx context.Context, ref dag.Ref) ([]peer.ID, error) {
	if t.holders == nil {
		return nil, nil
	}
	return t.holders.Whole(ctx, ref)
}

// keepNothing makes the empty blob, for which no member has to be asked.
func (t *Transfers) keepNothing(ctx context.Context, ref dag.Ref) error {
	layout, err := nothing(ctx, ref)
	if err != nil {
		return err
	}
	p, err := t.cfg.Blobs.Partial(layout, nil)
	if err != nil {
		return err
	}
	return errors.Join(p.Finish(ctx), p.Close())
}

// Fetch brings a blob here whole and waits for it. Errors are those of Open, and ErrNotKept
// where the blob cannot be kept, with a *room.Short when there is no room for it. When ctx
// ends, the transfer goes on as if a reader had left.
func (t *Transfers) Fetch(ctx context.Context, ref dag.Ref) error {
	return t.fetch(ctx, ref, purpose{leaf: -1})
}

// FetchFrom is Fetch for a blob that no client waits for yet: a member that likely holds
// the blob is asked before all others, and a failure is not logged as a warning. With an
// empty ID no member is likely.
func (t *Transfers) FetchFrom(ctx context.Context, ref dag.Ref, likely peer.ID) error {
	return t.fetch(ctx, ref, purpose{leaf: -1, likely: likely, background: true})
}

func (t *Transfers) fetch(ctx context.Context, ref dag.Ref, why purpose) error {
	if _, inline, err := inlined(ref); inline || err != nil {
		return err
	}
	if t.whole(ref) {
		return nil
	}
	if ref.Size <= 0 {
		return t.keepNothing(ctx, ref)
	}
	j, err := t.join(ref, why)
	if err != nil {
		return err
	}
	defer j.leave()
	select {
	case <-j.end.done:
		return j.end.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// join enters the one transfer of a blob, starting it if there is none; ErrNotKept when
// there is no room for it.
func (t *Transfers) join(ref dag.Ref, why purpose) (*job, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, fmt.Errorf("fetch %s: %w", ref.CID, ErrClosing)
	}
	if t.cfg.Swarm == nil {
		return nil, &Unavailable{CID: ref.CID, Damaged: t.cfg.Blobs.IsRotten(ref.CID)}
	}
	// A job that does not let us in is ending; what it has is shared with the next.
	if j := t.jobs[ref.CID]; j != nil && j.ref == ref && j.enter() {
		if !why.background {
			j.use.background.Store(false)
		}
		return j, nil
	}
	if err := t.cfg.Blobs.Fits(ref); err != nil {
		return nil, fmt.Errorf("fetch %s: %w", ref.CID, notKept(err))
	}
	j := newJob(t, ref, why)
	j.enter()
	t.jobs[ref.CID] = j
	t.wg.Go(j.run)
	return j, nil
}

// job is the transfer of a blob; nil when there is none.
func (t *Transfers) job(c cid.Cid) *job {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.jobs[c]
}

// forget takes an ended transfer out, so that the next reader starts anew.
func (t *Transfers) forget(j *job) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.jobs[j.ref.CID] == j {
		delete(t.jobs, j.ref.CID)
	}
}

// Active is the number of transfers under way, streams among them.
func (t *Transfers) Active() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.jobs) + len(t.streams)
}

// Totals are the bytes of blobs received from members and sent to them.
func (t *Transfers) Totals() (in, out int64) {
	if t.server != nil {
		out = t.server.Out()
	}
	return t.in.Load(), out
}

// DataIn is how much of what was received came by data ports, in bytes.
func (t *Transfers) DataIn() int64 {
	if t.client == nil {
		return 0
	}
	return t.client.DataIn()
}

// UsesDataPort reports whether a member is asked at its data port now, and not over a
// stream because it has none or it failed lately.
func (t *Transfers) UsesDataPort(id peer.ID) bool {
	return t.client != nil && t.client.UsesData(id)
}

// Close ends all transfers, keeping what has arrived, and all requests being served, and
// waits for them. Readers that are still open fail where bytes are missing. It may be
// called again.
func (t *Transfers) Close() error {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.cancel(ErrClosing)
	var err error
	if t.server != nil {
		err = t.server.Close()
	}
	t.wg.Wait()
	if t.client != nil {
		t.holders.Close()
		t.doubts.Close()
		t.client.Close()
	}
	return err
}
