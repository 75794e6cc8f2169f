package transfer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/crew"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/doubts"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/fetch"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/holders"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/schedule"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// Swarm is what transfers need of the network. The Peer of package driver/internal/peer implements
// it.
type Swarm interface {
	wire.Swarm
	// ID is this registry's peer ID.
	ID() peer.ID
	// Connected returns the members connected now, without self.
	Connected() []peer.ID
	// Listen accepts members' streams.
	Listen(protocol.ID) (net.Listener, error)
	// ListenData accepts members' connections at the data port. It returns nil when there is
	// no data port.
	ListenData() net.Listener
	// Admits reports whether requests from a remote address may be answered now. The address
	// is that of a connection of Listen or ListenData.
	Admits(remote string) bool
	// SourceOf is who is at such an address.
	SourceOf(remote string) limit.Source
	// Trusts reports whether a peer's word counts.
	Trusts(peer.ID) bool
	// Relayed reports whether streams to a member pass through another peer.
	Relayed(peer.ID) bool
}

// Config is what transfers are made of.
type Config struct {
	Blobs *blob.Store
	Swarm Swarm // nil: offline
	// Budget is what members may take of this registry. It may be nil when offline.
	Budget *limit.Budget
	// Bitswap gets a block from peers other than members, when no member has it. It must
	// return when ctx is done. It may be nil.
	Bitswap func(ctx context.Context, c cid.Cid) ([]byte, error)
	Stall   time.Duration // without a byte, until a transfer fails; it must be positive
	// Asked is called with each blob that a trusted member asks about or reads, before it is
	// answered. When it is false the blob is not here for that member. It must not block, and
	// may be nil.
	Asked func(cid.Cid) bool
	// Going is called for members that are not trusted, whose questions do not count: it reports
	// whether a blob is being removed. It must not block; nil: they are trusted in this.
	Going func(cid.Cid) bool
	// Kept reports whether a blob is here, safe on the disk, and to be kept here (package
	// replica). It must not block for long, and may be nil: then none is.
	Kept func(cid.Cid) bool
	// Merged waits until deltas that a trusted member named are merged here, on disk. It may be
	// nil: then no push is acknowledged from here.
	Merged func(ctx context.Context, from peer.ID, heads []cid.Cid) error
	// Sent is told of a member that sent a leaf which was right; it must not block. It may be nil.
	Sent func(peer.ID)
	// Name is what a member is called, for the log; "": it has no name. It may be nil.
	Name func(peer.ID) string
	// Leaving reports whether this registry is to be switched off for good, so that nobody may
	// count on its disk. It may be nil: it stays.
	Leaving func() bool
	// Staging is a directory for uploads of members that are taken while they grow; "": none are.
	Staging string
	Log     *logrus.Entry
}

// Transfers is all transfers of a registry, and the server that sends its blobs to members. It is
// safe for concurrent use.
type Transfers struct {
	cfg      Config
	timing   timing
	client   *wire.Client       // nil when offline, like all fields down to relays
	server   *wire.Server       // answers members
	holders  *holders.Directory // of blobs
	doubts   *doubts.Doubts
	fetcher  *fetch.Fetcher
	relays   *relays
	outcomes *outcomes
	underway *underway
	early    *early
	stories  *stories
}

// timing is how long transfers wait for each kind of event.
type timing struct {
	fetch.Timing
	grudge time.Duration // for which a holder that sent wrong bytes of a blob is avoided
	mend   time.Duration // at most, between attempts to mend a blob
	send   time.Duration // for which a member may take none of the bytes sent to it
	take   time.Duration // for which nothing may come of an upload that is taken and has ended
}

func timingFor(stall time.Duration) timing {
	return timing{Timing: fetch.TimingFor(stall), grudge: time.Minute, mend: 5 * time.Minute, send: time.Minute, take: 5 * time.Second}
}

// New makes the Transfers of a registry, and starts to serve its blobs to members.
func New(cfg Config) (*Transfers, error) { return start(cfg, timingFor(cfg.Stall)) }

func start(cfg Config, p timing) (*Transfers, error) {
	if cfg.Stall <= 0 {
		return nil, fmt.Errorf("transfers: the stall time is %s, and must be positive", cfg.Stall)
	}
	ended, err := newOutcomes()
	if err != nil {
		return nil, err
	}
	t := &Transfers{cfg: cfg, timing: p, outcomes: ended, underway: newUnderway(), early: newEarly()}
	t.stories = newStories(t.tell)
	m := newMender(t)
	cfg.Blobs.OnRotten(func(dag.Ref) { m.wake.Raise() })
	if cfg.Swarm != nil {
		if err := t.goOnline(); err != nil {
			t.underway.cancel(ErrClosing)
			return nil, err
		}
	}
	t.underway.wg.Go(m.run)
	return t, nil
}

