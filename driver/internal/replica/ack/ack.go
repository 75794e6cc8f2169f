package ack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/sirupsen/logrus"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/replica/place"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/spans"
)

// earlyTime is for how long an upload is taken while it grows, at most.
const earlyTime = time.Hour

// blobsAtOnce is how many blobs of one push are asked for at the same time.
const blobsAtOnce = 16

// Members are this registry and the trusted others.
type Members struct {
	Self     place.Member
	Here     []place.Member // others that are connected, and not to be switched off
	Draining []peer.ID      // that are to be switched off for good, connected or not
	Known    int            // all of those, and those that are away
}

// Lasting is how many others there are that may keep a push, now or when they are back.
func (m Members) Lasting() int { return m.Known - len(m.Draining) }

// Missing says which of the others cannot be asked; "" when all can.
func (m Members) Missing() string {
	var why []string
	if n := len(m.Draining); n > 0 {
		why = append(why, fmt.Sprintf("%d of %d other registries are being drained", n, m.Known))
	}
	if n := m.Lasting() - len(m.Here); n > 0 {
		why = append(why, fmt.Sprintf("%d of %d other registries are away", n, m.Known))
	}
	return strings.Join(why, ", and ")
}

// Config is what an Acks is made of.
type Config struct {
	Copies  int           // disks that are to hold a push, this one included; up to 1: nobody is asked
	Timeout time.Duration // until a push is refused
	Hedge   time.Duration // how long a member may say nothing until one more is asked; 0: the default
	Members func() Members
	Keepers int // registries that are to keep each blob; 0: none is to
	// Ask asks a member to keep a blob, as Transfers.Keep does: without heads it returns when ctx
	// ends, or the member gives up. taken is called once the member is at work. Asked of Self, it
	// brings a blob to this disk that is not here.
	Ask func(ctx context.Context, id peer.ID, ref dag.Ref, token string, heads []cid.Cid, taken func()) error
	// Grow lets members have the file of an upload, by a token, until stop is called. whole is
	// told the size of the upload when it has ended.
	Grow func(file string) (token string, whole func(size int64), stop func(), err error)
	// Take asks a member to take that upload while it grows. It returns when ctx ends, or the
	// member has made a blob of the upload, or gives up.
	Take func(ctx context.Context, id peer.ID, token string, size int64) error
	// Declined reports whether an error of Ask is one that asking again soon does not change.
	Declined func(error) bool
	Here     func(dag.Ref) bool // whether a blob is on this disk
	Log      *logrus.Entry
}

// Acks is the pushes that wait for other disks. It is safe for concurrent use.
type Acks struct {
	cfg    Config
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	line   lineup

	mu     sync.Mutex
	closed bool
	state  State
}

// State is what an Acks tells an operator.
type State struct {
	Copies  int
	Waiting int   // pushes that wait now
	Given   int64 // pushes that were on enough disks, since the start
	Refused int64 // those that were not, in time
	Last    *Lack // the last refusal, until a push is on enough disks again
}

// Blob is what is asked for.
type Blob struct {
	dag.Ref
	Early *Early // of the upload that became it; nil: nobody took that
}

// New makes an Acks.
func New(cfg Config) *Acks {
	cfg.Hedge = cmp.Or(cfg.Hedge, hedge)
	a := &Acks{cfg: cfg}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	return a
}

// Close ends all that is asked, and waits for it. It may be called again.
func (a *Acks) Close() {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.cancel()
	a.wg.Wait()
}

// Asks reports whether a push waits for other disks at all.
func (a *Acks) Asks() bool { return a.cfg.Copies > 1 }

// State is the state of now.
func (a *Acks) State() State {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.state
	s.Copies = max(1, a.cfg.Copies)
	return s
}

// Members are those that could be asked now.
func (a *Acks) Members() Members { return a.cfg.Members() }

