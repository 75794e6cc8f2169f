package pathmap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/errgroup"
)

// A delta may come from a member that has no signature of it: the member got it from one of an earlier release, or
// merged it before signatures were required. Others are asked then, who wrote it first.

const (
	supplyDeltas = 64              // deltas of which signatures are asked for at once
	supplyAtOnce = 16              // members
	supplyEach   = 2 * time.Second // that one of them may take
	supplyWithin = 5 * time.Second // all of them together

	// supplyPause is for how many intervals between comparisons nobody is asked again on behalf of a member with
	// a delta of which nobody had a signature.
	supplyPause = 30
)

// mergeSigned merges a group, with the signatures that others have of it.
func (m *Map) mergeSigned(ctx context.Context, group []*delta, far uint64) error {
	for {
		err := m.mergeGroup(group, far)
		var u *unsignedError
		if !errors.As(err, &u) {
			return err
		}
		group = group[slices.IndexFunc(group, func(d *delta) bool { return d.cid == u.cid }):]
		if !m.supply(ctx, group) {
			return err
		}
	}
}

// supplying looks for the signatures of some deltas.
type supplying struct {
	m *Map

	mu    sync.Mutex
	left  []*delta
	votes map[cid.Cid]int // members that have merged one
}

// supply looks for the signatures that a group lacks, and reports whether its first delta can be merged now.
func (m *Map) supply(ctx context.Context, group []*delta) bool {
	if m.cfg.Swarm == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, supplyWithin)
	defer cancel()
	s := &supplying{m: m, votes: map[cid.Cid]int{}}
	for _, d := range group {
		if d.signature == nil && !d.vouched && len(d.writers()) > 0 && len(s.left) < supplyDeltas {
			s.left = append(s.left, d)
		}
	}
	all := m.trusted()
	wrote := slices.IndexFunc(all, func(id peer.ID) bool { return slices.Contains(group[0].writers(), id.String()) })
	if wrote >= 0 {
		s.ask(ctx, all[wrote])
		all = slices.Delete(all, wrote, wrote+1)
	}
	var g errgroup.Group
	g.SetLimit(supplyAtOnce)
	for _, id := range all {
		if ctx.Err() == nil && len(s.lacking()) > 0 {
			g.Go(func() error { s.ask(ctx, id); return nil })
		}
	}
	_ = g.Wait()
	s.vouch()
	return group[0].signature != nil || group[0].vouched
}

// lacking are those of which no signature came so far.
func (s *supplying) lacking() []*delta {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.left)
}

// ask asks one member for what is lacking.
func (s *supplying) ask(ctx context.Context, id peer.ID) {
	ctx, cancel := context.WithTimeout(ctx, supplyEach)
	defer cancel()
	var want []cid.Cid
	for _, d := range s.lacking() {
		want = append(want, d.cid)
	}
	if len(want) == 0 {
		return
	}
	x, err := s.m.dial(ctx, id)
	if err != nil {
		return
	}
	defer x.close()
	merged, of, err := x.signatures(want)
	if err != nil {
		s.m.log.WithField("peer", id).WithError(err).Debug("a member does not say what signatures it has")
	}
	s.took(id, merged, of)
}

// took notes what a member has merged, and takes the signatures that it gave and that are good. One of an earlier release
// goes on merging what nobody signed: that it has merged something says nothing.
func (s *supplying) took(id peer.ID, merged []cid.Cid, of map[cid.Cid][]byte) {
	votes := s.m.cfg.Requires == nil || s.m.cfg.Requires(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range merged {
		if votes {
			s.votes[c]++
		}
	}
	s.left = slices.DeleteFunc(s.left, func(d *delta) bool {
		return of[d.cid] != nil && d.signature == nil && d.takeSignature(of[d.cid]) == nil
	})
}

// signatures asks for deltas by name; merged are the first ones, those that the member has. It ends with one that
// it has not.
func (x *exchange) signatures(want []cid.Cid) (merged []cid.Cid, of map[cid.Cid][]byte, err error) {
	req := request{Op: opGet}
	for _, c := range want {
		req.Get.add(c)
	}
	of = map[cid.Cid][]byte{}
	_, err = x.deltas(&turn{}, req, func(b blocks.Block, signature []byte) error {
		if len(merged) == len(want) || b.Cid() != want[len(merged)] {
			return fmt.Errorf("%w: it gives %s", errProtocol, b.Cid())
		}
		merged = append(merged, b.Cid())
		if signature != nil {
			of[b.Cid()] = signature
		}
		return nil
	})
	if errors.Is(err, errBehindCut) && len(merged) < len(want) { // it is in its past, without its block
		merged = append(merged, want[len(merged)])
	}
	if errors.Is(err, errMember) {
		err = nil
	}
	return merged, of, err
}

// vouch has those merged without a signature that more than half of all registries have merged, as far as they are
// known here: they did so before they required one, or as their operators said. No single member can have that.
func (s *supplying) vouch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := slices.DeleteFunc(slices.Clone(s.m.cfg.Swarm.Known()), func(id peer.ID) bool { return !s.m.cfg.Swarm.Trusts(id) })
	for _, d := range s.left {
		if votes := s.votes[d.cid]; votes < 2 || 2*votes <= len(known)+1 {
			continue
		}
		d.vouched = true
		s.m.log.WithField("change", d.cid.String()).WithField("writer", clip(strings.Join(d.writers(), ", "))).
			Info("a change without a signature is merged: most registries have merged it before they required one")
	}
}

// takeLate keeps the signature of a delta that is here without one.
func (m *Map) takeLate(b blocks.Block, signature []byte) error {
	if signature == nil {
		return nil
	}
	id := idOf(b.Cid())
	here, err := m.blocks.Has(m.ctx, b.Cid())
	if err != nil || !here {
		return err
	}
	if has, err := m.cfg.Store.Has(m.ctx, signedOf(id)); err != nil || has {
		return err
	}
	d, err := parseDelta(b)
	if err == nil {
		err = d.takeSignature(signature)
	}
	if err != nil {
		return err
	}
	_, err = m.putSignatures(map[string][]byte{id: d.signature})
	return err
}