// goOnline begins to answer members, and makes all that is needed to ask them.
func (t *Transfers) goOnline() error {
	swarm, p, ctx := t.cfg.Swarm, t.timing, t.underway.ctx
	t.forgetTaken()
	l, err := swarm.Listen(wire.Protocol)
	if err != nil {
		return fmt.Errorf("serve blobs: %w", err)
	}
	t.client = wire.NewClient(ctx, swarm, p.Ask, crew.Seats)
	t.holders = holders.New(ctx, holders.Config{
		Connected: swarm.Connected, Client: t.client, Ask: p.Ask, Grace: p.Grace, Grudge: p.grudge,
		Trusts: swarm.Trusts,
	})
	t.doubts = doubts.New(ctx, doubts.Config{Blobs: t.cfg.Blobs, Client: t.client, Patience: p.Ask, Log: t.cfg.Log})
	t.fetcher = fetch.New(ctx, fetch.Config{
		Self: swarm.ID(), Blobs: t.cfg.Blobs, Client: t.client, Holders: t.holders, Crew: crew.New(crew.Seats),
		Doubt: t.doubts.Tell, Bitswap: t.cfg.Bitswap, Sent: t.cfg.Sent, Timing: p.Timing, Log: t.cfg.Log,
	})
	t.relays = &relays{trees: schedule.NewTrees(p.Relay)}
	t.server = t.newServer()
	t.serve(l)
	if l := swarm.ListenData(); l != nil {
		t.serve(l)
	}
	return nil
}

// serve answers members at a listener, until Close.
func (t *Transfers) serve(l net.Listener) {
	t.underway.wg.Go(func() {
		if err := t.server.Serve(l); err != nil {
			t.cfg.Log.WithError(err).Error("this registry no longer serves blobs to members: restart it")
		}
	})
}

// Holders asks the connected members which of them hold the whole blob. The result contains neither
// self nor members that lately sent wrong bytes of the blob or are no longer connected. Answers are
// remembered for two seconds. Holders returns when all members have answered or had two seconds to
// answer, or a moment after one has said that it holds the blob. When nobody has said so, and a
// connected member did not answer, the error is *Unavailable. When the error is that of ctx, there
// may be other holders. Nobody holds a blob of a size that none has (dag.Ref.Check).
func (t *Transfers) Holders(ctx context.Context, ref dag.Ref) ([]peer.ID, error) {
	if t.holders == nil || ref.Check() != nil {
		return nil, nil
	}
	ids, err := t.holders.Whole(ctx, ref)
	return ids, unheard(ref, err)
}

// HoldersNow is Holders, and believes no answer to a question that was asked before the call:
// who relies on a copy has to ask for it within the reliance (package lease).
func (t *Transfers) HoldersNow(ctx context.Context, ref dag.Ref) ([]peer.ID, error) {
	if t.holders == nil || ref.Check() != nil {
		return nil, nil
	}
	ids, err := t.holders.WholeNow(ctx, ref)
	return ids, unheard(ref, err)
}

// unheard makes the error of those who asked of the error of the question.
func unheard(ref dag.Ref, err error) error {
	if silent, ok := errors.AsType[*holders.SilentError](err); ok {
		return &Unavailable{CID: ref.CID, Asked: silent.IDs, Cause: silent}
	}
	return err
}

// Totals returns how many bytes were received, from members or by bitswap, and how many were sent
// to members since the start.
func (t *Transfers) Totals() (in, out int64) {
	if t.server != nil {
		out = t.server.Out()
	}
	if t.fetcher != nil {
		in = t.fetcher.Received() + t.early.in.Load()
	}
	return in, out
}

// DataIn returns how many of the bytes received came from data ports.
func (t *Transfers) DataIn() int64 {
	if t.client == nil {
		return 0
	}
	return t.client.DataIn()
}

// UsesDataPort reports whether a request to a member goes to its data port now. Otherwise it goes
// over a stream, because the member has no data port or the data port failed lately.
func (t *Transfers) UsesDataPort(id peer.ID) bool {
	return t.client != nil && t.client.UsesData(id)
}

// Close ends all transfers and all requests that are being served, and waits for them. What has
// arrived is kept. Readers that are still open fail where bytes are missing. It may be called
// again.
func (t *Transfers) Close() error {
	t.underway.close()
	if t.client == nil {
		t.underway.wg.Wait()
		return nil
	}
	err := t.server.Close()
	t.underway.wg.Wait()
	t.holders.Close()
	t.doubts.Close()
	t.client.Close()
	return err
}
