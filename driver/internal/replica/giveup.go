package replica

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/errgroup"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/replica/place"
)

// askedAtOnce is how many members are asked about one blob at the same moment.
const askedAtOnce = 16

var (
	// ErrKeeper reports that a blob is to be kept here.
	ErrKeeper = errors.New("this registry is to keep it")
	// ErrFewCopies reports that a copy cannot be given up, because too few others have answered
	// that they keep the blob.
	ErrFewCopies = errors.New("too few others answer that they keep it")
)

// GiveUp gives up the copy of a blob that is here: it calls remove, if this registry is no
// keeper of the blob, and as many others as there are to be have answered, within the call,
// that they keep it. From the start of the call until its end this registry answers nobody
// that it keeps the blob (place.Surplus says why that is safe). The error is ErrKeeper,
// ErrFewCopies, or remove's.
//
// A member or a request of this registry may have been told before that the blob is here, and
// rely on it. The members that keep it are asked as those are who are relied on, so that they
// hear this registry, and that member, before they remove unnamed bytes. Whoever asks later has
// to make remove fail, or must not be told that it is here: package sweep sees to that.
func (k *Keeper) GiveUp(ctx context.Context, c cid.Cid, remove func() error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(k.ctx, cancel)()
	if !k.started.Load() {
		return fmt.Errorf("give up %s: %w", c, ErrNotStarted)
	}
	defer k.leaving.begin(c)()
	of, err := k.surplus(c)
	kept := 0
	if err == nil {
		kept, err = k.hear(ctx, c, of)
	}
	if err == nil { // the members may be others by now
		of, err = k.surplus(c)
	}
	if err == nil && kept < of.Need {
		err = ErrFewCopies
	}
	if err == nil {
		k.cfg.Log.WithField("cid", c).WithField("asked", of.Ask).WithField("kept", kept).Debug("a copy is given up: others keep the blob")
		err = remove()
	}
	if err != nil {
		return fmt.Errorf("give up %s: %w", c, err)
	}
	return nil
}

// surplus is what is to be heard to give up a copy. Without copies of its own a registry asks
// all, and one that has the blob is enough.
func (k *Keeper) surplus(c cid.Cid) (place.Surplus, error) {
	switch {
	case k.cfg.Members == nil:
		return place.Surplus{}, ErrFewCopies // it is alone
	case k.cfg.Copies == 0:
		of := place.Surplus{Need: 1}
		_, others := k.cfg.Members()
		for _, m := range others {
			if m.Away == 0 {
				of.Ask = append(of.Ask, m.ID)
			}
		}
		return of, nil
	case !k.settled.Load():
		return place.Surplus{}, ErrNotStarted
	}
	of, ok := k.verdict.Load().View.Surplus(k.cfg.Self, c, k.cfg.Copies)
	if !ok {
		return of, ErrKeeper
	}
	return of, nil
}

// hear asks the members, and counts those that keep a blob, until there are enough.
func (k *Keeper) hear(ctx context.Context, c cid.Cid, of place.Surplus) (kept int, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(askedAtOnce)
	for _, id := range of.Ask {
		g.Go(func() error {
			if ctx.Err() == nil && k.isKeptBy(ctx, id, c) {
				mu.Lock()
				defer mu.Unlock()
				if kept++; kept >= of.Need {
					cancel()
				}
			}
			return nil
		})
	}
	_ = g.Wait() // no answer is not an error: it does not count
	if kept < of.Need {
		return kept, ErrFewCopies
	}
	return kept, nil
}

func (k *Keeper) isKeptBy(ctx context.Context, id peer.ID, c cid.Cid) bool {
	copies, err := k.ask(ctx, id, []cid.Cid{c}, true)
	return err == nil && copies[0].Kept
}

// leaving are the blobs that are being given up, each by how many calls.
type leaving struct {
	mu sync.Mutex
	of map[cid.Cid]int
}

func (l *leaving) begin(c cid.Cid) (end func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of == nil {
		l.of = map[cid.Cid]int{}
	}
	l.of[c]++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.of[c]--; l.of[c] == 0 {
			delete(l.of, c)
		}
	}
}

func (l *leaving) has(c cid.Cid) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.of[c] > 0
}
