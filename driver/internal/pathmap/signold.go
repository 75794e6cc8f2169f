package pathmap

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
	"github.com/libp2p/go-libp2p/core/peer"
)

// What an earlier release wrote here has no signature. Others may be unable to take it without one, and it may be
// acknowledged. So a start signs it: all deltas here whose versions are all this registry's own.

// signedOldKey is there once that was done: a sum of the names of those that were left without a signature, and the
// peer ID of who signed. A start by mistake with another key leaves all of them.
var signedOldKey = ds.NewKey("/paths/signedold")

// signOld signs what this registry wrote without a signature. It reads no delta when none came to be without one
// since it was done last, such as by an earlier release that was started here in between.
func (m *Map) signOld() {
	if m.cfg.Key == nil {
		return
	}
	n, err := m.signAllOld()
	switch {
	case m.ctx.Err() != nil:
	case err != nil:
		m.log.WithError(err).Warn("changes that an earlier release made here are not signed yet: registries that require signatures do not take them; the next start tries again")
	case n > 0:
		m.log.WithField("changes", n).Info("changes that an earlier release made here are signed")
	}
}

func (m *Map) signAllOld() (n int, err error) {
	id, err := peer.IDFromPublicKey(m.cfg.Key.GetPublic())
	if err != nil {
		return 0, fmt.Errorf("sign what an earlier release wrote: %w", err)
	}
	o := &oldDeltas{m: m, by: id.String()}
	left, err := o.count()
	if err != nil {
		return 0, fmt.Errorf("sign what an earlier release wrote: %w", err)
	}
	done, err := m.cfg.Store.Get(m.ctx, signedOldKey)
	if err == nil && bytes.Equal(done, left) || err != nil && !errors.Is(err, ds.ErrNotFound) {
		return 0, err
	}
	if err = o.sign(); err == nil {
		if left, err = o.count(); err == nil {
			err = m.cfg.Store.Put(m.ctx, signedOldKey, left)
		}
	}
	if err != nil {
		return o.n, fmt.Errorf("sign what an earlier release wrote: %w", err)
	}
	return o.n, nil
}

// oldDeltas are those here that have no signature.
type oldDeltas struct {
	m    *Map
	by   string // peer ID of who signs
	step []string
	n    int // that were signed
}

// each calls f for the ID of each. Others get the disk for as long.
func (o *oldDeltas) each(f func(id string) error) error {
	m, known := o.m, knownKey.String()
	began, seen := time.Now(), 0
	return m.scan(known, "", true, func(e query.Entry) error {
		id := e.Key[len(known):]
		if seen++; seen%scanned == 0 {
			if err := pauseFor(m.ctx, time.Since(began)); err != nil {
				return err
			}
			began = time.Now()
		}
		signed, err := m.cfg.Store.Has(m.ctx, signedOf(id))
		if err != nil || signed {
			return err
		}
		return f(id)
	})
}

// count is a sum of their names, and who signs: another one when others are without a signature, or it is another
// registry's turn.
func (o *oldDeltas) count() ([]byte, error) {
	var sum digest
	err := o.each(func(id string) error {
		name := sha256.Sum256([]byte(id))
		sum.add(name[:])
		return nil
	})
	return append(sum[:], o.by...), err
}

// sign signs those that are this registry's own, a step at a time. A kill leaves whole steps.
func (o *oldDeltas) sign() error {
	err := o.each(func(id string) error {
		if o.step = append(o.step, id); len(o.step) < stepDeltas {
			return nil
		}
		return o.signStep()
	})
	if err != nil {
		return err
	}
	return o.signStep()
}

// signStep signs some in one transaction.
func (o *oldDeltas) signStep() error {
	began, signatures := time.Now(), map[string][]byte{}
	for _, id := range o.step {
		raw, err := o.signature(id)
		if err != nil {
			return err
		}
		if raw != nil {
			signatures[id] = raw
		}
	}
	o.step = o.step[:0]
	if len(signatures) == 0 {
		return nil
	}
	n, err := o.m.putSignatures(signatures)
	if o.n += n; err != nil {
		return err
	}
	return pauseFor(o.m.ctx, time.Since(began))
}

// signature is this registry's, of a delta that adds versions, all of them its own; nil: it is none, or it cannot be
// read. Whose a delta is that only deletes nothing tells.
func (o *oldDeltas) signature(id string) ([]byte, error) {
	c, err := cidOf(id)
	if err != nil {
		return nil, nil
	}
	msg, _, err := o.m.readDelta(o.m.ctx, c)
	if err != nil || msg == nil {
		return nil, err
	}
	d := &delta{cid: c}
	if d.collect(msg) != nil || !d.addsOnly(o.by) {
		return nil, nil
	}
	return sign(o.m.cfg.Key, c)
}

// addsOnly reports whether a delta adds versions, and all of them are of one registry.
func (d *delta) addsOnly(by string) bool {
	some := false
	for _, c := range d.changes {
		if c.added && peerOf(c.writer) != by {
			return false
		}
		some = some || c.added
	}
	return some
}

// putSignatures keeps signatures that were made or checked, by the IDs of their deltas: those of deltas that are
// here and have none.
func (m *Map) putSignatures(of map[string][]byte) (n int, err error) {
	m.lock.Lock() // no delta goes meanwhile: its signature would stay for ever
	defer m.lock.Unlock()
	if err := m.mend(); err != nil {
		return 0, err
	}
	err = m.inOne(func(txn ds.Txn) error {
		for id, raw := range of {
			here, err := m.cfg.Store.Has(m.ctx, dsKey(blockKey.String()+id))
			if err != nil {
				return err
			}
			if !here {
				continue
			}
			if err := txn.Put(m.ctx, signedOf(id), raw); err != nil {
				return err
			}
			n++
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("keep signatures: %w", err)
	}
	return n, nil
}
