package ack

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multihash"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/replica/place"
)

// Early is an upload that members take while it grows, before it has a name by which its keepers
// are known. A nil Early is none.
type Early struct {
	token string
	ids   []peer.ID
	whole func(size int64)
	stop  func()
	ended <-chan struct{}
}

// Early has members take an upload of at least a size that goes on growing; size is what it will
// have, and 0 when that is not known. It returns nil when there is nobody to take it, or when whoever
// does is not likely to be a keeper of what it becomes. Stop ends it; it also ends when all of them
// have given up: its client may never come back.
func (a *Acks) Early(file string, size int64) *Early {
	ids := a.guess()
	if len(ids) == 0 {
		return nil
	}
	token, whole, ungrow, err := a.cfg.Grow(file)
	if err != nil {
		a.cfg.Log.WithError(err).Debug("an upload is not taken by members before it ends")
		return nil
	}
	ctx, cancel := context.WithTimeout(a.ctx, earlyTime)
	e := &Early{token: token, ids: ids, whole: whole, stop: sync.OnceFunc(func() { cancel(); ungrow() }), ended: ctx.Done()}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		e.stop()
		return nil
	}
	var taking atomic.Int32
	taking.Store(int32(len(ids)))
	for _, id := range ids {
		a.wg.Go(func() {
			_ = a.cfg.Take(ctx, id, token, size) // Ahead and Await ask again, for the blob
			if taking.Add(-1) == 0 {
				e.stop() // nobody reads it any more, and its file may be removed: open, it would stay on the disk
			}
		})
	}
	return e
}

// guess chooses members for a blob that nobody can name yet.
func (a *Acks) guess() []peer.ID {
	if !a.Asks() {
		return nil
	}
	m := a.cfg.Members()
	others := 0
	for _, of := range m.Here {
		if of.Capacity > 0 {
			others++
		}
	}
	if a.cfg.Keepers != 0 && others > 2*min(a.cfg.Keepers, place.All/2) {
		return nil // more often than not it would be one copy too many
	}
	sum := sha256.Sum256([]byte(rand.Text()))
	mh, err := multihash.Encode(sum[:], multihash.SHA2_256)
	if err != nil {
		return nil
	}
	ids := a.line.candidates(m, Blob{Ref: dag.Ref{CID: cid.NewCidV1(cid.Raw, mh)}})
	return ids[:min(len(ids), a.cfg.Copies-1)]
}

// Whole says that the upload has ended, with so many bytes.
func (e *Early) Whole(size int64) {
	if e != nil {
		e.whole(size)
	}
}

// Stop ends that members take the upload. What has become a blob stays with them.
func (e *Early) Stop() {
	if e != nil {
		e.stop()
	}
}

// Over reports whether nobody takes the upload, or nobody does any more.
func (e *Early) Over() bool {
	if e == nil {
		return true
	}
	select {
	case <-e.ended:
		return true
	default:
		return false
	}
}

// at is the token for a member that takes the upload; "" for any other.
func (e *Early) at(id peer.ID) string {
	if e == nil || !slices.Contains(e.ids, id) {
		return ""
	}
	return e.token
}

// here are those of the members that take it which are here.
func (e *Early) here(m Members) []peer.ID {
	return slices.DeleteFunc(slices.Clone(e.ids), func(id peer.ID) bool {
		return !slices.ContainsFunc(m.Here, func(of place.Member) bool { return of.ID == id })
	})
}
