package fetch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/crew"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/holders"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

const (
	// Pieces is how many parts the first leaf is asked for in. A connection starts
	// with ten packets a round trip and doubles that: 1 MiB takes seven, a sixth of
	// it four.
	Pieces   = 6
	minPiece = 64 << 10
	// maxPolled is how many registries in mid-transfer are asked at once which leaves they
	// have.
	maxPolled = 16
)

// Config is what a registry lends its transfers.
type Config struct {
	Self    peer.ID
	Blobs   *blob.Store
	Client  *wire.Client
	Holders *holders.Directory
	Crew    *crew.Crew // does the work of all transfers
	// Doubt tells a holder, without waiting for it, that a leaf of its copy is wrong.
	Doubt func(holder peer.ID, root cid.Cid, leaf int)
	// Bitswap gets a block from other peers, when no member has it. It must end with ctx.
	// It may be nil.
	Bitswap func(ctx context.Context, c cid.Cid) ([]byte, error)
	Timing  Timing
	Log     *logrus.Entry
}

// Fetcher is what all transfers of a registry share. It is safe for concurrent use.
type Fetcher struct {
	Config
	ctx     context.Context
	buffers sync.Pool // of *[dag.LeafSize]byte
	in      atomic.Int64
}

// New makes a fetcher, whose transfers end when ctx does, with its cause.
func New(ctx context.Context, cfg Config) *Fetcher {
	f := &Fetcher{Config: cfg, ctx: ctx}
	f.buffers.New = func() any { return new([dag.LeafSize]byte) }
	return f
}

// Received is how many bytes came from members, or by bitswap.
func (f *Fetcher) Received() int64 { return f.in.Load() }

// Why a transfer ends early, beside what ends its context and ErrNotKept.
var (
	ErrNobody  = errors.New("nobody holds it")
	ErrStalled = errors.New("no bytes arrived in time")
	ErrUnread  = errors.New("nobody reads it any more")
)

// ErrNotKept reports that the bytes of a blob cannot be kept here now, for example because
// the disk is full, whatever members hold.
var ErrNotKept = errors.New("it cannot be kept here")

// NotKept makes an ErrNotKept of the cause.
func NotKept(cause error) error { return fmt.Errorf("%w: %w", ErrNotKept, cause) }

// errWhole ends a transfer that has brought everything.
var errWhole = errors.New("whole")

// Why a holder is left, beside the errors of wire.
var (
	errSlow      = errors.New("is slow")
	errUnasked   = errors.New("no holder is known yet")
	errOvertaken = errors.New("somebody else was faster")
)

// Timing is how long a transfer waits for each kind of event.
type Timing struct {
	Stall   time.Duration // without a byte: the transfer has failed
	Trickle time.Duration // without a verified leaf, likewise
	Silence time.Duration // a holder that sends no byte
	Slow    time.Duration // one leaf, when another holder could send it
	Nobody  time.Duration // no member holds it, and each said so
	Ask     time.Duration // members that do not answer
	Grace   time.Duration // members that have not answered when one holds it
	Retry   time.Duration // between looks at which members are connected
	Backoff time.Duration // the longest pause before all are asked again
	Alone   time.Duration // how long the first leaf has the whole bandwidth
	Yield   time.Duration // for another registry to fetch what it is first in line for
	Poll    time.Duration // between looks at what registries in mid-transfer have
	Linger  time.Duration // a transfer without readers
	Relay   time.Duration // registries that ask for a leaf within it get the leaf from each other
}

// TimingFor is the timing of transfers that fail when nothing has come for stall. All but
// Linger follow from it, so that everything is tried more than once within it.
func TimingFor(stall time.Duration) Timing {
	return Timing{
		Stall:   stall,
		Trickle: 4 * stall,
		Silence: min(stall/3, 10*time.Second),
		Slow:    stall / 2,
		Nobody:  stall / 10,
		Ask:     min(stall/4, 2*time.Second),
		Grace:   min(stall/20, 250*time.Millisecond),
		Retry:   min(stall/20, 250*time.Millisecond),
		Backoff: min(stall/5, 2*time.Second),
		Alone:   min(stall/10, time.Second),
		Yield:   min(stall/20, 500*time.Millisecond),
		Poll:    min(stall/20, 300*time.Millisecond),
		Linger:  time.Minute,
		Relay:   min(stall/3, 10*time.Second),
	}
}

// Jitter is d, or up to a third less or more.
func Jitter(d time.Duration) time.Duration { return d*2/3 + rand.N(d*2/3+1) }
