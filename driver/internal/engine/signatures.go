package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/admin"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// signs is what a member has to understand before signatures are required: it signs what it writes, and at its start
// what an earlier release wrote there.
const signs = "signed"

// capabilities are what a registry of this configuration understands.
func (c Config) capabilities() []string {
	if c.Unsigned {
		return slices.DeleteFunc(capabilities(), func(name string) bool { return name == signs })
	}
	return capabilities()
}

const (
	requireWithin = 20 * time.Second // that all members together may take to be heard
	requireAtOnce = 16               // members that are heard
	acceptWithin  = time.Minute      // that merging all of a member may take at a time
)

// Signatures tells since when signatures are required; false: they are not.
func (e *Engine) Signatures() (pathmap.Requirement, bool) { return e.Paths.View().SignaturesRequired() }

// RequireSignatures has all registries merge only what is signed, but for what is merged now. Every registry that
// this one knows of has to be connected and to sign, and all that it has is merged first: so nothing honest is left
// outside that nobody can sign.
func (e *Engine) RequireSignatures(ctx context.Context) error {
	if _, already := e.Signatures(); already {
		return nil
	}
	if e.Peer == nil {
		return admin.Conflict(errors.New("require signatures: this registry has no network"))
	}
	if !e.writesMembership() {
		return admin.Conflict(fmt.Errorf("require signatures: %w", errNotInList))
	}
	against, err := e.unsigning()
	if err != nil {
		return fmt.Errorf("require signatures: %w", err)
	}
	if len(against) == 0 {
		against = e.hearAll(ctx)
	}
	if len(against) > 0 {
		return admin.Conflict(fmt.Errorf("require signatures: what some registries wrote would stay out: %s", strings.Join(against, "; ")))
	}
	ctx, cancel := context.WithTimeout(ctx, membershipWrite)
	defer cancel()
	if err := e.Paths.RequireSignatures(ctx); err != nil {
		return fmt.Errorf("require signatures: %w", err)
	}
	e.Log.Info("signatures are required from now on, as the operator asked")
	return nil
}

// unsigning says of each registry that is known, and of which it is not certain that it signs, why not, and what to do.
func (e *Engine) unsigning() (against []string, err error) {
	for _, m := range e.counted() {
		if why := uncertain(m); why != "" {
			against = append(against, e.Called(m.ID.String())+" "+why)
		}
	}
	never, err := e.NeverMet()
	if err != nil {
		return nil, err
	}
	forgotten, err := e.notWaited()
	written := e.Paths.Writers()
	for _, m := range never {
		id := m.ID.String()
		if at, gone := forgotten[id]; m.Trusted && (!gone || written[id] > at) { // a list may name it all the same
			against = append(against, e.Called(id)+" was never met here: start it, or `registry ipfs forget` or `revoke` it, or take it off `trustedpeers`")
		}
	}
	return against, err
}

// uncertain says why it is not certain that a member signs, and what to do; "": it is.
func uncertain(m Member) string {
	switch {
	case !m.Connected:
		return "is away: start it, or `registry ipfs forget` or `revoke` it"
	case !m.Greeted: // what it said before it was started again, perhaps as an earlier release
		return "has just been connected, and has not said yet what it understands: ask again"
	case !slices.Contains(m.Capabilities, signs):
		return "is of an earlier release: update it"
	}
	return ""
}

// counted are the members whose changes count here, or would if they came back.
func (e *Engine) counted() []Member {
	return slices.DeleteFunc(e.Members(), func(m Member) bool { return !m.Trusted || !m.Connected && !m.Confirmed })
}

// hearAll merges all that the members have, and says of each that does not give it why not.
func (e *Engine) hearAll(ctx context.Context) (against []string) {
	ctx, cancel := context.WithTimeout(ctx, requireWithin)
	defer cancel()
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(requireAtOnce)
	for _, m := range e.counted() {
		g.Go(func() error {
			if err := e.Paths.MergeAll(ctx, m.ID); err != nil {
				mu.Lock()
				defer mu.Unlock()
				against = append(against, e.Called(m.ID.String())+" was not heard: "+err.Error())
			}
			return nil
		})
	}
	_ = g.Wait()
	slices.Sort(against)
	return against
}

// AcceptUnsigned has this registry merge what nobody signed, as its operator says: a change, or all that a member has now,
// which is named as for Forget.
func (e *Engine) AcceptUnsigned(ctx context.Context, what string) error {
	err := e.Paths.Accept(ctx, what)
	if errors.Is(err, pathmap.ErrNoChange) {
		return e.acceptAllOf(ctx, what)
	}
	if err == nil {
		e.Log.WithField("change", what).Info("a change without a signature is merged, as the operator asked")
	}
	return err
}

// acceptAllOf merges all that a member has now.
func (e *Engine) acceptAllOf(ctx context.Context, name string) error {
	m, err := memberNamed(e.Members(), name)
	switch {
	case errors.Is(err, errNoMember):
		return admin.Invalid(fmt.Errorf("accept %q: it is neither a change nor a member: `registry ipfs status` names both", name))
	case err != nil:
		return err
	case !m.Trusted || !m.Connected:
		return admin.Conflict(fmt.Errorf("accept what %s has: it is not trusted, or away", describe(m)))
	}
	ctx, cancel := context.WithTimeout(ctx, acceptWithin)
	defer cancel()
	if err := e.Paths.AcceptAll(ctx, m.ID); err != nil {
		return admin.Conflict(fmt.Errorf("accept what %s has: not all of it is merged: %w; run this again", describe(m), err))
	}
	e.Log.WithField("peer", m.ID.String()).Info("all that a member has is merged, without signatures as well, as the operator asked")
	return nil
}
