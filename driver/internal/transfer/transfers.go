package transfer

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/crew"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/doubts"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/fetch"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/holders"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/schedule"
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
	timing   timing
	client   *wire.Client       // nil: offline, as are those down to relays
	server   *wire.Server       // answers members
	holders  *holders.Directory // of blobs
	doubts   *doubts.Doubts
	fetcher  *fetch.Fetcher
	relays   *relays
	outcomes *outcomes
	underway *underway
}

// timing is how long transfers wait for each kind of event.
type timing struct {
	fetch.Timing
	grudge time.Duration // a holder that sent wrong bytes of a blob
	mend   time.Duration // the longest between attempts to mend what no member had
	send   time.Duration // a member that takes none of the bytes sent to it
}

func timingFor(stall time.Duration) timing {
	return timing{Timing: fetch.TimingFor(stall), grudge: time.Minute, mend: 5 * time.Minute, send: time.Minute}
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
	t := &Transfers{cfg: cfg, timing: p, outcomes: ended, underway: newUnderway()}
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

// goOnline begins to answer members, and to ask them.
func (t *Transfers) goOnline() error {
	swarm, p, ctx := t.cfg.Swarm, t.timing, t.underway.ctx
	l, err := swarm.Listen(wire.Protocol)
	if err != nil {
		return fmt.Errorf("serve blobs: %w", err)
	}
	t.client = wire.NewClient(ctx, swarm, p.Ask, crew.Seats)
	t.holders = holders.New(ctx, holders.Config{
		Connected: swarm.Connected, Client: t.client, Ask: p.Ask, Grace: p.Grace, Grudge: p.grudge,
	})
	t.doubts = doubts.New(ctx, doubts.Config{Blobs: t.cfg.Blobs, Client: t.client, Patience: p.Ask, Log: t.cfg.Log})
	t.fetcher = fetch.New(ctx, fetch.Config{
		Self: swarm.ID(), Blobs: t.cfg.Blobs, Client: t.client, Holders: t.holders, Crew: crew.New(crew.Seats),
		Doubt: t.doubts.Tell, Bitswap: t.cfg.Bitswap, Timing: p.Timing, Log: t.cfg.Log,
	})
	t.relays = &relays{trees: schedule.NewTrees(p.Relay)}
	t.server = t.newServer()
	t.serve(l)
	if l := swarm.ListenData(); l != nil {
		t.serve(l)
	}
	return nil
}

// serve answers members at one of the listeners, until Close.
func (t *Transfers) serve(l net.Listener) {
	t.underway.wg.Go(func() {
		if err := t.server.Serve(l); err != nil {
			t.cfg.Log.WithError(err).Error("this registry no longer serves blobs to members: restart it")
		}
	})
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

// Totals are the bytes of blobs received from members and sent to them.
func (t *Transfers) Totals() (in, out int64) {
	if t.server != nil {
		out = t.server.Out()
	}
	if t.fetcher != nil {
		in = t.fetcher.Received()
	}
	return in, out
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
