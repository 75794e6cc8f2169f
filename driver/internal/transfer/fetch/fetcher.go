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
	// Pieces is the number of parts in which the first leaf is requested, each over a
	// connection of its own. A connection carries ten packets in its first round trip,
	// and twice as many in each that follows: 1 MiB takes seven round trips, a sixth of
	// it four.
	Pieces   = 6
	minPiece = 64 << 10
	// maxPolled is how many registries in mid-transfer are asked at the same time which
	// leaves they have.
	maxPolled = 16
)

// Config is what a registry lends to its transfers.
type Config struct {
	Self    peer.ID
	Blobs   *blob.Store
	Client  *wire.Client
	Holders *holders.Directory
	Crew    *crew.Crew // the workers that all transfers share
	// Doubt tells a holder that a leaf of its copy is wrong. It does not wait for an answer.
	Doubt func(holder peer.ID, root cid.Cid, leaf int)
	// Bitswap gets a block from peers other than members, when no member has it. It must
	// return when ctx is done. It may be nil.
	Bitswap func(ctx context.Context, c cid.Cid) ([]byte, error)
	// Sent is told of a member that sent a leaf which was right; it must not block. It may be nil.
	Sent   func(holder peer.ID)
	Timing Timing
	Log    *logrus.Entry
}

// Fetcher is what all transfers of a registry share. It is safe for concurrent use.
type Fetcher struct {
	Config
	ctx     context.Context
	buffers sync.Pool // of *[dag.LeafSize]byte
	in      atomic.Int64
}

// New makes a Fetcher. When ctx ends, its transfers end with the cause of ctx.
func New(ctx context.Context, cfg Config) *Fetcher {
	f := &Fetcher{Config: cfg, ctx: ctx}
	f.buffers.New = func() any { return new([dag.LeafSize]byte) }
	return f
}

// Received returns how many bytes have come from members or by bitswap.
func (f *Fetcher) Received() int64 { return f.in.Load() }

// These are the reasons why a transfer ends early, besides ErrNotKept and the end of its
// context.
var (
	ErrNobody  = errors.New("nobody holds it")
	ErrStalled = errors.New("no bytes arrived in time")
	ErrUnread  = errors.New("nobody reads it any more")
)

// ErrNotKept reports that this registry cannot keep the bytes of a blob now, for example
// because its disk is full. It says nothing about which members hold the blob.
var ErrNotKept = errors.New("it cannot be kept here")

// NotKept returns cause as an ErrNotKept.
func NotKept(cause error) error { return fmt.Errorf("%w: %w", ErrNotKept, cause) }

// errWhole is the cause with which a complete transfer ends.
var errWhole = errors.New("whole")

// These are the reasons why no more is asked of a holder, besides the errors of wire.
var (
	errSlow      = errors.New("is slow")
	errUnasked   = errors.New("no holder is known yet")
	errOvertaken = errors.New("somebody else was faster")
	errMute      = errors.New("sent nothing, and somebody else was asked")
)

// Timing is how long a transfer waits for each kind of event.
type Timing struct {
	Stall   time.Duration // without a byte, until the transfer fails
	Trickle time.Duration // without a verified leaf, until the transfer fails
	Silence time.Duration // without a byte, until a holder is given up
	Hedge   time.Duration // without a byte, until another holder is asked for the same as well
	Slow    time.Duration // for one leaf, when another holder could send it faster
	Nobody  time.Duration // without progress, when every member has said that it has nothing
	Ask     time.Duration // for a member to answer a question
	Grace   time.Duration // for the others to answer, once a member has said that it has the blob
	Retry   time.Duration // between looks at which members are connected
	Backoff time.Duration // the longest pause before all members are asked again
	Alone   time.Duration // for which the first leaf has the whole bandwidth
	Yield   time.Duration // for another registry to fetch a leaf for which it is first in line
	Poll    time.Duration // between polls of registries in mid-transfer
	Linger  time.Duration // for which a transfer goes on without readers
	Relay   time.Duration // within which registries that ask for the same leaf pass it on
}

// TimingFor returns the timing of transfers that fail when nothing has come for stall. All
// values but Linger are derived from stall, so that everything is tried more than once
// within that time.
func TimingFor(stall time.Duration) Timing {
	return Timing{
		Stall:   stall,
		Trickle: 4 * stall,
		Silence: min(stall/3, 10*time.Second),
		Hedge:   min(stall/20, 150*time.Millisecond),
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

// Jitter returns a random duration that is at most a third shorter or longer than d.
func Jitter(d time.Duration) time.Duration { return d*2/3 + rand.N(d*2/3+1) }
