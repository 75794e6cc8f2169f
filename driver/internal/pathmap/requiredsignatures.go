package pathmap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ipfs/go-cid"
	ds "github.com/ipfs/go-datastore"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Once a setting of the map says so, a delta that adds versions is merged only with a signature. What lies behind the
// delta that wrote the setting was merged before that. What only deletes names no writer, so that nobody's name is
// forged by it, and needs none.

// requiredSetting says that signatures are required. That it is there counts, whatever it says, and it is never
// taken back.
const requiredSetting = "signatures"

// isLasting reports whether a path is that of a setting which nothing deletes.
func isLasting(path string) bool { return isRevocation(path) || path == settingMark+requiredSetting }

// Requirement is since when signatures are required, by the clock of the registry at which that was said.
type Requirement struct {
	Since time.Time
	By    string // peer ID
}

// SignaturesRequired tells since when a change without a signature is not merged; false: it is.
func (v View) SignaturesRequired() (r Requirement, ok bool) {
	key := settingMark + requiredSetting
	p, ok := v.s.settings.Get(key)
	if !ok {
		return r, false
	}
	w := v.s.winner(key, p)
	return Requirement{Since: w.entry.ModTime, By: peerOf(w.writer)}, true
}

// RequireSignatures has all registries require signatures, from when each has merged that.
func (m *Map) RequireSignatures(ctx context.Context) error {
	return m.Settle(ctx, requiredSetting, "required")
}

// unsignedError reports that a delta needs a signature which nobody gave so far.
type unsignedError struct {
	cid     cid.Cid
	writers []string // peer IDs
}

// Error implements error.
func (u *unsignedError) Error() string {
	return fmt.Sprintf("signatures are required, and change %s in the name of %s has none: update that registry and start it, and it signs what it wrote; "+
		"if it is gone and you know that it wrote this, `registry ipfs require-signatures <config> --accept %s`, or with the name of the member "+
		"in place of the change for all that it has now",
		u.cid, u.by(), u.cid)
}

// by names the writers.
func (u *unsignedError) by() string { return clip(strings.Join(u.writers, ", ")) }

// Unwrap implements errors.Unwrap: a delta that needs one is none that is merged.
func (u *unsignedError) Unwrap() error { return errBadDelta }

// writers are the peer IDs of those whose versions a delta adds.
func (d *delta) writers() (ids []string) {
	for _, c := range d.changes {
		if id := peerOf(c.writer); c.added && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// checkSigned refuses a delta without a signature where the map, as it is before the delta, requires one.
func (m *Map) checkSigned(snap *snapshot, d *delta) error {
	if d.signature != nil || d.vouched || !(View{snap}).HasSetting(requiredSetting) {
		return nil
	}
	by := d.writers()
	if len(by) == 0 {
		return nil
	}
	_, merged, err := m.known(d.cid)
	if err != nil || merged {
		return err // another exchange was faster
	}
	if signed, err := m.ledger.Has(m.ctx, signedOf(idOf(d.cid))); err != nil || signed {
		return err
	}
	if d.vouched, err = m.ledger.Has(m.ctx, acceptedOf(idOf(d.cid))); err != nil || d.vouched {
		return err
	}
	return &unsignedError{d.cid, by}
}

// acceptedKey is where it is noted that the operator has a delta merged without a signature: /<ID of the delta>.
var acceptedKey = ds.NewKey("/paths/accepted")

func acceptedOf(id string) ds.Key { return dsKey(acceptedKey.String() + id) }

// ErrNoChange reports a text that names no change.
var ErrNoChange = errors.New("it names no change: give the CID that `registry ipfs status` says")

// Accept has this registry, and no other one, merge a change without a signature.
func (m *Map) Accept(ctx context.Context, change string) error {
	c, err := cid.Decode(change)
	if err != nil || !isDeltaCID(c) {
		return fmt.Errorf("accept %q: %w", clip(change), ErrNoChange)
	}
	key := acceptedOf(idOf(c))
	if err := m.cfg.Store.Put(ctx, key, nil); err != nil {
		return fmt.Errorf("accept %s: %w", c, err)
	}
	if err := m.cfg.Store.Sync(ctx, key); err != nil {
		return fmt.Errorf("accept %s: %w", c, err)
	}
	m.refused.again("")
	return nil
}

// AcceptAll has this registry, and no other one, merge all that a trusted member has merged so far, signed or not. What was
// merged when it fails stays merged.
func (m *Map) AcceptAll(ctx context.Context, id peer.ID) error {
	x, heads, err := m.headsOf(ctx, id)
	if err != nil {
		return err
	}
	defer x.close()
	x.accepts = true
	return m.mergeHeads(ctx, x, answer{Heads: heads})
}
