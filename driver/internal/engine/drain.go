package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ipfs/go-cid"
	ds "github.com/ipfs/go-datastore"
	libpeer "github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/replica"
)

// drainKey is there while this registry is being drained: over restarts, too.
var drainKey = ds.NewKey("/draining")

// mergeWait is how long one member may take to say what it has merged.
const mergeWait = 10 * time.Second

func (e *Engine) openDrain(ctx context.Context) error {
	is, err := e.Store.Has(ctx, drainKey)
	if err != nil {
		return fmt.Errorf("datastorepath %s: %w", e.cfg.Path, err)
	}
	e.drained.Store(is)
	e.drains.Add(1)
	return nil
}

// Draining reports whether this registry is to be switched off for good: it keeps nothing for
// others, which fetch what it kept, and takes no writes.
func (e *Engine) Draining() bool { return e.drained.Load() }

// SetDraining begins or ends that. Members are told at once. Where the datastore takes no writes it holds
// for as long as the registry runs, DrainUnsaved says why, and it is written down once that is over.
func (e *Engine) SetDraining(ctx context.Context, drain bool) error {
	if e.Peer == nil {
		return fmt.Errorf("drain: %w: there is nobody to hand anything on to", errOffline)
	}
	e.drainSaving.Lock()
	defer e.drainSaving.Unlock()
	err := e.saveDrain(context.WithoutCancel(ctx), drain)
	if down, _ := TakesNoWrites(err); err != nil && !down {
		return fmt.Errorf("drain: %w", err)
	}
	if e.drainUnsaved = err; err != nil {
		e.Log.WithError(err).WithField("draining", drain).Warn("a restart may undo this: it is written down once the datastore takes writes")
		e.enrollment.look()
	}
	if e.drained.Swap(drain) != drain {
		e.drains.Add(1)
		e.Log.WithField("draining", drain).Info(drainText(drain))
	}
	e.Copies.Appeared() // the members are judged anew
	e.Peer.Changed()
	return nil
}

func (e *Engine) saveDrain(ctx context.Context, drain bool) (err error) {
	if drain { // also where it is there already: a registry that is off may be drained
		err = e.Store.Put(ctx, drainKey, []byte("1"))
	} else {
		err = e.Store.Delete(ctx, drainKey)
	}
	if err != nil {
		return err
	}
	return e.Store.Sync(ctx, drainKey)
}

// DrainUnsaved is why the next start does not know yet what SetDraining was told last; nil: it does.
func (e *Engine) DrainUnsaved() error {
	e.drainSaving.Lock()
	defer e.drainSaving.Unlock()
	return e.drainUnsaved
}

// saveDrainAgain writes down what could not be before, and reports whether it still cannot.
func (e *Engine) saveDrainAgain(ctx context.Context) bool {
	e.drainSaving.Lock()
	defer e.drainSaving.Unlock()
	if e.drainUnsaved == nil {
		return false
	}
	if e.drainUnsaved = e.saveDrain(ctx, e.Draining()); e.drainUnsaved != nil {
		return true
	}
	e.Log.WithField("draining", e.Draining()).Info("a restart no longer undoes this: it is written down")
	return false
}

func drainText(drain bool) string {
	if drain {
		return "this registry is being drained: it takes no pushes, and others fetch what it kept (`registry ipfs drain` says how far they are)"
	}
	return "this registry is no longer being drained: it takes pushes, and keeps blobs for others"
}

// handedOn reports whether others have had all that is here since this registry is being drained.
func (e *Engine) handedOn() bool { return e.Draining() && e.handed.Load() == e.drains.Load() }

// Handover is how far others have what is here.
type Handover struct {
	replica.Handover
	Behind []string // peer IDs of trusted members that are here and lack changes which this registry has
	Merged int      // members that lack none

	heads []cid.Cid // name these changes
}

// Done reports whether this registry may be switched off.
func (h Handover) Done() bool { return h.Left.Blobs == 0 && h.Merged > 0 && len(h.Behind) == 0 }

// Handover looks at what others have of what is here: its bytes, and the changes of the map. The
// first time, with a last one that is zero, it waits for requests that write, up to a minute, and
// looks through the whole map; with what it returned then it asks again only about what was left,
// so it comes to an end while clients write to other registries. The error is pathmap.ErrNewerEntry
// when an entry of a later release may name bytes that are here.
func (e *Engine) Handover(ctx context.Context, last Handover, progress func(paths, of int)) (h Handover, err error) {
	if !e.Draining() {
		return h, replica.ErrNotDraining
	}
	drain := e.drains.Load()
	if e.Joining() { // its map may not name yet what only it has
		return h, ErrJoining
	}
	resumed := last.Resumable()
	if resumed {
		h.Handover, err = e.Copies.Resume(ctx, e.Paths.View(), last.Handover)
		h.heads, resumed = last.heads, h.Resumable()
	}
	if err == nil && !resumed {
		h.Handover, err = e.lookThrough(ctx, progress)
		h.heads = e.Paths.Heads()
	}
	if err != nil {
		return h, err
	}
	h.Merged, h.Behind = e.whoMerged(ctx, h.heads)
	if err = ctx.Err(); err == nil && h.Done() && e.handed.Swap(drain) != drain {
		e.Peer.Changed() // members forget it once it is away
	}
	return h, err
}

// lookThrough asks the members for all bytes that are here.
func (e *Engine) lookThrough(ctx context.Context, progress func(paths, of int)) (h replica.Handover, err error) {
	if err := e.Paths.Lapse(ctx, 0); err != nil {
		return h, fmt.Errorf("drain: %w", err)
	}
	view := e.Paths.View()
	if !view.CIDs(func(cid.Cid) bool { return true }) { // it may name blobs that are here
		return h, fmt.Errorf("drain: %w", pathmap.ErrNewerEntry)
	}
	return e.Copies.Handover(ctx, view, func(paths int) { progress(paths, view.Len()) })
}

// whoMerged asks the trusted members that are here whether they have merged deltas, with all that
// these are based on. One that is away gets them from the others.
func (e *Engine) whoMerged(ctx context.Context, heads []cid.Cid) (merged int, behind []string) {
	for _, id := range e.Peer.Connected() {
		if !e.Peer.Trusts(id) {
			continue
		}
		ask, cancel := context.WithTimeout(ctx, mergeWait)
		has, err := e.Paths.HasMerged(ask, id, heads)
		cancel()
		switch {
		case err != nil:
			e.Log.WithError(err).Debug("a member does not say what it has merged")
			behind = append(behind, id.String())
		case has:
			merged++
		default:
			behind = append(behind, id.String())
		}
	}
	return merged, behind
}

// acknowledges waits until a member's push is merged here, for its acknowledgement. A disk that
// is about to go does not count. Whoever drains this registry looks after that at what came before.
func (e *Engine) acknowledges(ctx context.Context, from libpeer.ID, heads []cid.Cid) error {
	err := e.Paths.AwaitMerged(ctx, from, heads)
	if err == nil && e.Draining() {
		err = errGoing
	}
	return err
}

var errGoing = errors.New("this registry is being drained")

// retiring is the reason for which a registry that is being drained is not ready.
func (e *Engine) retiring() string {
	if e.Draining() {
		return "being drained, to be switched off for good: it takes no pushes; `registry ipfs undrain` ends that"
	}
	return ""
}
