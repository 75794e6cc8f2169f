package driver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/ipfs/go-cid"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/replica/ack"
)

// ackRetry is when a client may try again whose push was on too few disks.
const ackRetry = 5 * time.Second

// push is what waits until it is on as many disks as are wanted: what a request changes, the
// bytes that came with it, and those that its answer relies on. What a client skipped because
// HEAD had found it was acknowledged by nobody, so a manifest waits for all that it names.
type push struct {
	s        *store
	acks     ack.Push
	changes  []change
	relied   []reliance
	manifest string // path of its bytes; "": it is none
}

func (s *store) newPush(ctx context.Context, changes []change, relied []reliance) *push {
	return &push{s, s.engine.Acks.Push(), changes, relied, requestOf(ctx).manifestIn(changes)}
}

// ready waits, before a manifest is written, until its bytes and all that it relies on are on
// other disks, with the entries that name it. What is written is seen, and a client that tries
// again, such as crane, takes a manifest that HEAD finds for one that was acknowledged. The error is a
// Refusal.
func (p *push) ready(ctx context.Context) error {
	if p.manifest == "" {
		return nil
	}
	return p.s.notOn(ctx, p.acks.Ready(ctx, p.refs(p.relied), p.s.paths.Heads()))
}

// await waits, when the changes are written, until the deltas that they are in are on other
// disks, with the bytes. The error is a Refusal; what was pushed is not lost.
func (p *push) await(ctx context.Context, heads []cid.Cid) error {
	if p.manifest == "" {
		return p.s.notOn(ctx, p.acks.Await(ctx, p.refs(p.relied), heads))
	}
	err := p.acks.Await(ctx, p.refs(nil), heads)
	if e, gone := p.s.paths.View().Get(p.manifest); err != nil && gone == nil {
		p.s.refusedPushes.add(e.CID)
	}
	return p.s.notOn(ctx, err)
}

// refs are the blobs, each once.
func (p *push) refs(relied []reliance) []ack.Blob {
	refs, seen := make([]ack.Blob, 0, len(p.changes)+len(relied)), cid.NewSet()
	add := func(b ack.Blob) {
		if seen.Visit(b.CID) {
			refs = append(refs, b)
		}
	}
	for _, c := range p.changes {
		add(ack.Blob{Ref: c.ref, Early: c.early})
	}
	for _, r := range relied {
		add(ack.Blob{Ref: refOf(r.entry)})
	}
	return refs
}

// notOn makes a Refusal of a push that is on too few disks.
func (s *store) notOn(ctx context.Context, err error) error {
	lack, ok := errors.AsType[*ack.Lack](err)
	if !ok {
		return err
	}
	return refuse(ctx, Refusal{
		Status: http.StatusServiceUnavailable, Code: unavailable, Retry: ackRetry, Err: notAcknowledged{lack, s.engine.Called},
	})
}

// maxRefused is how many refused manifests are remembered.
const maxRefused = 1024

// refusedPushes are manifests that were written, and not acknowledged: the members went away
// between the two.
type refusedPushes struct {
	mu sync.Mutex
	of map[cid.Cid]bool
}

func (r *refusedPushes) add(c cid.Cid) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of == nil || len(r.of) >= maxRefused {
		r.of = map[cid.Cid]bool{}
	}
	r.of[c] = true
}

func (r *refusedPushes) has(c cid.Cid) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.of[c]
}

func (r *refusedPushes) drop(c cid.Cid) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.of, c)
}

// acknowledgedLate is called at HEAD of a manifest. For one whose push was refused once it was
// written it asks again, for as long as a request may wait.
func (s *store) acknowledgedLate(ctx context.Context, e pathmap.Entry) error {
	if !s.refusedPushes.has(e.CID) {
		return nil
	}
	within, cancel := context.WithTimeout(ctx, s.syncTimeout)
	defer cancel()
	err := s.engine.Acks.Push().Ready(within, []ack.Blob{{Ref: refOf(e)}}, s.paths.Heads())
	if err == nil {
		s.refusedPushes.drop(e.CID)
	}
	if err != nil && ctx.Err() == nil {
		return refuse(ctx, Refusal{Status: http.StatusServiceUnavailable, Code: unavailable, Retry: ackRetry, Err: errNotAcknowledged})
	}
	return err
}

var errNotAcknowledged = errors.New("this manifest is here, and its push was not acknowledged by as many disks as ackreplicas wants: push again")

// notAcknowledged tells a client that its push is on too few disks.
type notAcknowledged struct {
	*ack.Lack
	called func(id string) string
}

// Error implements error.
func (e notAcknowledged) Error() string {
	return fmt.Sprintf("not acknowledged: %s; what was pushed is kept here: push again", e.text())
}

func (e notAcknowledged) text() string { return e.Text(e.called) }

// Unwrap gives the reason.
func (e notAcknowledged) Unwrap() error { return e.Lack }

// AckStatus is how pushes to this registry are acknowledged.
type AckStatus struct {
	Replicas int    `json:"replicas"` // disks that hold a push before it is acknowledged, this one included
	Waiting  int    `json:"waiting"`  // pushes that wait for other disks now
	Given    int64  `json:"given"`    // pushes that were on enough disks, since the start; with 1 replica they are not counted
	Refused  int64  `json:"refused"`  // pushes that were not, in time, and were answered with 503
	Why      string `json:"why"`      // pushes are refused now, or the last one was; "": neither
}

func (s *store) ackStatus() AckStatus {
	a := s.engine.Acks.State()
	st := AckStatus{Replicas: a.Copies, Waiting: a.Waiting, Given: a.Given, Refused: a.Refused}
	m := s.engine.Acks.Members()
	switch {
	case a.Copies <= 1:
	case m.Known+1 < a.Copies:
		st.Why = fmt.Sprintf("ackreplicas wants %d disks, and this registry knows %d others that it trusts", a.Copies, m.Known)
	case len(m.Here)+1 < a.Copies:
		st.Why = fmt.Sprintf("ackreplicas wants %d disks, and %s", a.Copies, m.Missing())
	case a.Last != nil:
		st.Why = notAcknowledged{a.Last, s.engine.Called}.text()
	}
	return st
}