// Ahead has the likeliest members fetch a blob that is here and has no entry yet, and hold it until
// done is called, which has to be, or for twice the timeout. It does not wait for them. They are asked
// in the trace of ctx, which may end before.
func (a *Acks) Ahead(ctx context.Context, b Blob) (done func()) {
	ref := b.Ref
	if !a.Asks() || inline(ref) {
		return func() {}
	}
	ids := a.line.candidates(a.cfg.Members(), b)
	ctx, cancel := context.WithTimeout(spans.Below(a.ctx, spans.Of(ctx)), 2*a.cfg.Timeout)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		cancel()
		return func() {}
	}
	for _, id := range ids[:min(len(ids), a.cfg.Copies-1)] {
		a.wg.Go(func() { _ = a.cfg.Ask(ctx, id, ref, b.Early.at(id), nil, nil) }) // Await asks again, and notes what fails
	}
	return cancel
}

// Push is what a request waits for. It is for one goroutine at a time.
type Push struct {
	a        *Acks
	deadline time.Time
}

// Push begins to wait, for no longer than the timeout in all.
func (a *Acks) Push() Push { return Push{a, time.Now().Add(a.cfg.Timeout)} }

// Ready waits until each of some blobs, and the deltas, are on as many disks as are wanted, before
// something is written that is to rely on it. The deltas are on this disk. The error is a *Lack
// when there are not enough disks in time, or that of ctx.
func (p Push) Ready(ctx context.Context, blobs []Blob, heads []cid.Cid) error {
	return p.await(ctx, blobs, heads, false)
}

// Await is Ready for the last of what is pushed: then the push is acknowledged.
func (p Push) Await(ctx context.Context, blobs []Blob, heads []cid.Cid) error {
	return p.await(ctx, blobs, heads, true)
}

func (p Push) await(ctx context.Context, blobs []Blob, heads []cid.Cid, last bool) error {
	a := p.a
	if !a.Asks() {
		return nil
	}
	a.begin()
	ctx, span := spans.Start(ctx, "ipfs acknowledge", trace.SpanKindInternal)
	defer span.End()
	if span.IsRecording() {
		span.SetAttributes(spans.Disks.Int(a.cfg.Copies), spans.Blobs.Int(len(blobs)))
	}
	within, cancel := context.WithDeadline(ctx, p.deadline)
	defer cancel()
	stop := context.AfterFunc(a.ctx, cancel)
	defer stop()
	g, within := errgroup.WithContext(within)
	g.SetLimit(blobsAtOnce)
	for _, b := range asked(blobs) {
		g.Go(func() error { return newQuestion(a, b, heads).run(within) })
	}
	err := g.Wait()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	a.end(err, last)
	spans.Fail(span, err)
	return err
}

// asked are the blobs that are to be asked for: what lies in its CID is in the deltas, and is asked
// for only when there is nothing else.
func asked(all []Blob) (blobs []Blob) {
	for _, b := range all {
		if !inline(b.Ref) {
			blobs = append(blobs, b)
		}
	}
	if len(blobs) == 0 {
		return all[:min(1, len(all))]
	}
	return blobs
}

func inline(ref dag.Ref) bool {
	_, ok := dag.InlineBytes(ref.CID)
	return ok
}

func (a *Acks) begin() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.state.Waiting++
}

// end counts how a push ended, and says the first time that one is refused.
func (a *Acks) end(err error, last bool) {
	var lack *Lack
	a.mu.Lock()
	defer a.mu.Unlock()
	a.state.Waiting--
	switch {
	case err == nil && !last:
	case err == nil:
		a.state.Given++
		if a.state.Last != nil {
			a.cfg.Log.Info("pushes are on enough disks again")
		}
		a.state.Last = nil
	case errors.As(err, &lack):
		a.state.Refused++
		if a.state.Last == nil {
			a.cfg.Log.WithError(err).Warn("a push is on fewer disks than ackreplicas wants, and was answered with 503: its client has to try again")
		}
		a.state.Last = lack
	}
}
